"""How to measure: what every check is told, and what it answers with.

A section of report.json may hold anything; everything in it is shown. What has one of these names is drawn, compared
(`bartizan assess compare`) and judged, too; `Rate` is `Rate.as_json()`, lists of mappings become tables:

    evasion  robust: Rate · clean: Rate · certified: Rate · trusted: bool · warnings: [{check, effect, fix}]
             curve: [{eps, robust: Rate}] · certified_curve: [{eps, robust: Rate}] · cheapest_changes: [{index, change}]
             attacks: [{attack, fell, seconds}] · tests: [{check, passed, effect, fix}] · rejected: int
             outcomes: {index: [int], right: [bool], robust: [bool]} (of x_test) · corruptions: [{name, robust: Rate}]
             measures: accuracy, robust_accuracy, certified_accuracy
    privacy  tpr_at_1pct: Rate · tpr_at_01pct: Rate · auc: float · attack: str · roc: [{fpr, tpr}]
             exposed: [{index, …}] · measures: membership_tpr_at_1pct, membership_tpr_at_1pct_low, membership_auc
    theft    fidelity: Rate · curve: [{queries, fidelity: Rate, pool, answers}] · prices: [{fidelity, queries, money}]
             defences: [{defence, fidelity: Rate}] · ownership: {keys or p_value, sentence}
             measures: stolen_fidelity, stolen_queries
    poison   backdoors: [{trigger, target_name, rows, success: Rate, control: Rate}] · cannot_see: [str]
             measures: backdoor_rows, label_rows, outlier_rows, train_rows
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bartizan.assess.budget import Budget


def _silent(text: str) -> None:
    """Progress for nobody."""


@dataclass(frozen=True, slots=True)
class How:
    """`eps` in the unit of the rows under `norm` (linf, l2 or l0: number of features); `rows`: test rows looked at."""

    eps: float
    norm: str = "linf"
    seed: int = 0
    budget: Budget = field(default_factory=lambda: Budget(120.0))
    rows: int = 300
    progress: Callable[[str], None] = _silent
    price: float | None = None  # money for 1,000 queries
    schema: Path | None = None  # what a row of a table may be
    dp_epsilon: float | None = None  # the differential privacy that is claimed of the training
    dp_delta: float = 1e-5


class Result(Protocol):
    """What a check found out."""

    def as_json(self) -> dict[str, object]:
        """Its section of report.json; every rate as `Rate.as_json` gives it."""
        ...

    def write(self, out: Path) -> list[str]:
        """Writes its evidence below `out`; the names of the files."""
        ...

    def measures(self) -> dict[str, float]:
        """The numbers a policy clause can ask for."""
        ...

    def sentence(self) -> str:
        """The result in one plain sentence."""
        ...
