"""An exchange as one line of a table: when, what became of it, who, what was seen, by which clause. Never its text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from bartizan.core.errors import PolicyError
from bartizan.doors.console.render import iso
from bartizan.doors.console.visible import visible
from bartizan.rules.risks import catalogue

if TYPE_CHECKING:
    from bartizan.events import Row
    from bartizan.home import Home

MAX_NAME = 80  # Code points of a name in a cell.
MAX_TITLES = 2  # Risks that a line names; of more it says how many.
DOORS = {"gateway": "Gateway", "inspect": "Inspect", "scan": "Files", "python": "Python", "console": "Console"}
WOULD = {
    "warn": "would be warned",
    "redact": "would be redacted",
    "justify": "would be asked for a reason",
    "review": "would be held",
    "block": "would be blocked",
}

Clauses = Mapping[str, str]


class Line(NamedTuple):
    """What a table shows of a row. What comes from outside is escaped already."""

    exchange: str
    number: int
    outcome: str
    clock: str
    iso: str
    door: str
    person: str
    short: str
    app: Markup | str
    model: Markup | str
    seen: str  # titles of risks
    more: int  # risks beyond those
    quiet: bool  # nothing was seen
    would: str
    clause: str  # as the policy in force says it, else its id
    clause_id: str
    clauses: int
    confidence: str
    source: bool  # somebody's key or person: it can be paused


def lines(rows: Iterable[Row], clauses: Clauses, now_us: int) -> list[Line]:
    """Rows as lines, in their order. `clauses`: what each one says, by its id."""
    today = _day(now_us // 1_000_000)
    return [_line(row, clauses, today) for row in rows]


def clauses(home: Home) -> Clauses:
    """What the clauses in force say; nothing while no policy holds, which other parts of a page are about."""
    try:
        return {clause.id: clause.says for clause in home.policy().clauses}
    except PolicyError:
        return {}


def door(name: str) -> str:
    """A door as people call it."""
    return DOORS.get(name, name)


@lru_cache(maxsize=4096)
def titles(risks: tuple[str, ...]) -> tuple[str, int]:
    """The first risks by their titles, and how many more there are."""
    known = catalogue()
    named = list(dict.fromkeys(known[risk].title if risk in known else risk for risk in risks))
    return ", ".join(named[:MAX_TITLES]), max(0, len(named) - MAX_TITLES)


def short(person: str) -> str:
    """A pseudonym as far as people tell it from others."""
    return person[:10] if person.startswith("p-") else person


def paused(row: Row) -> bool:
    """Whether a request was refused because its source was paused: nothing else stops what no clause asks about."""
    return row.outcome == "block" and not (row.clauses or row.risks or row.failures)


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _line(row: Row, clauses: Clauses, today: tuple[int, int]) -> Line:
    seen, more = titles(row.risks)
    clause = row.clauses[0] if row.clauses else ""
    quiet = not seen
    if quiet:
        seen = (
            "Could not be examined" if row.failures else "Not read: source paused" if paused(row) else "Nothing found"
        )
    return Line(
        row.exchange,
        row.number,
        row.outcome,
        _clock(row.time_us // 1_000_000, today),
        iso(row.time_us),
        door(row.door),
        row.person,
        short(row.person),
        _named(row.app) if row.app else "",
        _named(row.model) if row.model else "",
        seen,
        more,
        quiet,
        WOULD.get(row.would, "") if row.would != row.outcome else "",
        clauses.get(clause, clause),
        clause,
        len(row.clauses),
        f"{row.confidence:.2f}" if row.severity else "",
        bool(row.key or row.person),
    )


@lru_cache(maxsize=4096)
def _named(name: str) -> Markup:
    """A name from outside. The same few come in nearly every row, and thousands of rows a minute may have one."""
    return visible(name, MAX_NAME)


@lru_cache(maxsize=512)
def _clock(when_s: int, today: tuple[int, int]) -> str:
    when = time.localtime(when_s)
    return time.strftime("%H:%M:%S" if (when.tm_year, when.tm_yday) == today else "%d %b %H:%M", when)


def _day(when_s: int) -> tuple[int, int]:
    now = time.localtime(when_s)
    return now.tm_year, now.tm_yday
