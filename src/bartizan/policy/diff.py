"""What a new version of a policy changes, in words: clause by clause, and over what was recorded.

A clause is *stricter* if it answers more, or more strictly, *looser* if less. Where both happen, or it cannot be told,
it is *changed*. An edited sentence alone is *wording*; grants given under the old one end all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bartizan.core.decision import Decision
from bartizan.core.finding import Seen
from bartizan.core.subject import Context, History
from bartizan.policy.clause import STRICTNESS, Clause, Exempt, Mode, ReasonBy, Stream, Then
from bartizan.policy.conditions import Condition
from bartizan.policy.explain import NAMES, asks, does
from bartizan.policy.model import Policy


class Sort(StrEnum):
    """What became of a clause or an exception."""

    ADDED = "added"
    REMOVED = "removed"
    STRICTER = "stricter"
    LOOSER = "looser"
    CHANGED = "changed"
    WORDING = "wording"


@dataclass(frozen=True, slots=True)
class Change:
    """One clause, exception or setting that differs, and how, a sentence each."""

    what: str
    sort: Sort
    how: tuple[str, ...] = ()


def diff(old: Policy, new: Policy) -> tuple[Change, ...]:
    """Every difference in meaning: settings, clauses in the new file's order, removed ones, exceptions."""
    before = {clause.id: clause for clause in old.clauses}
    after = {clause.id: clause for clause in new.clauses}
    changes = [*_settings(old, new)]
    for clause in new.clauses:
        if clause.id not in before:
            changes.append(Change(f"clause {clause.id}", Sort.ADDED, (_whole(clause),)))
        elif change := _clause(before[clause.id], clause):
            changes.append(change)
    changes += [Change(f"clause {c.id}", Sort.REMOVED, (_whole(c),)) for c in old.clauses if c.id not in after]
    return (*changes, *_exceptions(old, new))


def _whole(clause: Clause) -> str:
    mode = "" if clause.enforced else ", observing only"
    return f"{does(clause)} where {asks(clause)}{mode}"


def _settings(old: Policy, new: Policy) -> list[Change]:
    out: list[Change] = []
    for field in ("name", "owner", "bodies", "durability", "on_full"):
        was, now = getattr(old, field), getattr(new, field)
        if was != now:
            out.append(Change(field, Sort.CHANGED, (f"{was or 'not set'} → {now or 'not set'}",)))
    return out


# ---- One clause ----------------------------------------------------------------------------------------


def _clause(old: Clause, new: Clause) -> Change | None:
    said: list[tuple[int, str]] = []  # 1 stricter, -1 looser, 0 cannot be told, 2 wording
    if old.then is not new.then:
        more = STRICTNESS[new.then] - STRICTNESS[old.then]
        comparable = not {old.then, new.then} <= {Then.REDACT, Then.PSEUDONYMISE, Then.WARN} or Then.WARN in (
            old.then,
            new.then,
        )
        said.append(((1 if more > 0 else -1) if comparable else 0, f"then: {old.then} → {new.then}"))
    if old.mode is not new.mode:
        said.append((1 if new.mode is Mode.ENFORCE else -1, f"mode: {old.mode} → {new.mode}"))
    if old.on_failure is not new.on_failure:
        words = f"on_failure: {old.on_failure.name.lower()} → {new.on_failure.name.lower()}"
        said.append((1 if new.on_failure > old.on_failure else -1, words))
    if old.reason_by is not new.reason_by:
        said.append((1 if new.reason_by is ReasonBy.PERSON else -1, f"reason_by: {old.reason_by} → {new.reason_by}"))
    if old.approvals != new.approvals:
        more = new.reviewers - old.reviewers
        way = 2 if not more else 1 if more > 0 else -1  # Where nobody is asked to approve, it is a word.
        said.append((way, f"approvals: {old.approvals} → {new.approvals}"))
    if old.grant_days != new.grant_days:
        words = f"grant_for: {old.grant_days} days → {new.grant_days} days"
        said.append((1 if new.grant_days < old.grant_days else -1, words))
    if old.stream is not new.stream:
        said.append((1 if new.stream is Stream.HOLD else -1, f"stream: {old.stream} → {new.stream}"))
    if old.deep != new.deep:
        said.append((1 if new.deep else -1, "examine: deep" if new.deep else "no longer examine: deep"))
    said += _when(old, new)
    for field in ("says", "why", "tell"):
        if getattr(old, field) != getattr(new, field):
            said.append((2, f"{field} is worded differently"))
    if (old.breaks, old.keeps) != (new.breaks, new.keeps):
        said.append((2, "other examples"))
    if not said:
        return None
    how = tuple(words for _, words in said)
    if old.digest != new.digest and any(c.then in (Then.JUSTIFY, Then.REVIEW) for c in (old, new)):
        how = (*how, "grants given under the old wording end")
    return Change(f"clause {new.id}", _sort({way for way, _ in said}), how)


def _sort(ways: set[int]) -> Sort:
    if ways == {2}:
        return Sort.WORDING
    ways.discard(2)
    return {frozenset({1}): Sort.STRICTER, frozenset({-1}): Sort.LOOSER}.get(frozenset(ways), Sort.CHANGED)


def _when(old: Clause, new: Clause) -> list[tuple[int, str]]:
    was = {condition.field: condition for condition in old.conditions}
    now = {condition.field: condition for condition in new.conditions}
    said: list[tuple[int, str]] = []
    for field in sorted(was.keys() | now.keys()):
        name = f"when, {field}"
        before, after = was.get(field), now.get(field)
        if before is None and after is not None:
            said.append((-1, f"{name}: asks for it now: {_words(after)}"))
        elif after is None and before is not None:
            said.append((1, f"{name}: does not ask any more: {_words(before)}"))
        elif before is not None and after is not None and before.plain() != after.plain():
            way = after.covers(before) - before.covers(after)
            said.append((way, f"{name}: {_words(before)} → {_words(after)}"))
    return said


def _words(condition: Condition) -> str:
    return condition.words().removeprefix("is ")


def _exceptions(old: Policy, new: Policy) -> list[Change]:
    before = {_whose(exempt): exempt for exempt in old.exceptions}
    after = {_whose(exempt): exempt for exempt in new.exceptions}
    out: list[Change] = []
    for whose, exempt in after.items():
        was = before.get(whose)
        if was is None:
            words = f"until {exempt.until}, approved by {exempt.approved_by}"
            out.append(Change(_exception(exempt), Sort.ADDED, (words,)))
        elif was.until_us != exempt.until_us:
            sort = Sort.LOOSER if exempt.until_us > was.until_us else Sort.STRICTER
            out.append(Change(_exception(exempt), sort, (f"until: {was.until} → {exempt.until}",)))
        elif (was.why, was.approved_by) != (exempt.why, exempt.approved_by):
            out.append(Change(_exception(exempt), Sort.WORDING, ("why or approved_by differs",)))
    out += [Change(_exception(e), Sort.REMOVED, (f"until {e.until}",)) for w, e in before.items() if w not in after]
    return out


def _whose(exempt: Exempt) -> object:
    return exempt.clause, exempt.who, exempt.where


def _exception(exempt: Exempt) -> str:
    whom = ", ".join(
        f"{NAMES.get(condition.field, condition.field)} {condition.words()}"
        for condition in (*exempt.who, *exempt.where)
    )
    return f"exception from {exempt.clause} where {whom}"


# ---- Over what was recorded -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of one recorded decision: enough to make it again."""

    id: str
    seen: tuple[Seen, ...]
    context: Context
    history: History
    examined: frozenset[str] | None = None  # risks looked for then; None: not known


@dataclass(frozen=True, slots=True)
class Differing:
    """One recorded decision that the new policy would have made otherwise."""

    id: str
    was: Decision
    now: Decision

    @property
    def sort(self) -> Sort:
        """STRICTER or LOOSER; CHANGED for other edits under the same action."""
        if self.now.action == self.was.action:
            return Sort.CHANGED
        return Sort.STRICTER if self.now.action > self.was.action else Sort.LOOSER


@dataclass(frozen=True, slots=True)
class Effect:
    """What the new policy would have done with the recorded decisions.

    `differing` are the first of those it would have made otherwise, up to 20 of each sort.
    `unanswerable` are the clauses about risks that nobody looked for then, with how many decisions that concerns.
    `unknown` is how many decisions were made with other detectors, of which nobody knows what they looked for.
    """

    decided: int
    stricter: int
    looser: int
    edited: int  # the same action, other edits
    differing: tuple[Differing, ...]
    unanswerable: tuple[tuple[str, int], ...] = ()
    unknown: int = 0

    @property
    def ids(self) -> tuple[str, ...]:
        """The exchanges of up to 20 that would differ."""
        return tuple(dict.fromkeys(one.id for one in self.differing))[:MAX_IDS]


MAX_IDS = 20


def effect(old: Policy, new: Policy, past: Iterable[Past]) -> Effect:
    """Both policies over recorded decisions."""
    decided = unknown = 0
    counts = {Sort.STRICTER: 0, Sort.LOOSER: 0, Sort.CHANGED: 0}
    differing: list[Differing] = []
    blind: dict[str, int] = {}
    unasked: dict[frozenset[str], tuple[str, ...]] = {}  # by what was looked for, which is the same for most
    for one in past:
        decided += 1
        unknown += one.examined is None
        was = old.decide(one.seen, one.context, one.history)
        now = new.decide(one.seen, one.context, one.history)
        if one.examined is not None:
            if one.examined not in unasked:
                unasked[one.examined] = tuple(c.id for c in new.clauses if not any(map(c.asks, one.examined)))
            for clause in unasked[one.examined]:
                blind[clause] = blind.get(clause, 0) + 1
        if _same(was, now):
            continue
        differs = Differing(one.id, was, now)
        counts[differs.sort] += 1
        if counts[differs.sort] <= MAX_IDS:
            differing.append(differs)
    stricter, looser, edited = counts.values()
    return Effect(decided, stricter, looser, edited, tuple(differing), tuple(sorted(blind.items())), unknown)


def _same(one: Decision, other: Decision) -> bool:
    return (one.action, one.edits) == (other.action, other.edits)
