"""What the index gives back: one exchange as a row, and what several of them come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bartizan.core.detector import Discipline
from bartizan.core.finding import Severity

OUTCOMES = ("allow", "warn", "redact", "justify", "review", "block")  # by strictness; redact: allow with edits
RANKS = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}
SEVERITIES = {severity.name.lower(): int(severity) for severity in Severity}
DISCIPLINES = tuple(discipline.value for discipline in Discipline)
SIDES = ("request", "answer", "subject")  # as in records; a bit each in the file


@dataclass(frozen=True, slots=True)
class Row:
    """One exchange: its request and its answer together, the stricter outcome counts.

    `number` grows whenever the row changes. `writer`, `seq` and `time_us` are those of its first record. `would` is ""
    where no clause in observe mode would have done anything, `severity` where nothing was found; `confidence` is the
    highest among the findings of that severity. `body` names the sides of which a sealed text was kept.
    """

    number: int
    exchange: str
    writer: str
    seq: int
    time_us: int
    door: str
    kind: str
    outcome: str
    would: str
    person: str
    groups: tuple[str, ...]
    app: str
    key: str
    provider: str
    model: str
    clauses: tuple[str, ...]
    risks: tuple[str, ...]
    severity: str
    confidence: float
    disciplines: tuple[str, ...]
    failures: int
    body: tuple[str, ...]
    shape: str
    sides: tuple[str, ...]
    policy: str


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first. `next` is what the following page is asked with as `before`; "" where there is none."""

    rows: tuple[Row, ...]
    next: str


@dataclass(frozen=True, slots=True)
class Group:
    """Similar events: the same clauses, risks, kind and door. `row` is the newest."""

    shape: str
    count: int
    first_us: int
    last_us: int
    row: Row


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened from `start_us` on for a step: how many of each outcome. Outcomes with none are left out."""

    start_us: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is no exchange: a policy changed, a key was added, a case was granted. `by` is a pseudonym."""

    time_us: int
    what: str
    by: str
    exchange: str


@dataclass(frozen=True, slots=True)
class Status:
    """How much is in the index: records read and still to be read, as of the last `follow()`.

    `problem` says what could not be read, without content; "" where all is well.
    """

    records: int
    behind: int
    newest_us: int
    problem: str
