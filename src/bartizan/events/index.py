"""The index of a home's decisions: pages of them, what they have in common, and how many there were when."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bartizan.core.errors import InputError, StoreBroken
from bartizan.events import counts
from bartizan.events.file import Field, Readers
from bartizan.events.filter import Filter
from bartizan.events.follow import Follower
from bartizan.events.names import COLUMNS, Names
from bartizan.events.query import query
from bartizan.events.row import DISCIPLINES, OUTCOMES, Bucket, Change, Group, Page, Row, Status
from bartizan.store.connection import Connection

MAX_PAGE = 500
SAMPLE = 10_000  # the newest rows that values() and groups() look at
ALL = Filter()
VALUE_FIELDS = (
    "action", "would", "who", "group", "app", "key", "provider", "model", "clause", "risk", "discipline", "kind",
    "door", "severity", "failed",
)  # fmt: skip
_SUGGESTED = {
    "who": Field.PERSON, "app": Field.APP, "model": Field.MODEL, "provider": Field.PROVIDER, "key": Field.KEY,
    "clause": Field.CLAUSE, "risk": Field.RISK, "door": Field.DOOR, "kind": Field.KIND,
}  # fmt: skip
_BEFORE = re.compile(r"(-?[0-9a-f]{1,16})\.([0-9a-f]{1,16})")


class Index:
    """Every method may be called from any thread. All but `open` and `follow` only read, and raise StoreError alone."""

    def __init__(self, home: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._follower = Follower(home, clock_ns)
        self._readers = Readers(home)
        self._lock = threading.Lock()
        self._names: tuple[int, Names] = (-1, Names())

    @classmethod
    def open(cls, home: Path, clock_ns: Callable[[], int] = time.time_ns) -> Index:
        """The index of a home; an empty one where there is none yet. Raises StoreError."""
        index = cls(home, clock_ns)
        index._follower.open()
        return index

    def close(self) -> None:
        self._readers.close()
        self._follower.close()  # last: whoever may write leaves one file behind

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- Following --------------------------------------------------------------------------------------------------

    def follow(self, most: int = 1 << 62) -> int:
        """Take in what the logs hold by now, at most so many records; how many there were. Does not raise.

        One process of a home follows; in another one this does nothing and `status()` says so.
        """
        return self._follower.follow(most)

    def status(self) -> Status:
        """How much is known, and what cannot be."""
        with self._reading() as (connection, _):
            records = connection.query("SELECT value FROM meta WHERE key = 'records'")[0][0]
            newest_us = connection.query("SELECT coalesce(max(time_us), 0) FROM event")[0][0]
        return Status(int(records), self._follower.behind, int(newest_us), self._follower.problem)

    @contextmanager
    def _reading(self) -> Iterator[tuple[Connection, Names]]:
        try:
            with self._readers.reading() as (file, connection):
                with self._lock:
                    if self._names[0] != file:
                        self._names = file, Names()
                    names = self._names[1]
                yield connection, names
        except StoreBroken:
            self._follower.doubt = True  # the next follow() makes another one
            raise

    # ---- Rows -------------------------------------------------------------------------------------------------------

    def event(self, exchange: str) -> Row | None:
        """One exchange."""
        with self._reading() as (connection, names):
            rows = connection.query(f"SELECT {COLUMNS} FROM event e WHERE e.exchange = ?", (exchange,))  # noqa: S608
            return next(names.rows(rows, connection), None)

    def after(self, number: int, limit: int = 200) -> tuple[Row, ...]:
        """What is new or was changed since the row of this number, oldest first. 0: from the beginning."""
        sql = f"SELECT {COLUMNS} FROM event e WHERE e.number > ? ORDER BY e.number LIMIT ?"  # noqa: S608
        with self._reading() as (connection, names):
            rows = connection.query(sql, (_within(number), max(0, min(limit, MAX_PAGE))))
            return tuple(names.rows(rows, connection))

    def newest(self) -> int:
        """The number of the row that was new or changed last; 0 where there is none."""
        with self._reading() as (connection, _):
            return int(connection.query("SELECT coalesce(max(number), 0) FROM event")[0][0])

    def page(self, filter_: Filter = ALL, *, before: str = "", limit: int = 50) -> Page:
        """Rows that the filter means, newest first.

        Args:
            before: `next` of the page before. Raises InputError for anything else.
        """
        limit = max(1, min(limit, MAX_PAGE))
        place = _place(before)
        with self._reading() as (connection, names):
            asked = query(filter_, connection)
            if asked is None:
                return Page((), "")
            if place:
                asked = asked.beyond(*place)
            found = connection.query(asked.sql(f"{COLUMNS}, e.id") + " LIMIT ?", (*asked.values, limit + 1))
            rows = tuple(names.rows([row[:-1] for row in found[:limit]], connection))
            return Page(rows, f"{rows[-1].time_us:x}.{found[limit - 1][-1]:x}" if len(found) > limit else "")

    # ---- What they have in common -----------------------------------------------------------------------------------

    def count(self, filter_: Filter = ALL, at_most: int = 10_000) -> int:
        """How many events the filter means; `at_most` where there are as many or more."""
        with self._reading() as (connection, _):
            asked = query(filter_, connection)
            if asked is None:
                return 0
            sql = f"SELECT count(*) FROM ({asked.sql('1', newest=False)} LIMIT ?)"  # noqa: S608
            return int(connection.query(sql, (*asked.values, max(0, at_most)))[0][0])

    def values(self, filter_: Filter, field: str, top: int = 5) -> tuple[tuple[str, int], ...]:
        """The most frequent values of a field among the newest 10,000 events that the filter means."""
        return self.panel(filter_, (field,), top)[field]

    def panel(
        self, filter_: Filter, fields: Sequence[str] = VALUE_FIELDS, top: int = 5
    ) -> dict[str, tuple[tuple[str, int], ...]]:
        """`values()` of several fields, for little more than the cost of one. Values that are empty are left out."""
        if unknown := set(fields) - set(VALUE_FIELDS):
            raise InputError(
                f"{len(unknown)} of the fields have no values to count; there are: {', '.join(VALUE_FIELDS)}"
            )
        with self._reading() as (connection, names):
            asked = query(filter_, connection)
            if asked is None:
                return dict.fromkeys(fields, ())
            return counts.panel(asked, connection, names, fields, top, SAMPLE)

    def groups(self, filter_: Filter = ALL, limit: int = 20) -> tuple[Group, ...]:
        """Similar events among the newest 10,000 that the filter means, most first."""
        with self._reading() as (connection, names):
            asked = query(filter_, connection)
            return counts.groups(asked, connection, names, max(0, limit), SAMPLE) if asked else ()

    def suggestions(self, field: str, begins: str, limit: int = 8) -> tuple[str, ...]:
        """Values of a field that begin so, for whoever types a filter."""
        if field not in _SUGGESTED:
            return ()
        sql = "SELECT text FROM word WHERE field = ? AND text >= ? AND text < CAST(? AS TEXT) AND text > '' LIMIT ?"
        with self._reading() as (connection, _):
            values = (int(_SUGGESTED[field]), begins, begins.encode("utf-8", "replace") + b"\xff", min(limit, 50))
            return tuple(text for (text,) in connection.query(sql, values))

    # ---- How many there were when -----------------------------------------------------------------------------------

    def buckets(
        self, since_us: int, until_us: int, step_us: int, *, discipline: str = "", door: str = ""
    ) -> tuple[Bucket, ...]:
        """How many events of each outcome, step by step. Cheapest where the steps are whole hours, begun on one.

        Raises InputError where that would be more than 2,000 steps.
        """
        with self._reading() as (connection, names):
            return counts.buckets(connection, names, since_us, until_us, step_us, discipline, door)

    def discipline_counts(self, since_us: int) -> Mapping[str, Mapping[str, int]]:
        """How many events of each outcome in each of the four disciplines; an event may be in several."""
        with self._reading() as (connection, names):
            found: dict[str, Counter[str]] = {discipline: Counter() for discipline in DISCIPLINES}
            for shape, outcome, n in counts.shapes_since(connection, since_us):
                for discipline in names.shape(shape, connection).disciplines:
                    found[discipline][OUTCOMES[outcome]] += n
            return found

    def clause_hits(self, since_us: int) -> Mapping[str, int]:
        """How many events each clause matched, those in observe mode too."""
        with self._reading() as (connection, names):
            found: Counter[str] = Counter()
            for shape, _, n in counts.shapes_since(connection, since_us):
                for clause in names.shape(shape, connection).clauses:
                    found[clause] += n
            return found

    def top_people(self, since_us: int, limit: int = 5) -> tuple[tuple[str, str, int], ...]:
        """(person, or app where there is none; an outcome; how often), most first: who meets the policy most.

        Each person is told once, with their most frequent outcome; what was simply allowed does not count.
        """
        with self._reading() as (connection, names):
            return counts.top_people(connection, names, _within(since_us), limit)

    def changes(
        self, since_us: int, until_us: int, limit: int = 50, *, what: Collection[str] = ()
    ) -> tuple[Change, ...]:
        """What happened beside the exchanges, newest first.

        Args:
            what: Events by name, or their beginnings with a `*` (`policy-*`); none: all.
        """
        where = " OR ".join("substr(what, 1, ?) = ?" if one.endswith("*") else "what = ?" for one in what) or "1"
        values: list[int | str] = [_within(since_us), _within(until_us)]
        for one in what:
            values += [len(one) - 1, one[:-1]] if one.endswith("*") else [one]
        sql = (
            f"SELECT time_us, what, by, exchange FROM change WHERE time_us >= ? AND time_us < ? AND ({where}) "  # noqa: S608
            "ORDER BY time_us DESC, id DESC LIMIT ?"
        )
        with self._reading() as (connection, _):
            return tuple(Change(*row) for row in connection.query(sql, (*values, max(0, limit))))


def _place(before: str) -> tuple[int, int] | None:
    """Where a page begins. Raises InputError."""
    if not before:
        return None
    match = _BEFORE.fullmatch(before)
    if not match:
        raise InputError("`before` is what the page before gave as `next`")
    return _within(int(match[1], 16)), _within(int(match[2], 16))


def _within(number: int) -> int:
    """As SQLite can count."""
    return max(-(2**62), min(number, 2**62))
