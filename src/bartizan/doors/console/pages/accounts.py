"""Accounts: who may sign in, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.core.errors import UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.routes import act, page
from bartizan.vault.accounts import LINK_MINUTES, MAX_NAME, Account, Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

CSS = ("settings.css",)
MAX_SHOWN = 200
SAYS = {
    Role.VIEWER: "looks at every page; no sealed texts, no names",
    Role.ANALYST: "opens sealed texts, judges decisions, decides cases",
    Role.AUTHOR: "changes the policy",
    Role.PRIVACY: "opens names, forgets people, exports texts",
    Role.ADMIN: "settings, keys, accounts",
}
MINUTES = {10: "10 minutes", 60: "1 hour", 1440: "1 day"}


@dataclass(frozen=True, slots=True)
class Listed:
    """An account in the list."""

    account: Account
    sessions: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Link:
    """A sign-in link that was just made."""

    name: str
    url: str
    minutes: int


def listed(asked: Asked, link: Link | None = None) -> Page:
    """All accounts; and a link to hand over, where one was just made."""
    found = asked.console.accounts.accounts()
    values = {
        "accounts": [_listed(asked, one) for one in found[:MAX_SHOWN]],
        "hidden": max(0, len(found) - MAX_SHOWN),
        "roles": SAYS,
        "link": link,
        "minutes": MINUTES,
        "max_name": MAX_NAME,
    }
    value: dict[str, object] = {"schema": "bartizan.accounts/1", "accounts": [one.as_json() for one in found]}
    return Page("settings_accounts.html", values, value=value, css=CSS)


def one(asked: Asked, link: Link | None = None) -> Page:
    """One account, and what can be done about it; and a link to hand over, where one was just made."""
    account = asked.console.accounts.account(asked.path["person"])
    values = {"one": _listed(asked, account), "roles": SAYS, "minutes": MINUTES, "link": link}
    value = {"schema": "bartizan.account/1", **account.as_json()}
    return Page("settings_account.html", values, value=value, css=CSS)


def _listed(asked: Asked, one: Account) -> Listed:
    accounts = asked.console.accounts
    return Listed(one, len(accounts.sessions(one.person)), len(accounts.tokens(one.person)))


def add(asked: Asked) -> Page:
    """A new account, and a link to hand over. To a program it gives no link, see `make_link`."""
    made = asked.console.accounts.add(asked.text("name", at_most=MAX_NAME), _roles(asked), by=asked.who.person)
    if asked.by_api:
        return Page("settings_account.html", value={"schema": "bartizan.account/1", **made.as_json()})
    return listed(asked, _linked(asked, made))


def make_link(asked: Asked) -> Page:
    """A link for somebody who forgot their password, or never had one.

    No token makes one: who found it could sign in as anybody, and set a password that outlives the token.
    """
    if asked.by_api:
        raise UsageError("a sign-in link is made by a person, on the account's page or with `bartizan accounts link`")
    return one(asked, _linked(asked, asked.console.accounts.account(asked.path["person"])))


def _linked(asked: Asked, account: Account) -> Link:
    minutes = int(asked.choice("minutes", [str(one) for one in MINUTES], str(LINK_MINUTES)))
    secret = asked.console.accounts.link(account.person, by=asked.who.person, minutes=minutes)
    return Link(account.name, f"{asked.console.url.rstrip('/')}/sign-in/{secret}", minutes)


def change(asked: Asked) -> Done:
    """Other roles."""
    made = asked.console.accounts.change(asked.path["person"], _roles(asked), by=asked.who.person)
    what = ", ".join(sorted(made.roles)) or "none: they see their own cases"
    return Done(f"{made.name} now has the roles {what}.", f"/settings/accounts/{made.person}", made.as_json())


def disable(asked: Asked) -> Done:
    """Nobody gets in by this account any more."""
    made = asked.console.accounts.disable(asked.path["person"], by=asked.who.person)
    return Done(f"{made.name} can sign in no more.", f"/settings/accounts/{made.person}", made.as_json())


def enable(asked: Asked) -> Done:
    """They may sign in again."""
    made = asked.console.accounts.enable(asked.path["person"], by=asked.who.person)
    return Done(f"{made.name} can sign in again.", f"/settings/accounts/{made.person}", made.as_json())


def _roles(asked: Asked) -> frozenset[Role]:
    """Those that were ticked; a word that is no role is nobody's wish."""
    ticked = asked.many("roles")
    return frozenset(role for role in Role if role.value in ticked)


ROUTES = (
    page("/settings/accounts", listed, Role.ADMIN),
    act("/settings/accounts", add, Role.ADMIN),
    page("/settings/accounts/{person}", one, Role.ADMIN),
    act("/settings/accounts/{person}/link", make_link, Role.ADMIN),
    act("/settings/accounts/{person}/roles", change, Role.ADMIN),
    act("/settings/accounts/{person}/disable", disable, Role.ADMIN),
    act("/settings/accounts/{person}/enable", enable, Role.ADMIN),
)
