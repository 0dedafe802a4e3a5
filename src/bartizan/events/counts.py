"""Counting events: by values, by shape, by time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from bartizan.core.errors import InputError
from bartizan.events.file import HOUR_US
from bartizan.events.names import COLUMNS, SEVERITY, Names
from bartizan.events.query import Query
from bartizan.events.row import OUTCOMES, Bucket, Group
from bartizan.store.connection import Connection

MAX_BUCKETS = 2_000
_NEVER_US = 2**62
_WORDS = {"who": "e.person", "app": "e.app", "key": "e.key", "provider": "e.provider", "model": "e.model"}
_OF_SHAPE = ("clause", "risk", "discipline", "kind", "door")
_COLUMN = _WORDS | dict.fromkeys(_OF_SHAPE, "e.shape")
_COLUMN |= {"group": "e.groups", "action": "e.outcome", "would": "e.would", "severity": "e.severity"}
_COLUMN |= {"failed": "e.failures > 0"}

Counts = tuple[tuple[str, int], ...]


def panel(
    asked: Query, connection: Connection, names: Names, fields: Sequence[str], top: int, sample: int
) -> dict[str, Counts]:
    """The most frequent values of each field."""
    columns = list(dict.fromkeys(_COLUMN[field] for field in fields))
    if not columns:
        return {}
    rows = connection.query(asked.sql(", ".join(columns)) + " LIMIT ?", (*asked.values, sample))
    counted = dict(zip(columns, map(Counter, zip(*rows, strict=True)), strict=True)) if rows else {}
    empty: Counter[int] = Counter()
    return {field: _named(field, counted.get(_COLUMN[field], empty), connection, names, top) for field in fields}


def _named(field: str, counted: Counter[int], connection: Connection, names: Names, top: int) -> Counts:
    if field in _WORDS:
        # Only one of the words is "", so one more than wanted is enough.
        words = names.words([number for number, _ in counted.most_common(top + 1)], connection)
        return _most({words[number]: n for number, n in counted.most_common(top + 1)}, top)
    if field == "action":
        return _most({OUTCOMES[outcome]: n for outcome, n in counted.items()}, top)
    if field == "would":
        return _most({OUTCOMES[outcome]: n for outcome, n in counted.items() if outcome}, top)
    if field == "severity":
        return _most({SEVERITY[severity]: n for severity, n in counted.items()}, top)
    if field == "failed":
        return _most({"yes" if failed else "no": n for failed, n in counted.items()}, top)
    several: Counter[str] = Counter()
    if field == "group":
        for number, groups in names.words(counted.keys(), connection).items():
            several.update(dict.fromkeys(json.loads(groups), counted[number]))
        return _most(several, top)
    for number, n in counted.items():
        for value in _of_shape(field, number, connection, names):
            several[value] += n
    return _most(several, top)


def _of_shape(field: str, number: int, connection: Connection, names: Names) -> Iterable[str]:
    shape = names.shape(number, connection)
    if field == "clause":
        return shape.clauses
    if field == "risk":
        return shape.risks
    if field == "discipline":
        return shape.disciplines
    return (shape.kind if field == "kind" else shape.door,)


def _most(counted: dict[str, int], top: int) -> Counts:
    """Of those that occur as often, the ones seen first: the newest."""
    named = ((value, n) for value, n in counted.items() if value)
    return tuple(sorted(named, key=lambda item: -item[1])[: max(0, top)])


def groups(asked: Query, connection: Connection, names: Names, limit: int, sample: int) -> tuple[Group, ...]:
    """Events by shape, most first."""
    inner = asked.sql("e.shape AS shape, e.time_us AS time_us") + " LIMIT ?"
    sql = f"SELECT shape, count(*) AS n, min(time_us), max(time_us) FROM ({inner}) GROUP BY shape "  # noqa: S608
    found = connection.query(sql + "ORDER BY n DESC, shape LIMIT ?", (*asked.values, sample, limit))
    out = []
    for shape, n, first_us, last_us in found:
        of_shape = Query(asked.way, (*asked.where, f"e.shape = ? AND {asked.way.order[0]} = ?"), asked.params)
        newest = connection.query(of_shape.sql(COLUMNS) + " LIMIT 1", (*of_shape.values, shape, last_us))
        out += [Group(row.shape, n, first_us, last_us, row) for row in names.rows(newest, connection)]
    return tuple(out)


def buckets(
    connection: Connection, names: Names, since_us: int, until_us: int, step_us: int, discipline: str, door: str
) -> tuple[Bucket, ...]:
    """Events by step and outcome: whole hours from the tally, the rest one by one."""
    if step_us <= 0 or not -_NEVER_US < since_us <= until_us < _NEVER_US:
        raise InputError("a chart has steps of more than nothing, and ends after it began")
    count = -(-(until_us - since_us) // step_us)
    if count > MAX_BUCKETS:
        raise InputError(f"a chart has at most {MAX_BUCKETS} steps; this one would have {count}")
    counted: list[Counter[int]] = [Counter() for _ in range(count)]
    for step, shape, outcome, n in _stepped(connection, since_us, until_us, step_us):
        if discipline or door:
            about = names.shape(shape, connection)
            if (discipline and discipline not in about.disciplines) or (door and door != about.door):
                continue
        counted[step][outcome] += n
    return tuple(
        Bucket(since_us + step * step_us, {OUTCOMES[outcome]: n for outcome, n in sorted(counts.items()) if n})
        for step, counts in enumerate(counted)
    )


def _stepped(connection: Connection, since_us: int, until_us: int, step_us: int) -> Iterator[tuple[int, int, int, int]]:
    """(step, shape, outcome, how many), several times the same."""
    loose: list[tuple[int, int]] = []  # spans that are no whole hour of a step
    whole = False
    for start_us in range(since_us, until_us, step_us):
        end_us = min(start_us + step_us, until_us)
        first_us, last_us = -(-start_us // HOUR_US) * HOUR_US, end_us // HOUR_US * HOUR_US
        if first_us < last_us:
            whole = True
            parts = [(start_us, first_us), (last_us, end_us)]
        else:
            parts = [(start_us, end_us)]
        for begin_us, stop_us in parts:
            if loose and loose[-1][1] == begin_us:
                loose[-1] = loose[-1][0], stop_us
            elif begin_us < stop_us:
                loose.append((begin_us, stop_us))
    if whole:
        hours = -(-since_us // HOUR_US), until_us // HOUR_US
        # An hour that reaches into the next step is counted one by one.
        sql = (
            f"SELECT (hour * {HOUR_US} - ?1) / ?2 AS step, shape, outcome, sum(n) FROM tally "  # noqa: S608  A constant.
            f"WHERE hour >= ?3 AND hour < ?4 AND (hour * {HOUR_US} - ?1) % ?2 + {HOUR_US} <= ?2 "
            "GROUP BY step, shape, outcome"
        )
        yield from connection.rows(sql, (since_us, step_us, *hours))
    for begin_us, stop_us in loose:
        yield from connection.rows(
            "SELECT (time_us - ?1) / ?2 AS step, shape, outcome, count(*) FROM event INDEXED BY event_time "
            "WHERE time_us >= ?3 AND time_us < ?4 GROUP BY step, shape, outcome",
            (since_us, step_us, begin_us, stop_us),
        )


def shapes_since(connection: Connection, since_us: int) -> Iterator[tuple[int, int, int]]:
    """(shape, outcome, how many) from a moment on, several times the same."""
    since_us = max(-_NEVER_US, min(since_us, _NEVER_US))
    hour = -(-since_us // HOUR_US)
    yield from connection.rows("SELECT shape, outcome, sum(n) FROM tally WHERE hour >= ? GROUP BY 1, 2", (hour,))
    yield from connection.rows(
        "SELECT shape, outcome, count(*) FROM event INDEXED BY event_time WHERE time_us >= ? AND time_us < ? "
        "GROUP BY shape, outcome",
        (since_us, hour * HOUR_US),
    )


def top_people(connection: Connection, names: Names, since_us: int, limit: int) -> tuple[tuple[str, str, int], ...]:
    """Who had most that was not simply allowed, with what."""
    nobody = "SELECT id FROM word WHERE field = 1 AND text = ''"
    found = connection.query(
        f"SELECT CASE WHEN person IN ({nobody}) THEN app ELSE person END AS who, outcome, count(*) AS n "  # noqa: S608
        "FROM event INDEXED BY event_acted WHERE outcome > 0 AND time_us >= ? GROUP BY who, outcome "
        "ORDER BY n DESC, outcome DESC",
        (since_us,),
    )
    most: dict[int, tuple[int, int]] = {}
    for who, outcome, n in found:
        most.setdefault(who, (outcome, n))
    top = list(most.items())[: max(0, limit) + 1]
    words = names.words([who for who, _ in top], connection)
    return tuple((words[who], OUTCOMES[outcome], n) for who, (outcome, n) in top if words[who])[: max(0, limit)]
