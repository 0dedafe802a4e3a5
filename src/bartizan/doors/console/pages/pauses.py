"""Paused sources: whose requests the gateway refuses for a while, since when, by whom; pause one, lift one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.core.errors import InputError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.lines import short
from bartizan.doors.console.pages.signin import own_path
from bartizan.doors.console.render import lasting
from bartizan.doors.console.routes import act, page
from bartizan.home import pauses
from bartizan.home.pauses import Pause, Source
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

LASTS = {"15m": "15 minutes", "1h": "1 hour", "24h": "24 hours"}
USUAL = "1h"
MAX_SHOWN = 200
MAX_SOURCE = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """One as a page lists it: `by` is a colleague's name, `why` the reason where this session opened it."""

    pause: Pause
    who: str
    by: str
    why: str


def shown(asked: Asked) -> list[Shown]:
    """Those in force, newest first. Raises StoreError."""
    console = asked.console
    found = pauses.active(console.home.state, asked.now_us)
    if not found:
        return []
    names = {one.person: one.name for one in console.accounts.accounts() if one.roles}
    analyst = asked.who.may(Role.ANALYST)
    return [
        Shown(
            one,
            f"key {one.source}" if one.kind == "key" else f"person {short(one.source)}",
            names.get(one.by, short(one.by)) if one.by else "a command on the machine",
            str(asked.opened(_opened(one)) or "") if analyst else "",
        )
        for one in found
    ]


def choices(asked: Asked, key: str, person: str) -> list[tuple[str, str]]:
    """What of an event can be paused, as (field, words)."""
    if not asked.who.may(Role.ANALYST):
        return []
    out = [(f"key:{key}", f"the key {key}")] if key else []
    return [*out, (f"person:{person}", f"the person {short(person)}, with all their keys")] if person else out


def listed(asked: Asked) -> Page:
    """All of them, and the form for one more; with `event`, about that event's source."""
    found = shown(asked)
    row = asked.console.index.event(asked.query["event"][:64]) if asked.query.get("event") else None
    values = {
        "paused": found[:MAX_SHOWN],
        "hidden": max(0, len(found) - MAX_SHOWN),
        "event": row.exchange if row is not None else "",
        "choices": choices(asked, row.key, row.person) if row is not None else [],
        "analyst": asked.who.may(Role.ANALYST),
        "lasts": LASTS,
        "usual": USUAL,
    }
    value = {"schema": "bartizan.pauses/1", "pauses": [one.pause.as_json() for one in found]}
    return Page("pauses.html", values, value=value, css=("settings.css",))


def add(asked: Asked) -> Done:
    """A source paused."""
    console = asked.console
    minutes = pauses.lasting(asked.text("for", needed=False, at_most=20) or USUAL)
    made = pauses.pause(
        console.home.vault,
        console.record,
        _source(asked, asked.text("source", at_most=MAX_SOURCE)),
        minutes=minutes,
        why=asked.text("why", at_most=pauses.MAX_WHY),
        by=asked.who.person,
        now_us=asked.now_us,
    )
    what = f"key {made.source}" if made.kind == "key" else f"person {short(made.source)}"
    said = f"Requests of the {what} are refused from now on, for {lasting(made.until_us - made.at_us)}."
    return Done(said, _back(asked), made.as_json())


def lift(asked: Asked) -> Done:
    """A pause ended before its time."""
    console = asked.console
    kind, source = asked.path["kind"], asked.path["source"]
    gone = pauses.lift(console.home.vault, console.record, kind, source, by=asked.who.person, now_us=asked.now_us)
    return Done(f"Requests of the {gone.kind} {short(gone.source)} pass again.", _back(asked), gone.as_json())


def why(asked: Asked) -> Done:
    """The sealed reason, for somebody who may open texts. That they did is recorded."""
    console = asked.console
    kind, source = asked.path["kind"], asked.path["source"]
    text = pauses.reason(console.home.vault, console.record, kind, source, by=asked.who.person, now_us=asked.now_us)
    if asked.session is not None:
        (found,) = (one for one in pauses.active(console.home.state, asked.now_us) if _is(one, kind, source))
        console.opened.keep(asked.session.id, _opened(found), text, 4 * len(text), asked.now_us)
    return Done("Opened; the ledger says that you did.", "/pauses", {"why": text})


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _source(asked: Asked, text: str) -> Source:
    """What was chosen or typed: `key:…`, `person:…`, a pseudonym, else a key. Raises InputError, UsageError."""
    kind, colon, name = text.partition(":")
    if not colon or kind not in ("key", "person"):
        kind, name = ("person" if text.startswith("p-") else "key"), text
    vault = asked.console.home.vault
    if kind == "key":
        return pauses.key_source(vault, name)
    if not name.startswith("p-") and not asked.who.may(Role.PRIVACY):
        raise InputError("is a pseudonym (p-…); by name it takes the role privacy", "source")
    return pauses.person_source(vault, name)


def _back(asked: Asked) -> str:
    return own_path(asked.text("back", needed=False, at_most=1000) or "/pauses")


def _is(one: Pause, kind: str, source: str) -> bool:
    return (one.kind, one.source) == (kind, source)


def _opened(one: Pause) -> str:
    return f"pause {one.kind} {one.source} {one.at_us}"


ROUTES = (
    page("/pauses", listed, Role.VIEWER),
    act("/pauses", add, Role.ANALYST),
    act("/pauses/{kind}/{source}/lift", lift, Role.ANALYST),
    act("/pauses/{kind}/{source}/why", why, Role.ANALYST),
)
