"""One SQLite connection, with its errors turned into ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bartizan.core.errors import StoreBroken, StoreBusy, StoreError, StoreFull

Row = tuple[Any, ...]  # Any: a column holds what its table says; the reader of the row knows.
FileLayer = type[sqlite3.Connection]  # what really reads and writes: the seam where tests put one that fails
SQLITE: FileLayer = sqlite3.Connection
Values = Sequence[str | bytes | int | float | None]

BUSY_TIMEOUT_S = 5.0
# Result codes of SQLite (sqlite.org/rescode.html), by their low byte.
_CLASSES = {
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_BUSY: StoreBusy,
    sqlite3.SQLITE_LOCKED: StoreBusy,
    sqlite3.SQLITE_CORRUPT: StoreBroken,
    sqlite3.SQLITE_NOTADB: StoreBroken,
}
_ADVICE = {
    StoreFull: "free some room on this disk",
    StoreBusy: "another process keeps it",
    StoreBroken: "keep the file as evidence and restore a copy; `bartizan ledger verify` says what still holds",
}


# A file that was changed can hold bytes that are no text where Python wants some.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)


def store_error(error: Exception, path: Path) -> StoreError:
    """The same error as one of ours. SQLite's messages name tables and pages, and no values but one, which is cut."""
    if isinstance(error, UnicodeDecodeError) or "Could not decode" in str(error):
        return StoreBroken(f"{path.name}: holds text that is not UTF-8; {_ADVICE[StoreBroken]}")
    code = int(getattr(error, "sqlite_errorcode", 0) or 0)
    kind = _CLASSES.get(code & 0xFF, StoreError)
    advice = _ADVICE.get(kind)
    return kind(f"{path.name}: {error}" + (f"; {advice}" if advice else ""))


class Connection:
    """A connection in autocommit mode; transactions are said with `transaction()`.

    Not thread-safe: its owner locks.
    """

    def __init__(
        self,
        path: Path,
        *,
        readonly: bool = False,
        factory: FileLayer = SQLITE,
        patience_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        """`patience_s`: how long another process may keep the file before that is an error."""
        self.path = path
        if not readonly and not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # WAL and shm inherit the mode
        mode = "ro" if readonly else "rw"
        if readonly and not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
            mode = "ro&immutable=1"  # a copy on a read-only disk: there is nowhere to put the files that WAL needs
        with self._errors():
            self._raw = sqlite3.connect(
                f"file:{_quoted(path)}?mode={mode}",
                uri=True,
                timeout=patience_s,
                isolation_level=None,
                check_same_thread=False,
                factory=factory,
            )
        if not readonly:
            with self._errors():
                self._raw.execute("PRAGMA journal_mode=WAL").fetchone()
                self._raw.execute("PRAGMA synchronous=FULL")
                self._raw.execute("PRAGMA secure_delete=ON")  # what was erased leaves zeros, not its bytes

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            raise store_error(error, self.path) from error

    def query(self, sql: str, params: Values = ()) -> list[Row]:
        """All rows."""
        try:
            return self._raw.execute(sql, params).fetchall()
        except _ERRORS as error:
            raise store_error(error, self.path) from error

    def rows(self, sql: str, params: Values = ()) -> Iterator[Row]:
        """Rows one by one, for tables that do not fit into memory."""
        try:
            yield from self._raw.execute(sql, params)
        except _ERRORS as error:
            raise store_error(error, self.path) from error

    def change(self, sql: str, params: Values = ()) -> int:
        """How many rows changed."""
        try:
            return self._raw.execute(sql, params).rowcount
        except _ERRORS as error:
            raise store_error(error, self.path) from error

    def change_many(self, sql: str, rows: Iterable[Values]) -> None:
        """The same statement for many rows."""
        try:
            self._raw.executemany(sql, rows)
        except _ERRORS as error:
            raise store_error(error, self.path) from error

    def begin(self) -> None:
        self.change("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Returns after the flush."""
        self.change("COMMIT")

    def rollback(self) -> None:
        """Give up what was begun, if anything was: some errors have SQLite roll back by itself."""
        if self._raw.in_transaction:
            self.change("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside, or nothing."""
        self.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    def close(self) -> None:
        with self._errors():
            self._raw.close()


def _quoted(path: Path) -> str:
    """A path inside a `file:` URI (sqlite.org/uri.html)."""
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
