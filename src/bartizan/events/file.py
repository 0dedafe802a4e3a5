"""HOME/events.sqlite: what the logs say, laid out to filter and to count. Derived: any doubt, and it is thrown away.

Words that repeat (a person, an app, a model) are numbers. What an exchange was about (its clauses and risks, its kind
and door) is its *shape*: there are some hundred of them, so that a filter on any of these is one on a set of small
numbers, and one table of hours × shapes × outcomes answers every chart.

    event       one row an exchange, filter columns first           event_tag   tag → events, of marked shapes alone
    shape       clauses, risks, kind, door                          shape_tag   tag → shapes
    tally       hour, shape, outcome → how many                     change      what is no exchange
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from bartizan.core.errors import StoreBroken
from bartizan.rules import risks
from bartizan.store.connection import Connection

NAME = "events.sqlite"
FORMAT = 1
APPLICATION_ID = 0x42545A45  # "BTZE"
HOUR_US = 3_600_000_000
_IDLE = 4  # connections kept for the next reader
_READER_KIB, _WRITER_KIB = 8_192, 32_768  # SQLite's cache of each
_WAL_PAGES = 8_000  # 32 MiB before it is moved into the file, which waits for the disk
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE log (name TEXT PRIMARY KEY, created TEXT NOT NULL, at INTEGER NOT NULL, tail INTEGER NOT NULL,
                  digest BLOB NOT NULL, lost INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE word (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (field, text));
CREATE TABLE shape (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, door TEXT NOT NULL,
                    clauses TEXT NOT NULL, risks TEXT NOT NULL, marked INTEGER NOT NULL);
CREATE TABLE shape_tag (tag INTEGER NOT NULL, shape INTEGER NOT NULL, PRIMARY KEY (tag, shape)) WITHOUT ROWID;
CREATE TABLE event (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, time_us INTEGER NOT NULL, outcome INTEGER NOT NULL,
                    shape INTEGER NOT NULL, person INTEGER NOT NULL, app INTEGER NOT NULL, model INTEGER NOT NULL,
                    provider INTEGER NOT NULL, key INTEGER NOT NULL, groups INTEGER NOT NULL, severity INTEGER NOT NULL,
                    would INTEGER NOT NULL, failures INTEGER NOT NULL, sides INTEGER NOT NULL, bodies INTEGER NOT NULL,
                    noted INTEGER NOT NULL, confidence REAL NOT NULL, policy INTEGER NOT NULL, writer INTEGER NOT NULL,
                    seq INTEGER NOT NULL, exchange TEXT NOT NULL);
CREATE UNIQUE INDEX event_exchange ON event (exchange);
CREATE UNIQUE INDEX event_number ON event (number);
CREATE INDEX event_time ON event (time_us, outcome, shape);
CREATE INDEX event_acted ON event (time_us, outcome, person, app) WHERE outcome > 0;
CREATE INDEX event_noted ON event (time_us, severity, would, failures) WHERE noted;
CREATE INDEX event_person ON event (person, time_us, outcome, shape);
CREATE INDEX event_app ON event (app, time_us, outcome, shape);
CREATE INDEX event_model ON event (model, time_us, outcome, shape);
CREATE INDEX event_key ON event (key, time_us, outcome, shape);
CREATE TABLE event_tag (tag INTEGER NOT NULL, time_us INTEGER NOT NULL, event INTEGER NOT NULL,
                        PRIMARY KEY (tag, time_us, event)) WITHOUT ROWID;
CREATE TABLE tally (hour INTEGER NOT NULL, shape INTEGER NOT NULL, outcome INTEGER NOT NULL, n INTEGER NOT NULL,
                    PRIMARY KEY (hour, shape, outcome)) WITHOUT ROWID;
CREATE TABLE change (id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, what TEXT NOT NULL, by TEXT NOT NULL,
                     exchange TEXT NOT NULL);
CREATE INDEX change_time ON change (time_us);
"""


class Field(IntEnum):
    """What a word is a word of. Those from CLAUSE on are tags: they belong to a shape."""

    PERSON = 1
    APP = 2
    MODEL = 3
    PROVIDER = 4
    KEY = 5
    GROUPS = 6  # a JSON list
    POLICY = 7
    WRITER = 8
    CLAUSE = 11
    RISK = 12  # also the family, as `secret.*`
    DISCIPLINE = 13
    KIND = 14
    DOOR = 15
    SHAPE = 16  # the digest


def identity() -> str:
    """What the rows were made by: the tables, and the disciplines that the catalogue gives to risks."""
    told = [(id_, risk.disciplines) for id_, risk in sorted(risks.catalogue().items())]
    return sha256(repr((FORMAT, _TABLES, told)).encode()).hexdigest()


def writable(home: Path) -> Connection:
    """The file to write to; made anew where there is none, or one of another version. Raises StoreError."""
    path = home / NAME
    if path.exists():
        try:
            connection = Connection(path)
            try:
                if _ours(connection):
                    return _prepared(connection)
            except BaseException:
                connection.close()
                raise
            connection.close()
        except StoreBroken:
            pass  # not ours, or broken: as good as none
    discard(home)
    connection = _prepared(Connection(path))
    with connection.transaction():
        for statement in _TABLES.strip().split(";\n"):
            connection.change(statement)
        connection.change_many("INSERT INTO meta VALUES (?, ?)", [("identity", identity()), ("records", 0)])
        connection.change(f"PRAGMA application_id={APPLICATION_ID}")
        connection.change(f"PRAGMA user_version={FORMAT}")
    return connection


def discard(home: Path) -> None:
    """Throw it away. Whoever still reads the old one sees it to the end of their question."""
    for name in (NAME, NAME + "-wal", NAME + "-shm"):
        (home / name).unlink(missing_ok=True)


def _ours(connection: Connection) -> bool:
    found = connection.query("PRAGMA application_id")[0][0], connection.query("PRAGMA user_version")[0][0]
    if found != (APPLICATION_ID, FORMAT):
        return False
    return connection.query("SELECT value FROM meta WHERE key = 'identity'") == [(identity(),)]


def _prepared(connection: Connection) -> Connection:
    # Derived, and thrown away when in doubt: a power cut may take the newest rows, and deleted ones hold no content.
    for pragma in (
        "synchronous=NORMAL",
        "secure_delete=OFF",
        f"cache_size=-{_WRITER_KIB}",
        f"wal_autocheckpoint={_WAL_PAGES}",
    ):
        connection.query(f"PRAGMA {pragma}")
    return connection


class Readers:
    """Connections to read with, from any thread, each used by one at a time."""

    def __init__(self, home: Path) -> None:
        self._path = home / NAME
        self._lock = threading.Lock()
        self._idle: list[tuple[int, Connection]] = []

    @contextmanager
    def reading(self) -> Iterator[tuple[int, Connection]]:
        """(which file, a connection): everything asked inside is of one moment. Raises StoreError."""
        file, connection = self._take()
        try:
            connection.query("BEGIN")
            yield file, connection
        finally:
            try:
                connection.rollback()
            finally:
                self._give(file, connection)

    def _take(self) -> tuple[int, Connection]:
        """An idle connection to the file that is there now: another one may have taken its place."""
        file = self._file()
        with self._lock:
            stale = [one for one in self._idle if one[0] != file]
            self._idle = [one for one in self._idle if one[0] == file]
            found = self._idle.pop() if self._idle else None
        for _, connection in stale:
            connection.close()
        if found:
            return found
        connection = Connection(self._path, readonly=True)
        connection.query(f"PRAGMA cache_size=-{_READER_KIB}")
        return file, connection

    def _give(self, file: int, connection: Connection) -> None:
        with self._lock:
            if len(self._idle) < _IDLE and file == self._file():
                self._idle.append((file, connection))
                return
        connection.close()

    def _file(self) -> int:
        try:
            return self._path.stat().st_ino
        except OSError:
            return 0

    def close(self) -> None:
        """Close what nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()
