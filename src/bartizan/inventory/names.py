"""Who a pseudonym is: told to one person for a quarter of an hour, after another one agreed.

Logs show what people do all day. So a name in the register is opened by four eyes: a privacy officer asks and says
why, another one approves, and then the first one sees the name for a while. Both are on record, and the reason is kept
sealed, before anybody sees anything.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bartizan.core.errors import CaseClosed, CaseDenied, CaseUnknown, UsageError
from bartizan.inventory import fields
from bartizan.inventory.system import when
from bartizan.store.connection import Row, Values
from bartizan.store.state import State as Store
from bartizan.vault import Vault
from bartizan.vault.people import known_as, whose

MINUTE_US = 60_000_000
SHOWN_US = 15 * MINUTE_US
ASKED_US = 7 * 24 * 60 * MINUTE_US  # How long a request waits.
_COLUMNS = "id, person, asked_by, asked_us, state, decided_by, decided_us, until_us"


class State(StrEnum):
    """Where a request stands."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    OVER = "over"  # nobody decided in time, or the name was shown long enough


@dataclass(frozen=True, slots=True)
class NameRequest:
    """One request. `person`, `asked_by` and `decided_by` are pseudonyms; until `until_us` it waits, or is shown."""

    id: str
    person: str
    asked_by: str
    asked_us: int
    state: State
    decided_by: str
    decided_us: int | None
    until_us: int

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "schema": "bartizan.name-request/1",
            "id": self.id,
            "person": self.person,
            "state": self.state.value,
            "asked_by": self.asked_by,
            "asked": when(self.asked_us),
            "decided_by": self.decided_by,
            "decided": when(self.decided_us),
            "until": when(self.until_us),
        }


class Names:
    """The requests of one home.

    Args:
        may: Whether somebody (a pseudonym) may ask for names and approve: privacy officers.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        record: Callable[[Mapping[str, object]], None],
        may: Callable[[str], bool],
    ) -> None:
        self._store, self._vault, self._record, self._may = store, vault, record, may

    def ask(self, person: str, reason: str, by: str, now_us: int) -> NameRequest:
        """Ask who a pseudonym is. Raises CaseDenied, UsageError, StoreError."""
        asker = self._officer(by)
        if self._vault.name(person) is None:
            raise UsageError("nobody of this pseudonym is known here any more; who was forgotten has no name")
        id_ = "n-" + secrets.token_hex(8)
        sealed = fields.sealed(self._vault, f"name {id_}", fields.reason(reason))
        self._record(_event("name-asked", id_, person, asker))
        self._store.change(
            "INSERT INTO name_request VALUES (?, ?, ?, ?, 'asked', '', NULL, ?, ?)",
            (id_, person, asker, now_us, now_us + ASKED_US, sealed),
        )
        return self.one(id_, now_us)

    def approve(self, id_: str, by: str, now_us: int) -> NameRequest:
        """Agree, as another privacy officer than the one who asks; from now on that one sees the name for a while.

        Raises CaseUnknown, CaseClosed, CaseDenied, StoreError.
        """
        return self._decide(id_, State.APPROVED, by, now_us)

    def refuse(self, id_: str, by: str, now_us: int) -> NameRequest:
        """Refuse, as another privacy officer. Raises what `approve` raises."""
        return self._decide(id_, State.REFUSED, by, now_us)

    def shown(self, id_: str, by: str, now_us: int) -> str:
        """The name, to the one who asked, while it may be shown. That it was is on the disk before it is told.

        Raises CaseUnknown, CaseClosed where nobody agreed or its time is over, CaseDenied for anybody else.
        """
        found = self.one(id_, now_us)
        asker = self._officer(by)
        if found.asked_by != asker:
            raise CaseDenied(f"{id_}: the name is shown to the one who asked for it, and to nobody else")
        if found.state is not State.APPROVED:
            waits = "waits for another privacy officer" if found.state is State.ASKED else f"is {found.state}"
            raise CaseClosed(f"{id_}: {waits}; ask again where it is needed")
        name = self._vault.name(found.person)
        if name is None:
            raise UsageError("nobody of this pseudonym is known here any more; who was forgotten has no name")
        self._record(_event("name-opened", id_, found.person, asker) | {"approved_by": found.decided_by})
        return name

    def one(self, id_: str, now_us: int) -> NameRequest:
        """One request. Raises CaseUnknown."""
        found = self._where("id = ?", (id_,), now_us)
        if not found:
            raise CaseUnknown(f'there is no request "{id_[:40]}"')
        return found[0]

    def waiting(self, now_us: int) -> list[NameRequest]:
        """Those that nobody decided on, oldest first."""
        return self._where("state = 'asked' AND until_us > ? ORDER BY asked_us, id", (now_us,), now_us)

    def all(self, now_us: int, limit: int = 200) -> list[NameRequest]:
        """Newest first."""
        return self._where("1 ORDER BY asked_us DESC, id LIMIT ?", (limit,), now_us)

    def reason(self, id_: str) -> str:
        """Why it was asked for: for whoever decides."""
        rows = self._store.query("SELECT sealed_reason FROM name_request WHERE id = ?", (id_,))
        return fields.opened(self._vault, f"name {id_}", rows[0][0] if rows else None)

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _officer(self, by: str) -> str:
        who = whose(self._vault, by) if by.strip() else ""
        if not who or not self._may(who):
            raise CaseDenied("only accounts with the role privacy open names")
        return who

    def _decide(self, id_: str, state: State, by: str, now_us: int) -> NameRequest:
        found = self.one(id_, now_us)
        if found.state is not State.ASKED:
            raise CaseClosed(f"{id_}: is {found.state} already")
        who = self._officer(by)
        if known_as(self._vault, who) == known_as(self._vault, found.asked_by):
            raise CaseDenied(f"{id_}: it takes a second privacy officer: nobody agrees to their own request")
        if known_as(self._vault, who) == known_as(self._vault, found.person):
            raise CaseDenied(f"{id_}: nobody decides on their own name")
        self._record(_event(f"name-{state}", id_, found.person, who) | {"asked_by": found.asked_by})
        decided = self._store.change(
            "UPDATE name_request SET state = ?, decided_by = ?, decided_us = ?, until_us = ? "
            "WHERE id = ? AND state = 'asked'",
            (state.value, who, now_us, now_us + SHOWN_US, id_),
        )
        if not decided:
            raise CaseClosed(f"{id_}: somebody else decided on it")
        return self.one(id_, now_us)

    def _where(self, condition: str, values: Values, now_us: int) -> list[NameRequest]:
        # What is put into SQL are our own names of columns and conditions, never a value.
        rows = self._store.query(f"SELECT {_COLUMNS} FROM name_request WHERE {condition}", values)  # noqa: S608
        return [_request(row, now_us) for row in rows]


def _request(row: Row, now_us: int) -> NameRequest:
    id_, person, asked_by, asked_us, state, decided_by, decided_us, until_us = row
    over = until_us <= now_us and state in (State.ASKED, State.APPROVED)
    now = State.OVER if over else State(state)
    return NameRequest(id_, person, asked_by, asked_us, now, decided_by, decided_us, until_us)


def _event(what: str, id_: str, person: str, by: str) -> dict[str, object]:
    return {"event": what, "exchange": "", "name_request": id_, "person": person, "by": by}
