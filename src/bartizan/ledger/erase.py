"""Forgetting: a person at once, bodies by age. The records stay, and with them every proof.

The record comes first and the deletion second: whatever happens in between, the erasure is known and made good at the
next start, as it is when a copy of `state.sqlite` from before it is put back.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.core.errors import StoreBusy, StoreError, UsageError
from bartizan.ledger.read import parse
from bartizan.store.lock import FileLock
from bartizan.store.logfile import LogFile, logs
from bartizan.store.state import State
from bartizan.vault import Forgotten, Vault
from bartizan.vault.vault import period

if TYPE_CHECKING:
    from bartizan.ledger.writer import Writer

MIN_DAYS = 31  # Bodies go by whole months, and open cases of the last weeks still need theirs.
_DAY_US = 86_400_000_000
_BEFORE = "bodies-before"


def now_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def forget(writer: Writer, vault: Vault, person: str, *, by: str, why: str) -> Forgotten:
    """Record who asked and why (sealed), then delete every key and name of a person, given by name or pseudonym.

    Returns when nothing is left. Raises UsageError for somebody unknown, StoreError if it cannot be recorded.
    """
    pseudonym = vault.known(person)
    if pseudonym is None:
        raise UsageError("nobody by this name or pseudonym is known here")
    asked = {"event": "forgotten", "exchange": "", "forgotten": pseudonym, "person": vault.pseudonym(by)}
    writer.wait(writer.append(asked, [("why", why.encode())]))
    return vault.forget(pseudonym)


def forget_older(writer: Writer, vault: Vault, days: int, *, by: str, why: str) -> str:
    """Record who asked and why (sealed), then end the time of all bodies of months older than `days`.

    The first month that is kept. Running writers and this one drop their tables within seconds; logs that nobody writes
    any more are done here. Raises UsageError below 31 days.
    """
    if days < MIN_DAYS:
        raise UsageError(f"bodies are kept at least {MIN_DAYS} days, by whole months")
    asked = {"days": days, "event": "retention-asked", "exchange": "", "person": vault.pseudonym(by)}
    writer.wait(writer.append(asked, [("why", why.encode())]))
    before = retain(vault.state, days, now_us())
    for path in logs(vault.state.home):
        _drop_abandoned(path, before, writer)
    return before


def _drop_abandoned(path: Path, before: str, writer: Writer) -> None:
    try:
        lock = FileLock(path.with_suffix(".lock"))
    except StoreBusy:
        return  # its writer is alive and does it
    with lock:
        file = LogFile.open(path)
        try:
            months = [month for month, _ in file.months() if month < before]
            if months:
                told = {"before": before, "event": "retention", "exchange": "", "log": file.name, "months": months}
                writer.wait(writer.append(told))
                file.begin()
                file.drop_bodies(before)
                file.commit()
                file.empty_wal()
        finally:
            file.close()


def forgotten(home: Path) -> set[str]:
    """Everyone whom the records say was forgotten."""
    return _named(home, "forgotten", "forgotten")


def revoked(home: Path) -> set[str]:
    """The ids of all keys and API tokens whose end the records tell."""
    return _named(home, "key-revoked", "key") | _named(home, "token-ended", "token")


def disabled(home: Path) -> set[str]:
    """The pseudonyms of all accounts of which the records tell last that they are disabled."""
    last: dict[str, tuple[int, bool]] = {}
    for event in ("account-disabled", "account-enabled"):
        for person, time_us in _told(home, event, "person"):
            last[person] = max(last.get(person, (0, False)), (time_us, event == "account-disabled"))
    return {person for person, (_, off) in last.items() if off} - {""}


def _named(home: Path, event: str, field: str) -> set[str]:
    return {value for value, _ in _told(home, event, field)} - {""}


def _told(home: Path, event: str, field: str) -> list[tuple[str, int]]:
    """What all records of an event say in a field, and when they were written."""
    found: list[tuple[str, int]] = []
    for path in logs(home):
        try:
            with LogFile.reading(path) as file:
                found += [(str(parse(row).get(field, "")), row.time_us) for row in file.by_event(event)]
        except StoreError:
            continue  # a damaged log must not stop the others; its writer and `verify` say what is wrong with it
    return found


def retain(state: State, days: int, now_us: int) -> str:
    """Let every writer of the home drop the bodies of months that ended more than `days` ago; which month is kept.

    Running writers do it within seconds, others when they start. Raises UsageError below 31 days.
    """
    if days < MIN_DAYS:
        raise UsageError(f"bodies are kept at least {MIN_DAYS} days, by whole months")
    before = period(now_us - days * _DAY_US)
    with state.transaction() as tx:
        tx.change(
            "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = max(value, ?2)",
            (_BEFORE, before.encode()),
        )
        # Copies of the logs hold these bodies too; without the months' keys they are noise. A case that still waits
        # keeps its person's.
        tx.change(
            "DELETE FROM person_key WHERE period < ? AND pseudonym NOT IN "
            "(SELECT person FROM case_ WHERE state = 'open')",
            (before,),
        )
    state.scrub()
    return before


def kept_from(state: State) -> str:
    """The first month (YYYY-MM) whose bodies are kept; "" for all."""
    found = state.query("SELECT value FROM meta WHERE key = ?", (_BEFORE,))
    return bytes(found[0][0]).decode() if found else ""
