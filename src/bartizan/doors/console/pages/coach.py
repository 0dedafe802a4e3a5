"""What somebody sees who wanted to open an AI service that may not be used: what, why, what instead, whom to ask.

It needs no account and keeps nothing about who looked. Of the register it tells what is written for people who use AI:
the service's name, whether it is restricted or blocked, its `instructions`, its owner (a role or a mailbox) and what to
use instead. The sealed reason of the decision, notes, and who uses the service are not for everybody. Of a service that
is not stopped it tells nothing: what an organisation uses is not for everybody either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.catalogue.hostnames import hostname
from bartizan.core.errors import InputError, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.pages.mine import Links
from bartizan.doors.console.routes import Needs, act, page
from bartizan.home.register import exceptions, in_force, register, statuses
from bartizan.inventory.exceptions import Who
from bartizan.inventory.restriction import slug
from bartizan.inventory.system import Status
from bartizan.readers.logs.visit import DAY_US

if TYPE_CHECKING:
    from bartizan.catalogue.listing import Pattern
    from bartizan.doors.console.asked import Asked
    from bartizan.home import Home
    from bartizan.inventory.exceptions import UseException
    from bartizan.inventory.system import Standing, System

CSS = ("mine.css", "use.css")
MINUTE_US = 60_000_000
DAYS = (1, 7, 30, 90)
MAX_OWN = 5
LOOKS = Links(600)  # A minute, from one address: behind a proxy many people have one.


def coach(asked: Asked) -> Page:
    """The page of one service; of one that is not stopped here, a page that says so."""
    LOOKS.count(asked.address, asked.now_us // MINUTE_US)
    standing = _stopped(asked)
    found = register(asked.console.home).system(standing.system, told={}) if standing is not None else None
    own = _own(asked, found) if found is not None else []
    excepted = any(one.holds(asked.now_us) for one in own)
    instead, host = _instead(asked, standing) if standing is not None else ("", "")
    value = _json(standing, found, instead, excepted)
    values = {
        "ai": found,
        "blocked": found is not None and found.status is Status.BLOCKED,
        "instead": instead,
        "host": host,
        "own": own,
        "excepted": excepted,
        "days": DAYS,
    }
    # A program that was led here asked for something it did not get.
    status = (403 if found is not None else 404) if asked.as_json else 200
    return Page("coach.html", values, status, value=value, css=CSS)


def path_of(home: Home, host: str, now_us: int) -> str:
    """The page about the service at a host, where that is stopped; "" for every other host."""
    try:
        service = in_force(home).lookup(hostname(host) or "").service
    except InputError:
        return ""  # The catalogue's overlay does not hold.
    standing = statuses(home).standings(now_us).get(service.id) if service is not None else None
    return f"/coach/{slug(standing.system)}" if standing is not None and standing.decided.closed else ""


def ask(asked: Asked) -> Done:
    """Ask for an exception for oneself."""
    standing = _stopped(asked)
    if standing is None:
        raise UsageError("it is not stopped here: nothing has to be asked for")
    days = asked.whole("days", 1, 366)
    until_us, person = asked.now_us + days * DAY_US, asked.who.person
    own = exceptions(asked.console.home)
    made = own.ask(standing.system, Who.PERSON, person, until_us, asked.text("why"), person, asked.now_us)
    said = "It is asked for. Somebody else decides on it, and this page says what became of it."
    return Done(said, f"/coach/{asked.path['id']}", made.as_json())


def _stopped(asked: Asked) -> Standing | None:
    """The restricted or blocked service of an address: by its id, or by how lists write that."""
    given = asked.path["id"][:200]
    standings = statuses(asked.console.home).standings(asked.now_us)
    found = standings.get(given)
    if found is None or not found.decided.closed:
        found = next((one for one in standings.values() if one.decided.closed and slug(one.system) == given), None)
    return found


def _own(asked: Asked, found: System) -> list[UseException]:
    """What the one who is signed in asked for, newest first."""
    if asked.account is None:
        return []
    all_ = exceptions(asked.console.home).all(asked.now_us, system=found.id)
    return [one for one in all_ if one.covers(asked.account.person, frozenset())][:MAX_OWN]


def _instead(asked: Asked, standing: Standing) -> tuple[str, str]:
    """What may be used instead, and at which host it is; nothing that may itself not be used."""
    if not standing.alternative:
        return "", ""
    other = statuses(asked.console.home).standings(asked.now_us).get(standing.alternative)
    if other is not None and other.status.closed:
        return "", ""
    try:
        rows = in_force(asked.console.home).hosts(standing.alternative)
    except InputError:
        return standing.alternative_name, ""  # The catalogue's overlay does not hold: the name is known all the same.
    plain = [row for row in rows if row.match != "regex" and row.endpoint != "support"]
    first = min(plain, key=lambda row: _likely(standing.alternative, row), default=None)
    return standing.alternative_name, first.text if first is not None else ""


def _likely(id_: str, row: Pattern) -> tuple[bool, bool, int, int]:
    """How well a host would do as the address that people know: the smallest is the best."""
    return id_ not in row.text, row.endpoint != "app", row.text.count("."), len(row.text)


def _json(standing: Standing | None, found: System | None, instead: str, excepted: bool) -> dict[str, object]:
    if standing is None or found is None:
        return {"error": {"type": "not_restricted", "message": "No AI service of that name is restricted here."}}
    message = f"{found.title} is {found.status.word} here."
    if found.instructions:
        message += f" {found.instructions}"
    if instead:
        message += f" Use {instead} instead."
    return {
        "error": {"type": "use_restricted", "message": message},
        "service": {"id": found.id, "name": found.title, "status": found.status.word},
        "alternative": instead or None,
        "excepted": excepted,
    }


ROUTES = (
    page("/coach/{id}", coach, Needs.NOBODY),
    act("/coach/{id}/ask", ask, Needs.PERSON),
)
