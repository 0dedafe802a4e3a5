"""An exception from a clause, asked for beside an event: its effect on the past first, then its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from bartizan.config.policy import text_of
from bartizan.core.errors import InputError, UsageError
from bartizan.doors.console import downloads
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.proposal import approver
from bartizan.doors.console.routes import act, page
from bartizan.doors.console.trace import bounded, sound, stricter
from bartizan.events import Filter
from bartizan.home.past import past
from bartizan.home.rewriting import change_policy
from bartizan.home.versions import digest_of
from bartizan.ledger.opening import decisions, records_of
from bartizan.policy.diff import Effect, effect
from bartizan.policy.edit import with_exception
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.events import Row
    from bartizan.ledger.read import Record

DAYS = 7
MAX_EVENTS = 500  # Of the clause, the newest.
DEFAULT_DAYS = 30
MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class Wish:
    """Which clause shall not count for whom, and until when. `whom` is a field of `who` and its value."""

    clause: str
    whom: tuple[str, str]
    until: str

    @property
    def field(self) -> str:
        """As a form sends it."""
        return ":".join(self.whom)


def look(asked: Asked) -> Page:
    """What the exception would have changed in the last days, and the form for the rest of it."""
    record = _record(asked)
    clauses = tuple(map(str, record.get("clauses", ())))
    choices = whom(record)
    if not clauses or not choices:
        raise UsageError("there is nothing an exception could be about: no clause matched, or nobody is named")
    wish = _wish(asked.query, asked.now_us, clauses, choices)
    text = text_of(asked.console.config.policy_path)
    found, count = _effect(asked, wish, text)
    policy = asked.console.home.policy()
    values = {
        "id": record["exchange"],
        "wish": wish,
        "clauses": [(id_, next((c.says for c in policy.clauses if c.id == id_), "")) for id_ in clauses],
        "choices": choices,
        "people": next((clause.reviewers for clause in policy.clauses if clause.id == wish.clause), 1),
        "effect": found,
        "count": count,
        "most": MAX_EVENTS,
        "days": DAYS,
        "base": digest_of(text),
        "latest": _day(asked.now_us, MAX_DAYS),
        "today": _day(asked.now_us, 0),
    }
    told = {"clause": wish.clause, "who": dict([wish.whom]), "until": wish.until, "events": count}
    told |= {"stricter": found.stricter, "looser": found.looser, "edited": found.edited, "exchanges": list(found.ids)}
    return Page("event_exception.html", values, value=told, css=("event.css",))


def add(asked: Asked) -> Done:
    """The exception, in the policy. Raises PolicyChanged where somebody else changed it meanwhile."""
    record = _record(asked)
    sent = {name: asked.text(name) for name in ("clause", "whom", "until")}
    wish = _wish(sent, asked.now_us, tuple(record.get("clauses", ())), whom(record))
    console = asked.console
    text = text_of(console.config.policy_path)
    why = asked.text("why", at_most=1000)
    new = _with(text, wish, why, approver(asked))
    base = asked.text("base", needed=False) or digest_of(text)
    made = change_policy(console.home, console.record, base, new, by=asked.who.person, why=why)
    said = f"The clause does not count for {wish.whom[0]} {wish.whom[1]} any more, until {wish.until}."
    return Done(said, f"/events/{record['exchange']}", {"policy": made.name, "digest": made.digest})


def whom(record: Record) -> list[tuple[str, str, str]]:
    """For whom an exception may be, as (field, value, words). A person would stand in the policy by name."""
    out = [("group", str(group), f"everybody in the group {group}") for group in record.get("groups", ())]
    for name, words in (("app", "everybody who uses the app"), ("key", "whoever has the key")):
        if value := record.get(name):
            out.append((name, str(value), f"{words} {value}"))
    return out


def _record(asked: Asked) -> Record:
    record = stricter(decisions(records_of(asked.console.home.path, asked.path["id"][:64])))
    if not sound(bounded(record)):
        raise UsageError("the record of this event is not what was written")
    return record


def _wish(sent: Mapping[str, str], now_us: int, clauses: tuple[str, ...], choices: list[tuple[str, str, str]]) -> Wish:
    """What is asked for; of a form that says nothing yet the likeliest. Raises InputError."""
    clause = sent.get("clause", "") or clauses[0]
    field, _, value = (sent.get("whom", "") or ":".join(choices[0][:2])).partition(":")
    until = sent.get("until", "") or _day(now_us, DEFAULT_DAYS)
    if clause not in clauses:
        raise InputError("is one of the clauses that matched", "clause")
    if (field, value) not in {choice[:2] for choice in choices}:
        raise InputError("is somebody this event is about", "whom")
    try:
        day = date.fromisoformat(until)
    except ValueError:
        raise InputError("is a day, as 2027-01-31", "until") from None
    if not _day(now_us, 0) <= day.isoformat() <= _day(now_us, MAX_DAYS):
        raise InputError(f"is a day from today to {_day(now_us, MAX_DAYS)}", "until")
    return Wish(clause, (field, value), day.isoformat())


def _effect(asked: Asked, wish: Wish, text: str) -> tuple[Effect, int]:
    """What it would have changed among the newest events of the clause, and how many those were."""
    console = asked.console
    old = console.home.policy()
    new = console.workbench.policy(_with(text, wish, "preview", "preview"))
    about = Filter((), (), asked.now_us).plus("clause", wish.clause).plus("after", f"{DAYS}d")
    rows: list[Row] = []
    before = ""
    while len(rows) < MAX_EVENTS:
        found = console.index.page(about, before=before, limit=min(500, MAX_EVENTS - len(rows)))
        rows += found.rows
        before = found.next
        if not before:
            break
    records = (record for record in downloads.records(rows, console.home.path) if sound(record))
    return effect(old, new, past(console.home, old, records)), len(rows)


def _with(text: str, wish: Wish, why: str, approved_by: str) -> str:
    field, value = wish.whom
    return with_exception(text, wish.clause, who={field: value}, until=wish.until, why=why, approved_by=approved_by)


def _day(now_us: int, days: int) -> str:
    """A day from now in UTC, as policies have it."""
    return (datetime.fromtimestamp(now_us / 1e6, UTC) + timedelta(days=days)).date().isoformat()


ROUTES = (
    page("/events/{id}/exception", look, Role.AUTHOR),
    act("/events/{id}/exception", add, Role.AUTHOR),
)
