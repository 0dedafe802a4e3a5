"""Who somebody is, as people and programs say it."""

from __future__ import annotations

import re
from unicodedata import normalize

from bartizan.vault import Vault

_PSEUDONYM = re.compile(r"p-[0-9a-f]{20}")  # As the vault makes them.


def whose(vault: Vault, person: str) -> str:
    """The pseudonym of somebody given by name or by pseudonym; "" for nobody in particular."""
    person = person.strip()
    return person if _PSEUDONYM.fullmatch(person) else vault.pseudonym(person)


def known_as(vault: Vault, pseudonym: str) -> str:
    """Who that is, spelled as `plain` has it: two pseudonyms may be one person's. Itself where it was forgotten."""
    return plain(vault.name(pseudonym) or pseudonym)


def plain(name: str) -> str:
    """A name as people mean it: two that differ in case, width or the space around them are one person's."""
    return normalize("NFKC", name).strip().casefold()
