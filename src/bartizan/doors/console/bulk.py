"""Several events judged or assigned at once: what that would change, told before anything is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from bartizan.cases.feedback import Said, Verdict
from bartizan.core.errors import BartizanError, StoreError, UsageError
from bartizan.doors.console import downloads
from bartizan.doors.console.trace import outcome, sound, stricter

if TYPE_CHECKING:
    from pathlib import Path

    from bartizan.cases.feedback import Feedback
    from bartizan.events import Row
    from bartizan.ledger.read import Record

MAX_AT_ONCE = 200
NO_CLAUSE = ""


class Act(StrEnum):
    """What can be done with several events."""

    CONFIRM = "confirm"
    MISTAKE = "mistake"
    ASSIGN = "assign"


VERDICTS = {Act.CONFIRM: Verdict.RIGHT, Act.MISTAKE: Verdict.MISTAKE}


class Left(StrEnum):
    """Why an event is left as it is."""

    UNKNOWN = "no decision has this id"
    BROKEN = "its record is not what was written"
    PASSED = "nothing was stopped or changed there"
    RIGHT = "you called it right before"
    MISTAKE = "you called it a mistake before"
    YOURS = "you look after it already"
    FORGOTTEN = "the person concerned was forgotten, so no note is kept"


@dataclass(frozen=True, slots=True)
class Change:
    """One event that would be changed, and the clause that the verdict would be about ("": none in particular).

    `before` is what whoever acts said of it; `colleagues` is what others did. `assignee` is who looks after it now.
    """

    row: Row
    person: str
    clauses: tuple[str, ...]
    clause: str
    before: Verdict | None
    colleagues: tuple[Verdict, ...]
    assignee: str


@dataclass(frozen=True, slots=True)
class Line:
    """What a plan comes to for one clause: events, and how many were already called so, by anybody, or are given."""

    clause: str
    events: int
    right: int
    mistake: int
    assigned: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be changed, and what is left as it is, with the reason and how many."""

    act: Act
    changes: tuple[Change, ...]
    left: Mapping[Left, int]

    @property
    def lines(self) -> tuple[Line, ...]:
        """By clause, most events first. An event with several clauses counts for each of them."""
        of: dict[str, list[Change]] = {}
        for change in self.changes:
            for clause in change.clauses or (NO_CLAUSE,):
                of.setdefault(clause, []).append(change)
        lines = [
            Line(
                clause,
                len(some),
                sum(Verdict.RIGHT in (one.before, *one.colleagues) for one in some),
                sum(Verdict.MISTAKE in (one.before, *one.colleagues) for one in some),
                sum(bool(one.assignee) for one in some),
            )
            for clause, some in of.items()
        ]
        return tuple(sorted(lines, key=lambda line: (-line.events, line.clause)))

    @property
    def decided(self) -> int:
        """Events that somebody has judged already; with assigning: that somebody else looks after."""
        if self.act is Act.ASSIGN:
            return sum(bool(one.assignee) for one in self.changes)
        return sum(one.before is not None or bool(one.colleagues) for one in self.changes)

    @property
    def replaced(self) -> int:
        """Events of which whoever acts said something else before."""
        return sum(one.before is not None for one in self.changes) if self.act is not Act.ASSIGN else 0

    @property
    def choices(self) -> tuple[str, ...]:
        """Clauses to choose from, where an event has several and a verdict could be about any of them."""
        if self.act is Act.ASSIGN or all(len(one.clauses) < 2 for one in self.changes):
            return ()
        return tuple(line.clause for line in self.lines if line.clause)


def planned(
    act: Act, ids: Iterable[str], rows: Mapping[str, Row], home: Path, feedback: Feedback, by: str, clause: str = ""
) -> Plan:
    """What acting on these exchanges would come to, as of now.

    Args:
        rows: Those that the index knows.
        by: The pseudonym of whoever acts.
        clause: What a verdict is about, of the events that met it; the others': their only clause.
    """
    wanted = tuple(dict.fromkeys(ids))
    left: Counter[Left] = Counter()
    known = [rows[id_] for id_ in wanted if id_ in rows]
    left[Left.UNKNOWN] += len(wanted) - len(known)
    said, assigned = feedback.among(wanted), feedback.assigned_among(wanted)
    decided = _decided(known, home)
    changes: list[Change] = []
    for row in known:
        record = decided.get(row.exchange)
        if record is None:
            left[Left.BROKEN] += 1
            continue
        one = assigned.get(row.exchange)
        change = _change(row, record, said.get(row.exchange, ()), one.assignee if one else "", by, clause)
        why = _left(act, change, record, by)
        if why is None:
            changes.append(change)
        else:
            left[why] += 1
    return Plan(act, tuple(changes), {why: count for why, count in left.items() if count})


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, and what was left as it was."""

    done: tuple[str, ...]
    left: Mapping[Left, int]


def carried_out(plan: Plan, feedback: Feedback, by: str, now_us: int, note: str = "") -> Done:
    """Do it, one after the other, each as if it were the only one: recorded first. Raises StoreError, saying how far
    it came; what was done until then stays done."""
    done: list[str] = []
    left = Counter(plan.left)
    for change in plan.changes:
        id_ = change.row.exchange
        try:
            if plan.act is Act.ASSIGN:
                feedback.assign(id_, by, by, now_us)
            else:
                feedback.give(id_, VERDICTS[plan.act], change.clause, by, note=note, person=change.person)
        except UsageError:
            left[Left.FORGOTTEN] += 1
            continue
        except BartizanError as error:
            raise StoreError(f"{len(done)} of {len(plan.changes)} events were done, then: {error}") from error
        done.append(id_)
    return Done(tuple(done), dict(left))


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _decided(rows: list[Row], home: Path) -> dict[str, Record]:
    """The decision that each exchange came to. A log is opened once for neighbours."""
    found: dict[str, Record] = {}
    for id_, records in _by_exchange(rows, home):
        if records and all(map(sound, records)):
            found[id_] = stricter(records)
    return found


def _by_exchange(rows: list[Row], home: Path) -> Iterator[tuple[str, list[Record]]]:
    for id_, records in groupby(downloads.records(rows, home), key=lambda record: str(record["exchange"])):
        yield id_, list(records)


def _change(row: Row, record: Record, said: tuple[Said, ...], assignee: str, by: str, clause: str) -> Change:
    clauses = tuple(map(str, record.get("clauses", ())))
    about = clause if clause in clauses else clauses[0] if len(clauses) == 1 else NO_CLAUSE
    before = next((one.verdict for one in said if one.by == by), None)
    colleagues = tuple(one.verdict for one in said if one.by != by)
    return Change(row, str(record.get("person", "")), clauses, about, before, colleagues, assignee)


def _left(act: Act, change: Change, record: Record, by: str) -> Left | None:
    if act is Act.ASSIGN:
        return Left.YOURS if change.assignee == by else None
    if act is Act.MISTAKE and outcome(record) == "allow":
        return Left.PASSED
    if change.before is VERDICTS[act]:
        return Left.RIGHT if act is Act.CONFIRM else Left.MISTAKE
    return None
