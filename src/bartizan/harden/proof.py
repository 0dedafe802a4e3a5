"""The proof of a difference: both models under the full assessment, row by row.

The attack that trained a model never judges it. The hardened one has to stand against its own adaptive attack and also
against the rows that broke the first; McNemar's exact test says whether the difference can be chance.
"""

from __future__ import annotations

import resource
import tempfile
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from bartizan.assess.data import Data
from bartizan.assess.how import How
from bartizan.assess.measured import Rate, mcnemar, wilson
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

EVIDENCE = "adversarial.npz"
CHANCE = 0.05  # A difference that chance makes more often than this is none.
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Judged:
    """One model on the test rows that were looked at: (n,) right, and right after every attack; its evidence."""

    right: Array
    stands: Array
    section: Json
    evidence: bytes
    broken: tuple[Array, Array]  # index, row

    @property
    def clean(self) -> Rate:
        """Right."""
        return wilson(int(self.right.sum()), len(self.right))

    @property
    def robust(self) -> Rate:
        """Right after every attack."""
        return wilson(int(self.stands.sum()), len(self.stands))


@dataclass(frozen=True, slots=True)
class Proof:
    """Before and after on the same rows. `accuracy` is over all test rows, robustness over those attacked."""

    before: Judged
    after: Judged
    accuracy: tuple[Rate, Rate]

    @property
    def gained(self) -> int:
        """Rows that stand only afterwards."""
        return int((self.after.stands & ~self.before.stands).sum())

    @property
    def lost(self) -> int:
        """Rows that stood only before."""
        return int((self.before.stands & ~self.after.stands).sum())

    @property
    def p(self) -> float:
        """McNemar's exact two-sided p-value."""
        return mcnemar(self.lost, self.gained)

    @property
    def helped(self) -> bool:
        """More rows stand, and chance does not explain it."""
        return self.gained > self.lost and self.p < CHANCE

    @property
    def trusted(self) -> bool:
        """Neither evaluation failed its own tests."""
        return bool(self.before.section.get("trusted", True)) and bool(self.after.section.get("trusted", True))

    @property
    def cost(self) -> float:
        """Accuracy that was lost, as a share of the test rows; negative where it rose."""
        return self.accuracy[0].share - self.accuracy[1].share

    def as_json(self) -> Json:
        """For the report."""
        return {
            "before": {"accuracy": self.accuracy[0].as_json(), "robust": self.before.robust.as_json(),
                       "evasion": self.before.section},
            "after": {"accuracy": self.accuracy[1].as_json(), "robust": self.after.robust.as_json(),
                      "evasion": self.after.section},
            "rows": len(self.before.stands), "stand_only_after": self.gained, "stood_only_before": self.lost,
            "mcnemar_p": self.p, "clean_cost": round(self.cost, 6), "trusted": self.trusted, "helped": self.helped,
        }  # fmt: skip


def judged(target: Target, data: Data, how: How, also: tuple[Array, Array] | None = None) -> Judged:
    """A model under the full chain on the first `how.rows` test rows.

    Args:
        also: Rows (index, row) that broke another model: this one has to stand them too.

    Raises UsageError without test rows.
    """
    rows, labels = tested(data)
    rows, labels = rows[: how.rows], labels[: how.rows]
    part = replace(data, x_test=rows, y_test=labels)
    result = import_module("bartizan.assess.evasion.measure").measure(target, part, replace(how, rows=len(rows)))
    index, changed, content = _evidence(result)
    right = target.labels(rows) == labels
    stands = right.copy()
    stands[index] = False
    if also is not None and len(also[0]):
        stands[also[0]] &= target.labels(also[1]) == labels[also[0]]
    return Judged(right, stands, result.as_json(), content, (index, changed))


def prove(before: Judged, old: Target, new: Target, data: Data, how: How) -> Proof:
    """The new model judged, beside the old one."""
    after = judged(new, data, how, before.broken)
    rows, labels = tested(data)
    accuracy = [int((model.labels(rows) == labels).sum()) for model in (old, new)]
    return Proof(before, after, (wilson(accuracy[0], len(rows)), wilson(accuracy[1], len(rows))))


def tested(data: Data) -> tuple[Array, Array]:
    """The test rows and their labels."""
    if data.x_test is None or data.y_test is None:
        raise UsageError("a difference is proved on rows that no training saw: x_test and y_test in the data")
    return data.x_test, data.y_test


def _evidence(result: object) -> tuple[Array, Array, bytes]:
    """Index and rows of what fell, and the file that says so."""
    with tempfile.TemporaryDirectory(prefix="bartizan-") as folder:
        result.write(Path(folder))  # type: ignore[attr-defined]  # how.Result
        file = Path(folder) / EVIDENCE
        if not file.is_file():
            return np.empty(0, np.int64), np.empty(0), b""
        with np.load(file, allow_pickle=False) as found:
            return found["index"].astype(np.int64), found["x_adv"], file.read_bytes()


def cpu_seconds() -> float:
    """User and system time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
