"""Every control answered: the queries' answers, what they come to together, and the records that prove them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from bartizan.inventory.system import EPOCH, when
from bartizan.readers.logs.visit import DAY_US
from bartizan.report.compliance.facts import Facts, Log, Span
from bartizan.report.compliance.framework import Control, Framework
from bartizan.report.compliance.queries import QUERIES, Found, Query, Result

SCHEMA = "bartizan.evidence/1"
MAX_ROWS = 1000
_WORST = {Result.MET: 0, Result.PEOPLE: 1, Result.GAP: 2}


@dataclass(frozen=True, slots=True)
class Proof:
    """Which records of one log an answer rests on, and under which root they are: `covered` of `count`."""

    log: str
    origin: str
    first: int
    last: int
    count: int
    size: int
    root: str
    checkpoint: int

    @property
    def covered(self) -> bool:
        """Whether the checkpoint covers all of them."""
        return self.last < self.size

    @property
    def words(self) -> str:
        """For people."""
        which = (
            f"record {self.first}"
            if self.first == self.last
            else f"{self.count:,} of records {self.first} to {self.last}"
        )
        under = f"checkpoint {self.checkpoint} of {self.size:,} records" if self.size else "no checkpoint yet"
        return f"{self.log}: {which}, {under}" + ("" if self.covered else " (does not cover all)")

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "log": self.log,
            "origin": self.origin,
            "first": self.first,
            "last": self.last,
            "count": self.count,
            "covered": self.covered,
            "tree_size": self.size,
            "root": self.root,
            "checkpoint": self.checkpoint,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """A query's answer with its proof."""

    query: Query
    found: Found
    proof: tuple[Proof, ...]

    def as_json(self) -> dict[str, object]:
        """For programs."""
        rows = self.found.rows
        return {
            "query": self.query.id,
            "title": self.query.title,
            "result": self.found.result.value,
            "value": self.found.value,
            "of": self.found.of,
            "says": self.found.says,
            "rows": list(rows[:MAX_ROWS]),
            "rows_left_out": max(0, len(rows) - MAX_ROWS),
            "proof": [one.as_json() for one in self.proof],
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """A control with its answers. `applies`: whether it does today; None where nobody has to."""

    control: Control
    result: Result
    answers: tuple[Answer, ...]
    applies: bool | None

    def as_json(self) -> dict[str, object]:
        """For programs."""
        control = self.control
        return {
            "id": control.id,
            "title": control.title,
            "duty": control.duty,
            "result": self.result.value,
            "attach": control.attach,
            "applies": {
                "now": self.applies,
                "since": control.applies.day.isoformat() if control.applies.day else None,
                "what": control.applies.what,
            },
            "checked": {"how": control.checked.value, "where": control.where},
            "answers": [one.as_json() for one in self.answers],
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """All frameworks that were asked for, answered at one moment."""

    facts: Facts
    frameworks: tuple[tuple[Framework, tuple[Answered, ...]], ...]

    def counts(self) -> dict[str, int]:
        """How many controls came to what."""
        every = [one.result for _, answered in self.frameworks for one in answered]
        return {result.value: every.count(result) for result in Result}

    def as_json(self) -> dict[str, object]:
        """For programs: `bartizan.evidence/1`."""
        return {
            "schema": SCHEMA,
            "made": when(self.facts.now_us),
            "since": when(self.facts.since_us),
            "until": when(self.facts.until_us),
            "results": self.counts(),
            "decisions": dict(sorted(self.facts.outcomes.items())),
            "frameworks": [
                {
                    "id": framework.id,
                    "title": framework.title,
                    "text": framework.text,
                    "version": framework.version,
                    "date": framework.date.isoformat(),
                    "source": framework.source,
                    "note": framework.note,
                    "controls": [one.as_json() for one in answered],
                }
                for framework, answered in self.frameworks
            ],
            "checkpoints": [{"log": one.name, "note": one.note} for one in self.facts.logs if one.note],
        }


def evidence(facts: Facts, frameworks: Iterable[Framework]) -> Evidence:
    """Every control of these frameworks, answered by the facts."""
    answers: dict[str, Answer] = {}
    today = date.fromordinal(EPOCH.toordinal() + facts.now_us // DAY_US)

    def answer(id_: str) -> Answer:
        if id_ not in answers:
            query = QUERIES[id_]
            answers[id_] = Answer(query, query.ask(facts), proof(query, facts.logs))
        return answers[id_]

    def answered(control: Control) -> Answered:
        own = tuple(map(answer, control.queries))
        results = [one.found.result for one in own]
        if control.attach:
            results.append(Result.PEOPLE)
        worst = max(results, key=_WORST.__getitem__)
        day = control.applies.day
        return Answered(control, worst, own, None if day is None else day <= today)

    return Evidence(facts, tuple((one, tuple(map(answered, one.controls))) for one in frameworks))


def proof(query: Query, logs: Iterable[Log]) -> tuple[Proof, ...]:
    """Where the records lie that a query rests on: one range a log that has any."""
    found = []
    for log in logs:
        spans = [span for name, span in log.spans.items() if name.startswith(query.rests)]
        if spans:
            span = Span(min(s.first for s in spans), max(s.last for s in spans), sum(s.count for s in spans))
            found.append(
                Proof(log.name, log.origin, span.first, span.last, span.count, log.signed, log.root, log.number)
            )
    return tuple(found)
