"""Every policy that was in force, who put it there and why: what can be read again, compared and put back.

A change made in the console is written down by whoever makes it (`rewriting`); one made to the file by hand or by git
is noticed by the console that follows the file, with nobody's name to it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from bartizan.config.policy import text_of
from bartizan.core.errors import PolicyError, UsageError
from bartizan.store.lock import FileLock

if TYPE_CHECKING:
    from bartizan.home import Home
    from bartizan.policy.model import Policy
    from bartizan.store.connection import Row
    from bartizan.store.state import State, Transaction

LOCK = "policy.lock"  # Held by whoever changes the policy's file, or looks whether somebody did.
_COLUMNS = "SELECT id, digest, name, by, why, at_us FROM policy_version "


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One text that was in force from `at_us` on. `by` is a pseudonym; "" where the file was changed from outside."""

    id: int
    digest: str  # of the text, as in the policy's ref
    name: str  # as in "default@1.0.0"
    by: str
    why: str
    at_us: int


class Versions:
    """The table of all versions. Every method may be called from any thread."""

    def __init__(self, state: State) -> None:
        self._state = state

    def newest(self) -> PolicyVersion | None:
        """What was put in force last; None before anybody looked."""
        found = self._state.query(_COLUMNS + "ORDER BY id DESC LIMIT 1")
        return _version(found[0]) if found else None

    def before(self, id_: int | None = None, limit: int = 50) -> tuple[PolicyVersion, ...]:
        """The versions before one (None: before now), the newest first."""
        rows = self._state.query(_COLUMNS + "WHERE id < ? ORDER BY id DESC LIMIT ?", (id_ or 2**62, limit))
        return tuple(map(_version, rows))

    def version(self, id_: int) -> PolicyVersion:
        """One of them. Raises UsageError."""
        found = self._state.query(_COLUMNS + "WHERE id = ?", (id_,))
        if not found:
            raise UsageError("there is no such version of the policy")
        return _version(found[0])

    def after(self, id_: int) -> PolicyVersion | None:
        """The version that took the place of one."""
        found = self._state.query(_COLUMNS + "WHERE id > ? ORDER BY id LIMIT 1", (id_,))
        return _version(found[0]) if found else None

    def text(self, id_: int) -> str:
        """What it said, to the byte. Raises UsageError."""
        found = self._state.query("SELECT text FROM policy_version WHERE id = ?", (id_,))
        if not found:
            raise UsageError("there is no such version of the policy")
        return str(found[0][0])

    def of_digest(self, digest: str) -> PolicyVersion | None:
        """The newest version with this text; None where nobody saw it in force."""
        found = self._state.query(_COLUMNS + "WHERE digest = ? ORDER BY id DESC LIMIT 1", (digest,))
        return _version(found[0]) if found else None


def added(tx: Transaction, policy: Policy, text: str, *, by: str, why: str, at_us: int) -> PolicyVersion:
    """Writes a version down."""
    name = f"{policy.name}@{policy.version}"
    tx.change(
        "INSERT INTO policy_version (digest, name, text, by, why, at_us) VALUES (?, ?, ?, ?, ?, ?)",
        (policy.digest, name, text, by, why, at_us),
    )
    return PolicyVersion(int(tx.query("SELECT last_insert_rowid()")[0][0]), policy.digest, name, by, why, at_us)


def noticed(home: Home, at_us: int | None = None) -> PolicyVersion | None:
    """Writes down what the file says now, where somebody changed it from outside; what is in force by that.

    None where the file does not hold: nothing new is in force then. Raises StoreError.
    """
    from bartizan.home import policy_of

    with FileLock(home.path / LOCK, wait=True):
        newest = Versions(home.state).newest()
        try:
            text = text_of(home.config.policy_path)
            if newest is not None and newest.digest == digest_of(text):
                return newest
            policy = policy_of(home.config, text, str(home.config.policy_path))
        except PolicyError:
            return None
        with home.state.transaction() as tx:
            return added(tx, policy, text, by="", why="", at_us=at_us or time.time_ns() // 1000)


def digest_of(text: str) -> str:
    """The digest of a policy's text, as in its ref."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _version(row: Row) -> PolicyVersion:
    return PolicyVersion(int(row[0]), str(row[1]), str(row[2]), str(row[3]), str(row[4]), int(row[5]))
