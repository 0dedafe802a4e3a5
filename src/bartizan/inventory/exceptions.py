"""Who may use a restricted or blocked system nevertheless, until when, why, and who allowed it.

Somebody asks, somebody else approves: nobody allows an exception to themselves. It ends by itself on its time, and
what is made of the register (block-lists, the forward door) leaves it out from then on.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bartizan.core.errors import CaseClosed, CaseDenied, CaseUnknown, UsageError
from bartizan.inventory import fields
from bartizan.inventory.system import when
from bartizan.readers.logs.visit import DAY_US
from bartizan.store.connection import Values
from bartizan.store.state import State as Store
from bartizan.vault import Vault
from bartizan.vault.people import known_as, whose

CLAIM_US = 60_000_000  # A claim whose process died is void after a minute.
MAX_DAYS = 366  # An exception is looked at again at least once a year; what should hold longer is a decision.
MAX_OPEN = 50  # Asked for by one person and not decided.
MAX_GROUP = 120
_COLUMNS = "id, system, who_kind, who, state, until_us, asked_by, asked_us, decided_by, decided_us"
_END = "UPDATE use_exception SET state = 'ended' WHERE id = ? AND state IN ('asked', 'granted')"


class Who(StrEnum):
    """Whom an exception is for."""

    PERSON = "person"
    GROUP = "group"
    EVERYONE = "everyone"


class State(StrEnum):
    """Where an exception stands."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    ENDED = "ended"  # its time is over, or somebody ended it before


@dataclass(frozen=True, slots=True)
class UseException:
    """One exception. `who` is a pseudonym, the name of a group, or "" for everyone; reasons are sealed."""

    id: str
    system: str
    who_kind: Who
    who: str
    state: State
    until_us: int
    asked_by: str
    asked_us: int
    decided_by: str
    decided_us: int | None

    def holds(self, now_us: int) -> bool:
        """Whether it is in force."""
        return self.state is State.GRANTED and now_us < self.until_us

    def covers(self, person: str, groups: frozenset[str]) -> bool:
        """Whether it is for this person (a pseudonym), who is in these groups."""
        if self.who_kind is Who.EVERYONE:
            return True
        return self.who in groups if self.who_kind is Who.GROUP else bool(person) and self.who == person

    def as_json(self) -> dict[str, object]:
        """For programs; persons are pseudonyms."""
        return {
            "schema": "bartizan.use-exception/1",
            "id": self.id,
            "system": self.system,
            "who": {"kind": self.who_kind.value, "id": self.who},
            "state": self.state.value,
            "until": when(self.until_us),
            "asked_by": self.asked_by,
            "asked": when(self.asked_us),
            "decided_by": self.decided_by,
            "decided": when(self.decided_us),
        }


class Exceptions:
    """The exceptions of one home. Every method may be called from any thread."""

    def __init__(self, store: Store, vault: Vault, record: Callable[[Mapping[str, object]], None]) -> None:
        self._store, self._vault, self._record = store, vault, record

    def ask(self, system: str, kind: Who, who: str, until_us: int, why: str, by: str, now_us: int) -> UseException:
        """Ask for one. `who` is a person's name or pseudonym, a group, or "" for everyone; `by` who asks.

        Raises UsageError: no such system, an end that is over or too far away, no reason; StoreError.
        """
        if not self._store.query("SELECT 1 FROM system WHERE id = ?", (system,)):
            raise UsageError(f'there is no system "{system[:120]}" in the register')
        if not now_us < until_us <= now_us + MAX_DAYS * DAY_US:
            raise UsageError(f"an exception ends within {MAX_DAYS} days, and not before it begins")
        if not by.strip():
            raise UsageError("say who asks: it is kept with the exception")
        whom = self._whom(kind, who)
        reason = fields.reason(why)
        asker, id_ = whose(self._vault, by), "x-" + secrets.token_hex(8)
        waiting = "SELECT count(*) FROM use_exception WHERE asked_by = ? AND state = 'asked' AND until_us > ?"
        if self._store.query(waiting, (asker, now_us))[0][0] >= MAX_OPEN:
            raise UsageError(f"{MAX_OPEN} exceptions that you asked for wait already")
        sealed = fields.sealed(self._vault, f"exception {id_}", reason)
        self._record(_event("use-exception-asked", id_, system, asker) | {"for": kind.value, "until_us": until_us})
        self._store.change(
            "INSERT INTO use_exception VALUES (?, ?, ?, ?, 'asked', ?, ?, ?, '', NULL, ?, NULL)",
            (id_, system, kind.value, whom, until_us, asker, now_us, sealed),
        )
        return self.one(id_, now_us)

    def approve(self, id_: str, by: str, now_us: int, note: str = "") -> UseException:
        """Allow it, as somebody else than whoever asked and than the person it is for.

        Raises CaseUnknown, CaseClosed, CaseDenied, UsageError, StoreError.
        """
        return self._decide(id_, State.GRANTED, by, now_us, note)

    def refuse(self, id_: str, by: str, now_us: int, note: str = "") -> UseException:
        """Refuse it. Raises what `approve` raises."""
        return self._decide(id_, State.REFUSED, by, now_us, note)

    def end(self, id_: str, by: str, now_us: int) -> UseException:
        """End one that is in force, or take back one that was asked for. Raises CaseUnknown, CaseClosed, StoreError."""
        found = self.one(id_, now_us)
        if found.state not in (State.ASKED, State.GRANTED):
            raise CaseClosed(f"{id_}: is {found.state} already")
        self._record(_event("use-exception-ended", id_, found.system, whose(self._vault, by)))
        self._store.change(
            "UPDATE use_exception SET state = 'ended' WHERE id = ? AND state IN ('asked', 'granted')", (id_,)
        )
        return self.one(id_, now_us)

    def expire(self, now_us: int) -> list[UseException]:
        """Close what is behind its time, each with a record; those that were in force until now."""
        late = self._where("state IN ('asked', 'granted') AND until_us <= ? ORDER BY until_us, id", (now_us,), 0)
        for one in late:
            self._record(_event("use-exception-expired", one.id, one.system, ""))
            self._store.change(_END, (one.id,))
        return [one for one in late if one.state is State.GRANTED]

    def one(self, id_: str, now_us: int) -> UseException:
        """One of them. Raises CaseUnknown."""
        found = self._where("id = ?", (id_,), now_us)
        if not found:
            raise CaseUnknown(f'there is no exception "{id_[:40]}"')
        return found[0]

    def all(
        self, now_us: int, *, system: str | None = None, state: State | None = None, limit: int = 1000
    ) -> list[UseException]:
        """Newest first; the state is that of now, so one behind its time is an ended one."""
        where = "1" if system is None else "system = ?"
        values: Values = (limit,) if system is None else (system, limit)
        found = self._where(f"{where} ORDER BY asked_us DESC, id LIMIT ?", values, now_us)
        return [one for one in found if state is None or one.state is state]

    def in_force(self, now_us: int) -> list[UseException]:
        """Those that hold now, by system: what exports and doors leave open."""
        where = "state = 'granted' AND until_us > ? ORDER BY system, who_kind, who, id"
        return self._where(where, (now_us,), now_us)

    def waiting(self, now_us: int) -> list[UseException]:
        """Those that wait for an approval, oldest first."""
        return self._where("state = 'asked' AND until_us > ? ORDER BY asked_us, id", (now_us,), now_us)

    def texts(self, id_: str) -> tuple[str, str]:
        """Why it was asked for, and what was noted when it was decided."""
        rows = self._store.query("SELECT sealed_why, sealed_note FROM use_exception WHERE id = ?", (id_,))
        why, note = rows[0] if rows else (None, None)
        return (
            fields.opened(self._vault, f"exception {id_}", why),
            fields.opened(self._vault, f"exception note {id_}", note),
        )

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _whom(self, kind: Who, who: str) -> str:
        who = who.strip()
        if kind is Who.EVERYONE:
            if who:
                raise UsageError("an exception for everyone names nobody")
            return ""
        if not who or len(who) > MAX_GROUP or not who.isprintable():
            raise UsageError(f"say which {kind} the exception is for")
        return whose(self._vault, who) if kind is Who.PERSON else who

    def _decide(self, id_: str, state: State, by: str, now_us: int, note: str) -> UseException:
        if not by.strip() or len(note) > fields.MAX_TEXT:
            raise UsageError(f"a decision has a name, and its note at most {fields.MAX_TEXT} characters")
        found = self.one(id_, now_us)
        if found.state is not State.ASKED:
            raise CaseClosed(f"{id_}: is {found.state} already")
        who = whose(self._vault, by)
        involved = {known_as(self._vault, found.asked_by)}
        if found.who_kind is Who.PERSON:
            involved.add(known_as(self._vault, found.who))
        if known_as(self._vault, who) in involved and state is State.GRANTED:
            raise CaseDenied(f"{id_}: nobody allows an exception to themselves; ask somebody else")
        sealed = fields.sealed(self._vault, f"exception note {id_}", note) if note.strip() else None
        what = "use-exception-granted" if state is State.GRANTED else "use-exception-refused"
        # Claimed before it is recorded, so that of two who decide at once one is told; decided when the record is kept.
        claimed = self._store.change(
            "UPDATE use_exception SET decided_by = ?, decided_us = ? WHERE id = ? AND state = 'asked' "
            "AND (decided_us IS NULL OR decided_us <= ?)",
            (who, now_us, id_, now_us - CLAIM_US),
        )
        if not claimed:
            raise CaseClosed(f"{id_}: somebody else decides on it just now, or did")
        try:
            self._record(
                _event(what, id_, found.system, who) | {"for": found.who_kind.value, "until_us": found.until_us}
            )
        except BaseException:
            self._store.change("UPDATE use_exception SET decided_by = '', decided_us = NULL WHERE id = ?", (id_,))
            raise
        self._store.change(
            "UPDATE use_exception SET state = ?, sealed_note = ? WHERE id = ? AND state = 'asked' AND decided_by = ?",
            (state.value, sealed, id_, who),
        )
        return self.one(id_, now_us)

    def _where(self, condition: str, values: Values, now_us: int) -> list[UseException]:
        # What is put into SQL are our own names of columns and conditions, never a value.
        rows = self._store.query(f"SELECT {_COLUMNS} FROM use_exception WHERE {condition}", values)  # noqa: S608
        return [_exception(row, now_us) for row in rows]


def _exception(row: tuple[str, str, str, str, str, int, str, int, str, int | None], now_us: int) -> UseException:
    id_, system, kind, who, state, until_us, asked_by, asked_us, decided_by, decided_us = row
    over = now_us and until_us <= now_us and state in (State.ASKED, State.GRANTED)
    decided = state not in (State.ASKED,)
    return UseException(
        id_,
        system,
        Who(kind),
        who,
        State.ENDED if over else State(state),
        until_us,
        asked_by,
        asked_us,
        decided_by if decided else "",
        decided_us if decided else None,
    )


def _event(what: str, id_: str, system: str, by: str) -> dict[str, object]:
    return {"event": what, "exchange": "", "use_exception": id_, "system": system, "by": by}
