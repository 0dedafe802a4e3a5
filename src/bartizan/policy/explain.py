"""Why a text got its decision: for every clause, what held and what did not. Holds no content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bartizan.core.decision import Decision
from bartizan.core.finding import Failure, Finding, Seen
from bartizan.core.subject import Context, History
from bartizan.policy.clause import NO_HISTORY, Clause
from bartizan.policy.conditions import CONTEXT, Condition, Risk
from bartizan.policy.model import Policy

NAMES = {
    "risk": "the risk",
    "severity": "its severity",
    "confidence": "its confidence",
    "detector": "the detector",
    "kind": "the kind",
    "direction": "the direction",
    "trust": "whose words it is in",
    "role": "the role",
    "labels": "a label",
    "taint": "a taint",
    "time": "the time",
    "who.person": "the person",
    "who.group": "a group of the person",
    "who.app": "the app",
    "who.key": "the key",
    "where.provider": "the provider",
    "where.model": "the model",
    "where.host": "the host",
    "where.sanctioned": "that the service is sanctioned",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One condition beside what was there: "its severity is medium, the clause asks for high or higher"."""

    field: str
    held: bool
    wanted: str
    actual: str

    def __str__(self) -> str:
        name = NAMES.get(self.field) or self.field.removeprefix("measures.")
        return (
            f"{name} {self.actual}" if self.held else f"{name} {self.actual}; it would have to be: {_is(self.wanted)}"
        )


def _is(words: str) -> str:
    return words.removeprefix("is ")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one clause says to what was seen: to the item that comes nearest to matching it, where none matches.

    `did` is what came of it, "redact"; empty for a clause that did not match. `item` is None where nothing was seen.
    """

    clause: Clause
    matched: int
    item: Finding | Failure | None
    said: tuple[Said, ...]
    did: str = ""
    excepted: bool = False

    @property
    def missing(self) -> tuple[Said, ...]:
        """What would have to differ."""
        return tuple(one for one in self.said if not one.held)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, and what every clause had to do with it: first those that matched, then the nearest misses."""

    decision: Decision
    answers: tuple[Answer, ...]

    @property
    def matched(self) -> tuple[Answer, ...]:
        return tuple(one for one in self.answers if one.matched)

    @property
    def near(self) -> tuple[Answer, ...]:
        """Those that did not match, the ones that lack least first."""
        return tuple(one for one in self.answers if not one.matched)


def explain(policy: Policy, seen: Iterable[Seen], context: Context, history: History = NO_HISTORY) -> Explanation:
    """Every clause beside everything that was seen."""
    seen = tuple(seen)
    decision = policy.decide(seen, context, history)
    answers = [_answer(policy, clause, decision, seen, context, history) for clause in policy.clauses]
    order = {clause.id: n for n, clause in enumerate(policy.clauses)}
    # A clause about another risk lacks what no setting changes: it is the farthest, however little else it lacks.
    answers.sort(key=lambda a: (not a.matched, _elsewhere(a), len(a.missing), order[a.clause.id]))
    return Explanation(decision, tuple(answers))


def _elsewhere(answer: Answer) -> bool:
    return any(one.field == "risk" for one in answer.missing)


def _answer(
    policy: Policy, clause: Clause, decision: Decision, seen: tuple[Seen, ...], context: Context, history: History
) -> Answer:
    best: tuple[int, int, tuple[Said, ...], Seen] | None = None
    matched = 0
    for one in seen:
        said = tuple(_said(condition, one, context, history) for condition in clause.conditions)
        missing = [s for s in said if not s.held]
        matched += not missing
        rank = (any(s.field == "risk" for s in missing), len(missing))
        if best is None or rank < best[:2]:
            best = (*rank, said, one)
    if best is None:
        nothing = tuple(
            Said(c.field, False, c.words(), "was not seen")
            if c.field.partition(".")[0] not in CONTEXT
            else _said(c, _NOTHING, context, history)
            for c in clause.conditions
        )
        return Answer(clause, 0, None, nothing)
    item, excepted = best[3].item, clause.id in decision.excepted
    did = _did(clause, seen, context, history, policy) if matched and not excepted else ""
    return Answer(clause, matched, item, best[2], did, excepted)


_NOTHING = Seen(Failure("", ()))


def _said(condition: Condition, one: Seen, context: Context, history: History) -> Said:
    held = condition.holds(one, context, history)
    return Said(condition.field, held, condition.words(), condition.actual(one, context, history))


def _did(clause: Clause, seen: tuple[Seen, ...], context: Context, history: History, policy: Policy) -> str:
    """What a clause that matched came to, by itself."""
    alone = Policy(name=policy.name, version=policy.version, clauses=[clause])
    decision = alone.decide(seen, context, history)
    action, edits = (decision.action, decision.edits) if clause.enforced else (decision.would, decision.would_edits)
    words = [clause.then.value] if edits else []
    failed = any(isinstance(one.item, Failure) and clause.id in alone.decide((one,), context).clauses for one in seen)
    if action or not edits:
        words.append(does(clause) if action.name.lower() == clause.then.value else action.name.lower())
    if failed:
        words.append("(something could not be looked at)")
    elif not edits and action.name.lower() != clause.then.value:
        covered = clause.then.action > action
        words.append("(a grant covers it)" if covered else "(it has no place that could be edited)")
    return " ".join(words) if clause.enforced else f"would {' '.join(words)}"


def about(item: Finding | Failure | None) -> str:
    """What was seen, in words: "a finding of secret.jwt by text.secrets@1"."""
    if item is None:
        return "nothing"
    by = f" by {item.detector}" if item.detector else ""
    if isinstance(item, Finding):
        return f"a finding of {item.risk}{by}"
    return f"a failure{by} ({item.why})"


def asks(clause: Clause) -> str:
    """What a clause asks for, in words."""
    parts = (f"{NAMES.get(c.field) or c.field.removeprefix('measures.')} {c.words()}" for c in clause.conditions)
    return ", ".join(parts) or "everything that is seen"


def does(clause: Clause) -> str:
    """What a clause does: "block", "review by 2 people"."""
    return clause.then.value + (f" by {clause.reviewers} people" if clause.reviewers > 1 else "")


def risk_of(clause: Clause) -> str:
    """The risks a clause asks about, as written."""
    wanted = clause.condition("risk")
    return ", ".join(wanted.wanted) if isinstance(wanted, Risk) else "*"
