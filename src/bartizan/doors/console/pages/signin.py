"""Signing in: by a one-time link, then by a password of one's own."""

from __future__ import annotations

from bartizan.core.errors import InputError, SignInDenied, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.asked import Asked
from bartizan.doors.console.routes import Needs, act, page

MAX_PASSWORD = 1024


def own_path(to: str) -> str:
    """A path of this console to go on to; anything that could lead elsewhere becomes the start."""
    plain = to.isprintable() and not any(char in to for char in "\\\t\r\n")
    return to if to.startswith("/") and not to.startswith("//") and plain else "/"


def sign_in(asked: Asked) -> Page | Done:
    """The form for a name and a password."""
    to = own_path(asked.query.get("next", "/"))
    if asked.account is not None:
        return Done("", to)
    return Page("sign_in.html", {"next": to, "why": ""})


def with_password(asked: Asked) -> Page | Done:
    """A session for who knows the password."""
    to = own_path(asked.text("next", needed=False) or "/")
    name, password = asked.text("name", at_most=400), (asked.fields.get("password") or ("",))[0]
    if len(password) > MAX_PASSWORD:
        raise InputError(f"is longer than {MAX_PASSWORD} characters", "password")
    try:
        secret, session = asked.console.accounts.begin_with_password(name, password)
    except SignInDenied as error:
        return Page("sign_in.html", {"next": to, "why": str(error)}, 403)
    return Done("", _first_page(to, session.account.roles), cookie=secret)


def link(asked: Asked) -> Page:
    """What a sign-in link shows. Looking has no effect, so nothing that previews links can use one up."""
    return Page("sign_in_link.html", {"token": asked.path["token"]})


def with_link(asked: Asked) -> Page | Done:
    """A session for who holds a link; the link is used up."""
    try:
        secret, session = asked.console.accounts.begin_with_link(asked.path["token"])
    except SignInDenied as error:
        return Page("sign_in.html", {"next": "/", "why": str(error)}, 403)
    account = session.account
    return Done(
        "", "/account?welcome=1" if not account.has_password else _first_page("/", account.roles), cookie=secret
    )


def sign_out(asked: Asked) -> Done:
    """The end of this session."""
    if asked.session is not None:
        asked.console.accounts.end(asked.session.id)
        asked.console.opened.end(asked.session.id)
    return Done("", "/sign-in", cookie="")


def account(asked: Asked) -> Page:
    """One's own account: password, sessions, tokens."""
    accounts, who = asked.console.accounts, asked.who
    values = {
        "sessions": accounts.sessions(who.person),
        "tokens": accounts.tokens(who.person),
        "welcome": asked.query.get("welcome") == "1",
        "why": "",
    }
    return Page("account.html", values, css=("settings.css",))


def set_password(asked: Asked) -> Done:
    """A new password; other sessions end. No token sets one: who found it could sign in with that for ever."""
    if asked.by_api:
        raise UsageError("a password is set by a person, on the page of their account")
    fields = asked.fields
    password, again = (fields.get("password") or ("",))[0], (fields.get("again") or ("",))[0]
    if password != again:
        raise InputError("is not the same twice", "password")
    who, session = asked.who, asked.session
    by_link = session is not None and session.how == "link"  # Who forgot theirs comes by a link.
    if (
        who.has_password
        and not by_link
        and not asked.console.accounts.knows(who.person, (fields.get("current") or ("",))[0])
    ):
        raise InputError("is not the password you have now", "current password")
    asked.console.accounts.set_password(who.person, password, keep=session.id if session else "")
    return Done("Your password is set; your other sessions have ended.", "/account")


def end_others(asked: Asked) -> Done:
    """The end of every other session of one's own."""
    if asked.session is not None:
        asked.console.accounts.end_others(asked.who.person, keep=asked.session.id)
    return Done("Your other sessions have ended.", "/account")


def _first_page(to: str, roles: frozenset[object]) -> str:
    return to if roles or to != "/" else "/mine"


ROUTES = (
    page("/sign-in", sign_in, Needs.NOBODY),
    act("/sign-in", with_password, Needs.NOBODY),
    page("/sign-in/{token}", link, Needs.NOBODY),
    act("/sign-in/{token}", with_link, Needs.NOBODY),
    act("/sign-out", sign_out, Needs.PERSON),
    page("/account", account, Needs.PERSON),
    act("/account/password", set_password, Needs.PERSON),
    act("/account/end-others", end_others, Needs.PERSON),
)
