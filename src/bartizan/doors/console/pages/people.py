"""What the record of one person is, under their pseudonym; and their name, opened on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.doors.console.answers import Page
from bartizan.doors.console.routes import act, page
from bartizan.events import OUTCOMES, Filter
from bartizan.home.naming import open_name
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

CSS = ("settings.css",)
LATEST = 10
MAX_CASES = 20
RANGES = {"7d": "7 days", "30d": "30 days", "365d": "a year"}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the vault knows them."""

    pseudonym: str
    created_us: int
    forgotten_us: int | None


def person(asked: Asked, name: str = "") -> Page:
    """Somebody's record. `name`, where it was just opened, is shown this once."""
    pseudonym = asked.path["pseudonym"]
    console = asked.console
    rows = console.home.state.query(
        "SELECT pseudonym, created_us, forgotten_us FROM person WHERE pseudonym = ?", (pseudonym,)
    )
    if not rows:
        values = {"title": "Nobody", "what": "Nobody is known here by this pseudonym.", "then": "", "status": 404}
        return Page("error.html", values, 404)
    found = Person(*rows[0])
    range_ = asked.option("range", ("30d", *RANGES))
    all_ = Filter.parse("", asked.now_us).plus("who", pseudonym)
    filter_ = all_.plus("after", range_)
    panel = console.index.panel(filter_, ("action", "clause", "app", "model"), top=6)
    counts = dict(panel["action"])
    # Colleagues sign what they do by name. Who only sees their own cases here is one of those whose name is opened.
    account = next((one for one in console.accounts.accounts() if one.person == pseudonym and one.roles), None)
    cases = console.desk.of(pseudonym, asked.now_us)
    values = {
        "person": found,
        "name": name,
        "account": account,
        "range": range_,
        "ranges": RANGES,
        "filter": filter_,
        "counts": [(outcome, counts.get(outcome, 0)) for outcome in reversed(OUTCOMES)],
        "total": sum(counts.values()),
        "panel": panel,
        "latest": console.index.page(all_, limit=LATEST).rows,
        "cases": cases[:MAX_CASES],
        "more_cases": max(0, len(cases) - MAX_CASES),
    }
    value = {
        "schema": "bartizan.person/1",
        "person": pseudonym,
        "forgotten": found.forgotten_us is not None,
        "range": range_,
        "outcomes": counts,
        "clauses": dict(panel["clause"]),
        "cases": len(cases),
        **({"name": name} if name else {}),
    }
    return Page("person.html", values, value=value, css=CSS)


def name(asked: Asked) -> Page:
    """The same with the name. That it was opened is on the disk before it is shown."""
    console = asked.console
    return person(asked, open_name(console.home, console.record, asked.path["pseudonym"], asked.who.person))


ROUTES = (
    page("/people/{pseudonym}", person, Role.VIEWER),
    act("/people/{pseudonym}/name", name, Role.PRIVACY),
)
