"""Who may sign in to the console, and what they may do there.

An account belongs to a person of the vault: the one whose keys, cases and grants these are. A person signs in with a
link that somebody with the role admin made (one use, ten minutes) or with a password of their own, and has a session
then; their programs have tokens. Roles, and whether the account is still there, are looked up at every request.

What is done is in the ledger first and takes effect second, so that nobody gets in unrecorded; a record that cannot be
kept lets nobody in. Records hold pseudonyms and ids alone.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bartizan.core.errors import SignInDenied, UsageError
from bartizan.store.connection import Row
from bartizan.store.state import State, Transaction
from bartizan.vault import passwords
from bartizan.vault.credentials import DAY_US, MINUTE_US, SESSION_US, Credential, Credentials, Stands, end_all, new_id
from bartizan.vault.passwords import Passwords, folded
from bartizan.vault.throttle import Throttle
from bartizan.vault.vault import Vault

MAX_NAME = 200  # Characters of the name of an account or a token.
MAX_DAYS = 366  # A token nobody renews within a year belongs to nobody any more.
MAX_TOKENS = 100  # In force, of one person.
MAX_LINK_MINUTES = 1440
LINK_MINUTES = 10  # From a terminal to a browser beside it; who sends it to a colleague says more.
NO_LINK = "this link was used, is too old, or never was one; ask for a new one (bartizan accounts link NAME)"
NO_SUCH_PAIR = "this name and this password do not belong together; who forgot theirs asks for a link"
_ACCOUNT = "person, roles, password IS NOT NULL, created_us, disabled_us"


class Role(StrEnum):
    """What a person may do in the console. Each stands for itself; any of them is enough to look at its pages."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    AUTHOR = "author"
    PRIVACY = "privacy"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in. Without a role they see their own cases and nothing else."""

    person: str  # pseudonym
    name: str
    roles: frozenset[Role]
    created_us: int
    disabled_us: int | None
    has_password: bool

    def as_json(self) -> dict[str, object]:
        """The account for programs, the same from every door."""
        return {
            "name": self.name,
            "person": self.person,
            "roles": [role.value for role in Role if role in self.roles],
            "has_password": self.has_password,
            "created_us": self.created_us,
            "disabled_us": self.disabled_us,
        }

    def may(self, role: Role) -> bool:
        """Whether they may do what this role is for. Looking (VIEWER) comes with every role."""
        if self.disabled_us is not None:
            return False
        return bool(self.roles) if role is Role.VIEWER else role in self.roles


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that somebody signed in with."""

    id: str
    account: Account
    csrf: str = field(repr=False)  # of all forms of this session
    created_us: int
    seen_us: int  # to the minute
    until_us: int
    how: str = ""  # it was begun: link | password


class Accounts:
    """The accounts of one home. Every method may be called from any thread; those that write wait for disks.

    `by` is the pseudonym of who does it, "" for a command on the machine itself. Methods that name a person raise
    UsageError where that person has no account.
    """

    def __init__(
        self,
        state: State,
        vault: Vault,
        record: Callable[[Mapping[str, object]], None],
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`record` appends an event to the ledger and returns once it is durable; raises StoreError."""
        self._state, self._vault, self._record, self._clock_us = state, vault, record, clock_us
        self._credentials = Credentials(state, vault)
        self._passwords = Passwords()
        self._throttle = Throttle(clock_us)
        self._changing = threading.RLock()  # Held over look, record and change, so that the three agree.

    # ---- Accounts ----------------------------------------------------------------------------------------------------

    def add(self, name: str, roles: Iterable[Role], by: str) -> Account:
        """A new account, without a password yet. Raises UsageError where the name is taken or is none."""
        name, roles = _name(name), frozenset(roles)
        with self._changing:
            if taken := self._by_name(name):
                off = "; it is disabled, `bartizan accounts enable` brings it back" if taken.disabled_us else ""
                raise UsageError(f"there is an account of this name{off}")
            person = self._vault.pseudonym(name)
            self._tell("account-added", person, by, roles=_words(roles))
            with self._state.transaction() as tx:
                added = tx.change(
                    "INSERT INTO account (person, roles, created_us) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (person, json.dumps(_words(roles)), self._clock_us()),
                )
        if not added:
            raise UsageError("somebody else made an account of this name just now")
        return self.account(person)

    def accounts(self) -> tuple[Account, ...]:
        """All, oldest first, disabled ones too."""
        rows = self._state.query(f"SELECT {_ACCOUNT} FROM account ORDER BY created_us, rowid")  # noqa: S608
        return tuple(self._account(row) for row in rows)

    def account(self, person: str) -> Account:
        """One by its pseudonym."""
        found = self._find(person)
        if found is None:
            raise UsageError("there is no such account; `bartizan accounts list` shows them")
        return found

    def named(self, name: str) -> Account:
        """One by its name, whatever the case of its letters, or by its pseudonym."""
        return self._by_name(name) or self.account(name.strip())

    def change(self, person: str, roles: Iterable[Role], by: str) -> Account:
        """Give an account these roles and no others. They count from its next request on."""
        roles = frozenset(roles)
        with self._changing:
            before = self.account(person)
            if before.roles != roles:
                if Role.ADMIN not in roles:
                    self._not_the_last_admin(self._state, person)
                self._tell("account-changed", person, by, roles=_words(roles), were=_words(before.roles))
                with self._state.transaction() as tx:
                    if Role.ADMIN not in roles:
                        self._not_the_last_admin(tx, person)
                    tx.change("UPDATE account SET roles = ? WHERE person = ?", (json.dumps(_words(roles)), person))
            return self.account(person)

    def disable(self, person: str, by: str) -> Account:
        """Let nobody in by this account any more; its sessions, links and tokens end for good."""
        with self._changing:
            if self.account(person).disabled_us is None:
                self._not_the_last_admin(self._state, person)
                self._tell("account-disabled", person, by)
                with self._state.transaction() as tx:
                    self._not_the_last_admin(tx, person)
                    now_us = self._clock_us()
                    tx.change("UPDATE account SET disabled_us = ? WHERE person = ?", (now_us, person))
                    end_all(tx, person, now_us)
            return self.account(person)

    def enable(self, person: str, by: str) -> Account:
        """Let a disabled account in again, with its roles and password."""
        with self._changing:
            if self.account(person).disabled_us is not None:
                self._tell("account-enabled", person, by)
                self._state.change("UPDATE account SET disabled_us = NULL WHERE person = ?", (person,))
            return self.account(person)

    # ---- Signing in --------------------------------------------------------------------------------------------------

    def link(self, person: str, by: str, minutes: int = LINK_MINUTES) -> str:
        """The secret of a sign-in link: one use, within so many minutes."""
        if not 1 <= minutes <= MAX_LINK_MINUTES:
            raise UsageError(f"a sign-in link holds for 1 to {MAX_LINK_MINUTES} minutes")
        self._enabled(person)
        self._tell("link-made", person, by, minutes=minutes)
        return self._made(Stands.LINK, person, "", minutes * MINUTE_US)[0]

    def begin_with_link(self, token: str) -> tuple[str, Session]:
        """A session for whoever has a link, which ends by that: (the cookie's secret, the session). SignInDenied."""
        now_us = self._clock_us()
        found = self._credentials.find(Stands.LINK, token)
        account = self._find(found.person) if found is not None else None
        open_ = account is not None and account.disabled_us is None
        if found is None or account is None or not open_ or not self._credentials.claim(found.id, now_us):
            self._failed(self._vault.credential_digest("tried link", ""), account, "link")
            raise SignInDenied(NO_LINK)
        try:
            self._tell("signed-in", account.person, account.person, how="link", link=found.id)
        except BaseException:
            self._credentials.give_back(found.id)
            raise
        return self._begun(account, "link")

    def begin_with_password(self, name: str, password: str) -> tuple[str, Session]:
        """A session for whoever knows a name and its password. SignInDenied; it says how long to wait, if at all.

        How long the answer takes says nothing about whether there is such an account.
        """
        account = self._by_name(name)
        kept = self._tried(name, account, password)
        if account is None or kept is None:
            raise SignInDenied(NO_SUCH_PAIR)
        if self._passwords.outdated(kept):
            fresh = self._passwords.hashed(password)
            change = "UPDATE account SET password = ? WHERE person = ? AND password = ?"
            kept = fresh if self._state.change(change, (fresh, account.person, kept)) else kept
        with self._changing:
            if self._kept(account.person) != kept:  # It was changed meanwhile, which ended all sessions but this one.
                raise SignInDenied(NO_SUCH_PAIR)
            self._tell("signed-in", account.person, account.person, how="password")
            return self._begun(account, "password")

    def knows(self, person: str, password: str) -> bool:
        """Whether somebody who is signed in still is who they were. Raises SignInDenied while they have to wait."""
        account = self.account(person)
        return self._tried(account.name, account, password) is not None

    def set_password(self, person: str, password: str, *, keep: str = "", by: str | None = None) -> None:
        """Give an account a password and end its sessions, but for the one with the id `keep`.

        `by` None: the person. Raises UsageError for a password that is too short, too long or too well known.
        """
        account = self.account(person)
        passwords.check(password, account.name)
        hashed = self._passwords.hashed(password)
        with self._changing:
            self._tell("password-set", person, person if by is None else by)
            self._state.change("UPDATE account SET password = ? WHERE person = ?", (hashed, person))
            self._credentials.end_sessions(person, self._clock_us(), keep=keep)

    # ---- Sessions ----------------------------------------------------------------------------------------------------

    def session(self, secret: str) -> Session | None:
        """Whose request this is; None where the session ended, was idle for too long, or never was one."""
        found, account = self._standing(Stands.SESSION, secret)
        if found is None or account is None:
            return None
        self._credentials.seen(found, self._clock_us())
        return self._session(found, account)

    def session_unseen(self, secret: str) -> Session | None:
        """The same for what a page asks by itself: nobody did anything, so the session idles on."""
        found, account = self._standing(Stands.SESSION, secret)
        return self._session(found, account) if found is not None and account is not None else None

    def sessions(self, person: str) -> tuple[Session, ...]:
        """A person's sessions that hold, oldest first."""
        account = self.account(person)
        found = self._credentials.all(Stands.SESSION, person, self._clock_us())
        return tuple(self._session(one, account) for one in found)

    def end(self, session_id: str) -> None:
        """End a session, if it has not ended."""
        self._credentials.claim(session_id, self._clock_us())

    def end_others(self, person: str, keep: str) -> int:
        """End all sessions of a person but one, given by its id; how many."""
        return self._credentials.end_sessions(person, self._clock_us(), keep=keep)

    # ---- Tokens ------------------------------------------------------------------------------------------------------

    def add_token(self, person: str, name: str, days: int, by: str | None = None) -> tuple[str, str]:
        """A token for a program, which may what the account may, as (id, secret). `by` None: the person."""
        name = _name(name)
        if not 1 <= days <= MAX_DAYS:
            raise UsageError(f"a token holds for 1 to {MAX_DAYS} days")
        with self._changing:
            self._enabled(person)
            held = self.tokens(person)
            if any(one.name == name for one in held):
                raise UsageError("a token of this account has that name; end it first or choose another name")
            if len(held) >= MAX_TOKENS:
                raise UsageError(f"{MAX_TOKENS} tokens of this account are in force; end some of them first")
            id_ = new_id(Stands.TOKEN)
            self._tell("token-made", person, person if by is None else by, token=id_, days=days)
            secret, _ = self._made(Stands.TOKEN, person, name, days * DAY_US, id_)
        return id_, secret

    def tokens(self, person: str | None = None) -> tuple[Credential, ...]:
        """The tokens in force, oldest first; None: of everybody."""
        return self._credentials.all(Stands.TOKEN, person, self._clock_us())

    def end_token(self, id_: str, by: str) -> Credential:
        """End a token by its id. Raises UsageError where none of that id is in force."""
        with self._changing:
            found = next((one for one in self.tokens() if one.id == id_), None)
            if found is None:
                raise UsageError("no token of that id is in force; `bartizan accounts list --tokens` shows them")
            self._tell("token-ended", found.person, by, token=found.id)
            self._credentials.claim(found.id, self._clock_us())
        return found

    def by_token(self, secret: str) -> Account | None:
        """Whose program asks; None for a token that ended or never was one, and for a disabled account."""
        found, account = self._standing(Stands.TOKEN, secret)
        if found is not None:
            self._credentials.seen(found, self._clock_us())
        return account

    # ---- Inside ------------------------------------------------------------------------------------------------------

    def _tell(self, event: str, person: str, by: str, **facts: object) -> None:
        self._record({"event": event, "exchange": "", "person": person, "by": by, **facts})

    def _find(self, person: str) -> Account | None:
        rows = self._state.query(f"SELECT {_ACCOUNT} FROM account WHERE person = ?", (person,))  # noqa: S608
        return self._account(rows[0]) if rows else None

    def _account(self, row: Row) -> Account:
        person, roles, has_password, created_us, disabled_us = row
        kept = json.loads(roles)
        known = frozenset(role for role in Role if role.value in kept)
        return Account(person, self._vault.name(person) or person, known, created_us, disabled_us, bool(has_password))

    def _by_name(self, name: str) -> Account | None:
        """Goes through all of them, so that it takes as long for a name that nobody has."""
        wanted = folded(name)
        found = [account for account in self.accounts() if folded(account.name) == wanted]
        return found[0] if found else None

    def _enabled(self, person: str) -> Account:
        account = self.account(person)
        if account.disabled_us is not None:
            raise UsageError("this account is disabled; enable it first (bartizan accounts enable NAME)")
        return account

    def _not_the_last_admin(self, where: State | Transaction, person: str) -> None:
        """Raises UsageError where nobody else could make accounts any more."""
        rows = where.query("SELECT person, roles FROM account WHERE disabled_us IS NULL")
        admins = {one for one, roles in rows if Role.ADMIN in json.loads(roles)}
        if admins == {person}:
            raise UsageError("this is the last account with the role admin; give that role to somebody else first")

    def _tried(self, name: str, account: Account | None, password: str) -> str | None:
        """The hash that a password fits, or None; in the same time whatever is wrong. Raises SignInDenied to wait."""
        who = self._vault.credential_digest("tried name", folded(name)[:MAX_NAME])
        self._throttle.knock(who)
        usable = account is not None and account.disabled_us is None
        kept = self._kept(account.person if account is not None else "")
        if not self._passwords.fits(kept, password) or not usable:
            self._failed(who, account, "password")
            return None
        self._throttle.let_in(who)
        return str(kept)

    def _kept(self, person: str) -> str | None:
        rows = self._state.query("SELECT password FROM account WHERE person = ?", (person,))
        return rows[0][0] if rows else None

    def _failed(self, who: bytes, account: Account | None, how: str) -> None:
        """Record a failure: once a minute for each name, and for all links together."""
        if self._throttle.to_tell(who):
            self._tell("sign-in-failed", account.person if account else "", "", how=how)

    def _made(self, kind: Stands, person: str, name: str, lasts_us: int, id_: str = "") -> tuple[str, Credential]:
        now_us = self._clock_us()
        made = Credential(id_ or new_id(kind), kind.value, person, name, now_us, now_us, now_us + lasts_us, None)
        try:
            return self._credentials.make(made), made
        except LookupError:
            raise UsageError("this account was disabled or forgotten just now") from None

    def _begun(self, account: Account, how: str) -> tuple[str, Session]:
        try:
            secret, made = self._made(Stands.SESSION, account.person, how, SESSION_US)
        except UsageError as error:
            raise SignInDenied(NO_LINK if how == "link" else NO_SUCH_PAIR) from error
        return secret, self._session(made, account)

    def _session(self, found: Credential, account: Account) -> Session:
        csrf = self._vault.credential_digest("csrf", found.id).hex()
        return Session(found.id, account, csrf, found.created_us, found.seen_us, found.until_us, found.name)

    def _standing(self, kind: Stands, secret: str) -> tuple[Credential | None, Account | None]:
        """What holds and whose it is, or nothing."""
        now_us = self._clock_us()
        found = self._credentials.find(kind, secret) if secret else None
        if found is None or not found.holds(now_us):
            return None, None
        account = self._find(found.person)
        if account is None or account.disabled_us is not None:
            return None, None
        return found, account


def _words(roles: Iterable[Role]) -> list[str]:
    return sorted(role.value for role in roles)


def _name(name: str) -> str:
    """Raises UsageError for a name that is empty, endless, or has characters nobody sees."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise UsageError(f"a name is 1 to {MAX_NAME} characters that can be seen")
    return name
