"""Sources whose requests the gateway refuses for a while: a key, or everything of a person.

An analyst pauses, with a reason; it ends by itself. Pausing takes effect first and is recorded second, lifting the
other way round: whatever breaks in between, the stricter of the two holds. The reason is sealed as the source's
person's, in the ledger and beside the pause.

Every process asks `Pauses.of` for each request. It looks at the file when something in it changed, at most four times a
second, so a pause holds everywhere within a second, as an ended key does.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bartizan.core.errors import InputError, UsageError
from bartizan.store.state import State
from bartizan.vault import Identity, Vault

FRESH_S = 0.25  # How old what `Pauses` knows may be; the promise is one second.
MINUTE_US = 60_000_000
MAX_MINUTES = 7 * 24 * 60  # Who is to be kept out for longer has their key ended.
MAX_WHY = 1000
MAX_ACTIVE = 1000  # At once: a page lists them, and every process holds them.
BOOTSTRAP = "bootstrap"  # A key without a row of its own: it is set in the environment.
_LASTS = re.compile(r"(\d{1,5}) ?(m|min|h|d)", re.ASCII)
_MINUTES = {"m": 1, "min": 1, "h": 60, "d": 24 * 60}
_COLUMNS = "kind, source, person, by, at_us, until_us"


class Record(Protocol):
    """Appends an event durably, with texts to seal."""

    def __call__(self, event: Mapping[str, object], bodies: Sequence[tuple[str, bytes]] = ()) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """`kind` is key or person; `id` the key's id or the person's pseudonym. `person`: whose it is, a pseudonym."""

    kind: str
    id: str
    person: str
    name: str = ""  # of the key


@dataclass(frozen=True, slots=True)
class Pause:
    """One in force. `by`: the pseudonym of who paused; "" for a command on the machine itself."""

    kind: str
    source: str
    person: str
    by: str
    at_us: int
    until_us: int

    def as_json(self) -> dict[str, object]:
        """Without the reason, which is sealed."""
        return {
            "kind": self.kind,
            "source": self.source,
            "person": self.person,
            "by": self.by,
            "at_us": self.at_us,
            "until_us": self.until_us,
        }

    def told(self, owner: str) -> str:
        """What a client is told: until when, and whom to ask."""
        until = datetime.fromtimestamp(-(-self.until_us // MINUTE_US) * 60, UTC)  # The minute after which it is over.
        whose = "this key" if self.kind == "key" else "this person"
        ask = f" Ask {owner}." if owner else " Ask whoever runs the gateway."
        return f"Requests of {whose} are paused until {until:%Y-%m-%d %H:%M} UTC.{ask}"


# ---- What a request is held against ---------------------------------------------------------------------------------


class Pauses:
    """Those in force, for a process that serves. Safe to call from any thread."""

    def __init__(self, state: State, vault: Vault, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._state, self._vault, self._monotonic = state, vault, monotonic
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Pause] = {}
        self._version, self._checked_s = -1, float("-inf")

    def of(self, identity: Identity, now_us: Callable[[], int]) -> Pause | None:
        """The pause that is about a request of this identity; of two the one that ends later. Raises StoreError."""
        if self._monotonic() - self._checked_s >= FRESH_S:
            self._look()
        known = self._known
        if not known:
            return None
        person = self._vault.pseudonym(identity.person)
        both = (known.get(("key", identity.key)), known.get(("person", person)))
        found = [one for one in both if one is not None and one.until_us > now_us()]
        return max(found, key=lambda one: one.until_us, default=None)

    def _look(self) -> None:
        with self._lock:
            checked_s, version = self._monotonic(), self._state.version()
            if version != self._version:
                self._known = {(one.kind, one.source): one for one in active(self._state, 0)}
                self._version = version
            self._checked_s = checked_s


def active(state: State, now_us: int) -> tuple[Pause, ...]:
    """Those in force, the newest first."""
    sql = f"SELECT {_COLUMNS} FROM pause WHERE until_us > ? ORDER BY at_us DESC, source"  # noqa: S608  Our own names.
    return tuple(Pause(*row) for row in state.query(sql, (now_us,)))


# ---- What people do -------------------------------------------------------------------------------------------------


def key_source(vault: Vault, key: str) -> Source:
    """A key in force by its id or name. Raises UsageError."""
    if key == BOOTSTRAP:
        return Source("key", BOOTSTRAP, vault.pseudonym(BOOTSTRAP), BOOTSTRAP)
    for known in vault.keys():  # noqa: SIM118  Not a dict.
        if known.revoked_us is None and key in (known.id, known.name):
            return Source("key", known.id, known.pseudonym, known.name)
    raise UsageError("no key in force has this id or name; `bartizan keys list` shows them")


def person_source(vault: Vault, person: str) -> Source:
    """A person by name or pseudonym. Raises UsageError for somebody unknown."""
    pseudonym = vault.known(person)
    if pseudonym is None:
        raise UsageError("nobody by this name or pseudonym is known here")
    return Source("person", pseudonym, pseudonym)


def lasting(text: str) -> int:
    """How many minutes 15m, 1h or 2d are. Raises InputError."""
    match = _LASTS.fullmatch(text.strip())
    minutes = int(match[1]) * _MINUTES[match[2]] if match else 0
    if not 1 <= minutes <= MAX_MINUTES:
        raise InputError(f"is a time from 1m to {MAX_MINUTES // (24 * 60)}d, as 15m, 1h or 24h", "for")
    return minutes


def pause(vault: Vault, record: Record, source: Source, *, minutes: int, why: str, by: str, now_us: int) -> Pause:
    """Refuse a source's requests from now on; one that is paused already is paused anew.

    Raises:
        InputError: There is no reason, or it is endless.
        UsageError: Too many are paused.
        StoreError: It cannot be kept; or it cannot be recorded, and then it holds all the same.
    """
    why = why.strip()
    if not why or len(why) > MAX_WHY:
        raise InputError("is needed" if not why else f"is longer than {MAX_WHY} characters", "why")
    if not 1 <= minutes <= MAX_MINUTES:
        raise InputError(f"is at most {MAX_MINUTES // (24 * 60)} days", "for")
    made = Pause(source.kind, source.id, source.person, by, now_us, now_us + minutes * MINUTE_US)
    text = why.encode("utf-8", "replace")
    sealed = vault.seal_as(source.person, now_us, text, _aad(made)).blob
    with vault.state.transaction() as tx:
        tx.change(
            "DELETE FROM pause WHERE until_us <= ? OR (kind = ? AND source = ?)", (now_us, made.kind, made.source)
        )
        if tx.query("SELECT count(*) FROM pause")[0][0] >= MAX_ACTIVE:
            raise UsageError(f"{MAX_ACTIVE:,} sources are paused already; lift some of them first")
        tx.change(
            "INSERT INTO pause VALUES (?, ?, ?, ?, ?, ?, ?)",
            (made.kind, made.source, made.person, made.by, made.at_us, made.until_us, sealed),
        )
    record(_event("paused", made, by) | {"until_us": made.until_us}, [("why", text)])
    return made


def lift(vault: Vault, record: Record, kind: str, source: str, *, by: str, now_us: int) -> Pause:
    """Let a source's requests pass again before its time. Raises UsageError where it is not paused, StoreError."""
    found = next((one for one in active(vault.state, now_us) if (one.kind, one.source) == (kind, source)), None)
    if found is None:
        raise UsageError("this source is not paused, or its pause is over")
    record(_event("resumed", found, by))
    vault.state.change("DELETE FROM pause WHERE kind = ? AND source = ? AND at_us = ?", (kind, source, found.at_us))
    return found


def reason(vault: Vault, record: Record, kind: str, source: str, *, by: str, now_us: int) -> str:
    """Why a source is paused, for somebody who asks: that they did is on the disk first.

    Raises UsageError where it is not paused, StoreError.
    """
    rows = vault.state.query(
        f"SELECT {_COLUMNS}, sealed_why FROM pause WHERE kind = ? AND source = ? AND until_us > ?",  # noqa: S608
        (kind, source, now_us),
    )
    if not rows:
        raise UsageError("this source is not paused, or its pause is over")
    *columns, sealed = rows[0]
    found = Pause(*columns)
    text, _ = vault.open_as(found.person, found.at_us, sealed, _aad(found))
    record(_event("pause-read", found, by))
    return text.decode("utf-8", "replace")


def _event(what: str, about: Pause, by: str) -> dict[str, object]:
    event = what if what == "pause-read" else f"{about.kind}-{what}"
    told: dict[str, object] = {"event": event, "exchange": "", "person": about.person, "by": by}
    return told | {"key": about.source} if about.kind == "key" else told


def _aad(about: Pause) -> bytes:
    return f"pause {about.kind} {about.source} {about.at_us}".encode()
