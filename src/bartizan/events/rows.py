"""The rows of the file while they are written: a batch of records in, inserts and updates out.

The costs of a record lie here, and Live has some hundred records a second to follow: everything that repeats is looked
up in a dict, every statement runs once a batch, and an answer that adds nothing changes two numbers of its row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from bartizan.core.errors import StoreBroken
from bartizan.events.file import HOUR_US, Field
from bartizan.events.told import About, Front, Told, joined, text, told
from bartizan.ledger.read import Record, parse
from bartizan.store.connection import Connection, Row
from bartizan.store.logfile import RecordRow

MAX_CACHED = 100_000  # words, and shapes; whoever asks for models by made-up names must not fill the memory
_AT_ONCE = 500  # exchanges looked up in one statement
_COLUMNS = [
    "number",
    "time_us",
    "outcome",
    "shape",
    "person",
    "app",
    "model",
    "provider",
    "key",
    "groups",
    "policy",
    "severity",
    "confidence",
    "would",
    "failures",
    "sides",
    "bodies",
    "noted",
    "writer",
    "seq",
]
_INSERT = f"INSERT INTO event ({', '.join(_COLUMNS)}, id, exchange) VALUES ({'?, ' * len(_COLUMNS)}?, ?)"  # noqa: S608
_UPDATE = f"UPDATE event SET {', '.join(f'{name} = ?' for name in _COLUMNS)} WHERE id = ?"  # noqa: S608
_TOUCH = "UPDATE event SET number = ?, sides = ?, bodies = ? WHERE id = ?"
_SELECT = f"SELECT {', '.join(_COLUMNS[1:])}, id, exchange FROM event WHERE exchange IN "  # noqa: S608
_TALLY = "INSERT INTO tally VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"


class Rows:
    """Writes batches, each inside a transaction of its caller. After one that failed, another `Rows` must be made."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._words: dict[tuple[Field, str], int] = {}
        self._shapes: dict[About, int] = {}
        self._abouts: dict[int, About] = {}
        self._tags: dict[int, tuple[int, ...]] = {}  # of a shape's events; none where it is not marked
        self._id, self._number = connection.query("SELECT coalesce(max(id), 0), coalesce(max(number), 0) FROM event")[0]
        self._fresh: list[Row] = []
        self._changed: list[Row] = []
        self._touched: list[Row] = []
        self._tagged: list[Row] = []
        self._untagged: list[Row] = []
        self._tally: Counter[tuple[int, int, int]] = Counter()

    def take(self, records: Sequence[tuple[str, RecordRow]]) -> list[str]:
        """Put records of logs, by the logs' names, into the tables. Returns the log of each that cannot be read."""
        if len(self._words) > MAX_CACHED or len(self._shapes) > MAX_CACHED:
            self._words.clear()
            self._shapes.clear()
            self._abouts.clear()
            self._tags.clear()
        exchanges: dict[str, Told] = {}
        changes: list[tuple[int, str, str, str]] = []
        broken: list[str] = []
        for log, row in records:
            try:
                record = parse(row)
            except StoreBroken:
                broken.append(log)
                continue
            if "event" in record:
                changes.append(_change(record, row))
            elif exchange := text(record.get("exchange")):
                one = told(record, self._word(Field.WRITER, log), row.seq, row.time_us, self._word)
                other = exchanges.get(exchange)
                exchanges[exchange] = one if other is None else joined(other, one)
        known = dict(self._known(list(exchanges)))
        for exchange, new in exchanges.items():
            self._number += 1
            if exchange in known:
                self._again(*known[exchange], new)
            else:
                self._first(exchange, new)
        self._write()
        sql = "INSERT INTO change (time_us, what, by, exchange) VALUES (?, ?, ?, ?)"
        self._connection.change_many(sql, changes)
        return broken

    def _first(self, exchange: str, new: Told) -> None:
        self._id += 1
        shape = self._shape(new.about)
        self._fresh.append((*self._values(new, shape), self._id, exchange))
        self._count(new, shape, 1)
        for tag in self._tags[shape]:
            self._tagged.append((tag, new.front.time_us, self._id))

    def _again(self, id_: int, shape: int, old: Told, new: Told) -> None:
        both = joined(old, new)
        if both[:-2] == old[:-2]:  # all but sides and bodies
            self._touched.append((self._number, both.sides, both.bodies, id_))
            return
        now = self._shape(both.about)
        self._changed.append((*self._values(both, now), id_))
        self._count(old, shape, -1)
        self._count(both, now, 1)
        if (now, both.front.time_us) != (shape, old.front.time_us):
            self._untagged += [(tag, old.front.time_us, id_) for tag in self._tags[shape]]
            self._tagged += [(tag, both.front.time_us, id_) for tag in self._tags[now]]

    def _values(self, one: Told, shape: int) -> Row:
        front = one.front
        return (
            self._number,
            front.time_us,
            one.outcome,
            shape,
            *one.who,
            *one.worst,
            one.would,
            one.failures,
            one.sides,
            one.bodies,
            one.worst[0] >= 0 or one.would > 0 or one.failures > 0,
            front.writer,
            front.seq,
        )

    def _count(self, one: Told, shape: int, by: int) -> None:
        self._tally[one.front.time_us // HOUR_US, shape, one.outcome] += by

    def _write(self) -> None:
        put = self._connection.change_many
        put(_INSERT, self._fresh)
        put(_UPDATE, self._changed)
        put(_TOUCH, self._touched)
        put("DELETE FROM event_tag WHERE tag = ? AND time_us = ? AND event = ?", self._untagged)
        put("INSERT OR IGNORE INTO event_tag VALUES (?, ?, ?)", self._tagged)
        put(_TALLY, [(*key, n) for key, n in self._tally.items() if n])
        for done in (self._fresh, self._changed, self._touched, self._untagged, self._tagged, self._tally):
            done.clear()

    # ---- What is there already --------------------------------------------------------------------------------------

    def _known(self, exchanges: Sequence[str]) -> Iterator[tuple[str, tuple[int, int, Told]]]:
        """Of each exchange that has a row: its id, its shape, and what was told of it."""
        answer = 2
        for at in range(0, len(exchanges), _AT_ONCE):
            some = exchanges[at : at + _AT_ONCE]
            for row in self._connection.query(f"{_SELECT}({', '.join('?' * len(some))})", some):
                time_us, outcome, shape, *who, severity, confidence, would = row[:13]
                failures, sides, bodies, _, writer, seq, id_, exchange = row[13:]
                about = self._about(shape)
                front = Front(sides == answer, time_us, writer, seq)
                old = Told(
                    front,
                    tuple(who),
                    about.kind,
                    about.door,
                    about.clauses,
                    about.risks,
                    outcome,
                    would,
                    (severity, confidence),
                    failures,
                    sides,
                    bodies,
                )
                yield exchange, (id_, shape, old)

    def _word(self, field: Field, word: str) -> int:
        key = (field, word)
        found = self._words.get(key)
        if found is None:
            sql = "SELECT id FROM word WHERE field = ? AND text = ?"
            rows = self._connection.query(sql, key)
            if not rows:
                self._connection.change("INSERT INTO word (field, text) VALUES (?, ?)", key)
                rows = self._connection.query(sql, key)
            found = self._words[key] = int(rows[0][0])
        return found

    def _shape(self, about: About) -> int:
        found = self._shapes.get(about)
        if found is None:
            sql = "SELECT id FROM shape WHERE digest = ?"
            rows = self._connection.query(sql, (about.digest,)) or self._new_shape(about)
            found = int(rows[0][0])
            self._keep(found, about)
        return found

    def _about(self, shape: int) -> About:
        found = self._abouts.get(shape)
        if found is None:
            sql = "SELECT kind, door, clauses, risks FROM shape WHERE id = ?"
            kind, door, clauses, risks = self._connection.query(sql, (shape,))[0]
            found = About(kind, door, frozenset(json.loads(clauses)), frozenset(json.loads(risks)))
            self._keep(shape, found)
        return found

    def _keep(self, shape: int, about: About) -> None:
        self._shapes[about] = shape
        self._abouts[shape] = about
        self._tags[shape] = tuple(self._word(*tag) for tag in _event_tags(about))

    def _new_shape(self, about: About) -> list[Row]:
        marked = _event_tags(about)
        values = (about.digest, about.kind, about.door, _listed(about.clauses), _listed(about.risks), bool(marked))
        self._connection.change(
            "INSERT INTO shape (digest, kind, door, clauses, risks, marked) VALUES (?, ?, ?, ?, ?, ?)", values
        )
        rows = self._connection.query("SELECT id FROM shape WHERE digest = ?", (about.digest,))
        tags = {self._word(*tag) for tag in _shape_tags(about)}
        self._connection.change_many("INSERT INTO shape_tag VALUES (?, ?)", [(tag, rows[0][0]) for tag in tags])
        return rows


def _shape_tags(about: About) -> list[tuple[Field, str]]:
    """What a shape can be found by."""
    tags = [(Field.SHAPE, about.digest), (Field.KIND, about.kind), (Field.DOOR, about.door)]
    tags += [(Field.DISCIPLINE, name) for name in about.disciplines]
    tags += [(Field.CLAUSE, clause) for clause in about.clauses]
    for risk in about.risks:
        tags += [(Field.RISK, risk), (Field.RISK, risk.partition(".")[0] + ".*")]
    return tags


def _event_tags(about: About) -> list[tuple[Field, str]]:
    """What its events can be found by: nothing where nothing was found, for nearly all are so."""
    if not about.clauses and not about.risks:
        return []
    broad = (Field.KIND, Field.DOOR)
    return list(dict.fromkeys(tag for tag in _shape_tags(about) if tag[0] not in broad))


def _listed(names: frozenset[str]) -> str:
    return json.dumps(sorted(names))


def _change(record: Record, row: RecordRow) -> tuple[int, str, str, str]:
    what = text(record.get("event"))
    # Whose act it was: `by`, and before there was such a field the `person` who asked. A key's `person` is its owner.
    asked = what in ("forgotten", "retention-asked", "exported")
    return row.time_us, what, text(record.get("by") or (asked and record.get("person"))), text(record.get("exchange"))
