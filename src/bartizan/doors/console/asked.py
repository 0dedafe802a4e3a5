"""One request as a page sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from bartizan.core.errors import InputError
from bartizan.readers.strict_json import loads

if TYPE_CHECKING:
    from bartizan.doors.console.console import Console
    from bartizan.vault.accounts import Account, Session

MAX_BODY_BYTES = 256 * 1024  # A policy's clause with its examples; everything else is a few sentences.
MAX_FIELDS = 400
MAX_TEXT = 4000
Fields = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Asked:
    """Who asks for what. `fields` are those of a form or of a JSON object; `query` those of the URL."""

    console: Console
    now_us: int
    path: Mapping[str, str]
    query: Mapping[str, str]
    fields: Fields = field(default_factory=dict)
    account: Account | None = None
    session: Session | None = None
    url: str = "/"  # path and query, to come back to
    address: str = ""  # of the client, for limits
    by_api: bool = False
    as_json: bool = False  # a program without a token, which says that it reads no pages
    last_event: str = ""  # whoever listened before: what they got last

    @property
    def who(self) -> Account:
        """Who is signed in. Pages that need nobody use `account`."""
        assert self.account is not None
        return self.account

    def opened(self, what: str) -> Any | None:
        """What this session opened a while ago. The role for it may have gone since: ask for that first."""
        return self.console.opened.get(self.session.id, what, self.now_us) if self.session is not None else None

    def text(self, name: str, *, needed: bool = True, at_most: int = MAX_TEXT) -> str:
        """A field's text, without the space around it. Raises InputError where it is missing or too long."""
        value = (self.fields.get(name) or ("",))[0].replace("\r\n", "\n").strip()
        if needed and not value:
            raise InputError("is needed", name)
        if len(value) > at_most:
            raise InputError(f"is longer than {at_most} characters", name)
        return value

    def choice(self, name: str, options: Sequence[str], default: str | None = None) -> str:
        """One of some words. Raises InputError."""
        value = (self.fields.get(name) or ("",))[0]
        if not value and default is not None:
            return default
        if value not in options:
            raise InputError(f"is one of: {', '.join(options)}", name)
        return value

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number. Raises InputError."""
        value = (self.fields.get(name) or ("",))[0].strip()
        if not value and default is not None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high):
            raise InputError(f"is a whole number from {low} to {high}", name)
        return int(value)

    def flag(self, name: str) -> bool:
        """Whether a box was ticked."""
        return (self.fields.get(name) or ("",))[0] in ("on", "true", "yes", "1")

    def many(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may come several times."""
        return self.fields.get(name, ())

    def option(self, name: str, options: Sequence[str]) -> str:
        """A word of the URL; the first of the options where it is absent or something else."""
        value = self.query.get(name, "")
        return value if value in options else options[0]


def form_fields(body: bytes) -> Fields:
    """The fields of a form as browsers send it (application/x-www-form-urlencoded). Raises InputError."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError("is not a form that can be read", "the request") from error
    fields: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        fields[name] = (*fields.get(name, ()), value)
    return fields


def json_fields(body: bytes) -> Fields:
    """The fields of a JSON object of texts, numbers, truths, and lists of texts. Raises InputError."""
    value = loads(body) if body.strip() else {}
    if not isinstance(value, dict) or len(value) > MAX_FIELDS:
        raise InputError("is a JSON object", "the request")
    return {str(name): _texts(str(name), one) for name, one in value.items()}


def _texts(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(text for one in value[:MAX_FIELDS] for text in _texts(name, one))
    if isinstance(value, bool):
        return ("true" if value else "",)
    if isinstance(value, (str, int)):
        return (str(value),)
    raise InputError("is a text, a number, true or false, or a list of texts", name)
