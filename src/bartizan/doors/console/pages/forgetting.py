"""Forgetting a person: who it is, what would go, and then the act itself, which nothing undoes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.core.errors import InputError, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.routes import act, page
from bartizan.events import Filter
from bartizan.home.forgetting import effect
from bartizan.home.naming import find_person
from bartizan.ledger import erase
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

CSS = ("settings.css",)
AT_MOST = 100_000
MAX_WHY = 2000


def look(asked: Asked) -> Done:
    """Who is meant, by name or pseudonym. A name goes no further than this: no address ever holds one."""
    console = asked.console
    pseudonym = find_person(console.home, console.record, asked.text("person", at_most=200), asked.who.person)
    return Done("", f"/ledger/forget/{pseudonym}", {"person": pseudonym})


def shown(asked: Asked) -> Page:
    """What forgetting this person would delete, and what stays."""
    console, pseudonym = asked.console, asked.path["pseudonym"]
    if console.home.vault.known(pseudonym) != pseudonym:
        what = "Nobody is known here by this pseudonym, or they were forgotten before."
        return Page("error.html", {"title": "Nobody", "what": what, "then": "", "status": 404}, 404)
    found = effect(console.home.state, pseudonym, console.home.vault.name(pseudonym) or "")
    records = console.index.count(Filter.parse("", asked.now_us).plus("who", pseudonym), AT_MOST)
    values = {"person": pseudonym, "effect": found, "records": records, "at_most": AT_MOST, "max_why": MAX_WHY}
    value = {
        "schema": "bartizan.forget/1",
        "person": pseudonym,
        "records_that_stay": records,
        "months": list(found.months),
        "keys": len(found.keys),
        "grants": found.grants,
        "cases": found.cases,
        "account": found.account,
        "notes": found.notes,
    }
    return Page("ledger_forget.html", values, value=value, css=CSS)


def forget(asked: Asked) -> Done:
    """It is done."""
    console, pseudonym = asked.console, asked.path["pseudonym"]
    vault = console.home.vault
    if vault.known(pseudonym) != pseudonym:
        raise UsageError("nobody by this pseudonym is known here")
    why = asked.text("why", at_most=MAX_WHY)
    if asked.text("confirm", at_most=200) not in (pseudonym, vault.name(pseudonym)):
        raise InputError("is neither the name nor the pseudonym of this person; nothing was deleted", "confirm")
    admins = {one.person for one in console.accounts.accounts() if one.may(Role.ADMIN)}
    if admins == {pseudonym}:
        raise UsageError("this is the last account with the role admin; give that role to somebody else first")
    gone = erase.forget(console.writer, vault, pseudonym, by=asked.who.name, why=why)
    told = {"person": gone.pseudonym, "months": gone.months, "keys": gone.keys}
    to = "/ledger" if pseudonym != asked.who.person else "/sign-in"
    return Done(f"{gone.pseudonym} is forgotten. The records stay, and so do their proofs.", to, told)


ROUTES = (
    act("/ledger/forget", look, Role.PRIVACY),
    page("/ledger/forget/{pseudonym}", shown, Role.PRIVACY),
    act("/ledger/forget/{pseudonym}", forget, Role.PRIVACY),
)
