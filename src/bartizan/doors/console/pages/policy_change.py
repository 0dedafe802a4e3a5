"""Changing the policy: what would happen is shown first, and whoever saves it types its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bartizan import rules
from bartizan.cases.feedback import Proposal as Example
from bartizan.core.decision import Action, Decision
from bartizan.core.errors import PolicyChanged, PolicyError, Problem, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.pages.clause import clause_page
from bartizan.doors.console.pages.policy import CSS, address, listed, whole_page
from bartizan.doors.console.proposal import CHANGED, Proposal, file_text, line_of, proposed
from bartizan.doors.console.routes import act
from bartizan.doors.console.textdiff import compared as lines
from bartizan.home.past import WhatIf
from bartizan.home.rewriting import change_policy
from bartizan.home.versions import digest_of
from bartizan.policy import edit
from bartizan.policy.check import remarks
from bartizan.policy.diff import Change, Sort, diff
from bartizan.policy.read import known_risks
from bartizan.report import policies
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.policy.model import Policy

DAYS = 7
MAX_PROBLEMS = 50
TRIAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Differs:
    """One exchange that would have gone otherwise: its outcome, and the other one."""

    exchange: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a change would have done, as it is shown. `ways` are the sorts with some of their exchanges."""

    says: str
    more: str
    ways: tuple[tuple[str, int, tuple[Differs, ...]], ...]
    blind: tuple[tuple[str, int], ...]


# ---- Looking --------------------------------------------------------------------------------------------------------


def check(asked: Asked) -> Page:
    """Everything wrong or unwise in what was typed, and how its examples do. Nothing is written."""
    try:
        proposal = proposed(asked)
        new = asked.console.workbench.policy(proposal.new)
    except PolicyError as error:
        return _wrong(asked, error, 200)  # That is what was asked.
    except PolicyChanged:
        return _overtaken(asked)
    said = _remarks(asked, proposal, new)
    clause = next((one for one in new.clauses if one.id == (proposal.becomes or proposal.clause)), None)
    tried = asked.console.workbench.examples(clause) if clause else None
    value: dict[str, Any] = {"schema": "bartizan.policy-check/1", "problems": [], "remarks": listed(said)}
    if tried is not None:
        faults = [{"side": f.side, "example": f.number, "why": list(f.why)} for f in tried.faults]
        value["examples"] = {"count": tried.examples, "faults": faults}
    return _editor(asked, proposal, 200, value, checked=True, remarks=said, tried=tried)


def what_if(asked: Asked) -> Page:
    """What the change would have done in the last seven days. Nothing is written."""
    try:
        proposal = proposed(asked)
        new = asked.console.workbench.policy(proposal.new)
    except PolicyError as error:
        return _wrong(asked, error)
    except PolicyChanged:
        return _overtaken(asked)
    changes = _changes(asked, proposal, new)
    told = asked.console.workbench.what_if(new, asked.now_us, DAYS)
    value = _value(proposal, changes, told)
    return _editor(asked, proposal, 200, value, effect=_effect(told), changes=changes)


def preview(asked: Asked) -> Page:
    """What a change does and would have done, before it is saved."""
    try:
        proposal = proposed(asked)
        return _preview(asked, proposal)
    except PolicyError as error:
        return _wrong(asked, error)
    except PolicyChanged:
        return _overtaken(asked)


def _preview(asked: Asked, proposal: Proposal, status: int = 200, why: str = "", denied: str = "") -> Page:
    new = asked.console.workbench.policy(proposal.new)
    changes = _changes(asked, proposal, new)
    told = asked.console.workbench.what_if(new, asked.now_us, DAYS)
    trial = asked.console.workbench.settled(new, TRIAL_S)
    text, cut = lines(proposal.old, proposal.new)
    values = {
        "proposal": proposal,
        "changes": changes,
        "effect": _effect(told),
        "trial": trial,
        "remarks": _remarks(asked, proposal, new),
        "lines": text,
        "cut": cut,
        "same": proposal.old == proposal.new,
        "why": why,
        "denied": denied,
        "back": _back(proposal),
    }
    return Page("policy_preview.html", values, status, _value(proposal, changes, told), css=CSS)


def _value(proposal: Proposal, changes: Iterable[Change], told: WhatIf) -> dict[str, object]:
    value = policies.compared(changes, told.effect)
    value |= {"days": told.days, "since_us": told.since_us, "cut": told.cut}
    value |= {"before": proposal.before, "after": digest_of(proposal.new), "confirm": proposal.confirm}
    return value


def _changes(asked: Asked, proposal: Proposal, new: Policy) -> tuple[Change, ...]:
    try:
        old = asked.console.workbench.policy(proposal.old)
    except PolicyError:  # The file does not hold; what is in force meanwhile is what this replaces.
        old = asked.console.home.policy()
    return diff(old, new)


def _remarks(asked: Asked, proposal: Proposal, new: Policy) -> tuple[Problem, ...]:
    """What is unwise: about the clause that was edited, or about everything."""
    risks = known_risks(rules.load("bartizan.rules", "risks.toml"))
    detectors = asked.console.home.detectors
    found = remarks(new, "", catalogue=risks, detectors=detectors, now_us=asked.now_us)
    if proposal.clause:
        about = f"clause {proposal.becomes or proposal.clause}: "
        first = line_of(proposal.new, proposal.becomes or proposal.clause) if proposal.change == "clause" else 1
        some = (one for one in found if one.what.startswith(about))
        found = tuple(Problem("", one.line - first + 1, 0, one.what.removeprefix(about), one.hint) for one in some)
    return found[:MAX_PROBLEMS]


def _effect(told: WhatIf) -> Shown:
    effect, days = told.effect, f"the last {told.days} days"
    count = f"{effect.decided:,} decisions" if effect.decided != 1 else "1 decision"
    if not effect.decided:
        return Shown(f"Nothing was decided in {days}, so the past has no answer.", _limits(told), (), ())
    total = effect.stricter + effect.looser + effect.edited
    ways = []
    for word, sort, number in (
        ("Stricter", Sort.STRICTER, effect.stricter),
        ("Looser", Sort.LOOSER, effect.looser),
        ("Edited otherwise", Sort.CHANGED, effect.edited),
    ):
        some = {
            one.id: Differs(one.id, _outcome(one.was), _outcome(one.now))
            for one in effect.differing
            if one.sort is sort
        }
        ways.append((word, number, tuple(some.values())))
    if not total:
        says = f"None of {count} of {days} would have gone otherwise."
    else:
        says = (
            f"{total:,} of {count} of {days} would have gone otherwise: {effect.stricter:,} stricter, "
            f"{effect.looser:,} looser, {effect.edited:,} edited otherwise."
        )
    return Shown(says, _limits(told), tuple(ways), effect.unanswerable)


def _limits(told: WhatIf) -> str:
    """What keeps the answer from being the whole one."""
    said = []
    if told.cut:
        said.append(f"Only {told.cut} were asked.")
    if told.effect.unknown:
        said.append(f"{told.effect.unknown:,} were made with other detectors than today's.")
    return " ".join(said)


def _outcome(decision: Decision) -> str:
    """A decision as shapes and colours know it."""
    if decision.edits and decision.action <= Action.WARN:
        return "redact"
    return decision.action.name.lower()


# ---- Saving ---------------------------------------------------------------------------------------------------------


def save(asked: Asked) -> Page | Done:
    """Put the change in force."""
    console, who = asked.console, asked.who.person
    why = asked.text("why", needed=False, at_most=1000)
    try:
        asked.text("base")  # Who saves says of which file; without it, the last one would always win.
        proposal = proposed(asked)
        if proposal.example and console.feedback.said(proposal.example).example is not Example.PROPOSED:
            raise UsageError("somebody else decided on this example already")
        denied = ""
        if not why:
            denied = "Say why: the history keeps it for whoever asks in a year."
        elif asked.text("confirm", needed=False) != proposal.confirm:
            denied = f"To save it, type {proposal.confirm} below."
        if denied:
            return _preview(asked, proposal, 400, why, denied)
        made = change_policy(console.home, console.record, proposal.before, proposal.new, by=who, why=why)
    except PolicyError as error:
        return _wrong(asked, error)
    except PolicyChanged:
        return _overtaken(asked)
    said = "The policy is changed. Every process of the gateway follows within a second."
    if proposal.example:
        try:
            console.feedback.take(proposal.example, who)
        except UsageError:
            said += " Somebody else decided on the example in the same moment."
    value = {"version": made.id, "policy": made.name, "digest": made.digest}
    return Done(said, _back(proposal), value)


def _back(proposal: Proposal) -> str:
    if proposal.clause:
        return address(proposal.becomes or proposal.clause)
    return "/policy" if proposal.change == "put-back" else "/policy/whole"


# ---- What could not be done -----------------------------------------------------------------------------------------


def _wrong(asked: Asked, error: PolicyError, status: int = 400) -> Page:
    """What was typed does not hold: where it was typed, with every problem at its line."""
    problems = error.problems
    if _change(asked) == "clause" and "clause" in asked.path:
        try:
            first = line_of(file_text(asked), asked.path["clause"])
        except PolicyError:
            first = 1
        given = (asked.fields.get("text") or ("",))[0].replace("\r\n", "\n").rstrip()
        end = first + given.count("\n")
        problems = tuple(_within(one, first, end) for one in problems)
    problems = problems[:MAX_PROBLEMS]
    value = {"schema": "bartizan.policy-check/1", "problems": listed(problems), "remarks": []}
    return _editor(asked, None, status, value, checked=True, problems=problems)


def _within(problem: Problem, first: int, end: int) -> Problem:
    """A problem at the line of the clause, or without one where it is elsewhere in the file."""
    if problem.file == edit.CLAUSE:
        return problem  # Told so already.
    if first <= problem.line <= end:
        return Problem("", problem.line - first + 1, 0, problem.what, problem.hint)
    where = f" (line {problem.line} of the file)" if problem.line else ""
    return Problem("", 0, 0, problem.what + where, problem.hint)


def _overtaken(asked: Asked) -> Page:
    """Somebody else was faster: what was typed stays on the page, against the file as it is now."""
    value = {"error": CHANGED, "base": digest_of(file_text(asked))}
    return _editor(asked, None, 409, value, changed=True)


def _editor(asked: Asked, proposal: Proposal | None, status: int, value: Any, **more: Any) -> Page:
    """The page on which something was typed, as it was typed."""
    change = proposal.change if proposal else _change(asked)
    text = (asked.fields.get("text") or ("",))[0].replace("\r\n", "\n")
    if change == "clause" and "clause" in asked.path:
        made = clause_page(asked, status, value, text=text, **more)
        if made.template != "error.html":
            return made
    elif change == "whole":
        return whole_page(asked, file_text(asked), text, status, value, **more)
    problems = more.get("problems", ())
    what = CHANGED if more.get("changed") else "This change does not hold: " + "; ".join(one.what for one in problems)
    values = {
        "title": "Not changed",
        "what": what,
        "then": "Go back and change it; nothing was written.",
        "status": status,
    }
    return Page("error.html", values, status, value, css=CSS)


def _change(asked: Asked) -> str:
    return (asked.fields.get("change") or ("clause",))[0] or "clause"


ROUTES = (
    act("/policy/check", check, Role.AUTHOR),
    act("/policy/what-if", what_if, Role.AUTHOR),
    act("/policy/preview", preview, Role.AUTHOR),
    act("/policy/save", save, Role.AUTHOR),
    act("/policy/{clause}/check", check, Role.AUTHOR),
    act("/policy/{clause}/what-if", what_if, Role.AUTHOR),
    act("/policy/{clause}/preview", preview, Role.AUTHOR),
    act("/policy/{clause}/save", save, Role.AUTHOR),
)
