"""How a decision came about: which clauses matched, by which findings, and which ones nearly did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import TYPE_CHECKING

from bartizan.core.decision import Action
from bartizan.core.finding import Finding, Seen
from bartizan.ledger.read import Record, Recorded, recorded
from bartizan.policy.clause import STRICTNESS, Clause, Then
from bartizan.policy.explain import Answer, explain

if TYPE_CHECKING:
    from bartizan.doors.console.evidence import Note
    from bartizan.policy.model import Policy

MAX_SEEN = 300  # Different observations that clauses are held against; ten thousand alike ones are one.
MAX_NEAR = 5
MAX_SAID = 4  # Conditions told of one clause.
OUTCOME = {then: "redact" if then is Then.PSEUDONYMISE else then.value for then in Then}
WOULD = {
    "allow": "Would allow",
    "warn": "Would warn",
    "redact": "Would redact",
    "justify": "Would ask",
    "review": "Would hold",
    "block": "Would block",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One clause. `outcome` is what it does, `word` how that is said where it is not the usual way.

    `numbers` are the findings that made it match; `said` is what held, or for a near miss what did not.
    """

    id: str
    says: str
    outcome: str
    word: str = ""
    numbers: tuple[int, ...] = ()
    said: tuple[str, ...] = ()
    tell: str = ""
    observed: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """The clauses that matched, mildest first, and those that came near. `clauses` is how many the policy has."""

    steps: tuple[Step, ...]
    near: tuple[Step, ...]
    clauses: int

    @property
    def led(self) -> Step | None:
        """The strictest clause in force: it made the decision."""
        return next((step for step in reversed(self.steps) if not step.observed and not step.word), None)


def trace(policy: Policy | None, record: Record, notes: Sequence[Note]) -> Trace:
    """What the record's clauses were, by the policy of that time where it is known.

    Persons stay pseudonyms here, so a clause about one is told without its conditions.
    """
    matched, excepted = list(record.get("clauses", ())), set(record.get("excepted", ()))
    known = {clause.id: clause for clause in policy.clauses} if policy else {}
    then = recorded(record)
    answers: dict[str, Answer] = {}
    near: list[Answer] = []
    if policy is not None:
        explanation = explain(policy, different(then.seen), then.context, then.history)
        answers = {answer.clause.id: answer for answer in explanation.matched}
        near = [answer for answer in explanation.near if _is_near(answer) and answer.clause.id not in matched]
    steps = [_step(id_, known.get(id_), answers.get(id_), id_ in excepted) for id_ in matched]
    steps += [_step(id_, known.get(id_), answers.get(id_), True) for id_ in sorted(excepted - set(matched))]
    steps = [replace(step, numbers=_numbers(known.get(step.id), record, notes, then)) for step in steps]
    steps.sort(key=lambda step: (step.observed, _strictness(known.get(step.id)), step.id))
    missed = tuple(_missed(answer) for answer in near[:MAX_NEAR])
    return Trace(tuple(steps), missed, len(known))


def different(seen: Iterable[Seen]) -> list[Seen]:
    """One of each sort: where it was seen decides nothing but the edits."""
    out: dict[object, Seen] = {}
    for one in seen:
        item = one.item
        if isinstance(item, Finding):
            key: object = (item.risk, item.severity, item.confidence, item.detector, item.measures)
        else:
            key = (item.why, item.risks, item.detector)
        out.setdefault((key, one.kind, one.trust, one.role, one.labels, one.values), one)
        if len(out) >= MAX_SEEN:
            break
    return list(out.values())


def _step(id_: str, clause: Clause | None, answer: Answer | None, excepted: bool) -> Step:
    if clause is None:
        return Step(id_, "", "allow", "Matched then", said=("this clause is no longer in a policy that is known here",))
    outcome = OUTCOME[clause.then]
    said = tuple(map(str, answer.said))[:MAX_SAID] if answer else ()
    if excepted:
        return Step(id_, clause.says, "allow", "Excepted", said=("an exception kept it from counting",), observed=True)
    if not clause.enforced:
        return Step(id_, clause.says, outcome, WOULD[outcome], said=said, observed=True)
    if answer is not None and answer.item is not None and not isinstance(answer.item, Finding):
        # A failure is answered by the clause's on_failure, which may be stricter than what it does else.
        failed = clause.on_failure.name.lower()
        return Step(id_, clause.says, failed, said=("something could not be examined", *said), tell=clause.tell)
    covered = answer is not None and answer.did.endswith("covers it)")
    return Step(id_, clause.says, outcome, "Covered by a grant" if covered else "", said=said, tell=clause.tell)


def _missed(answer: Answer) -> Step:
    clause = answer.clause
    return Step(clause.id, clause.says, OUTCOME[clause.then], "Not quite", said=tuple(map(str, answer.missing)))


def _is_near(answer: Answer) -> bool:
    """About the same risk, and little else in the way."""
    return answer.item is not None and len(answer.missing) <= 2 and all(one.field != "risk" for one in answer.missing)


def _strictness(clause: Clause | None) -> int:
    return STRICTNESS[clause.then] if clause else -1


def _numbers(clause: Clause | None, record: Record, notes: Sequence[Note], then: Recorded) -> tuple[int, ...]:
    """Which numbered findings a clause asks about."""
    if clause is None:
        return ()
    about = [condition for condition in clause.conditions if not condition.field.startswith("who.")]
    count = len(record.get("findings", ()))
    return tuple(
        note.number
        for note in notes
        if 0 <= note.finding < count
        and all(condition.holds(then.seen[note.finding], then.context, then.history) for condition in about)
    )


def bounded(record: Record) -> Record:
    """The same with its most severe findings alone, where there are more than a page can be about."""
    found = record.get("findings")
    if not isinstance(found, list) or len(found) <= MAX_SEEN:
        return record
    ranks = {name: rank for rank, name in enumerate(("critical", "high", "medium", "low", "info"))}
    worst = nsmallest(MAX_SEEN, range(len(found)), key=lambda n: (ranks.get(str(_severity(found[n])), 9), n))
    return {**record, "findings": [found[n] for n in sorted(worst)]}


def _severity(told: object) -> object:
    return told.get("severity") if isinstance(told, dict) else None


def sound(record: Record) -> bool:
    """Whether a record is made as ours are. Whoever changed a log may have put anything there."""
    try:
        seen = recorded(record).seen
        numbers = [(place.start, place.end) for one in seen for place in one.item.places]
        numbers += [(edit[1], edit[2]) for edit in record.get("edits", ())]
        Action[record["action"].upper()]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return False
    return all(type(start) is int and type(end) is int and 0 <= start <= end for start, end in numbers)


def stricter(records: Iterable[Record]) -> Record:
    """The decision that an exchange as a whole came to."""
    return max(records, key=lambda record: (Action[record["action"].upper()], bool(record.get("edits"))))


def outcome(record: Record) -> str:
    """What became of it, in a word."""
    return "redact" if record["action"] == "allow" and record.get("edits") else str(record["action"])
