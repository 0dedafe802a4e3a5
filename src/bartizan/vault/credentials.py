"""What stands for an account for a while: a sign-in link, a session, an API token.

Each is 256 random bits that are kept nowhere: the table holds a digest under the master key, so neither a copy of the
file nor the time a lookup takes says anything about them. What is asked is always the table itself, never a cache: what
was ended is ended for every process at its next request.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from enum import StrEnum

from bartizan.core.errors import StoreError
from bartizan.store.state import State, Transaction
from bartizan.vault.vault import Vault

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
# A session ends with the shift it was begun in, and at the latest after a week, when somebody signs in anew anyway.
# (NIST SP 800-63B-4 wants at most 30 days for what one factor opens, 2.1.3.)
IDLE_US = 8 * HOUR_US
SESSION_US = 7 * DAY_US
SEEN_US = MINUTE_US  # How exact "last seen" is: each step is a write to the disk.
KEPT_US = (
    DAY_US  # What ended is still there so long, so that who follows a used link is told apart from who forges one.
)
MAX_SESSIONS = 50  # Of one person; one more ends the oldest, so that nobody fills the disk by signing in.
_COLUMNS = "id, kind, person, name, created_us, seen_us, until_us, ended_us"


class Stands(StrEnum):
    """The kinds of credential, with the letter of their ids and secrets."""

    LINK = "link"
    SESSION = "session"
    TOKEN = "token"  # noqa: S105  The name of the kind, no secret.


LETTERS = {Stands.LINK: "l", Stands.SESSION: "s", Stands.TOKEN: "a"}


@dataclass(frozen=True, slots=True)
class Credential:
    """One as it may be shown. `person` is a pseudonym; `name` says what a token is for, or how a session was begun."""

    id: str
    kind: str
    person: str
    name: str
    created_us: int
    seen_us: int
    until_us: int
    ended_us: int | None

    def holds(self, now_us: int) -> bool:
        """Whether it opens anything at that time, as far as it alone can say: its account has to be there, too."""
        idle = self.kind == Stands.SESSION and self.seen_us + IDLE_US <= now_us
        return self.ended_us is None and now_us < self.until_us and not idle


class Credentials:
    """The credentials of one home. Every method may be called from any thread."""

    def __init__(self, state: State, vault: Vault) -> None:
        self._state, self._vault = state, vault
        self._lock = threading.Lock()
        self._unkept_until_us = 0

    def make(self, made: Credential) -> str:
        """Keep a new one and say its secret. Raises LookupError where its account is disabled or gone."""
        kind = Stands(made.kind)
        secret = f"bz-{LETTERS[kind]}-{secrets.token_urlsafe(32)}"
        with self._state.transaction() as tx:  # Whoever disables an account meanwhile comes before this or after it.
            if not tx.query("SELECT 1 FROM account WHERE person = ? AND disabled_us IS NULL", (made.person,)):
                raise LookupError(made.person)
            _clean(tx, made.created_us)
            if kind is Stands.SESSION:
                tx.change(
                    "DELETE FROM credential WHERE id IN (SELECT id FROM credential WHERE person = ? "
                    "AND kind = 'session' ORDER BY seen_us DESC, id LIMIT -1 OFFSET ?)",
                    (made.person, MAX_SESSIONS - 1),
                )
            tx.change(
                "INSERT INTO credential (id, hash, kind, person, name, created_us, seen_us, until_us) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    made.id,
                    self._digest(kind, secret),
                    made.kind,
                    made.person,
                    made.name,
                    made.created_us,
                    made.seen_us,
                    made.until_us,
                ),
            )
        return secret

    def find(self, kind: Stands, secret: str) -> Credential | None:
        """The one with this secret, whether it still holds or not."""
        found = self._state.query(
            f"SELECT {_COLUMNS} FROM credential WHERE hash = ? AND kind = ?",  # noqa: S608  Our own names of columns.
            (self._digest(kind, secret), kind.value),
        )
        return Credential(*found[0]) if found else None

    def all(self, kind: Stands, person: str | None, now_us: int) -> tuple[Credential, ...]:
        """Those that hold, oldest first; `person` None: everybody's."""
        rows = self._state.query(
            f"SELECT {_COLUMNS} FROM credential WHERE kind = ?1 AND (?2 IS NULL OR person = ?2) "  # noqa: S608
            "ORDER BY created_us, id",
            (kind.value, person),
        )
        return tuple(one for one in (Credential(*row) for row in rows) if one.holds(now_us))

    def claim(self, id_: str, now_us: int) -> bool:
        """End one that still holds; of several who try it at once, one hears that it was theirs."""
        return bool(
            self._state.change(
                "UPDATE credential SET ended_us = ? WHERE id = ? AND ended_us IS NULL AND until_us > ?",
                (now_us, id_, now_us),
            )
        )

    def give_back(self, id_: str) -> None:
        """Undo a claim whose record could not be kept."""
        self._state.change("UPDATE credential SET ended_us = NULL WHERE id = ?", (id_,))

    def end_sessions(self, person: str, now_us: int, *, keep: str = "") -> int:
        """End a person's sessions, but for one; how many."""
        return self._state.change(
            "UPDATE credential SET ended_us = ? WHERE person = ? AND kind = 'session' AND id != ? AND ended_us IS NULL",
            (now_us, person, keep),
        )

    def seen(self, one: Credential, now_us: int) -> None:
        """Keep when it was last used, to the minute. A disk that takes no writes does not keep anybody out."""
        if now_us - one.seen_us < SEEN_US:
            return
        with self._lock:  # One of the requests of a page writes, and after a failure nobody for a minute.
            if now_us < self._unkept_until_us:
                return
            try:
                self._state.change(
                    "UPDATE credential SET seen_us = ?1 WHERE id = ?2 AND seen_us <= ?1 - ?3", (now_us, one.id, SEEN_US)
                )
            except StoreError:
                # Whoever writes next is told what is wrong with the disk. Here it costs an unkept minute of idling.
                self._unkept_until_us = now_us + SEEN_US

    def _digest(self, kind: Stands, secret: str) -> bytes:
        return self._vault.credential_digest(kind.value, secret)


def new_id(kind: Stands) -> str:
    """The name of a credential, as lists and records show it."""
    return f"{LETTERS[kind]}-{secrets.token_hex(8)}"


def end_all(tx: Transaction, person: str, now_us: int) -> int:
    """End everything that stands for an account; how many."""
    return tx.change("UPDATE credential SET ended_us = ? WHERE person = ? AND ended_us IS NULL", (now_us, person))


def _clean(tx: Transaction, now_us: int) -> None:
    """Delete what ended a day ago or longer."""
    tx.change(
        "DELETE FROM credential WHERE until_us < ?1 OR ended_us < ?1 OR (kind = 'session' AND seen_us < ?2)",
        (now_us - KEPT_US, now_us - KEPT_US - IDLE_US),
    )
