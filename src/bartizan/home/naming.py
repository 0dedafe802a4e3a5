"""From a pseudonym to the person and back: possible for few, and never unrecorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bartizan.core.errors import UsageError

if TYPE_CHECKING:
    from bartizan.home import Home


def open_name(home: Home, record: Callable[[Mapping[str, object]], None], pseudonym: str, by: str) -> str:
    """Who it is. That somebody asked is on the disk before anybody hears it.

    Args:
        record: Appends an event durably.
        by: The pseudonym of whoever asks.

    Raises:
        UsageError: There is nobody of this pseudonym, or they were forgotten.
        StoreError: It cannot be recorded: then nothing is told.
    """
    name = home.vault.name(pseudonym)
    if name is None:
        raise UsageError("nobody of this pseudonym is known here any more; who was forgotten has no name")
    record({"event": "name-opened", "exchange": "", "person": pseudonym, "by": by})
    return name


def find_person(home: Home, record: Callable[[Mapping[str, object]], None], person: str, by: str) -> str:
    """The pseudonym of somebody given by name, or by pseudonym.

    Whoever gives a name learns whose records are whose: that is recorded as if they had opened it.

    Raises UsageError for somebody unknown, StoreError where it cannot be recorded.
    """
    pseudonym = home.vault.known(person)
    if pseudonym is None:
        raise UsageError("nobody by this name or pseudonym is known here")
    if pseudonym != person:
        record({"event": "name-opened", "exchange": "", "person": pseudonym, "by": by})
    return pseudonym
