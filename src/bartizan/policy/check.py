"""What is unwise in a policy that reads well: clauses that can never match or change anything, and what was forgotten.

None of it keeps the policy from being used (a clause may be ahead of its detector). `bartizan policy check` says it.
Each remark is certain, not likely: where two conditions cannot be compared, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bartizan.core.decision import Action
from bartizan.core.detector import Detector
from bartizan.core.errors import PolicyError, Problem
from bartizan.core.finding import Severity
from bartizan.core.subject import Kind, Trust
from bartizan.policy.clause import EDITS, Clause, Then
from bartizan.policy.conditions import Condition, OneOf, Risk, Severities, listed
from bartizan.policy.model import Policy
from bartizan.policy.read import known_risks, read

TRUSTED = {"system": Trust.OWN, "user": Trust.USER, "assistant": Trust.MODEL, "tool": Trust.FOREIGN}
"""Whose words a role of a chat holds (readers/chat.py)."""

SAID_BY_READERS = ("unread.",)  # Risks that come as failures from readers, doors and the loop, not from detectors.


def check(
    text: str,
    name: str,
    *,
    risks: Mapping[str, object] | None,
    detectors: Sequence[Detector],
    now_us: int,
) -> tuple[Problem, ...]:
    """Everything wrong or unwise in a policy, in file order; `now_us` tells which exceptions have expired."""
    try:
        policy = read(text, name, risks=risks, detectors=[detector.id for detector in detectors])
    except PolicyError as error:
        return error.problems
    return remarks(policy, name, catalogue=known_risks(risks), detectors=detectors, now_us=now_us)


def remarks(
    policy: Policy, name: str, *, catalogue: frozenset[str], detectors: Sequence[Detector], now_us: int
) -> tuple[Problem, ...]:
    """What is unwise in a policy that reads well."""
    found: list[Problem] = []
    for clause in policy.clauses:
        said = [*_never(clause, catalogue, detectors), *_idle(clause, policy), *_left_undone(clause)]
        found += [Problem(name, clause.line, clause.column, f"clause {clause.id}: {what}", hint) for what, hint in said]
    for exempt in policy.exceptions:
        if now_us >= exempt.until_us:
            what = f"exception for {exempt.clause}: expired after {exempt.until}, and does nothing"
            found.append(Problem(name, exempt.line, exempt.column, what, "Remove it, or agree on a new date."))
    return tuple(sorted(found))


Said = tuple[str, str]  # what, hint


# ---- It can never match ---------------------------------------------------------------------------------------------


def _never(clause: Clause, catalogue: frozenset[str], detectors: Sequence[Detector]) -> Iterator[Said]:
    by_field: dict[str, Condition] = {condition.field: condition for condition in clause.conditions}
    role, trust = by_field.get("role"), by_field.get("trust")
    if isinstance(role, OneOf) and isinstance(trust, OneOf) and role.wanted <= TRUSTED.keys():
        possible = {TRUSTED[one] for one in role.wanted}
        if possible.isdisjoint(trust.wanted):
            words = listed(sorted(possible))
            yield f"can never match: a role of {listed(sorted(role.wanted))} is trusted as {words}", ""
    if not detectors:
        return
    asked = _asked(clause, detectors)
    if not asked:
        yield from _nobody(clause, catalogue, detectors)
        return
    severity = by_field.get("severity")
    most = max(detector.severity for detector in asked)
    if isinstance(severity, Severities) and min(severity.wanted) > most:
        yield (
            f"can never match: it asks for {min(severity.wanted).name.lower()}, and the worst that "
            f"{listed(d.id for d in asked)} finds is {most.name.lower()}",
            f"Write severity: {Severity(most).name.lower()}+",
        )
    kind = by_field.get("kind")
    if isinstance(kind, OneOf) and kind.wanted == {Kind.CHAT} and all(d.kind is Kind.TEXT for d in asked):
        yield "can never match: what a chat says is seen in its texts", "Write kind: text"


def _asked(clause: Clause, detectors: Sequence[Detector]) -> list[Detector]:
    named = clause.condition("detector")
    return [
        detector
        for detector in detectors
        if any(map(clause.asks, detector.risks)) and (not isinstance(named, OneOf) or detector.id in named.wanted)
    ]


def _nobody(clause: Clause, catalogue: frozenset[str], detectors: Sequence[Detector]) -> Iterator[Said]:
    wanted, named = clause.condition("risk"), clause.condition("detector")
    words = listed(wanted.wanted) if isinstance(wanted, Risk) else "anything"
    if isinstance(named, OneOf):
        finds = sorted({risk for d in detectors if d.id in named.wanted for risk in d.risks})
        hint = f"It finds {listed(finds[:4])}{' and more' if len(finds) > 4 else ''}." if finds else ""
        yield f"can never match: {listed(sorted(named.wanted))} does not look for {words}", hint
    elif not any(clause.asks(risk) for risk in catalogue if risk.startswith(SAID_BY_READERS)):
        yield f"can never match: nothing here looks for {words}", "`bartizan detectors list` shows what is looked for."


# ---- It can never change anything -----------------------------------------------------------------------------------


def _idle(clause: Clause, policy: Policy) -> Iterator[Said]:
    if not clause.enforced:
        return
    for other in policy.clauses:
        if other is clause or not other.enforced or not covers(other, clause):
            continue
        if any(exempt.clause == other.id for exempt in policy.exceptions):
            continue  # For whoever is excepted from the other one, this one counts.
        if clause.then is Then.ALLOW and other.then is not Then.ALLOW:
            yield (
                f"allows what clause {other.id} (line {other.line}) always answers with {other.then}: "
                "the stricter one counts",
                "To let somebody through, write an exception.",
            )
        elif _counts_more(other, clause):
            yield (
                f"changes nothing: clause {other.id} (line {other.line}) matches whenever it does, and is "
                f"{'the same' if other.then is clause.then else 'stricter'}",
                "Remove it, or narrow the other one.",
            )
        else:
            continue
        return


def _counts_more(other: Clause, clause: Clause) -> bool:
    if other.on_failure < clause.on_failure:
        return False
    if other.then is clause.then and other.reviewers < clause.reviewers:
        return False
    same = (other.then, other.reviewers) == (clause.then, clause.reviewers) and other.on_failure == clause.on_failure
    if same and covers(clause, other):  # Twins: only the later one is idle.
        return other.line < clause.line and other.tell == clause.tell
    if same:
        return not clause.tell or clause.tell == other.tell  # Its own words to the person are a reason to be there.
    if other.then is Then.BLOCK:
        return True
    return other.then.action >= clause.then.action > Action.WARN and clause.then not in EDITS


def covers(wider: Clause, narrower: Clause) -> bool:
    """Whether everything that the second clause matches, the first matches, too. No where that is not certain."""
    return all(
        (theirs := narrower.condition(mine.field)) is not None and mine.covers(theirs)
        for mine in wider.conditions
        if not (isinstance(mine, Risk) and "*" in mine.wanted)
    )


# ---- It was left undone ---------------------------------------------------------------------------------------------


def _left_undone(clause: Clause) -> Iterator[Said]:
    missing = [side for side, ones in (("breaks", clause.breaks), ("keeps", clause.keeps)) if not ones]
    if missing:
        yield (
            f"has no examples that {listed(missing).replace('breaks', 'break it').replace('keeps', 'keep it')}",
            "Every clause has both, so that `bartizan policy test` can show that it does what it says.",
        )
    if clause.approvals > clause.reviewers:
        yield (
            f"wants {clause.approvals} approvals, and nobody is asked to approve by `then: {clause.then}`",
            "Write then: review, or remove approvals.",
        )
    if clause.enforced and clause.then not in (Then.ALLOW,) and not clause.tell:
        yield "tells the person nothing", "Write tell: what happened, and what they can do now."
