"""Who may use the gateway: a key is given or ended, and the ledger says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bartizan.core.errors import UsageError
from bartizan.vault import Key, Vault

MAX_NAME = 200  # Characters of any name here.
MAX_GROUPS = 50

Record = Callable[[Mapping[str, object]], None]


def add(
    vault: Vault, record: Record, name: str, *, user: str = "", groups: Iterable[str] = (), app: str = "", by: str = ""
) -> tuple[str, str]:
    """A new key as (id, secret); the secret is kept nowhere. A key that cannot be recorded ends at once.

    Args:
        record: Appends an event durably.
        user: The person it belongs to; "": the key itself, by its name.
        by: The pseudonym of who gives it; "" for a command on the machine itself.

    Raises:
        UsageError: The name is taken, or a name is none.
        StoreError: It cannot be kept or recorded.
    """
    groups = sorted({_name("a group", group) for group in groups})
    if len(groups) > MAX_GROUPS:
        raise UsageError(f"a key has at most {MAX_GROUPS} groups")
    name = _name("a key's name", name)
    user, app = user and _name("a user", user), app and _name("an app", app)
    key, secret = vault.add_key(name, user, groups, app)
    told = {"event": "key-added", "exchange": "", "key": key, "person": vault.pseudonym(user or name), "by": by}
    try:
        record(told | {"groups": groups})
    except BaseException:
        vault.revoke(key)
        raise
    return key, secret


def revoke(vault: Vault, record: Record, key: str, *, by: str = "") -> Key:
    """End a key by its id or name. Every process refuses it within a second, also where no record can be kept.

    Raises UsageError where no such key is in force, StoreError where it cannot be kept or recorded.
    """
    gone = vault.revoke(key)
    record({"event": "key-revoked", "exchange": "", "key": gone.id, "person": gone.pseudonym, "by": by})
    return gone


def _name(what: str, text: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= MAX_NAME or not text.isprintable():
        raise UsageError(f"{what} is 1 to {MAX_NAME} characters that can be seen")
    return text
