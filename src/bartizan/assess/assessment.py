"""A whole assessment: do model and data fit, every check in its share of the time, and all of it told.

    open ──▶ data fits? ──▶ evasion ──▶ poison ──▶ theft ──▶ privacy ──▶ report.json ──▶ findings
             else exit 2     each: evidence on the disk before the next begins; a killed run goes on behind the last

A check that cannot run says why and is never taken for a clean one. One that ends in an error of a library takes no
other check's result with it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.assess.budget import Budget
from bartizan.assess.errors import Spent, library_errors
from bartizan.assess.evidence import REPORT, Folder, Json, as_bytes
from bartizan.assess.facts import (
    accuracy_of,
    cpu_seconds,
    ended,
    eps_for,
    finding_of,
    first_rows,
    how_of,
    key_of,
    model_of,
    told_of,
    versions,
)
from bartizan.assess.options import SHARES, Options, share
from bartizan.core.errors import UsageError
from bartizan.core.finding import Failure, Finding
from bartizan.readers.assessment import CHECKS, SCHEMA, assessed, subject_of

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.how import How, Result
    from bartizan.assess.target import Target
    from bartizan.core.subject import Subject

Say = Callable[[str, str], None]  # (check, what it is at)
Run = Callable[[str, "Target", "Data", "How"], "Result"]
# What the libraries below raise about models and data that nobody tried before.
BROKEN = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, OSError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip
CHECKING = 0.95  # Of the time, for the checks; the rest is for the report and for what ends a little late.
BEGUN = 0.5  # Of the time, at least, for the checks: loading libraries may take longer than a small budget.
# A check that has less does not begin: a copy that was hardly taught says nothing. It may have more than its share.
LEAST_S = {"theft": 3.0}
LEAST_OTHERS_S = 0.1
BARELY_S = 0.01
NO_TIME = "no time was left for it"
PROVING = 0.5  # Of what evasion leaves of its time, the part for certificates.


def _silent(check: str, text: str) -> None:
    """Progress for nobody."""


def broken() -> tuple[type[Exception], ...]:
    """What a check may end in that says nothing about the other checks."""
    return BROKEN + library_errors()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What was measured of a model: the report (`bartizan.assessment/1`), and what detectors say about it.

    `failures` are what could not be looked at although it was asked for, and evaluations that cannot be trusted.
    """

    report: Json
    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    interrupted: bool = False

    @property
    def measures(self) -> dict[str, float]:
        """Every number that a policy clause can ask for, by its name."""
        return dict(self.report["measures"])

    @property
    def not_measured(self) -> dict[str, str]:
        """The checks that could not run, and why."""
        return dict(self.report["not_measured"])

    @property
    def cut_short(self) -> bool:
        """Whether the budget was over before every check could begin."""
        return any(why.startswith(NO_TIME) for why in self.not_measured.values())

    @property
    def trusted(self) -> bool:
        """Whether the evaluation passed its own tests."""
        return all(section.get("trusted", True) for section in sections(self.report).values())

    @property
    def subject(self) -> Subject:
        """What the one loop judges."""
        return subject_of(assessed(self.report), self.report["model"]["name"])


def _prove(section: Json, target: Target, data: Data, how: How) -> None:
    """Adds what can be proven beside what attacks left, where the check did not prove it itself."""
    import numpy as np

    from bartizan.assess.certify.certifying import certify
    from bartizan.assess.data import Form
    from bartizan.assess.measured import Rate

    robust = section.get("robust")
    if "proven" in section or "certified" in section or not isinstance(robust, dict) or how.budget.spent:
        return
    if data.form is Form.TEXT:
        return
    if target.kind == "http":  # Smoothing asks thousands of rows: not of somebody's endpoint by the way.
        return
    how.progress("certificates")
    try:
        stands = np.array(section["outcomes"]["robust"], bool) if "outcomes" in section else None
        found = certify(target, data, replace(how, budget=how.budget.part(PROVING)), stands)
    except (UsageError, Spent) as error:
        section["certificate"] = {"why_not": str(error)}
        return
    except broken() as error:
        section["certificate"] = {"why_not": ended(error)}
        return
    rate = Rate(int(robust["hits"]), int(robust["of"]), float(robust["low"]), float(robust["high"]))
    section["certificate"] = {**found.as_json(), "sentence": found.sentence(rate)}
    if not found.why_not and not found.smoothed and found.looked:
        section["certified"] = found.certified.as_json()
        section["measures"]["certified_accuracy"] = found.certified.share


def measured(name: str, target: Target, data: Data, how: How) -> Result:
    """What one check finds out. Each has one entry in its package."""
    result: Result = import_module(f"bartizan.assess.{name}.measure").measure(target, data, how)
    return result


def measure(
    target: Target,
    data: Data,
    options: Options,
    out: Path,
    *,
    budget: Budget | None = None,
    say: Say = _silent,
    run: Run = measured,
) -> Assessment:
    """Runs the checks and writes evidence and report below `out`.

    Args:
        budget: The time from its beginning on, where that was before this call.
        say: Hears what is going on.
        run: Runs one check.

    Raises UsageError for data that does not fit the model, and for a folder that cannot be written.
    """
    from bartizan.assess.sanity import check

    began, cpu = time.monotonic(), cpu_seconds()
    whole = budget or Budget(options.budget_s)
    say("", "looking at model and data")
    check(data, target, options.seed, whole)
    accuracy = accuracy_of(target, data, options, whole)
    strength = eps_for(data, options)
    if (sorted_rows := first_rows(data, options.rows)) and sorted_rows not in data.notes:
        data.notes.append(sorted_rows)
    with Folder(out, key_of(target, data, options, strength)) as folder:
        report: Json = {
            "schema": SCHEMA,
            "model": model_of(target),
            "data": told_of(data),
            "how": how_of(options, strength),
            "versions": versions(),
            "accuracy": accuracy,
        }
        missing, interrupted = _run(report, target, data, options, folder, whole, say, run)
        report["model"]["notes"] = list(target.notes)
        return _told(report, missing, folder, interrupted, seconds=time.monotonic() - began, cpu=cpu_seconds() - cpu)


def _run(
    report: Json,
    target: Target,
    data: Data,
    options: Options,
    folder: Folder,
    whole: Budget,
    say: Say,
    run: Run,
) -> tuple[dict[str, str], bool]:
    """Every check's section into the report; which are missing and why, and whether somebody interrupted."""
    missing: dict[str, str] = {}
    done = {name: section for name in options.order if (section := folder.finished(name)) is not None}
    spent = sum(section["seconds"] for section in done.values())
    rest = max(whole.left - (1 - CHECKING) * whole.seconds, BEGUN * whole.seconds)
    budget = Budget(max(0.0, rest - spent))
    strength = report["how"]["eps"]
    try:
        for name in options.order:
            section = done.get(name)
            if section is None:
                how = _how_for(name, options, strength, budget, say)
                if how.budget.left < LEAST_S.get(name, LEAST_OTHERS_S) - BARELY_S:
                    missing[name] = _no_time(name, options, how.budget.left)
                    continue
                section = _one(name, target, data, how, folder, missing, run)
            if section is not None:
                report[name] = section
    except KeyboardInterrupt:
        for name in options.order:
            if name not in report:
                missing.setdefault(name, "interrupted; the same command goes on from here")
        return missing, True
    return missing, False


def _how_for(name: str, options: Options, strength: float, whole: Budget, say: Say) -> How:
    from bartizan.assess.how import How

    order, left = options.order, whole.left
    part = share(name, order[order.index(name) + 1 :])
    least = min(1.0, LEAST_S.get(name, 0.0) / left) if left else 1.0
    return How(
        eps=strength,
        norm=options.norm,
        seed=options.seed,
        budget=whole.part(max(part, least)),
        rows=options.rows,
        progress=lambda text: say(name, text),
        price=options.price,
        schema=options.schema,
        dp_epsilon=options.dp_epsilon,
    )


def _no_time(name: str, options: Options, left: float) -> str:
    """Why a check did not begin, and a budget that reaches it: of a second more it has what those before it leave."""
    before = options.order[: options.order.index(name)]
    part = CHECKING * (1 - sum(SHARES[one] for one in before) / sum(SHARES[one] for one in options.order))
    enough = options.budget_s + (LEAST_S.get(name, LEAST_OTHERS_S) - left) / part
    return f"{NO_TIME}: give a --budget of at least {ceil(enough)} seconds, or fewer --checks"


def _one(
    name: str, target: Target, data: Data, how: How, folder: Folder, missing: dict[str, str], run: Run
) -> Json | None:
    """One check: its section, or None with the reason among the `missing`."""
    began, cpu = time.monotonic(), cpu_seconds()
    how.progress("begins")
    try:
        result = run(name, target, data, how)
        section = {**result.as_json(), "sentence": result.sentence(), "measures": result.measures()}
        if name == "evasion":
            _prove(section, target, data, how)
        if target.gone:
            _unfinished(section, name, target.gone)
        section |= {
            "seconds": round(time.monotonic() - began, 3),
            "cpu_seconds": round(cpu_seconds() - cpu, 3),
        }
        return folder.keep(name, result, section)
    except (UsageError, Spent) as error:  # Also `Missing`: a package that is not installed.
        missing[name] = str(error)
    except broken() as error:
        missing[name] = ended(error)
    return None


def _unfinished(section: Json, name: str, why: str) -> None:
    """Says that the model stopped answering before a check was through; fewer attacks let a model look stronger."""
    section["notes"] = [*section.get("notes", []), why]
    if name == "evasion":
        section["trusted"] = False
        told = {"check": "stopped-answering", "effect": f"{why}: attacks were cut short",
                "fix": "give the endpoint room, or assess the model behind it"}  # fmt: skip
        section["warnings"] = [*section.get("warnings", []), told]


def _told(
    report: Json, missing: dict[str, str], folder: Folder, interrupted: bool, *, seconds: float, cpu: float
) -> Assessment:
    """The report on the disk, and what the detectors say of it."""
    from bartizan.loop import embedded

    report["not_measured"] = missing
    report["measures"] = {name: value for one in sections(report).values() for name, value in one["measures"].items()}
    report["interrupted"] = interrupted
    report["seconds"], report["cpu_seconds"] = round(seconds, 3), round(cpu, 3)
    content = as_bytes(report)
    subject = subject_of(assessed(_read(content)), report["model"]["name"])
    seen = [one.item for one in embedded().seen(subject)]
    findings = tuple(item for item in seen if isinstance(item, Finding))
    report["findings"] = [finding_of(item) for item in findings]
    folder.write(REPORT, as_bytes(report))
    if not interrupted:
        folder.close()
    return Assessment(_read(as_bytes(report)), findings, tuple(i for i in seen if isinstance(i, Failure)), interrupted)


def sections(report: Json) -> dict[str, Json]:
    """What each check that was run found out."""
    return {name: report[name] for name in report["how"]["checks"] if name in report}


def _read(content: bytes) -> Json:
    import orjson

    value: Json = orjson.loads(content)
    return value


# ---- For Python ------------------------------------------------------------------------------------------------------


def assess(
    model: object,
    data: object,
    *,
    checks: Iterable[str] | None = None,
    eps: float | None = None,
    norm: str = "linf",
    budget: float = 120.0,
    rows: int = 300,
    seed: int = 0,
    trust: bool = False,
    weights: Path | str | None = None,
    train: str | None = None,
    schema: Path | str | None = None,
    dp_epsilon: float | None = None,
    out: Path | str | None = None,
    say: Say = _silent,
) -> Assessment:
    """Measures a model: is it brittle, does it leak, can it be copied, was its data poisoned.

    Args:
        model: A path as `bartizan assess` takes it, a function from rows to scores, or a `Target`.
        data: A path, several, a mapping of arrays (`x_train`, `y_train`, `x_test`, …), or a `Data`.
        checks: Of evasion, privacy, theft and poison; None: all that the data allows.
        eps, norm: How large a change may be, in the unit of the rows, under linf, l2 or l0.
        budget: Seconds for all of it.
        dp_epsilon: What differential privacy is claimed of the training: it is audited.
        out: Where the evidence goes. None: it is gone when this returns, and its numbers are in the report.

    Raises UsageError for what cannot be measured as given: one sentence says what, where and what to do.
    """
    from bartizan.assess.opening import data_of, target_of

    whole = Budget(budget)
    options = Options(
        checks=tuple(checks) if checks is not None else CHECKS,
        asked=checks is not None,
        eps=eps,
        norm=norm,
        budget_s=budget,
        rows=rows,
        seed=seed,
        schema=Path(schema) if schema is not None else None,
        dp_epsilon=dp_epsilon,
    )
    found = data_of(data)
    target = target_of(model, found, trust=trust, weights=Path(weights) if weights is not None else None, train=train)
    if out is not None:
        return measure(target, found, options, Path(out), budget=whole, say=say)
    with tempfile.TemporaryDirectory(prefix="bartizan-") as folder:
        return measure(target, found, options, Path(folder), budget=whole, say=say)
