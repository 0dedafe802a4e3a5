"""Two assessments side by side: what changed, paired by row, and how sure that is.

Two models that were asked about the same rows differ by the rows that only one of them gets right; all others say
nothing about the difference (McNemar 1947, Psychometrika 12:153).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bartizan.assess.evidence import REPORT, Json, read_json
from bartizan.assess.measured import Rate, mcnemar, wilson
from bartizan.core.errors import UsageError
from bartizan.readers.assessment import SCHEMA

SCHEMA_COMPARISON = "bartizan.assessment-comparison/1"


@dataclass(frozen=True, slots=True)
class Paired:
    """A yes or no about the same rows, of two models; `p` is the chance of such a difference between equal ones."""

    before: Rate
    after: Rate
    only_before: int
    only_after: int
    p: float

    def as_json(self) -> Json:
        """With the counts that `p` is made from."""
        return {
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "only_before": self.only_before,
            "only_after": self.only_after,
            "p": self.p,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """`robust` and `clean` are None where one of the two was not attacked; `numbers` are by name, before and after."""

    before: Json
    after: Json
    robust: Paired | None
    clean: Paired | None
    numbers: tuple[tuple[str, float | None, float | None], ...]

    def as_json(self) -> Json:
        """`bartizan.assessment-comparison/1`."""
        return {
            "schema": SCHEMA_COMPARISON,
            "before": _named(self.before),
            "after": _named(self.after),
            "how": self.before["how"],
            "trusted": {"before": _trusted(self.before), "after": _trusted(self.after)},
            "robust": self.robust.as_json() if self.robust is not None else None,
            "clean": self.clean.as_json() if self.clean is not None else None,
            "measures": {name: {"before": before, "after": after} for name, before, after in self.numbers},
            "seconds": {"before": self.before["seconds"], "after": self.after["seconds"]},
        }


def compared(before: Path, after: Path) -> Comparison:
    """Two folders that `bartizan assess` wrote.

    Raises UsageError for one that holds no report, and for two that asked different questions.
    """
    one, other = _report(before), _report(after)
    if one["data"]["sha256"] != other["data"]["sha256"]:
        raise UsageError(f"{before} and {after} were measured with different data: assess both with the same")
    for name in ("eps", "norm"):
        if one["how"][name] != other["how"][name]:
            raise UsageError(
                f"{before} was measured with {name} {one['how'][name]} and {after} with {other['how'][name]}: "
                f"assess both with the same --{name}"
            )
    here, there = _rows(one), _rows(other)
    both = sorted(here.keys() & there.keys())
    robust = clean = None
    if both:
        clean = paired([here[row][0] for row in both], [there[row][0] for row in both])
        robust = paired([here[row][1] for row in both], [there[row][1] for row in both])
    names = sorted(one["measures"].keys() | other["measures"].keys())
    numbers = tuple((name, one["measures"].get(name), other["measures"].get(name)) for name in names)
    return Comparison(one, other, robust, clean, numbers)


def paired(before: list[bool], after: list[bool]) -> Paired:
    """Answers about the same rows, in the same order."""
    only_before = sum(a and not b for a, b in zip(before, after, strict=True))
    only_after = sum(b and not a for a, b in zip(before, after, strict=True))
    rates = wilson(sum(before), len(before)), wilson(sum(after), len(after))
    return Paired(*rates, only_before, only_after, mcnemar(only_before, only_after))


def _report(folder: Path) -> Json:
    report = read_json(folder / REPORT)
    if report is None or report.get("schema") != SCHEMA:
        raise UsageError(f"{folder}: there is no {REPORT} of `bartizan assess` in it")
    return report


def _rows(report: Json) -> dict[int, tuple[bool, bool]]:
    """Of each row that was attacked, whether its answer was right, and whether it stayed so."""
    rows = report.get("evasion", {}).get("outcomes")
    if not isinstance(rows, dict):
        return {}
    try:
        return {
            int(index): (bool(right), bool(robust))
            for index, right, robust in zip(rows["index"], rows["right"], rows["robust"], strict=True)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{REPORT}: evasion, outcomes: is not as `bartizan assess` writes it") from error


def _trusted(report: Json) -> bool:
    """Whether the evaluation passed its own tests: a masked model looks stronger than it is."""
    return bool(report.get("evasion", {}).get("trusted", True))


def _named(report: Json) -> Json:
    return {name: report["model"][name] for name in ("name", "path", "sha256", "kind")}
