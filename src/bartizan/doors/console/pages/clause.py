"""One clause: everything about it, and where it is changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bartizan.core.errors import PolicyError, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.pages.policy import (
    CSS,
    DAY_US,
    DAYS,
    OUTCOME,
    address,
    does,
    exceptions,
    names,
    text_in_force,
)
from bartizan.doors.console.proposal import WHO, file_text
from bartizan.doors.console.routes import act, page
from bartizan.events import Filter
from bartizan.home.versions import digest_of
from bartizan.policy.asking import told as asked
from bartizan.policy.assessment import told as measured
from bartizan.policy.clause import Clause, Example, Then
from bartizan.policy.explain import asks
from bartizan.policy.usage import told
from bartizan.report import policies
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.cases.feedback import Said
    from bartizan.doors.console.asked import Asked
    from bartizan.doors.console.workbench import Trial
    from bartizan.policy.model import Policy

LATEST = 6
MAX_EXAMPLES = 40  # shown of either side
MAX_PROPOSED = 20
MAX_SHOWN = 400  # Code points of an example.


@dataclass(frozen=True, slots=True)
class Tried:
    """One example and what became of it. `state` is good, bad or unknown."""

    side: str
    number: int
    text: str
    facts: str
    state: str
    why: str


def clause(asked: Asked) -> Page:
    """One clause."""
    return clause_page(asked)


def clause_page(asked: Asked, status: int = 200, value: Any = None, **more: Any) -> Page:  # Any: values of a template
    """The page of a clause. `more` are values in place of the usual ones: what was typed, and what was found out."""
    console, id_ = asked.console, asked.path["clause"]
    read = console.home.policy()
    found = next((one for one in read.clauses if one.id == id_), None)
    if found is None:
        return _none(id_)
    since_us = asked.now_us - DAYS * DAY_US
    trial = console.workbench.trial(read)
    counts = console.feedback.counts(since_us).get(id_)
    text, base = _editable(asked, id_)
    values = {
        "clause": found,
        "policy": read,
        "outcome": OUTCOME[found.then],
        "does": does(found),
        "asks": asks(found),
        "source": _source(asked, read, id_),
        "hits": console.index.clause_hits(since_us).get(id_, 0),
        "mistakes": counts.mistake if counts else 0,
        "missed": counts.missed if counts else 0,
        "right": counts.right if counts else 0,
        "latest": console.index.page(Filter.parse(f"clause:{id_}", asked.now_us), limit=LATEST).rows,
        "trial": trial,
        "examples": examples(found, trial),
        "tried_says": _tried_says(found, trial),
        "hidden": max(0, len(found.breaks) - MAX_EXAMPLES) + max(0, len(found.keeps) - MAX_EXAMPLES),
        "exceptions": exceptions(read, asked.now_us, id_),
        "proposed": [one for one in console.feedback.proposed() if one.clause == id_][:MAX_PROPOSED],
        "learned": [one for one in console.feedback.taken() if one.clause == id_],
        "names": names(asked),
        "days": DAYS,
        "author": asked.who.may(Role.AUTHOR),
        "facts": _facts(found),
        "who": WHO,
        # the form
        "text": text,
        "base": base,
        "checked": False,
        "problems": (),
        "remarks": (),
        "tried": None,
        "effect": None,
        "changes": (),
        "changed": False,
        "opened": None,
        "opened_text": "",
        **more,
    }
    return Page("clause.html", values, status, value if value is not None else _json(found, values), css=CSS)


def _none(id_: str) -> Page:
    what = f"There is no clause called {id_[:100]} in the policy in force."
    then = "It may have been removed; the history of the policy has every version."
    return Page(
        "error.html", {"title": "Not found", "what": what, "then": then, "status": 404}, 404, {"error": what}, css=CSS
    )


def _source(asked: Asked, read: Policy, id_: str) -> str:
    text = text_in_force(asked, read)
    return asked.console.workbench.sources(text).get(id_, "") if text else ""


def _editable(asked: Asked, id_: str) -> tuple[str, str]:
    """The clause as the file has it now, and the file's digest; nothing where the file cannot be edited so."""
    if not asked.who.may(Role.AUTHOR):
        return "", ""
    try:
        text = file_text(asked)
        return asked.console.workbench.clause_text(text, id_), digest_of(text)
    except PolicyError:
        return "", ""


def examples(found: Clause, trial: Trial) -> tuple[Tried, ...]:
    """The examples of a clause, the failing ones first."""
    faults = {(fault.side, fault.number): "; ".join(fault.why) for fault in trial.faults(found.id)}
    out = []
    for side, ones in (("breaks", found.breaks), ("keeps", found.keeps)):
        for number, one in enumerate(ones[:MAX_EXAMPLES], 1):
            why = faults.get((side, number), "")
            state = "unknown" if trial.outcome is None else "bad" if why else "good"
            out.append(Tried(side, number, _text(one), _circumstances(one), state, why))
    out.sort(key=lambda one: one.state != "bad")
    return tuple(out)


def _tried_says(found: Clause, trial: Trial) -> str:
    count, bad = len(found.breaks) + len(found.keeps), len(trial.faults(found.id))
    if trial.outcome is None:
        return trial.says
    return f"{count - bad:,} of {count:,} do what they should" if count else ""


def _text(example: Example) -> str:
    if example.usage is not None:
        return told(example.usage)
    if example.assessment is not None:
        return measured(example.assessment)
    if example.asking is not None:
        return asked(example.asking)
    if example.messages is not None:
        return json.dumps(example.messages, ensure_ascii=False)[: 4 * MAX_SHOWN]
    return example.text


def _circumstances(example: Example) -> str:
    """What an example says beside its text."""
    said = ["a chat"] if example.messages is not None else []
    for name, value in example.facts:
        if isinstance(value, frozenset):
            said.append(f"{name}: {', '.join(sorted(value))}")
        elif isinstance(value, dict):
            said.append(f"{name}: " + ", ".join(f"{key} {' '.join(ones)}" for key, ones in value.items()))
        else:
            said.append(f"{name}: {value}")
    return ", ".join(said)[:MAX_SHOWN]


def _facts(found: Clause) -> list[tuple[str, str]]:
    """What stands in a clause beside its sentences, in words."""
    facts = [("When something cannot be looked at", found.on_failure.name.lower())]
    if found.then is Then.REVIEW:
        facts.append(("Approvals", "two people, not the one who asks" if found.reviewers > 1 else "one person"))
    if found.then in (Then.REVIEW, Then.JUSTIFY):
        facts.append(("The reason comes from", "the person" if found.reason_by == "person" else "anyone with the link"))
        facts.append(("A yes holds for", "1 day" if found.grant_days == 1 else f"{found.grant_days} days"))
    facts.append(("A streamed answer", "is held to its end" if found.stream == "hold" else "stops at the place"))
    if found.deep:
        facts.append(("Slow detectors", "run for it"))
    return facts


def _json(found: Clause, values: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    return {
        "schema": "bartizan.clause/1",
        **policies.clause(found),
        "source": values["source"],
        "text": values["text"],
        "base": values["base"],
        "last_30_days": {name: values[name] for name in ("hits", "mistakes", "missed", "right")},
        "latest": [row.exchange for row in values["latest"]],
        "examples": [
            {"side": one.side, "example": one.number, "text": one.text, "state": one.state, "why": one.why}
            for one in values["examples"]
        ],
        "proposed": [one.as_json() for one in values["proposed"]],
    }


# ---- Examples that mistakes brought ---------------------------------------------------------------------------------


def opened(asked: Asked) -> Page:
    """The text of a proposed example. That it was opened is recorded before it is shown."""
    said = _proposed(asked)
    text = asked.console.feedback.example_text(said.id, asked.who.person)
    return clause_page(asked, value={**said.as_json(), "text": text}, opened=said, opened_text=text)


def dismissed(asked: Asked) -> Done:
    """A proposed example that nobody wants."""
    said = asked.console.feedback.dismiss(_proposed(asked).id, asked.who.person)
    return Done("The example is dismissed.", address(asked.path["clause"]) + "#proposed", said.as_json())


def _proposed(asked: Asked) -> Said:
    said = asked.console.feedback.said(asked.path["said"])
    if said.clause != asked.path["clause"]:
        raise UsageError("this example is about another clause")
    return said


ROUTES = (
    page("/policy/{clause}", clause, Role.VIEWER),
    page("/policy/clause/{clause}", clause, Role.VIEWER),  # for one called as another page is
    act("/policy/{clause}/proposed/{said}/open", opened, Role.AUTHOR),
    act("/policy/{clause}/proposed/{said}/dismiss", dismissed, Role.AUTHOR),
)
