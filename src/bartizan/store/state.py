"""`state.sqlite`: what all processes of a home share, in short transactions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bartizan.core.errors import StoreBusy, StoreError
from bartizan.store.connection import Connection, Row, Values
from bartizan.store.lock import FileLock

SCHEMA = 3  # of the newest step in migrations/versions; kept in the file as PRAGMA user_version
NAME = "state.sqlite"
NEWEST = Path(__file__).with_name("newest.sql")  # written by `make golden` from the steps, and compared with them


class State:
    """The shared tables. Every method may be called from any thread; a transaction holds the others off."""

    def __init__(self, home: Path, connection: Connection) -> None:
        self.home = home
        self.path = home / NAME
        self._connection = connection
        self._lock = threading.RLock()
        self._own = 0  # PRAGMA data_version does not count a connection's own commits

    @classmethod
    def open(cls, home: Path) -> State:
        """Open, creating or upgrading the schema first where it is not the newest (under a lock, once)."""
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = Connection(home / NAME)
        if _schema(connection) != SCHEMA:
            with FileLock(home / "state.lock", wait=True):
                found = _schema(connection)
                if found > SCHEMA:
                    connection.close()
                    raise StoreError(
                        f"{NAME} was written by a newer Bartizan (schema {found}, this one knows {SCHEMA}); upgrade it"
                    )
                if not connection.query("SELECT name FROM sqlite_master LIMIT 1"):
                    _create(connection)
                elif found < SCHEMA:
                    from bartizan.store import migrate  # heavy: SQLAlchemy and Alembic

                    migrate.upgrade(home / NAME, SCHEMA)
        return cls(home, connection)

    def query(self, sql: str, params: Values = ()) -> list[Row]:
        """All rows."""
        with self._lock:
            return self._connection.query(sql, params)

    def change(self, sql: str, params: Values = ()) -> int:
        """One statement as a transaction of its own; how many rows changed. Returns after the flush."""
        with self.transaction() as tx:
            return tx.change(sql, params)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything inside, or nothing. Waits up to 5 s for another process, then raises StoreBusy."""
        with self._lock:
            with self._connection.transaction():
                yield Transaction(self._connection)
            self._own += 1

    def version(self) -> int:
        """A number that changes whenever any process changed anything. Costs about 2 µs."""
        with self._lock:
            return int(self._connection.query("PRAGMA data_version")[0][0]) + self._own

    def scrub(self) -> None:
        """Leave no trace of deleted rows: the pages were zeroed on deletion, now the WAL goes too.

        Raises StoreBusy while another process reads for longer than 5 s.
        """
        with self._lock:
            busy, _, _ = self._connection.query("PRAGMA wal_checkpoint(TRUNCATE)")[0]
        if busy:
            raise StoreBusy(f"{NAME}: the write-ahead log is being read and could not be emptied; try again")

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def log_names(home: Path) -> list[str]:
    """The logs that were ever begun in a home, read without opening the rest of it; none where there is no state."""
    if not (home / NAME).exists():
        return []
    connection = Connection(home / NAME, readonly=True)
    try:
        return [str(name) for (name,) in connection.query("SELECT name FROM writer ORDER BY name")]
    finally:
        connection.close()


class Transaction:
    """What can be done inside `State.transaction()`."""

    def __init__(self, connection: Connection) -> None:
        self.query = connection.query
        self.change = connection.change
        self.change_many = connection.change_many


def _schema(connection: Connection) -> int:
    return int(connection.query("PRAGMA user_version")[0][0])


def _create(connection: Connection) -> None:
    """What all steps of the migration lead to, at once: ten times as fast, and without the tools of migration."""
    with connection.transaction():
        for statement in NEWEST.read_text(encoding="utf-8").split(";\n"):
            connection.change(statement)
        connection.change(f"PRAGMA user_version={SCHEMA:d}")
