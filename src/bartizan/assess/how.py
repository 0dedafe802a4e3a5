"""How to measure: what every check is told."""

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
