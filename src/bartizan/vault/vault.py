"""Who is who, and what only the owner of the master key may read.

A text is sealed under a key of its own, that key under one of the person and month, and that one under the master key.
So forgetting a person is deleting a few 60-byte rows: every sealed text of theirs, in every log and every copy of one,
becomes noise, while the records and their proofs stay. Pseudonyms are random, so nothing computes them from a name.

The caches hold what a busy gateway needs; another process's change empties them within `FRESH_S`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bartizan.core.errors import ConfigError, StoreBroken, UsageError
from bartizan.store.state import State, Transaction
from bartizan.vault.keyed import Keyed
from bartizan.vault.master import MasterKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FRESH_S = 0.25  # How long a revoked key or a forgotten person may stay in a cache; the promise is one second.
CACHED = 20_000  # Entries in each cache; a full one is emptied, which costs its owner one query each.
ERASURES = "erasures.jsonl"
KEY_PREFIX = "bz-"
_K = TypeVar("_K")
_V = TypeVar("_V")
_BLOB = b"\x01"  # version of a sealed text: 1 ‖ nonce(12) ‖ wrapped key(48) ‖ sealed(k_body(32) ‖ text)(+16)
_NONCE = bytes(12)  # A key that seals exactly one text needs no other (NIST SP 800-38D, 8.2).


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a key belongs to."""

    person: str
    groups: tuple[str, ...]
    app: str
    key: str  # id, never the secret


@dataclass(frozen=True, slots=True)
class Key:
    """An API key as it may be shown."""

    id: str
    name: str
    pseudonym: str
    groups: tuple[str, ...]
    app: str
    created_us: int
    revoked_us: int | None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text only its person's key opens. `commitment` is HMAC-SHA256 of it under a key sealed with it (hex)."""

    blob: bytes
    commitment: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted."""

    pseudonym: str
    months: int
    keys: int
    cases: int
    grants: int


def period(when_us: int) -> str:
    """The month of a time, as `YYYY-MM` in UTC."""
    return _month_of_day(when_us // 86_400_000_000)


@lru_cache(64)
def _month_of_day(days: int) -> str:
    return datetime.fromtimestamp(days * 86_400, UTC).strftime("%Y-%m")


class Vault:
    """Every method may be called from any thread."""

    def __init__(self, state: State, master: MasterKey, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.state = state
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._name_key = master.derived("names")
        self._value_key = master.derived("values")
        self._secret_key = Keyed(master.derived("api-keys"))
        self._credential_key = Keyed(master.derived("credentials"))
        self._wrap_key = master.derived("wrap")
        self._wrapper: AESGCM | None = None
        self._pseudonyms: dict[str, str] = {}
        self._month_keys: dict[tuple[str, str], tuple[Keyed, AESGCM]] = {}
        self._identities: dict[bytes, Identity] = {}
        self._checked = -FRESH_S
        self._version = -1
        self._epoch = b""

    @classmethod
    def open(cls, state: State, master: MasterKey) -> Vault:
        """The vault of a home. Raises ConfigError where the master key is not the one it was made with.

        Erasures that a restored copy of `state.sqlite` does not know are made again from HOME/erasures.jsonl.
        """
        vault = cls(state, master)
        vault._check_master(master)
        vault.reapply(_listed(state.home / ERASURES))
        return vault

    def _check_master(self, master: MasterKey) -> None:
        with self.state.transaction() as tx:
            found = tx.query("SELECT value FROM meta WHERE key = 'master-check'")
            if not found:
                tx.change("INSERT INTO meta VALUES ('master-check', ?)", (self._wrap(b"bartizan", b"master-check"),))
                return
        try:
            self._unwrap(found[0][0], b"master-check")
        except StoreBroken as error:
            raise ConfigError(
                f"{master.source}: this is not the master key that {self.state.path} was made with\n"
                "  Give the right one (BARTIZAN_MASTER_KEY_FILE). Until then records can be read and verified, but "
                "names and bodies stay sealed."
            ) from error

    # ---- Sealing ----------------------------------------------------------------------------------------------------

    def _aes(self) -> AESGCM:
        if self._wrapper is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._wrapper = AESGCM(self._wrap_key)
        return self._wrapper

    def _wrap(self, secret: bytes, purpose: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._aes().encrypt(nonce, secret, purpose)

    def _unwrap(self, wrapped: bytes, purpose: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._aes().decrypt(wrapped[:12], wrapped[12:], purpose)
        except InvalidTag as error:
            raise StoreBroken("the vault: a key does not open with this master key") from error

    def _month_key(self, pseudonym: str, month: str) -> tuple[Keyed, AESGCM]:
        """The key of a person and month as (digest key, cipher). Made on first use; never for a forgotten person."""
        self._freshen()
        key = self._month_keys.get((pseudonym, month))
        if key is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            secret = self._kept_month_secret(pseudonym, month)
            key = Keyed(hmac.digest(secret, b"digest", hashlib.sha256)), AESGCM(secret)
            _keep(self._month_keys, (pseudonym, month), key)
        return key

    def _kept_month_secret(self, pseudonym: str, month: str) -> bytes:
        purpose = f"month {pseudonym} {month}".encode()
        query = "SELECT wrapped FROM person_key WHERE pseudonym = ? AND period = ?"
        found = self.state.query(query, (pseudonym, month))
        if found:
            return self._unwrap(found[0][0], purpose)
        secret = secrets.token_bytes(32)
        with self.state.transaction() as tx:
            if found := tx.query(query, (pseudonym, month)):  # another process was faster
                return self._unwrap(found[0][0], purpose)
            known = tx.query("SELECT 1 FROM person WHERE pseudonym = ? AND forgotten_us IS NULL", (pseudonym,))
            if known or not pseudonym:
                tx.change("INSERT INTO person_key VALUES (?, ?, ?)", (pseudonym, month, self._wrap(secret, purpose)))
        # What is still under way for a person who was just forgotten is sealed under a key that nobody keeps.
        return secret

    def seal_as(self, pseudonym: str, when_us: int, plaintext: bytes, aad: bytes) -> Sealed:
        """Seal a text of a person ("": nobody in particular).

        `aad` says which text it is (writer, seq, side) and must be given again to open it.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        _, month = self._month_key(pseudonym, period(when_us))
        fresh = os.urandom(32 + 12 + 32)
        own, nonce, k_body = fresh[:32], fresh[32:44], fresh[44:]
        blob = b"".join(
            (_BLOB, nonce, month.encrypt(nonce, own, aad), AESGCM(own).encrypt(_NONCE, k_body + plaintext, aad))
        )
        return Sealed(blob, hmac.digest(k_body, plaintext, hashlib.sha256).hex())

    def open_as(self, pseudonym: str, when_us: int, blob: bytes, aad: bytes) -> tuple[bytes, str]:
        """The text again and its commitment. Raises StoreBroken if it was erased, changed, or belongs elsewhere."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        month = period(when_us)
        query = "SELECT wrapped FROM person_key WHERE pseudonym = ? AND period = ?"
        found = self.state.query(query, (pseudonym, month))
        if not found:
            raise StoreBroken("the text was erased: its key is gone")
        key = AESGCM(self._unwrap(found[0][0], f"month {pseudonym} {month}".encode()))
        try:
            if blob[:1] != _BLOB:
                raise InvalidTag
            own = key.decrypt(blob[1:13], blob[13:61], aad)
            inner = AESGCM(own).decrypt(_NONCE, blob[61:], aad)
        except (InvalidTag, ValueError) as error:
            raise StoreBroken("the sealed text is not what was kept") from error
        return inner[32:], hmac.digest(inner[:32], inner[32:], hashlib.sha256).hex()

    # ---- Persons ----------------------------------------------------------------------------------------------------

    def pseudonym(self, person: str) -> str:
        """The random name a person has in records; "" for nobody in particular."""
        if not person:
            return ""
        self._freshen()
        known = self._pseudonyms.get(person)
        if known is None:
            known = self._kept_pseudonym(person)
            _keep(self._pseudonyms, person, known)
        return known

    def pseudonyms(self, persons: Iterable[str]) -> dict[str, str]:
        """The same for many: those that have none yet get one in a single transaction."""
        wanted = dict.fromkeys(persons)
        self._freshen()
        found = {person: self._pseudonyms[person] for person in wanted if person in self._pseudonyms}
        unknown = [person for person in wanted if person and person not in found]
        digests = {person: hmac.digest(self._name_key, person.encode(), hashlib.sha256) for person in unknown}
        fresh = {person: "p-" + secrets.token_hex(10) for person in unknown}
        rows = [
            (name, self._wrap(person.encode(), b"name " + name.encode()), digests[person], _now_us())
            for person, name in fresh.items()
        ]
        if rows:
            with self.state.transaction() as tx:
                tx.change_many(
                    "INSERT INTO person VALUES (?, ?, ?, ?, NULL) ON CONFLICT (name_digest) DO NOTHING", rows
                )
                query = "SELECT pseudonym FROM person WHERE name_digest = ?"
                found |= {person: str(tx.query(query, (digests[person],))[0][0]) for person in unknown}
        for person in unknown:
            _keep(self._pseudonyms, person, found[person])
        return found | ({"": ""} if "" in wanted else {})

    def _kept_pseudonym(self, person: str) -> str:
        found = self._find(person)
        if found:
            return found
        digest = hmac.digest(self._name_key, person.encode(), hashlib.sha256)
        fresh = "p-" + secrets.token_hex(10)
        with self.state.transaction() as tx:
            tx.change(
                "INSERT INTO person VALUES (?, ?, ?, ?, NULL) ON CONFLICT (name_digest) DO NOTHING",
                (fresh, self._wrap(person.encode(), b"name " + fresh.encode()), digest, _now_us()),
            )
            return str(tx.query("SELECT pseudonym FROM person WHERE name_digest = ?", (digest,))[0][0])

    def _find(self, person: str) -> str | None:
        digest = hmac.digest(self._name_key, person.encode(), hashlib.sha256)
        found = self.state.query("SELECT pseudonym FROM person WHERE name_digest = ?", (digest,))
        return str(found[0][0]) if found else None

    def name(self, pseudonym: str) -> str | None:
        """Who it is; None for an unknown or forgotten person."""
        found = self.state.query("SELECT wrapped_name FROM person WHERE pseudonym = ?", (pseudonym,))
        if not found or found[0][0] is None:
            return None
        return self._unwrap(found[0][0], b"name " + pseudonym.encode()).decode()

    def digest(self, value: str) -> str:
        """A keyed digest of a text (32 bytes, hex): equal for equal texts, and not to be guessed without the key."""
        return hmac.digest(self._value_key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()

    def subject_digest(self, person: str, when_us: int, text: bytes) -> str:
        """A digest (hex) under the person's key of that month: forgetting the person makes it unlinkable too."""
        key, _ = self._month_key(self.pseudonym(person), period(when_us))
        return key.digest(text).hex()

    def known(self, person: str) -> str | None:
        """The pseudonym of a person by name or pseudonym, without making one."""
        found = self.state.query("SELECT pseudonym FROM person WHERE pseudonym = ? AND forgotten_us IS NULL", (person,))
        return str(found[0][0]) if found else self._find(person)

    def forget(self, person: str) -> Forgotten:
        """Delete the keys, the name, the API keys, grants, sealed cases and account of a person (by name or pseudonym).

        The erasure list is written first, so that a crash in between only delays it to the next `open`. Returns when
        nothing is left in the files. Raises UsageError for somebody unknown.
        """
        pseudonym = self.known(person)
        if pseudonym is None:
            raise UsageError("nobody by this name or pseudonym is known here")
        _list(self.state.home / ERASURES, pseudonym, _now_us())
        with self.state.transaction() as tx:
            gone = _erase(tx, pseudonym, _now_us(), name=self.name(pseudonym) or "")
        self._empty()
        self.state.scrub()
        return gone

    def reapply(self, pseudonyms: Iterable[str]) -> int:
        """Forget again whom a restored copy brought back; how many."""
        again = 0
        wanted = set(pseudonyms)
        with self.state.transaction() as tx:
            alive = {row[0] for row in tx.query("SELECT pseudonym FROM person WHERE forgotten_us IS NULL")}
            alive |= {row[0] for row in tx.query("SELECT DISTINCT pseudonym FROM person_key")}
            for pseudonym in sorted(alive & wanted):
                _erase(tx, pseudonym, _now_us(), name=self.name(pseudonym) or "")
                again += 1
        if again:
            self._empty()
            self.state.scrub()
        return again

    # ---- API keys ---------------------------------------------------------------------------------------------------

    def add_key(
        self, name: str, user: str = "", groups: Iterable[str] = (), app: str = "", secret: str = ""
    ) -> tuple[str, str]:
        """A new key as (id, secret). The person is `user`, else the key itself by its name.

        The secret is kept nowhere. `secret` gives one made elsewhere. Raises UsageError if the name is taken.
        """
        secret = secret or KEY_PREFIX + secrets.token_urlsafe(32)
        person = self.pseudonym(user or name)
        key_id = "k-" + secrets.token_hex(6)
        with self.state.transaction() as tx:
            if tx.query("SELECT 1 FROM api_key WHERE name = ? AND revoked_us IS NULL", (name,)):
                raise UsageError(f'a key named "{name}" exists; revoke it first or choose another name')
            tx.change(
                "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (key_id, name, self._secret_hash(secret), person, json.dumps(sorted(set(groups))), app, _now_us()),
            )
        return key_id, secret

    def _secret_hash(self, secret: str) -> bytes:
        return self._secret_key.digest(secret.encode("utf-8", "surrogatepass"))

    def who(self, secret: str) -> Identity | None:
        """Whose key it is; None for an unknown or revoked one.

        The lookup goes by a digest keyed with the master key: how long it takes says nothing about the secret.
        """
        self._freshen()
        digest = self._secret_hash(secret)
        identity = self._identities.get(digest)
        if identity is None:
            found = self.state.query(
                "SELECT id, person, groups, app FROM api_key WHERE hash = ? AND revoked_us IS NULL", (digest,)
            )
            if not found:
                return None
            key_id, pseudonym, groups, app = found[0]
            identity = Identity(self.name(pseudonym) or pseudonym, tuple(json.loads(groups)), app, key_id)
            _keep(self._identities, digest, identity)
        return identity

    def keys(self) -> tuple[Key, ...]:
        """All keys, oldest first, revoked ones too."""
        rows = self.state.query(
            "SELECT id, name, person, groups, app, created_us, revoked_us FROM api_key ORDER BY created_us, id"
        )
        return tuple(
            Key(i, n, p, tuple(json.loads(g)), a, created, revoked) for i, n, p, g, a, created, revoked in rows
        )

    def revoke(self, key: str) -> Key:
        """End a key by id or name; every process refuses it within a second. Raises UsageError if there is none."""
        for known in self.keys():
            if known.revoked_us is None and key in (known.id, known.name):
                with self.state.transaction() as tx:
                    tx.change("UPDATE api_key SET revoked_us = ? WHERE id = ?", (_now_us(), known.id))
                    _next_epoch(tx)
                self._empty()
                return known
        raise UsageError(f'no key in force has the id or name "{key}"; `bartizan keys list` shows them')

    def revoke_again(self, ids: Iterable[str]) -> int:
        """End keys and API tokens again that a restored copy brought back; how many."""
        wanted = set(ids)
        keys = sorted({key.id for key in self.keys() if key.revoked_us is None} & wanted)
        for id_ in keys:
            self.revoke(id_)
        held = self.state.query("SELECT id FROM credential WHERE kind = 'token' AND ended_us IS NULL")
        tokens = sorted({id_ for (id_,) in held} & wanted)
        for id_ in tokens:
            self.state.change("UPDATE credential SET ended_us = ? WHERE id = ?", (_now_us(), id_))
        return len(keys) + len(tokens)

    def disable_again(self, persons: Iterable[str]) -> int:
        """Disable accounts again that a restored copy brought back; how many."""
        enabled = self.state.query("SELECT person FROM account WHERE disabled_us IS NULL")
        back = sorted({person for (person,) in enabled} & set(persons))
        for person in back:
            with self.state.transaction() as tx:
                tx.change("UPDATE account SET disabled_us = ? WHERE person = ?", (_now_us(), person))
                tx.change(
                    "UPDATE credential SET ended_us = ? WHERE person = ? AND ended_us IS NULL", (_now_us(), person)
                )
        return len(back)

    def credential_digest(self, kind: str, secret: str) -> bytes:
        """What is kept of a secret that stands for an account (32 bytes). Each kind has its own for the same secret."""
        return self._credential_key.digest(f"{kind}\0{secret}".encode("utf-8", "surrogatepass"))

    # ---- Caches -----------------------------------------------------------------------------------------------------

    def _freshen(self) -> None:
        """Empty the caches if another process erased or revoked something since the last look."""
        now = self._monotonic()
        if now - self._checked < FRESH_S:
            return
        with self._lock:
            self._checked = now
            version = self.state.version()
            if version == self._version:
                return
            self._version = version
            found = self.state.query("SELECT value FROM meta WHERE key = 'vault-epoch'")
            epoch = found[0][0] if found else b""
            if epoch != self._epoch:
                self._epoch = epoch
                self._empty()

    def _empty(self) -> None:
        with self._lock:
            self._pseudonyms.clear()
            self._month_keys.clear()
            self._identities.clear()


def _keep(cache: dict[_K, _V], key: _K, value: _V) -> None:
    if len(cache) >= CACHED:
        cache.clear()
    cache[key] = value


def _now_us() -> int:
    return time.time_ns() // 1000


def _next_epoch(tx: Transaction) -> None:
    """Tell all processes to look again: something was taken away."""
    tx.change(
        "INSERT INTO meta VALUES ('vault-epoch', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1", (os.urandom(8),)
    )


def _erase(tx: Transaction, pseudonym: str, now_us: int, name: str) -> Forgotten:
    """Delete what ties a pseudonym to a person and opens their texts. `name` finds rows that went by it."""
    both = (pseudonym, name or pseudonym)
    months = tx.change("DELETE FROM person_key WHERE pseudonym = ?", (pseudonym,))
    keys = tx.change("DELETE FROM api_key WHERE person = ?", (pseudonym,))
    grants = tx.change("DELETE FROM grant_ WHERE person IN (?, ?)", both)
    # Their way in goes, and what others said about them; what they did themselves stays under the pseudonym.
    tx.change("DELETE FROM account WHERE person = ?", (pseudonym,))
    tx.change("DELETE FROM credential WHERE person = ?", (pseudonym,))
    tx.change("DELETE FROM assignment WHERE assignee = ?", (pseudonym,))
    tx.change("DELETE FROM saved_view WHERE person = ?", (pseudonym,))
    tx.change("DELETE FROM pause WHERE person = ?", (pseudonym,))
    tx.change("DELETE FROM usage_ WHERE person = ?", (pseudonym,))
    tx.change(
        "UPDATE feedback SET sealed_note = NULL, sealed_example = NULL, "
        "example = CASE example WHEN 'proposed' THEN 'dismissed' ELSE example END WHERE person = ?",
        (pseudonym,),
    )
    tx.change(
        "UPDATE use_exception SET sealed_why = NULL, sealed_note = NULL, "
        "state = CASE WHEN who = ?1 AND state IN ('asked', 'granted') THEN 'ended' ELSE state END "
        "WHERE who = ?1 OR asked_by = ?1",
        (pseudonym,),
    )
    tx.change("UPDATE name_request SET sealed_reason = NULL WHERE person = ? OR asked_by = ?", (pseudonym, pseudonym))
    cases = tx.change(
        "UPDATE case_ SET sealed_subject = NULL, sealed_reason = NULL, sealed_note = NULL, token_hash = NULL, "
        "\"values\" = '[]', person = ? WHERE person IN (?, ?)",
        (pseudonym, *both),
    )
    tx.change(
        "UPDATE person SET wrapped_name = NULL, name_digest = NULL, forgotten_us = ? WHERE pseudonym = ?",
        (now_us, pseudonym),
    )
    _next_epoch(tx)
    return Forgotten(pseudonym, months, keys, cases, grants)


def _list(path: Path, pseudonym: str, now_us: int) -> None:
    line = json.dumps({"pseudonym": pseudonym, "forgotten_us": now_us}).encode() + b"\n"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(fd, "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _listed(path: Path) -> list[str]:
    if not path.exists():
        return []
    found = []
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            found.append(str(json.loads(line)["pseudonym"]))
        except (ValueError, KeyError, TypeError):
            continue  # a line torn by a power cut: its erasure is in the logs' records too
    return found
