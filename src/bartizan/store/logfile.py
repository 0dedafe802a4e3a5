"""`log-<name>.sqlite`: the file of one log. It is only ever appended to, and never migrated.

A log is evidence, so its tables stay as they were when it was begun: `FORMAT` is in the file, a newer format begins
with a new file, and every format ever written is read. Docs: docs/reference/ledger.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from bartizan.core.errors import StoreBroken, StoreError
from bartizan.store.connection import BUSY_TIMEOUT_S, SQLITE, Connection, FileLayer

FORMAT = 1
APPLICATION_ID = 0x42545A4E  # "BTZN", so that file(1) and we know a log when we see one
_NAME = re.compile(r"log-([a-z0-9-]+)\.(\d+)\.sqlite")
_BODIES = re.compile(r"body_(\d{4})_(\d{2})")
# Casts: SQLite keeps any type in any column, and whoever changed the file may have put anything there.
_RECORD = (
    "SELECT seq, CAST(time_us AS INTEGER), CAST(exchange AS TEXT), CAST(event AS TEXT), "
    "CAST(coalesce(entry, '') AS BLOB) FROM record "
)
_AT_ONCE = 64  # Records in one statement: each statement lets go of the interpreter, and gets it back by waiting.
_CHECKPOINT = "SELECT number, CAST(coalesce(size, 0) AS INTEGER), CAST(coalesce(note, '') AS TEXT) FROM checkpoint "
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record (seq INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, exchange TEXT NOT NULL, event TEXT,
                     entry BLOB NOT NULL);
CREATE INDEX record_exchange ON record (exchange);
CREATE INDEX record_event ON record (event, seq) WHERE event IS NOT NULL;
CREATE TABLE tile (level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL,
                   PRIMARY KEY (level, number)) WITHOUT ROWID;
CREATE TABLE checkpoint (number INTEGER PRIMARY KEY, size INTEGER NOT NULL, note TEXT NOT NULL);
"""


@lru_cache(maxsize=_AT_ONCE)
def _insert(count: int) -> str:
    return f"INSERT INTO record VALUES {', '.join(['(?, ?, ?, ?, ?)'] * count)}"  # noqa: S608  Question marks alone.


class RecordRow(NamedTuple):
    """One record as it lies in the file. All but `entry` is a copy, to find it by."""

    seq: int
    time_us: int
    exchange: str
    event: str | None
    entry: bytes


class BodyRow(NamedTuple):
    """A sealed body; `month` is YYYY-MM."""

    month: str
    seq: int
    side: str
    sealed: bytes


class LogFile:
    """The tables of one log. Not thread-safe."""

    def __init__(self, path: Path, connection: Connection) -> None:
        self.path = path
        self._connection = connection
        self.commit, self.begin, self.rollback = connection.commit, connection.begin, connection.rollback
        self._months = {month for month, _ in self.months()}

    @property
    def name(self) -> str:
        """As in its file name: `gateway-0.1`."""
        return self.path.name.removeprefix("log-").removesuffix(".sqlite")

    @classmethod
    def create(cls, path: Path, meta: dict[str, str], factory: FileLayer) -> LogFile:
        """Begin a log; it is on the disk when this returns.

        It is made beside its place and moved there whole: whoever reads meanwhile, or after a crash, sees no half log.
        """
        begun = _begun(path)
        remove(begun)
        connection = Connection(begun, factory=factory)
        try:
            with connection.transaction():
                for statement in _TABLES.split(";\n"):
                    connection.change(statement)
                connection.change_many("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))
                connection.change(f"PRAGMA application_id={APPLICATION_ID}")
                connection.change(f"PRAGMA user_version={FORMAT}")
        except BaseException:
            connection.close()
            remove(begun)
            raise
        connection.close()
        try:
            begun.rename(path)  # SQLite flushes the folder with the first commit, when it makes the WAL.
        except OSError as error:
            remove(begun)
            raise StoreError(f"{path.name}: cannot be begun: {error.strerror}") from error
        return cls.open(path, factory)

    @classmethod
    def open(cls, path: Path, factory: FileLayer = SQLITE) -> LogFile:
        """Open to append, by the holder of its lock."""
        connection = Connection(path, factory=factory)
        _check(connection)
        _prepare(connection)
        return cls(path, connection)

    @classmethod
    @contextmanager
    def reading(cls, path: Path, *, patience_s: float = BUSY_TIMEOUT_S) -> Iterator[LogFile]:
        """Open to read, also while its owner writes: everything inside is of one moment."""
        connection = Connection(path, readonly=True, patience_s=patience_s)
        try:
            connection.query("BEGIN")
            _check(connection)
            yield cls(path, connection)
        finally:
            connection.close()

    # ---- Reading ----------------------------------------------------------------------------------------------------

    def meta(self) -> dict[str, str]:
        """What was written when the log began: origin, public_key, created_us."""
        return dict(self._connection.query("SELECT key, CAST(coalesce(value, '') AS TEXT) FROM meta"))

    def size(self) -> int:
        """One more than the last record's number."""
        return int(self._connection.query("SELECT coalesce(max(seq) + 1, 0) FROM record")[0][0])

    def records(self, first: int = 0, last: int | None = None, *, since_us: int = 0) -> Iterator[RecordRow]:
        """Records first <= seq < last, in order."""
        sql = _RECORD + "WHERE seq >= ? AND seq < ? AND time_us >= ? ORDER BY seq"
        rows = self._connection.rows(sql, (first, 2**62 if last is None else last, since_us))
        return (RecordRow(*row) for row in rows)

    def by_exchange(self, exchange: str) -> list[RecordRow]:
        """All records of one exchange."""
        return [
            RecordRow(*row) for row in self._connection.query(_RECORD + "WHERE exchange = ? ORDER BY seq", (exchange,))
        ]

    def by_event(self, event: str) -> list[RecordRow]:
        """All records of one kind of event."""
        return [RecordRow(*row) for row in self._connection.query(_RECORD + "WHERE event = ? ORDER BY seq", (event,))]

    def tile(self, level: int, number: int) -> bytes:
        """Its hashes, as many as were there at the last checkpoint."""
        found = self._connection.query(
            "SELECT CAST(hashes AS BLOB) FROM tile WHERE level = ? AND number = ?", (level, number)
        )
        return bytes(found[0][0]) if found else b""

    def tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """All tiles as (level, number, hashes)."""
        sql = "SELECT CAST(level AS INTEGER), CAST(number AS INTEGER), CAST(coalesce(hashes, '') AS BLOB) FROM tile "
        return self._connection.rows(sql + "ORDER BY level, number")

    def checkpoints(self) -> Iterator[tuple[int, int, str]]:
        """All checkpoints as (number, size, signed note)."""
        return self._connection.rows(_CHECKPOINT + "ORDER BY number")

    def last_checkpoint(self) -> tuple[int, int, str] | None:
        """The newest (number, size, signed note)."""
        found = self._connection.query(_CHECKPOINT + "ORDER BY number DESC LIMIT 1")
        return found[0] if found else None

    def months(self) -> list[tuple[str, str]]:
        """The months there are bodies of, as (YYYY-MM, table)."""
        tables = self._connection.query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        named = ((_BODIES.fullmatch(name), name) for (name,) in tables)
        return [(f"{match[1]}-{match[2]}", name) for match, name in named if match]

    def body(self, month: str, seq: int, side: str) -> bytes | None:
        """A sealed body, if it is still kept."""
        if month not in self._months:
            return None
        sql = f"SELECT CAST(sealed AS BLOB) FROM {_bodies(month)} WHERE seq = ? AND side = ?"  # noqa: S608 - by _bodies
        found = self._connection.query(sql, (seq, side))
        return bytes(found[0][0]) if found else None

    def bodies(self, month: str) -> Iterator[tuple[int, str]]:
        """Which bodies of a month there are, as (seq, side)."""
        columns = "CAST(seq AS INTEGER), CAST(side AS TEXT)"
        return self._connection.rows(f"SELECT {columns} FROM {_bodies(month)} ORDER BY seq, side")  # noqa: S608

    def damage(self) -> list[str]:
        """What SQLite itself finds wrong with pages and indexes."""
        return [str(row[0]) for row in self._connection.query("PRAGMA integrity_check(20)") if row[0] != "ok"]

    # ---- Appending: between begin() and commit() --------------------------------------------------------------------

    def add(
        self,
        records: Sequence[RecordRow],
        bodies: Sequence[BodyRow] = (),
        tiles: Iterable[tuple[int, int, bytes]] = (),
        checkpoint: tuple[int, int, str] | None = None,
    ) -> None:
        """Put a batch into the file."""
        put = self._connection.change_many
        for at in range(0, len(records), _AT_ONCE):
            some = records[at : at + _AT_ONCE]
            self._connection.change(_insert(len(some)), [value for row in some for value in row])
        for month in sorted({body.month for body in bodies}):
            if month not in self._months:
                self._connection.change(
                    f"CREATE TABLE IF NOT EXISTS {_bodies(month)} "
                    "(seq INTEGER NOT NULL, side TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (seq, side))"
                )
            rows = ((b.seq, b.side, b.sealed) for b in bodies if b.month == month)
            put(f"INSERT INTO {_bodies(month)} VALUES (?, ?, ?)", rows)  # noqa: S608 - by _bodies
        put("INSERT OR REPLACE INTO tile VALUES (?, ?, ?)", tiles)
        if checkpoint:
            self._connection.change("INSERT INTO checkpoint VALUES (?, ?, ?)", checkpoint)

    def committed(self, bodies: Sequence[BodyRow]) -> None:
        """What a commit made true: months whose table is there now."""
        self._months.update(body.month for body in bodies)

    def drop_bodies(self, before: str) -> list[str]:
        """Drop the tables of months before YYYY-MM; which ones."""
        dropped = [(month, table) for month, table in self.months() if month < before]
        for month, table in dropped:
            self._connection.change(f"DROP TABLE {table}")
            self._months.discard(month)
        return [month for month, _ in dropped]

    def flush_wal(self) -> None:
        """Move what readers do not hold from the write-ahead log into the file. Never waits for a reader."""
        self._connection.query("PRAGMA wal_checkpoint(PASSIVE)")

    def empty_wal(self) -> None:
        """Leave nothing in the write-ahead log, so that what was dropped is gone from the disk."""
        self._connection.query("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()


def logs(home: Path) -> list[Path]:
    """The log files of a home: writers by name, each one's files in order."""
    found = ((_NAME.fullmatch(path.name), path) for path in home.glob("log-*.sqlite"))
    return [path for _, _, path in sorted((match[1], int(match[2]), path) for match, path in found if match)]


def path_of(home: Path, writer: str, number: int) -> Path:
    """The file of a writer's nth log, counted from 1."""
    path = home / f"log-{writer}.{number}.sqlite"
    if not _NAME.fullmatch(path.name):
        raise StoreError(f"{writer!r} cannot name a writer: lower-case letters, digits and hyphens")
    return path


def numbered(path: Path) -> tuple[str, int]:
    """The writer and number in a log file's name."""
    match = _NAME.fullmatch(path.name)
    if not match:
        raise StoreError(f"{path.name}: not the name of a log")
    return match[1], int(match[2])


def _bodies(month: str) -> str:
    table = "body_" + month.replace("-", "_")
    if not _BODIES.fullmatch(table):
        raise StoreBroken(f"{month!r} is not a month")
    return table


def remove(path: Path) -> None:
    """Take away a database and what SQLite keeps beside it."""
    for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        each.unlink(missing_ok=True)


def _begun(path: Path) -> Path:
    """Where a log is made; no name of a log."""
    return path.with_suffix(".begun")


def _prepare(connection: Connection) -> None:
    # The writer moves the WAL into the file when it has nothing else to do: a checkpoint inside a commit would make
    # everyone in the batch wait for a second flush.
    connection.query("PRAGMA wal_autocheckpoint=0")


def _check(connection: Connection) -> None:
    found = int(connection.query("PRAGMA application_id")[0][0]), int(connection.query("PRAGMA user_version")[0][0])
    if found[0] != APPLICATION_ID:
        raise StoreBroken(f"{connection.path.name}: not a log of Bartizan")
    if found[1] != FORMAT:
        raise StoreError(f"{connection.path.name}: format {found[1]} is newer than this Bartizan (knows {FORMAT})")
