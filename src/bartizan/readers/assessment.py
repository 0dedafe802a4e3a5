"""What an assessment measured, as detectors examine it (Kind.MODEL): numbers by check, and how far they can be trusted.

Read from a report (`bartizan.assessment/1`, `report.json`), which may come from anybody: what is not as the schema has
it is refused, what is more than the bounds is refused, and no word of it but names and numbers is kept.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bartizan.core.errors import InputError, LimitError
from bartizan.core.subject import Context, Kind, Subject

SCHEMA = "bartizan.assessment/1"
CHECKS = ("evasion", "privacy", "theft", "poison")
# The numbers that detectors look at, by the check they come from. Reports hold more, and clauses may ask for them.
MEASURES = {
    "accuracy": "evasion",
    "robust_accuracy": "evasion",
    "certified_accuracy": "evasion",
    "membership_tpr_at_1pct": "privacy",
    "membership_tpr_at_1pct_low": "privacy",
    "membership_auc": "privacy",
    "stolen_fidelity": "theft",
    "stolen_queries": "theft",
    "backdoor_rows": "poison",
    "label_rows": "poison",
    "outlier_rows": "poison",
    "train_rows": "poison",
}
MAX_MEASURES = 200  # of one check
MAX_WARNINGS = 100
MOST = sys.float_info.max
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}|", re.ASCII)
_WARNING = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checked:
    """What one check found out. `why` is told where it could not measure; `asked`: somebody named the check."""

    check: str
    measures: tuple[tuple[str, float], ...] = ()
    why: str = ""
    asked: bool = False
    distrusted: tuple[str, ...] = ()  # names of failing tests of the evaluation itself that nothing resolved

    def get(self, name: str) -> float | None:
        """A number by its name; None where it was not measured."""
        return next((value for known, value in self.measures if known == name), None)


@dataclass(frozen=True, slots=True)
class Assessed:
    """One model and data set, by their digests (sha256, hex; "" for a callable), and what each check found out."""

    model: str = ""
    data: str = ""
    rows: int = 0
    eps: float = 0.0
    checks: tuple[Checked, ...] = ()

    def check(self, name: str) -> Checked | None:
        """What one check found out; None where it was not run."""
        return next((one for one in self.checks if one.check == name), None)


def assessed(report: object) -> Assessed:
    """A report as detectors examine it. Raises InputError, with the place of what is not as it should be."""
    whole = _mapping(report, "report")
    if whole.get("schema") != SCHEMA:
        raise InputError(f"is no {SCHEMA}", "schema")
    model, data, how = (_mapping(whole.get(name), name) for name in ("model", "data", "how"))
    asked = how.get("asked") is True
    missing = _mapping(whole.get("not_measured", {}), "not_measured")
    checks = []
    for name in CHECKS:
        if name in missing:
            checks.append(Checked(name, why="could not be measured", asked=asked))
        elif whole.get(name) is not None:
            checks.append(_checked(name, _mapping(whole[name], name), asked))
    return Assessed(
        _digest(model.get("sha256"), "model/sha256"),
        _digest(data.get("sha256"), "data/sha256"),
        int(_number(how.get("rows", 0), "how/rows")),
        _number(how.get("eps", 0), "how/eps"),
        tuple(checks),
    )


def subject_of(content: Assessed, name: str = "", context: Context | None = None) -> Subject:
    """An assessment as the loop judges it. `name` is what the model is called, where it has no digest of its own."""
    return Subject(Kind.MODEL, "", content, context=context or Context(model=name))


def _checked(check: str, section: Mapping[str, object], asked: bool) -> Checked:
    measures = _mapping(section.get("measures", {}), f"{check}/measures")
    if len(measures) > MAX_MEASURES:
        raise LimitError(f"more than {MAX_MEASURES} numbers", f"{check}/measures")
    numbers = []
    for name, value in measures.items():
        if not _NAME.fullmatch(name):
            raise InputError("is not the name of a number", f"{check}/measures")
        numbers.append((name, _number(value, f"{check}/measures/{name}")))
    return Checked(check, tuple(sorted(numbers)), "", asked, _distrusted(check, section))


def _distrusted(check: str, section: Mapping[str, object]) -> tuple[str, ...]:
    if section.get("trusted", True) is True:
        return ()
    warnings = section.get("warnings", [])
    if not isinstance(warnings, list) or len(warnings) > MAX_WARNINGS:
        raise InputError(f"is not a list of at most {MAX_WARNINGS}", f"{check}/warnings")
    names = [_mapping(one, f"{check}/warnings").get("check") for one in warnings]
    known = {name for name in names if isinstance(name, str) and _WARNING.fullmatch(name)}
    return tuple(sorted(known)) or ("unnamed",)


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError("is not a mapping", where)
    return value


def _number(value: object, where: str) -> float:
    # A number of JSON may have more digits than a float can hold, which is no finite number either.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST <= value <= MOST:
        raise InputError("is not a finite number", where)
    return float(value)


def _digest(value: object, where: str) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise InputError("is not a sha256 in hex", where)
    return value
