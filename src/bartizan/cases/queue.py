"""The cases as they are read: whose they are, which wait for whom, and how long they waited."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from bartizan.cases.case import COLUMNS, Case, State
from bartizan.core.errors import CaseUnknown, StoreBroken
from bartizan.store.connection import Values
from bartizan.store.state import State as Store
from bartizan.vault import Vault
from bartizan.vault.people import whose

AT_ONCE = 500  # Values in one query; SQLite takes 32,766.
MAX_TIMES = 10_000  # Waiting times that a median is taken of.


class Queue:
    """What is on file. Nothing here changes anything, and nothing needs a record: no text of anybody else is opened."""

    def __init__(self, store: Store, vault: Vault, approvals: Callable[[str], int], expire_us: int) -> None:
        self._store, self._vault = store, vault
        self._approvals, self._expire_us = approvals, expire_us

    # ---- For whoever wants to pass ----------------------------------------------------------------------------------

    def owned(self, id_: str, person: str, now_us: int) -> Case:
        """A person's own case. Raises CaseUnknown, also for somebody else's."""
        case = self.case(id_, now_us)
        if not person or case.person != self._vault.pseudonym(person):
            raise unknown()
        return case

    def linked(self, token: str, now_us: int) -> Case:
        """The case whose link ends in this token, until it expires. Raises CaseUnknown. Has no effect."""
        found = self._where("token_hash = ? AND expires_us > ?", (hashed(token), now_us), now_us)
        if not found:
            raise unknown()
        return found[0]

    def of(self, person: str, now_us: int, limit: int = 100) -> list[Case]:
        """The cases of one person (a name or a pseudonym), newest first."""
        pseudonym = whose(self._vault, person)
        return self._where("person = ? ORDER BY created_us DESC, id LIMIT ?", (pseudonym, limit), now_us)

    def told(self, case: Case) -> str:
        """What those who decided wrote to the person who asked; "" where they wrote nothing.

        Only for that person: with a case from `owned` or `linked`. Reading a letter to oneself is not recorded;
        anybody else reads it with `Desk.texts`, which is.
        """
        ((blob,),) = self._store.query("SELECT sealed_note FROM case_ WHERE id = ?", (case.id,)) or [(None,)]
        return self._opened(case, "note", blob) if blob else ""

    def token(self, id_: str) -> str:
        """The 128-bit token of a case's link (hex). Made from the vault's key, so that a retry is given it again."""
        return self._vault.digest(f"link of case {id_}")[:32]

    # ---- For whoever decides ----------------------------------------------------------------------------------------

    def case(self, id_: str, now_us: int) -> Case:
        """One case. Raises CaseUnknown."""
        found = self._where("id = ?", (id_,), now_us)
        if not found:
            raise unknown()
        return found[0]

    def cases(self, now_us: int, *, state: State | None = None, limit: int = 1000) -> list[Case]:
        """Newest first; `state` as it is now, so that one behind its time counts as expired."""
        order = "ORDER BY created_us DESC, id LIMIT ?"
        if state is None:  # State by state, as the index has them.
            found = [case for one in State for case in self._where(f"state = ? {order}", (one.value, limit), now_us)]
            return sorted(found, key=lambda case: (-case.created_us, case.id))[:limit]
        if state is State.OPEN:
            return self._where(f"state = 'open' AND expires_us > ? {order}", (now_us, limit), now_us)
        if state is State.EXPIRED:
            where = f"state = 'expired' OR (state = 'open' AND expires_us <= ?) {order}"
            return self._where(where, (now_us, limit), now_us)
        return self._where(f"state = ? {order}", (state.value, limit), now_us)

    def waits(self, now_us: int, limit: int = 200) -> list[Case]:
        """Those that wait for a reviewer, the one that expires first in front. Those that only want a reason do not."""
        where = "state = 'open' AND action = 'review' AND expires_us > ? ORDER BY expires_us, created_us, id LIMIT ?"
        return self._where(where, (now_us, limit), now_us)

    def waiting(self, now_us: int) -> int:
        """How many wait for a reviewer."""
        query = "SELECT count(*) FROM case_ WHERE state = 'open' AND action = 'review' AND expires_us > ?"
        return int(self._store.query(query, (now_us,))[0][0])

    def waiting_times(self, since_us: int, now_us: int) -> tuple[int, ...]:
        """How long reviews that ended since then had waited (µs), shortest first; of very many the latest."""
        rows = self._store.query(
            "SELECT decided_us - created_us FROM case_ WHERE state IN ('granted', 'refused') AND created_us >= ? "
            "AND action = 'review' AND decided_us BETWEEN ? AND ? ORDER BY created_us DESC LIMIT ?",
            (since_us - self._expire_us, since_us, now_us, MAX_TIMES),  # No case lives longer: the index finds them.
        )
        return tuple(sorted(waited for (waited,) in rows))

    # ---- Inside -----------------------------------------------------------------------------------------------------

    def _where(self, condition: str, values: Values, now_us: int) -> list[Case]:
        # What is put into SQL are our own names of columns and conditions, never a value.
        rows = self._store.query(f"SELECT {COLUMNS} FROM case_ WHERE {condition}", values)  # noqa: S608
        approved = self._approved_of([row[0] for row in rows])
        return [Case.from_row(row, tuple(approved.get(row[0], ())), now_us, self._approvals) for row in rows]

    def _approved_of(self, ids: list[str]) -> dict[str, list[str]]:
        """Who approved each of these cases, in order."""
        # A query of its own: as a column it would be asked of every row that is sorted, not only of those that stay.
        found: dict[str, list[str]] = {}
        for at in range(0, len(ids), AT_ONCE):
            some = ids[at : at + AT_ONCE]
            marks = ", ".join("?" * len(some))
            order = 'ORDER BY at_us, "by"'
            query = f'SELECT case_id, "by" FROM approval WHERE case_id IN ({marks}) {order}'  # noqa: S608
            for id_, by in self._store.query(query, some):
                found.setdefault(id_, []).append(by)
        return found

    def _opened(self, case: Case, side: str, blob: bytes) -> str:
        try:
            text, _ = self._vault.open_as(case.person, case.created_us, blob, f"case {case.id} {side}".encode())
        except StoreBroken as error:
            return f"({error})"
        return text.decode("utf-8", "replace")


def hashed(token: str) -> bytes:
    """What is kept of a link's token."""
    return sha256(token.encode("utf-8", "replace")).digest()


def unknown() -> CaseUnknown:
    """The same for a case that is not there and for somebody else's."""
    return CaseUnknown("there is no such case of yours")
