"""Views of the events that somebody gave a name: each account's own.

A view is the query of its address. It holds no words that are looked for in sealed texts and no name of a person:
those would lie here open. What is removed can be put back for a day, so nobody is asked whether they are sure.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from bartizan.core.errors import InputError, UsageError
from bartizan.store.state import State

MAX_VIEWS = 50  # of one account
MAX_NAME = 60  # code points
MAX_QUERY = 4000  # characters: a filter of 1,000, each escaped, and columns
KEPT_US = 86_400_000_000  # a removed one


@dataclass(frozen=True, slots=True)
class SavedView:
    """One view. `query` is what stands behind the `?` of its address; "" is the view without a filter."""

    id: str
    name: str
    query: str
    saved_us: int

    def as_json(self) -> dict[str, object]:
        """For lists."""
        return {"schema": "bartizan.saved-view/1", "id": self.id, "name": self.name, "query": self.query}


class SavedViews:
    """The saved views of one home. `person` is the pseudonym of the account they belong to."""

    def __init__(self, state: State, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._state, self._clock_us = state, clock_us

    def save(self, person: str, name: str, query: str) -> SavedView:
        """Keep a view under a name, in place of the one of that name.

        Raises InputError for a name or a query that is too long, UsageError where there are too many.
        """
        name = " ".join(name.split())
        if not name:
            raise InputError("is needed", "name")
        if len(name) > MAX_NAME:
            raise InputError(f"is longer than {MAX_NAME} characters", "name")
        if len(query) > MAX_QUERY:
            raise InputError(f"is longer than {MAX_QUERY} characters", "view")
        name = name.encode("utf-8", "replace").decode()  # No file in UTF-8 could hold half of a pair.
        made = SavedView("v-" + secrets.token_hex(8), name, query, self._clock_us())
        with self._state.transaction() as tx:
            tx.change("DELETE FROM saved_view WHERE removed_us < ?", (made.saved_us - KEPT_US,))
            tx.change("DELETE FROM saved_view WHERE person = ? AND name = ?", (person, name))
            ((count,),) = tx.query("SELECT count(*) FROM saved_view WHERE person = ?", (person,))
            if count >= MAX_VIEWS:
                # What was removed makes room first: those who go on saving have thought about it.
                tx.change("DELETE FROM saved_view WHERE person = ? AND removed_us IS NOT NULL", (person,))
                ((count,),) = tx.query("SELECT count(*) FROM saved_view WHERE person = ?", (person,))
            if count >= MAX_VIEWS:
                raise UsageError(f"there are {MAX_VIEWS} saved views, which is the most; delete one first")
            values = (made.id, person, name, query, made.saved_us)
            tx.change("INSERT INTO saved_view VALUES (?, ?, ?, ?, ?, NULL)", values)
        return made

    def of(self, person: str) -> tuple[SavedView, ...]:
        """Somebody's views, by name."""
        rows = self._state.query(
            "SELECT id, name, query, saved_us FROM saved_view WHERE person = ? AND removed_us IS NULL ORDER BY name",
            (person,),
        )
        return tuple(SavedView(*row) for row in rows)

    def removed(self, person: str) -> tuple[SavedView, ...]:
        """Those that can still be put back, the last one first."""
        rows = self._state.query(
            "SELECT id, name, query, saved_us FROM saved_view WHERE person = ? AND removed_us >= ? "
            "ORDER BY removed_us DESC, id",
            (person, self._clock_us() - KEPT_US),
        )
        return tuple(SavedView(*row) for row in rows)

    def remove(self, person: str, id_: str) -> SavedView:
        """Take a view away; it can be put back for a day. Raises UsageError where there is none."""
        found = next((one for one in self.of(person) if one.id == id_), None)
        if found is None:
            raise UsageError("you have no saved view of this kind any more")
        self._state.change(
            "UPDATE saved_view SET removed_us = ? WHERE id = ? AND person = ?", (self._clock_us(), id_, person)
        )
        return found

    def put_back(self, person: str, id_: str) -> SavedView:
        """Bring a removed view back. Raises UsageError where it is gone, or another one has its name by now."""
        found = next((one for one in self.removed(person) if one.id == id_), None)
        if found is None:
            raise UsageError("this view is gone: what was removed is kept for a day")
        self._state.change("UPDATE saved_view SET removed_us = NULL WHERE id = ? AND person = ?", (id_, person))
        return found
