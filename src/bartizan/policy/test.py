"""Runs the examples of a policy through the real detectors: does each clause do what its author meant?

An example is judged as if everything else that its clause asks for were the case (the person's group, the model, the
time, the label), so that it needs to say only what matters. Exceptions do not count: the examples are about the clause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bartizan.core.errors import InputError
from bartizan.core.finding import Failure, Finding, Seen
from bartizan.core.subject import Context, Direction, History, Kind, Subject, Trust, speaker
from bartizan.policy.clause import Clause, Example
from bartizan.policy.conditions import Like, OneOf, Sanctioned, Time
from bartizan.policy.explain import Said, about, explain
from bartizan.policy.model import Policy
from bartizan.readers.chat import chat, reply
from bartizan.readers.logs.usage import Usage
from bartizan.readers.tunnel import Known, Place, Tunnel, tunnel

MONDAY_US = 1_767_571_200_000_000  # 2026-01-05T00:00Z: a time for whoever asks for none in particular.
HALF_HOUR_US = 1_800_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """An example that does not do what it stands for. `number` counts from 1."""

    clause: str
    side: str
    number: int
    line: int
    why: tuple[str, ...]

    def __str__(self) -> str:
        return f"clause {self.clause}: {self.side}, example {self.number}: {'; '.join(self.why)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many examples were run, and those that failed."""

    examples: int
    faults: tuple[Fault, ...]


def run(policy: Policy, see: Callable[[Subject], Iterable[Seen]]) -> Outcome:
    """Every example of every clause. `see` is what the detectors see in a subject."""
    faults: list[Fault] = []
    examples = 0
    for clause in policy.clauses:
        alone = Policy(name=policy.name, version=policy.version, clauses=[clause])
        for side, ones in (("breaks", clause.breaks), ("keeps", clause.keeps)):
            for number, example in enumerate(ones, 1):
                examples += 1
                why = _why(alone, clause, side == "breaks", example, see)
                if why:
                    faults.append(Fault(clause.id, side, number, example.line, why))
    return Outcome(examples, tuple(faults))


def _why(
    alone: Policy, clause: Clause, breaks: bool, example: Example, see: Callable[[Subject], Iterable[Seen]]
) -> tuple[str, ...]:
    try:
        subject = subject_of(clause, example)
    except InputError as error:
        return (f"cannot be read: {error}",)
    seen = tuple(see(subject))
    explanation = explain(alone, seen, subject.context, subject.history)
    answer = explanation.answers[0]
    if breaks and not answer.matched:
        told: list[Said | str] = list(answer.missing) if seen else ["nothing was seen in it"]
        return ("does not break the clause", *map(str, told))
    if not breaks and answer.matched:
        return ("does not keep the clause", f"{about(answer.item)} matches it")
    if breaks:
        # A failure breaks every clause about its risks; as proof of a clause about findings it would show nothing.
        mine = [one for one in seen if alone.decide((one,), subject.context, subject.history).clauses]
        found = any(isinstance(one.item, Finding) for one in mine)
        if not found and not all(_is_unread(one.item) for one in mine):
            return ("breaks the clause only because something could not be looked at", about(mine[0].item))
    return ()


def _is_unread(item: Finding | Failure) -> bool:
    return isinstance(item, Failure) and all(risk.startswith("unread.") for risk in item.risks)


# ---- From an example to what is judged ------------------------------------------------------------------------------


def subject_of(clause: Clause, example: Example) -> Subject:
    """An example in the circumstances its clause asks about, but for those that it states itself. Raises InputError."""
    facts = dict(example.facts)
    context = _context(clause, facts)
    history = History(taint=_set(facts.get("taint"), clause, "taint"), as_of_us=context.when_us)
    if example.messages is not None:
        read = reply if context.direction is Direction.IN else chat
        body: object = example.messages
        if context.direction is Direction.IN:
            assert isinstance(body, list)
            body = {"choices": [{"index": n, "message": message} for n, message in enumerate(body)]}
        whole = read(body, context=context)
        return replace(whole, history=history)
    if example.usage is not None:
        if Kind.FLOW in (facts.get("kind"), _first(clause, "kind")):
            return replace(tunnel(_led_to(example.usage), context), history=history)
        return Subject(Kind.LOG, "", example.usage, Trust.FOREIGN, context=context, history=history)
    if example.assessment is not None:
        return Subject(Kind.MODEL, "", example.assessment, Trust.OWN, context=context, history=history)
    if example.asking is not None:
        return Subject(Kind.LOG, "", example.asking, Trust.OWN, context=context, history=history)
    return Subject(
        kind=Kind(str(facts.get("kind") or _first(clause, "kind") or Kind.TEXT)),
        path="",
        content=example.text,
        trust=Trust(str(facts.get("trust") or _first(clause, "trust") or speaker(context.direction))),
        role=str(facts.get("role") or _first(clause, "role") or ""),
        labels=_set(facts.get("labels"), clause, "labels"),
        context=context,
        history=history,
    )


def _led_to(usage: Usage) -> Tunnel:
    """The tunnel of somebody who uses AI in that way, before anything went through it."""
    at = usage.reached
    known = Known(at.system, at.name, at.tier, "tolerated" if usage.excepted else usage.status)
    if at.lookalike_of:
        known = Known(lookalike_of=at.lookalike_of)
    return Tunnel(Place(f"{at.system}.example", 443, literal=False), known)


def _context(clause: Clause, facts: dict[str, object]) -> Context:
    who, where = facts.get("who"), facts.get("where")
    who = who if isinstance(who, dict) else {}
    where = where if isinstance(where, dict) else {}
    sanctioned = clause.condition("where.sanctioned")
    allowed = sanctioned.wanted if isinstance(sanctioned, Sanctioned) else None
    if "sanctioned" in where:
        allowed = where["sanctioned"] == ["true"]
    group = who["group"] if "group" in who else [_first(clause, "who.group")]
    return Context(
        person=_one(who, "person") or _first(clause, "who.person") or "somebody@example.org",
        groups=tuple(filter(None, group)),
        app=_one(who, "app") or _first(clause, "who.app"),
        key=_one(who, "key") or _first(clause, "who.key"),
        provider=_one(where, "provider") or _first(clause, "where.provider"),
        model=_one(where, "model") or _first(clause, "where.model"),
        host=_one(where, "host") or _first(clause, "where.host"),
        sanctioned=allowed,
        direction=Direction(str(facts.get("direction") or _first(clause, "direction") or Direction.OUT)),
        when_us=int(str(facts.get("at") or _time(clause))),
    )


def _one(given: dict[str, list[str]], field: str) -> str:
    return (given.get(field) or [""])[0]


def _first(clause: Clause, field: str) -> str:
    """A value that its condition accepts; "" where it asks for none."""
    condition = clause.condition(field)
    if isinstance(condition, OneOf):
        preferred = {"kind": Kind.TEXT.value, "direction": Direction.OUT.value}.get(field)
        return preferred if preferred in condition.wanted else min(condition.wanted)
    if isinstance(condition, Like):
        return condition.wanted[0].replace("*", "").replace("?", "x")
    return ""


def _set(given: object, clause: Clause, field: str) -> frozenset[str]:
    if isinstance(given, frozenset):
        return given
    condition = clause.condition(field)
    return condition.wanted if isinstance(condition, OneOf) else frozenset()


def _time(clause: Clause) -> int:
    condition = clause.condition("time")
    if isinstance(condition, Time):
        for step in range(14 * 24 * 2):
            if condition.includes(MONDAY_US + step * HALF_HOUR_US):
                return MONDAY_US + step * HALF_HOUR_US
        for minute in range(7 * 24 * 60):  # Shorter than half an hour.
            if condition.includes(MONDAY_US + minute * 60_000_000):
                return MONDAY_US + minute * 60_000_000
    return MONDAY_US + 24 * HALF_HOUR_US
