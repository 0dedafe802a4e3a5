"""The policy: what is allowed, since when, decided by whom; and how its clauses do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bartizan.config.policy import text_of
from bartizan.core.errors import PolicyError, Problem
from bartizan.doors.console.answers import Json, Page
from bartizan.doors.console.proposal import MAX_WHOLE, name_of
from bartizan.doors.console.routes import page
from bartizan.home.versions import Versions, digest_of
from bartizan.policy.clause import Clause, Exempt, Then
from bartizan.policy.explain import NAMES, asks
from bartizan.report import policies
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.doors.console.workbench import Trial
    from bartizan.home.versions import PolicyVersion
    from bartizan.policy.model import Policy

CSS = ("policy.css",)
DAYS = 30
DAY_US = 86_400_000_000
AT_ONCE = 100  # Clauses on one page.
MAX_SOURCES = 16_000  # Code points of source on one page; of the other clauses it stands on their own pages.
MAX_PROBLEMS = 20
RECENT = 4
SHOWS = ("all", "enforced", "observing", "attention")
SORTS = ("written", "hits", "mistakes")
# A clause's action, as shapes and colours know it, and what it does, as people say it.
OUTCOME = {then: "redact" if then is Then.PSEUDONYMISE else then.value for then in Then}
DOES = {
    Then.ALLOW: "Allow",
    Then.WARN: "Warn",
    Then.REDACT: "Redact",
    Then.PSEUDONYMISE: "Pseudonymise",
    Then.JUSTIFY: "Ask for a reason",
    Then.REVIEW: "Hold for a person",
    Then.BLOCK: "Block",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One clause and how it does: hits and mistakes of the last 30 days, examples that do not do what they should."""

    clause: Clause
    outcome: str
    does: str
    asks: str
    hits: int
    mistakes: int
    missed: int
    faults: int
    source: str = ""

    @property
    def attention(self) -> bool:
        """Whether somebody should look at it."""
        return bool(self.mistakes or self.missed or self.faults)


@dataclass(frozen=True, slots=True)
class Exempted:
    """One exception as it is shown, and whether it is over."""

    exempt: Exempt
    whom: str
    over: bool


def policy(asked: Asked) -> Page:
    """All clauses and exceptions in force."""
    console = asked.console
    status = console.home.policy_status
    try:
        read = console.home.policy()
    except PolicyError as error:
        values: dict[str, object] = {"policy": None, "problems": error.problems[:MAX_PROBLEMS], "editable": False}
        return Page("policy.html", values, value={"policy": None, "problems": listed(error.problems)}, css=CSS)
    trial = console.workbench.trial(read)
    everything = tuple(_shown(asked, read, trial))
    show, sort = asked.option("show", SHOWS), asked.option("sort", SORTS)
    some = [one for one in everything if _belongs(one, show)]
    if sort != "written":
        some.sort(key=lambda one: -(one.hits if sort == "hits" else one.mistakes))
    first = _first(asked, len(some))
    shown = _with_sources(asked, read, some[first : first + AT_ONCE])
    versions = Versions(console.home.state)
    version = versions.of_digest(read.digest)
    values = {
        "policy": read,
        "problems": status.problems[:MAX_PROBLEMS],
        "more_problems": max(0, len(status.problems) - MAX_PROBLEMS),
        "version": version,
        "recent": versions.before(limit=RECENT),
        "names": names(asked),
        "trial": trial,
        "clauses": shown,
        "count": len(everything),
        "enforced": sum(one.clause.enforced for one in everything),
        "attention": sum(one.attention for one in everything),
        "exceptions": exceptions(read, asked.now_us),
        "proposed": len(console.feedback.proposed()),
        "learned": len(console.feedback.taken()),
        "show": show,
        "sort": sort,
        "first": first,
        "found": len(some),
        "at_once": AT_ONCE,
        "days": DAYS,
        "author": asked.who.may(Role.AUTHOR),
        "file": console.config.policy_path.name,
        "base": _file_digest(asked),
    }
    return Page("policy.html", values, value=_json(read, everything, status.problems, version, trial), css=CSS)


def _shown(asked: Asked, read: Policy, trial: Trial) -> list[Shown]:
    since_us = asked.now_us - DAYS * DAY_US
    hits = asked.console.index.clause_hits(since_us)
    counts = asked.console.feedback.counts(since_us)
    faults: dict[str, int] = {}
    for fault in trial.outcome.faults if trial.outcome else ():
        faults[fault.clause] = faults.get(fault.clause, 0) + 1
    out = []
    for clause in read.clauses:
        said = counts.get(clause.id)
        out.append(
            Shown(
                clause,
                OUTCOME[clause.then],
                does(clause),
                asks(clause),
                hits.get(clause.id, 0),
                said.mistake if said else 0,
                said.missed if said else 0,
                faults.get(clause.id, 0),
            )
        )
    return out


def does(clause: Clause) -> str:
    """What a clause does, as people say it: "Hold for 2 people"."""
    return f"Hold for {clause.reviewers} people" if clause.reviewers > 1 else DOES[clause.then]


def _belongs(one: Shown, show: str) -> bool:
    match show:
        case "enforced":
            return one.clause.enforced
        case "observing":
            return not one.clause.enforced
        case "attention":
            return one.attention
    return True


def _first(asked: Asked, count: int) -> int:
    """Where this page begins."""
    given = asked.query.get("from", "")
    first = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0
    return min(first, max(0, count - 1))


def _with_sources(asked: Asked, read: Policy, some: list[Shown]) -> tuple[Shown, ...]:
    """With the YAML of as many clauses as a page has room for."""
    text = text_in_force(asked, read)
    sources: Mapping[str, str] = asked.console.workbench.sources(text) if text else {}
    room = MAX_SOURCES
    out = []
    for one in some:
        source = sources.get(one.clause.id, "")
        room -= len(source)
        out.append(one if room < 0 else replace(one, source=source))
    return tuple(out)


def text_in_force(asked: Asked, read: Policy) -> str:
    """The text of the policy in force: the file's, or what was kept of it while the file says something else."""
    try:
        text = text_of(asked.console.config.policy_path)
    except PolicyError:
        text = ""
    if digest_of(text) == read.digest:
        return text
    versions = Versions(asked.console.home.state)
    kept = versions.of_digest(read.digest)
    return versions.text(kept.id) if kept else ""


def names(asked: Asked) -> dict[str, str]:
    """The names of colleagues by their pseudonyms; others stay pseudonyms."""
    return {account.person: account.name for account in asked.console.accounts.accounts()}


def exceptions(read: Policy, now_us: int, clause: str = "") -> tuple[Exempted, ...]:
    """The exceptions of a policy, or of one of its clauses."""
    return tuple(
        Exempted(exempt, _whom(exempt), now_us >= exempt.until_us)
        for exempt in read.exceptions
        if not clause or exempt.clause == clause
    )


def _whom(exempt: Exempt) -> str:
    return ", ".join(f"{NAMES.get(c.field, c.field)} {c.words()}" for c in (*exempt.who, *exempt.where))


def _file_digest(asked: Asked) -> str:
    try:
        return digest_of(text_of(asked.console.config.policy_path))
    except PolicyError:
        return ""


def _json(
    read: Policy,
    everything: tuple[Shown, ...],
    problems: tuple[Problem, ...],
    version: PolicyVersion | None,
    trial: Trial,
) -> dict[str, object]:
    value = policies.shown(read)
    value["in_force"] = {
        "since_us": version.at_us if version else None,
        "by": version.by if version else None,
        "version": version.id if version else None,
    }
    value["problems"] = listed(problems)
    value["examples"] = {
        "running": trial.running,
        "count": trial.outcome.examples if trial.outcome else None,
        "faults": [
            {"clause": f.clause, "side": f.side, "example": f.number, "line": f.line, "why": list(f.why)}
            for f in (trial.outcome.faults if trial.outcome else ())
        ],
    }
    value["last_30_days"] = {
        one.clause.id: {"hits": one.hits, "mistakes": one.mistakes, "missed": one.missed} for one in everything
    }
    return value


def address(clause: str) -> str:
    """Where a clause's page is; two words are pages of their own."""
    return f"/policy/clause/{clause}" if clause in ("history", "whole") else f"/policy/{clause}"


def listed(problems: tuple[Problem, ...]) -> list[dict[str, object]]:
    """Problems as JSON."""
    return [{"line": p.line, "column": p.column, "what": p.what, "hint": p.hint} for p in problems]


def whole(asked: Asked) -> Page:
    """The whole file, to be edited."""
    text = text_of(asked.console.config.policy_path)
    too_large = len(text) > MAX_WHOLE
    shown = "" if too_large else text.removeprefix("\ufeff")
    return whole_page(asked, text, shown, too_large=len(text) if too_large else 0)


def whole_page(asked: Asked, now: str, text: str, status: int = 200, value: Json = None, **more: Any) -> Page:
    """The file as it is `now`, and the `text` that is being made of it. `more` is what became of the last try."""
    values = {
        "text": text,
        "too_large": 0,
        "base": digest_of(now),
        "name": name_of(asked, now),
        "file": asked.console.config.policy_path.name,
        "problems": (),
        "checked": False,
        "changed": False,
        "remarks": (),
        "effect": None,
        "changes": (),
        **more,
    }
    return Page("policy_whole.html", values, status, value, css=CSS)


ROUTES = (
    page("/policy", policy, Role.VIEWER),
    page("/policy/whole", whole, Role.AUTHOR),
)
