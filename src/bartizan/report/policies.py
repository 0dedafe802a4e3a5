"""A policy in words and as JSON: its clauses, why a text got its decision, what a new version would have changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from bartizan.policy.explain import about

if TYPE_CHECKING:
    from bartizan.policy.clause import Clause
    from bartizan.policy.diff import Change, Effect
    from bartizan.policy.explain import Answer, Explanation
    from bartizan.policy.model import Policy


def told(explanation: Explanation, all_: bool) -> Iterator[str]:
    """Why a text got its decision, line by line. `all_`: with the clauses that are about something else."""
    decision = explanation.decision
    yield f"action: {decision.action.name.lower()}{_edits(len(decision.edits))}"
    if decision.would or decision.would_edits:
        yield f"observed clauses would: {decision.would.name.lower()}{_edits(len(decision.would_edits))}"
    if not decision.seen:
        yield "nothing was seen"
    for answer in explanation.matched:
        yield f"\n{answer.clause.id} matched {counted(answer.matched, 'time')}: {_outcome(answer)}"
        yield f"  {answer.clause.says}"
        yield f"  by {about(answer.item)}"
        yield from (f"  + {said}" for said in answer.said)
    near = [answer for answer in explanation.near if all_ or (answer.item and not _elsewhere(answer))]
    for answer in near:
        nearest = f"nearest is {about(answer.item)}" if answer.item else "nothing came near"
        yield f"\n{answer.clause.id} did not match; {nearest}"
        yield from (f"  {'+' if said.held else '-'} {said}" for said in answer.said)
    others = len(explanation.near) - len(near)
    if others:
        yield f"\n{counted(others, 'other clause')} about something else (--all shows all)"


def _edits(count: int) -> str:
    return f", {counted(count, 'edit')}" if count else ""


def _elsewhere(answer: Answer) -> bool:
    return any(said.field == "risk" for said in answer.missing)


def _outcome(answer: Answer) -> str:
    return "an exception keeps it from counting" if answer.excepted else answer.did


def explained(read: Policy, explanation: Explanation) -> dict[str, object]:
    """The same as JSON: `bartizan.policy-explain/1`."""
    decision = explanation.decision
    return {
        "schema": "bartizan.policy-explain/1",
        "policy": read.ref,
        "action": decision.action.name.lower(),
        "edits": len(decision.edits),
        "would": {"action": decision.would.name.lower(), "edits": len(decision.would_edits)},
        "clauses": [
            {
                "id": answer.clause.id,
                "says": answer.clause.says,
                "mode": answer.clause.mode.value,
                "matched": answer.matched,
                "did": answer.did,
                "excepted": answer.excepted,
                "by": about(answer.item),
                "conditions": [
                    {"field": s.field, "held": s.held, "wanted": s.wanted, "actual": s.actual} for s in answer.said
                ],
            }
            for answer in explanation.answers
        ],
    }


def compared(changes: Iterable[Change], result: Effect | None) -> dict[str, object]:
    """What a new version changes, and would have changed, as JSON: `bartizan.policy-diff/1`."""
    value: dict[str, object] = {
        "schema": "bartizan.policy-diff/1",
        "changes": [{"what": c.what, "sort": c.sort.value, "how": list(c.how)} for c in changes],
    }
    if result is not None:
        value["effect"] = {
            "decided": result.decided,
            "stricter": result.stricter,
            "looser": result.looser,
            "edited": result.edited,
            "ids": list(result.ids),
            "unanswerable": dict(result.unanswerable),
            "unknown": result.unknown,
        }
    return value


def effect(result: Effect, days: int) -> str:
    """What a new version would have done with the decisions of so many days."""
    lines = [
        f"\nover {counted(result.decided, 'recorded decision')} of {counted(days, 'day')}: {result.stricter} stricter, "
        f"{result.looser} looser, {result.edited} edited otherwise"
    ]
    lines += [f"  {id_}" for id_ in result.ids]
    lines += [
        f"clause {clause}: nobody looked for its risks then ({counted(count, 'decision')})"
        for clause, count in result.unanswerable
    ]
    if result.unknown:
        lines.append(f"{counted(result.unknown, 'decision')} made with other detectors than today's")
    return "\n".join(lines)


def shown(read: Policy) -> dict[str, object]:
    """A policy as JSON: `bartizan.policy/1`."""
    return {
        "schema": "bartizan.policy/1",
        "policy": read.ref,
        "owner": read.owner,
        "bodies": read.bodies.value,
        "clauses": [clause(one) for one in read.clauses],
        "exceptions": [
            {
                "clause": e.clause,
                "who": {c.field.partition(".")[2]: c.plain() for c in e.who},
                "where": {c.field.partition(".")[2]: c.plain() for c in e.where},
                "until": e.until,
                "why": e.why,
                "approved_by": e.approved_by,
            }
            for e in read.exceptions
        ],
    }


def clause(c: Clause) -> dict[str, object]:
    """One clause of it."""
    return {
        "id": c.id,
        "says": c.says,
        "why": c.why,
        "when": c.when,
        "then": c.then.value,
        "approvals": c.reviewers,
        "mode": c.mode.value,
        "tell": c.tell,
        "on_failure": c.on_failure.name.lower(),
        "stream": c.stream.value,
        "digest": c.digest,
    }


def counted(number: int, noun: str) -> str:
    """ "1 day", "2 days"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
