"""How pages say where they are, and who may open them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from starlette.responses import Response

    from bartizan.doors.console.answers import Done, File, Page
    from bartizan.doors.console.asked import Asked

Run = Callable[["Asked"], "Page | Done | File"]
Stream = Callable[["Asked"], Awaitable["Response"]]


class Needs(StrEnum):
    """Who may open what asks for no role."""

    NOBODY = "nobody"  # everybody, signed in or not
    PERSON = "person"  # any account, also one without a role


@dataclass(frozen=True, slots=True)
class Way:
    """A path, what runs there, and what it takes to go it."""

    method: str
    path: str
    needs: Role | Needs
    run: Run | None = None
    stream: Stream | None = None
    by_itself: bool = False  # an open page asks for it, whether anybody is there or not


def page(path: str, run: Run, needs: Role | Needs) -> Way:
    """Something to look at: GET, without any effect. With a `value` it is served at /api/1 too."""
    return Way("GET", path, needs, run)


def poll(path: str, run: Run, needs: Role | Needs) -> Way:
    """What an open page asks for now and then, by itself: it keeps nobody's session alive."""
    return Way("GET", path, needs, run, by_itself=True)


def act(path: str, run: Run, needs: Role | Needs) -> Way:
    """Something that changes: POST with a session and its CSRF token, or at /api/1 with a bearer token."""
    return Way("POST", path, needs, run)


def stream(path: str, run: Stream, needs: Role | Needs) -> Way:
    """Server-sent events: GET, for as long as somebody listens. A page connects again by itself, too."""
    return Way("GET", path, needs, stream=run, by_itself=True)
