"""What the policy says of an assessment, and its record: the same loop and ledger as for everything else."""

from __future__ import annotations

import os
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.config import options
from bartizan.config.policy import policy_text
from bartizan.core.finding import Severity
from bartizan.core.subject import Context
from bartizan.ledger.canonical import number
from bartizan.loop import under
from bartizan.report.decision import Json, as_json
from bartizan.report.exits import exit_code
from bartizan.report.ids import Ids

if TYPE_CHECKING:
    from bartizan.assess.assessment import Assessment
    from bartizan.core.decision import Decision
    from bartizan.core.subject import Subject
    from bartizan.home import Home
    from bartizan.home.recording import Recorder
    from bartizan.policy.model import Policy

DOOR = "assess"
IDS = Ids(time.time_ns, os.urandom)


@dataclass(frozen=True, slots=True)
class Judged:
    """The decision as JSON, and the exit code it leads to."""

    value: Json
    code: int


class Judge:
    """Judges assessments by the policy of a home, and records them there where that is wanted."""

    def __init__(self, home: Home | Path | None, record: bool, fail_on: str) -> None:
        """Raises PolicyError and ConfigError before anything is measured. Opens the home if it is to be written to."""
        self._stack = ExitStack()
        self._fail_on = None if fail_on == "never" else Severity[fail_on.upper()]
        self._recorder: Recorder | None = None
        if record:
            from bartizan.home.recording import Recorder

            self._recorder = self._stack.enter_context(Recorder(home, DOOR))
            self._loop = self._recorder.loop
        else:
            config = options.settings(home if isinstance(home, Path) else None)
            self._loop = under(*policy_text(config), config.detectors)

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, assessment: Assessment) -> Judged:
        """The decision, on the disk before anybody hears of it."""
        context = Context(model=name_of(str(assessment.report["model"]["name"])), when_us=time.time_ns() // 1000)
        subject = replace(assessment.subject, context=context)
        id_ = IDS.next()
        if self._recorder is None:
            decision = self._loop.judge(subject)
        else:
            self._loop = self._recorder.loop
            subject = self._recorder.now(subject)
            decision = self._loop.judge(subject)
            self._keep(self._recorder, assessment, subject, decision, id_)
        policy = self._loop.policy
        value = as_json(
            decision, id=id_, input=str(assessment.report["model"]["path"]), subject=subject, policy=policy, show=False
        )
        return Judged(value, self._code(assessment, decision, subject, policy))

    def _code(self, assessment: Assessment, decision: Decision, subject: Subject, policy: Policy) -> int:
        """3 goes before 1 here: what an evaluation that fails its own tests, or had no time, says is not all."""
        if not assessment.trusted or not assessment.measures or assessment.cut_short:
            return 3
        return exit_code([(decision, subject)], policy, self._fail_on)

    def _keep(self, recorder: Recorder, assessment: Assessment, subject: Subject, decision: Decision, id_: str) -> None:
        from bartizan.assess.evidence import as_bytes

        content = as_bytes(assessment.report)
        made = recorder.record(subject, decision, id_, content, self._loop.policy, {"assessment": facts(assessment)})
        recorder.wait(made)


def name_of(name: str) -> str:
    """What a model is called in records and clauses: its file's name, without what no name has.

    Letters beyond ASCII are told by their number (`größe.onnx` is `gr~f6~dfe.onnx`), so that two models stay two.
    """
    told = "".join(one if one.isascii() else f"~{ord(one):x}" for one in name)
    return re.sub(r"[^A-Za-z0-9_.:@+~-]+", "-", told).strip("-")[:128] or "model"


def facts(assessment: Assessment) -> Json:
    """What a record holds of an assessment: digests, seed, versions and every number, and no row of the data."""
    from bartizan.assess.assessment import sections
    from bartizan.assess.evidence import files_of

    report = assessment.report
    how = report["how"]
    return {
        "model": report["model"]["sha256"],
        "kind": report["model"]["kind"],
        "data": report["data"]["sha256"],
        "eps": number(how["eps"]),
        "norm": sections(report).get("evasion", {}).get("norm", how["norm"]),  # Of texts it is a share of their words.
        "rows": how["rows"],
        "seed": how["seed"],
        "seconds": number(report["seconds"]),
        "cpu_seconds": number(report["cpu_seconds"]),
        "versions": report["versions"],
        "measures": {
            check: [[name, number(value)] for name, value in sorted(section["measures"].items())]
            for check, section in sections(report).items()
        },
        "not_measured": sorted(report["not_measured"]),
        "not_trusted": sorted(check for check, one in sections(report).items() if not one.get("trusted", True)),
        "files": {_ascii(name): told for name, told in sorted(files_of(report).items())},
    }


def _ascii(name: str) -> str:
    """A file's name as a key of a record, which are ASCII: as Python escapes it, so that no two names become one."""
    return name.encode("unicode_escape").decode("ascii")
