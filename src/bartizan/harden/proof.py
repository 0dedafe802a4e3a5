"""The proof of a difference: both models under the full assessment, row by row.

The attack that trained a model never judges it. The hardened one has to stand against its own adaptive attack and also
against the rows that broke the first; McNemar's exact test says whether the difference can be chance. What is proven of
either model stands beside what attacks left.
"""

from __future__ import annotations

import resource
import tempfile
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.measured import Rate, mcnemar, wilson
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

EVIDENCE = "adversarial.npz"
PROVING = 0.25  # of the time for judging the new model, for certificates
CHANCE = 0.05  # A difference that chance makes more often than this is none.
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Judged:
    """One model on the test rows that were looked at: (n,) right, and right after every attack; its evidence."""

    right: Array
    stands: Array
    section: Json
    evidence: bytes = b""
    broken: tuple[Array, Array] = (np.empty(0, np.int64), np.empty(0))  # index, row
    certificate: Json | None = None  # what is proven, as `certify` tells it
    looked: Array | None = None  # (n,) rows that time allowed to attack; None: all

    def among(self, rows: Array) -> Judged:
        """On these rows (bool) alone."""
        return replace(self, right=self.right[rows], stands=self.stands[rows], looked=None)

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
    """Before and after on the same rows. `accuracy` is over all test rows, standing over those that were attacked.

    `check` names the part of the assessment that judged both.
    """

    before: Judged
    after: Judged
    accuracy: tuple[Rate, Rate]
    check: str = "evasion"

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
        sides = zip(("before", "after"), (self.before, self.after), self.accuracy, strict=True)
        stand = "robust" if self.check == "evasion" else "stand"
        return {
            **{name: {"accuracy": right.as_json(), stand: one.robust.as_json(), "certificate": one.certificate,
                      self.check: one.section} for name, one, right in sides},
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
    spelt = getattr(result, "spelt", None)  # Of texts, which are attacked one by one.
    looked = None if spelt is None else np.array([one.looked or not one.right for one in spelt], bool)
    return Judged(right, stands, result.as_json(), content, (index, changed), looked=looked)


def prove(before: Judged, old: Target, new: Target, data: Data, how: How) -> Proof:
    """The new model judged, beside the old one; then certificates for both, with what is left of the time."""
    after = judged(new, data, replace(how, budget=how.budget.part(1 - PROVING)), before.broken)
    if before.looked is not None and after.looked is not None:  # What was not looked at stands for nothing.
        both = before.looked & after.looked
        before, after = before.among(both), after.among(both)
    after = replace(after, certificate=_certified(new, data, replace(how, budget=how.budget.part(0.6)), after))
    before = replace(before, certificate=_certified(old, data, replace(how, budget=how.budget.part(0.8)), before))
    return Proof(before, after, accuracies(old, new, data))


def accuracies(old: Target, new: Target, data: Data) -> tuple[Rate, Rate]:
    """Of both models on all test rows."""
    rows, labels = tested(data)
    first, second = (wilson(int((model.labels(rows) == labels).sum()), len(rows)) for model in (old, new))
    return first, second


def _certified(target: Target, data: Data, how: How, found: Judged) -> Json | None:
    """What is proven of a model; None for texts, and where the chain itself is exact."""
    from bartizan.assess.certify.certifying import certify

    if data.form is Form.TEXT or "proven" in found.section:
        return None
    how.progress("certificates")
    rows = replace(how, rows=len(found.stands))
    told = certify(target, data, rows, found.stands)
    return {**told.as_json(), "sentence": told.sentence(found.robust)}


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
