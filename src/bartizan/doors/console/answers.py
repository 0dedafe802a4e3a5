"""What a page's function returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any  # as JSON has it


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what stands in it.

    `value` is what `/api/1` answers in its place; None: a page for people alone. `css` and `js` are further files of
    `static/` that this page needs.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)  # Any: a template takes what it shows
    status: int = 200
    value: Json | None = None
    css: tuple[str, ...] = ()
    js: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A write that was done: what to say about it, and the page to go to. `value` is what `/api/1` answers.

    `cookie`, where set, is the secret of a session that begins; "" ends the one there is.
    """

    said: str
    to: str
    value: Mapping[str, Json] = field(default_factory=dict)
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A download."""

    name: str
    type: str
    content: bytes
