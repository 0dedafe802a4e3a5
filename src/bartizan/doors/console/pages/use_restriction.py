"""What is restricted: the decision table, who may nevertheless, and the lists that resolvers and proxies read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bartizan.catalogue.hostnames import hostname
from bartizan.core.errors import InputError, UsageError
from bartizan.doors.console import use_words
from bartizan.doors.console.answers import File, Page
from bartizan.doors.console.pages.policy import names as colleagues
from bartizan.doors.console.pages.use import CSS, RANGES
from bartizan.doors.console.routes import page
from bartizan.home.register import exceptions, in_force, register, statuses
from bartizan.home.restricting import restriction
from bartizan.inventory.exports import exports
from bartizan.inventory.restriction import slug
from bartizan.inventory.system import Seen, Status
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.inventory.exports import Export
    from bartizan.inventory.restriction import Entry, Table
    from bartizan.inventory.system import System

MAX_TRIED = 100  # Hosts that can be tried at once.
MAX_SHOWN = 30
MAX_LEFT = 40
ADDRESSED = frozenset({"nftables"})  # Lists of addresses.
RESOLVE = "bartizan usage restrict export {} --resolve"
COACH = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]+(\.[a-z0-9-]+)+")
GATEWAY = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]{2,45}\]):\d{1,5}")


@dataclass(frozen=True, slots=True)
class Stopped:
    """One service and what a list that is made now would do to it."""

    system: System
    hosts: int
    alternative: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A host that somebody wants to know about."""

    given: str
    host: str
    entry: Entry | None


def shown(asked: Asked) -> Page:
    """The page."""
    home, now_us = asked.console.home, asked.now_us
    days, span = RANGES["30d"]
    counted = asked.console.uses.counted(days, now_us)
    table = _table(asked)
    standings = statuses(home).standings(now_us)
    titles = {one.system: one.name for one in standings.values()}
    # An exception for everyone makes a tolerated one of it; here it stays what it was decided to be.
    closed = [one for one in standings.values() if one.decided.closed]
    told = [counted.seen.get(one.system, Seen()) for one in closed]
    register_ = register(home)
    most = sorted(closed, key=lambda one: -counted.seen.get(one.system, Seen()).people)[:MAX_SHOWN]
    rows = [
        Stopped(register_.system(one.system, told=counted.seen), len(table.of(slug(one.system))), one.alternative_name)
        for one in most
    ]
    own = exceptions(home)
    tried = _tried(asked.query.get("hosts", ""), table)
    known = exports()
    values = {
        "words": use_words,
        "rows": rows,
        "more_rows": len(closed) - len(rows),
        "people": sum(one.count > 0 for one in told),
        "times": sum(one.count for one in told),
        "span": span,
        "table": table,
        "left_out": table.left_out[:MAX_LEFT],
        "more_left": max(0, len(table.left_out) - MAX_LEFT),
        "in_force": own.in_force(now_us)[:MAX_SHOWN],
        "asked_for": own.waiting(now_us)[:MAX_SHOWN],
        "titles": titles,
        "names": colleagues(asked),
        "formats": [
            (one, _silent(one, table), RESOLVE.format(one.id) if one.id in ADDRESSED else "") for one in known.values()
        ],
        "hosts": asked.query.get("hosts", "")[:20_000],
        "tried": tried,
        "blocked": sum(one.entry is not None for one in tried),
        "coach": _coach(asked),
        "gateway": _gateway(asked),
        "restricted": sum(one.decided is Status.RESTRICTED for one in closed),
        "stopped": sum(one.decided is Status.BLOCKED for one in closed),
    }
    return Page("use_restriction.html", values, value=_json(rows, table, tried), css=CSS)


def download(asked: Asked) -> File:
    """One list, as its program reads it."""
    one = exports().get(asked.path["format"])
    if one is None:
        raise InputError(f"is one of: {', '.join(exports())}", "format")
    if one.id in ADDRESSED:  # The console asks no resolver: it makes no connection to anywhere.
        raise UsageError(f"{one.title} hold addresses, which have to be looked up: {RESOLVE.format(one.id)}")
    return File(f"bartizan-{one.id}{one.suffix}", "text/plain; charset=utf-8", one.write(_table(asked)).encode())


def _table(asked: Asked) -> Table:
    home, now_us = asked.console.home, asked.now_us
    standing = statuses(home)
    return restriction(
        in_force(home),
        standing.standings(now_us).values(),
        exceptions(home).in_force(now_us),
        now_us,
        coach=_coach(asked),
        gateway=_gateway(asked),
    )


def _silent(one: Export, table: Table) -> tuple[str, ...]:
    """What this very format cannot say; what none of them can stands apart."""
    said = one.silent(table)
    return said[: len(said) - len(table.left_out)]


def _coach(asked: Asked) -> str:
    """The host of the page that says why: what was asked for, else this console's where it has a name of its own."""
    given = asked.query.get("coach", "").strip().lower()
    if not given:
        own = urlsplit(asked.console.url)
        return own.hostname if own.scheme == "https" and own.hostname and COACH.fullmatch(own.hostname) else ""
    if not COACH.fullmatch(given):
        raise InputError("is a host name in lower case, such as ai.example.org", "coach")
    return given


def _gateway(asked: Asked) -> str:
    given = asked.query.get("gateway", "").strip()
    if given and not (GATEWAY.fullmatch(given) and 0 < int(given.rpartition(":")[2]) < 65536):
        raise InputError("is HOST:PORT, such as gateway.example.org:8403", "gateway")
    return given


def _tried(text: str, table: Table) -> list[Tried]:
    given = text[:20_000].split()[:MAX_TRIED]
    return [Tried(one, name, table.blocks(name) if name else None) for one in given for name in (hostname(one),)]


def _json(rows: list[Stopped], table: Table, tried: list[Tried]) -> dict[str, object]:
    return {
        "schema": "bartizan.restriction/1",
        "services": [
            {
                "id": one.system.id,
                "status": one.system.status.word,
                "hosts": one.hosts,
                "people": one.system.seen.people,
                "visits": one.system.seen.count,
                "alternative": one.system.alternative or None,
            }
            for one in rows
        ],
        "hosts": [
            {"host": one.given, "blocked": one.entry is not None, "service": one.entry.id if one.entry else None}
            for one in tried
        ],
        "left_out": [{"what": what, "why": why} for what, why in table.left_out],
    }


ROUTES = (
    page("/use/restriction", shown, Role.VIEWER),
    page("/use/restriction/{format}", download, Role.VIEWER),
)
