"""What people write into the register: which fields there are, what each takes, and what is wrong with a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bartizan.core.errors import StoreBroken, UsageError
from bartizan.inventory.system import EPOCH, Status, Tier
from bartizan.readers.logs.usage import AccountKind
from bartizan.vault import Vault

ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,119}")
MAX_LINE = 500  # Code points of a name, an owner, a purpose.
MAX_TEXT = 4000  # Of instructions, notes and reasons.
MAX_CLASSES = 50
# Texts of the register are nobody's in particular and outlive the month they were written in: retention ends the keys
# of old months, and a decision that still holds needs its reason.
LASTING_US = int(datetime(9999, 12, 1, tzinfo=UTC).timestamp() * 1e6)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that can be written. `read` gives what is stored, or raises ValueError saying what is wrong."""

    name: str
    title: str
    read: Callable[[str], str | int | None]
    help: str = ""


def line(value: str) -> str:
    """One line of printable characters."""
    return _checked(" ".join(value.split()), MAX_LINE)


def text(value: str) -> str:
    """Some lines of printable characters."""
    lines = value.replace("\r\n", "\n").strip().split("\n")
    return _checked("\n".join(part.rstrip() for part in lines), MAX_TEXT)


def _checked(value: str, limit: int) -> str:
    if len(value) > limit:
        raise ValueError(f"has more than {limit} characters")
    if not all(c.isprintable() or c == "\n" for c in value):
        raise ValueError("has characters that nobody can see")
    return value


def day(value: str) -> int | None:
    """An ISO date as days since 1970; None for nothing."""
    value = value.strip()
    if not value:
        return None
    try:
        return (date.fromisoformat(value) - EPOCH).days
    except ValueError:
        raise ValueError("is not a date, as in 2027-01-31") from None


def classes(value: str) -> str:
    """Words separated by commas or semicolons, sorted, each once; joined by commas."""
    words = sorted({line(word) for word in re.split(r"[;,]", value)} - {""})
    if len(words) > MAX_CLASSES:
        raise ValueError(f"has more than {MAX_CLASSES} words")
    return ", ".join(words)


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    known = tuple(words)

    def read(value: str) -> str:
        value = value.strip().lower()
        if value not in known:
            raise ValueError(f"is not one of {', '.join(filter(None, known))}, or nothing")
        return value

    return read


def identifier(value: str) -> str:
    """The id of a system, or nothing."""
    value = value.strip()
    if value and not ID.fullmatch(value):
        raise ValueError("is not an id: lower-case letters and digits, with - . or _ in between")
    return value


def status(value: str) -> Status:
    """A status by its word; "undecided" and nothing are the same. Raises ValueError."""
    value = value.strip().lower()
    return Status(_one_of(one.value for one in Status)("" if value == "undecided" else value))


# `status` and `alternative` belong to decisions; the rest is what people know.
FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field("name", "Name", line),
        Field("vendor", "Vendor", line),
        Field("category", "Category", line),
        Field("owner", "Owner", line, "a role or a mailbox, not a private person"),
        Field("purpose", "Purpose", line),
        Field("data_classes", "Data allowed", classes, "words with commas in between"),
        Field("account", "Account", _one_of(one.value for one in AccountKind), "which one may be used"),
        Field("risk_tier", "Risk tier", _one_of(one.value for one in Tier), "of Regulation (EU) 2024/1689"),
        Field("legal_basis", "Legal basis", line),
        Field("oversight", "Human oversight", line),
        Field("retention", "Retention", line),
        Field("instructions", "Instructions", text, "for those who use it, or where they stand"),
        Field("review_day", "Review", day, "the day on which somebody looks at it again"),
    )
}


def changes(given: Mapping[str, str]) -> dict[str, str | int | None]:
    """What people wrote, as it is stored. Raises UsageError with everything that is wrong."""
    out: dict[str, str | int | None] = {}
    wrong: list[str] = []
    for name, value in given.items():
        field = FIELDS.get(name)
        if field is None:
            wrong.append(f'"{name[:40]}" is no field of a system; there are: {", ".join(FIELDS)}')
            continue
        try:
            out[name] = field.read(value)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise UsageError("\n".join(wrong))
    return out


def reason(value: str) -> str:
    """A reason. Raises UsageError where there is none, or too much of it."""
    value = value.strip()
    if not 0 < len(value) <= MAX_TEXT:
        raise UsageError(f"a reason is 1 to {MAX_TEXT} characters")
    return value


def sealed(vault: Vault, what: str, value: str) -> bytes:
    """A text of the register, sealed. `what` says which one, and must be said again to open it."""
    return vault.seal_as("", LASTING_US, value.encode("utf-8", "replace"), f"register {what}".encode()).blob


def opened(vault: Vault, what: str, blob: bytes | None) -> str:
    """The text again, or in brackets why it cannot be read."""
    if not blob:
        return ""
    try:
        return vault.open_as("", LASTING_US, blob, f"register {what}".encode())[0].decode("utf-8", "replace")
    except StoreBroken as error:
        return f"({error})"
