"""Tokens: what one's own programs sign in with, at /api/1. Made by a person, shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.core.errors import UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.routes import Needs, act
from bartizan.vault.accounts import MAX_NAME

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

DAYS = (7, 30, 90, 366)


def add(asked: Asked) -> Page:
    """A new token of one's own. A token makes no other: who found one would keep it for ever."""
    if asked.by_api:
        raise UsageError("a token is made by a person, on the page of their account")
    name = asked.text("name", at_most=MAX_NAME)
    days = int(asked.choice("days", [str(one) for one in DAYS], "30"))
    id_, secret = asked.console.accounts.add_token(asked.who.person, name, days)
    values = {"name": name, "secret": secret, "id": id_, "days": days, "url": asked.console.url}
    return Page("account_token.html", values, css=("settings.css",))


def end(asked: Asked) -> Done:
    """One of one's own ended."""
    accounts, who = asked.console.accounts, asked.who
    if not any(one.id == asked.path["id"] for one in accounts.tokens(who.person)):
        raise UsageError("no token of this account has that id, or it ended before")
    gone = accounts.end_token(asked.path["id"], by=who.person)
    return Done(f"The token {gone.name} is ended.", "/account", {"id": gone.id})


ROUTES = (
    act("/account/tokens", add, Needs.PERSON),
    act("/account/tokens/{id}/end", end, Needs.PERSON),
)
