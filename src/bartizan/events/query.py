"""A filter as SQL: which index leads through the events, and what is asked of each one on the way.

The narrowest condition leads, found by counting a little of each: SQLite would have to guess. Nothing typed ever
becomes part of a statement: words are looked up first, and one that no event has is answered without a search.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from bartizan.events.file import Field
from bartizan.events.filter import Filter, severities
from bartizan.events.row import RANKS
from bartizan.store.connection import Connection

_PROBE = 2_000  # rows counted of a condition; one that has more is broad enough to be walked through by time
_WORDS = {
    "who": ("person", Field.PERSON),
    "app": ("app", Field.APP),
    "model": ("model", Field.MODEL),
    "key": ("key", Field.KEY),
    "provider": ("provider", Field.PROVIDER),
}
_INDEXED = frozenset({"who", "app", "model", "key"})
_TAGS = {
    "clause": Field.CLAUSE,
    "risk": Field.RISK,
    "discipline": Field.DISCIPLINE,
    "kind": Field.KIND,
    "door": Field.DOOR,
    "shape": Field.SHAPE,
}
_NUMBERS: dict[str, tuple[str, Callable[[str], tuple[int, ...]]]] = {
    "action": ("e.outcome", lambda value: (RANKS[value],)),
    "would": ("e.would", lambda value: (RANKS[value],)),
    "severity": ("e.severity", severities),
    "failed": ("e.failures > 0", lambda value: (int(value == "yes"),)),
}


Params = tuple[int | str | bytes, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way through the events: tables, a first condition, what they are ordered by, and whether they come so."""

    tables: str
    where: str
    params: Params
    order: tuple[str, str] = ("e.time_us", "e.id")
    ordered: bool = True


_BY_TIME = _Way("event e INDEXED BY event_time", "1", ())


@dataclass(frozen=True, slots=True)
class Query:
    """Rows of `event e` that a filter means, newest first."""

    way: _Way
    where: tuple[str, ...]
    params: Params

    def sql(self, columns: str, *, newest: bool = True) -> str:
        """A statement without its limit. `newest`: in order; else as they come."""
        time, id_ = self.way.order
        order = f" ORDER BY {time} DESC, {id_} DESC" if newest else ""
        where = " AND ".join((self.way.where, *self.where))
        tables = "event e" if self.way is _BY_TIME and not newest else self.way.tables
        return f"SELECT {columns} FROM {tables} WHERE {where}{order}"  # noqa: S608  No values in it.

    @property
    def values(self) -> Params:
        return (*self.way.params, *self.params)

    def beyond(self, time_us: int, id_: int) -> Query:
        """What comes after this row."""
        time, id_column = self.way.order
        more = (f"{time} <= ?", f"({time} < ? OR {id_column} < ?)")
        return Query(self.way, (*self.where, *more), (*self.params, time_us, time_us, id_))


def query(filter_: Filter, connection: Connection) -> Query | None:
    """How to find what a filter means; None where no event can be meant."""
    where: list[str] = []
    params: list[int | str | bytes] = []
    ways: list[_Way] = []
    for asked in _conditions(filter_, connection):
        if asked is None:
            return None
        sql, values, way = asked
        where.append(sql)
        params += values
        if way:
            ways.append(way)
    way = _narrowest(ways, filter_, connection)
    bounds, moments = _bounds(way, filter_)
    return Query(way, (*bounds, *where), (*moments, *params))


_Condition = tuple[str, Params, _Way | None]


def _conditions(filter_: Filter, connection: Connection) -> Iterator[_Condition | None]:
    """Each field's condition and the way it could lead; None where nothing can meet it."""
    for negated in (False, True):
        for field in dict.fromkeys(term.field for term in filter_.terms if term.negated == negated):
            if field not in ("after", "before"):
                values = filter_.values(field, negated=negated)
                asked = _condition(field, values, connection)
                if not negated:
                    yield asked
                elif asked:
                    yield f"NOT ({asked[0]})", asked[1], None


def _condition(field: str, values: tuple[str, ...], connection: Connection) -> _Condition | None:
    if field in _NUMBERS:
        column, numbers = _NUMBERS[field]
        wanted = {number for value in values for number in numbers(value)}
        way = None
        if field == "action" and 0 not in wanted:
            way = _Way("event e INDEXED BY event_acted", "e.outcome > 0", ())
        elif field != "action" and (0 not in wanted or field == "severity"):
            way = _Way("event e INDEXED BY event_noted", "e.noted", ())
        return f"({column}) IN ({_marks(wanted)})", tuple(sorted(wanted)), way
    if field == "exchange":
        sql = f"e.exchange IN ({_marks(values)})"
        return sql, values, _Way("event e INDEXED BY event_exchange", sql, values, ordered=False)
    if field == "group":
        inside = "SELECT w.id FROM word w, json_each(w.text) j WHERE w.field = ? AND j.value IN "
        return f"e.groups IN ({inside}({_marks(values)}))", (int(Field.GROUPS), *values), None
    if field in _TAGS:
        return _tagged(_TAGS[field], values, connection)
    return _worded(field, values, connection)


def _worded(field: str, values: tuple[str, ...], connection: Connection) -> _Condition | None:
    """A condition on a column of words."""
    column, kind = _WORDS[field]
    found, words, params = _found(kind, values, connection, field != "who" and field != "key")
    if not found:
        return None
    sql = f"e.{column} IN ({words})"
    if field in _INDEXED and len(found) == 1:
        name = f"event e INDEXED BY event_{column}"
        return sql, params, _Way(name, f"e.{column} = ?", (found[0],))
    return sql, params, None


def _tagged(kind: Field, values: tuple[str, ...], connection: Connection) -> _Condition | None:
    """A condition on what the shape has."""
    found, words, params = _found(kind, values, connection, kind in (Field.CLAUSE, Field.RISK))
    if not found:
        return None
    sql = f"e.shape IN (SELECT shape FROM shape_tag WHERE tag IN ({words}))"  # noqa: S608
    if kind in (Field.KIND, Field.DOOR):
        return sql, params, None  # too broad to have tags
    unmarked = "SELECT 1 FROM shape_tag t JOIN shape s ON s.id = t.shape WHERE NOT s.marked AND t.tag IN "
    if connection.query(f"{unmarked} ({words}) LIMIT 1", params):
        return sql, params, None  # Events where nothing was found have no tags of their own.
    if len(found) == 1:
        order = ("t.time_us", "t.event")
        way = _Way("event_tag t CROSS JOIN event e ON e.id = t.event", "t.tag = ?", (found[0],), order)
    else:
        among = f"e.id IN (SELECT event FROM event_tag WHERE tag IN ({words}))"  # noqa: S608
        way = _Way("event e NOT INDEXED", among, params, ordered=False)
    return sql, params, way


def _found(
    kind: Field, values: tuple[str, ...], connection: Connection, prefixes: bool
) -> tuple[tuple[int, ...], str, Params]:
    """The numbers of words, two at most; SQL that gives all of them, and its parameters."""
    sql: list[str] = []
    params: list[int | str | bytes] = []
    for value in values:
        if prefixes and value.endswith("*") and not _family(kind, value, connection):
            # What begins so sorts from it on, and before it with a byte behind it that UTF-8 does not have.
            tail = "" if value != "*" else "AND text > '' "
            tail += "AND text NOT LIKE '%.*' " if kind is Field.RISK else ""  # families are none of the risks
            sql.append(f"SELECT id FROM word WHERE field = ? AND text >= ? AND text < CAST(? AS TEXT) {tail}")  # noqa: S608
            params += [int(kind), value[:-1], value[:-1].encode() + b"\xff"]
        else:
            sql.append("SELECT id FROM word WHERE field = ? AND text = ?")
            params += [int(kind), value]
    words = " UNION ALL ".join(sql)
    return tuple(int(row[0]) for row in connection.query(words + " LIMIT 2", params)), words, tuple(params)


def _family(kind: Field, value: str, connection: Connection) -> bool:
    """Whether a prefix is just a risk's family, which is a word of its own."""
    return kind is Field.RISK and value.endswith(".*") and "." not in value[:-2]


def _narrowest(ways: list[_Way], filter_: Filter, connection: Connection) -> _Way:
    """The way with the fewest rows, as far as a little counting tells."""
    counted: list[tuple[int, bool, int]] = []
    for way in ways:
        bounds, moments = _bounds(way, filter_)
        where = " AND ".join((way.where, *bounds))
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {way.tables} WHERE {where} LIMIT {_PROBE})"  # noqa: S608
        counted.append((int(connection.query(sql, (*way.params, *moments))[0][0]), not way.ordered, len(counted)))
    for count, unordered, index in sorted(counted):
        if count < _PROBE or not unordered:  # much that is not in order would all be read before the first row
            return ways[index]
    return _BY_TIME


def _bounds(way: _Way, filter_: Filter) -> tuple[tuple[str, ...], Params]:
    """The filter's span of time on this way."""
    bounds = ((filter_.since_us, ">="), (filter_.until_us, "<"))
    asked = [(f"{way.order[0]} {sign} ?", moment) for moment, sign in bounds if moment is not None]
    return tuple(sql for sql, _ in asked), tuple(moment for _, moment in asked)


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))
