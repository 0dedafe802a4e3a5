"""From the logs into the file: what is new, in order of time, each batch with its place in the logs or not at all.

A log that cannot be read is said and left out, wholly or in part; the others go on. Whatever makes the rows doubtful
has the file thrown away and made again: logs that are shorter than what was read of them, that are gone or others than
before, or records that a later log says were never acknowledged.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

from bartizan.core.errors import StoreBroken, StoreBusy, StoreError
from bartizan.events import file
from bartizan.events.rows import Rows
from bartizan.ledger.read import parse
from bartizan.store.connection import Connection
from bartizan.store.lock import FileLock
from bartizan.store.logfile import LogFile, RecordRow, logs

BATCH = 2_000  # records in a transaction
_OPEN = 64  # logs read at the same time
_SETTLED_NS = 2_000_000_000  # An older change of a file shows in its times, whatever the clock of its disk counts in.
_SKIPS = 20  # tries to get past a damaged page, each twice as far as the last one
_Stamp = tuple[object, ...]


class _Doubt(Exception):
    """The rows may not be what the logs say."""


@dataclass(frozen=True, slots=True)
class _Log:
    """How far a log was read: the next record's number; the last one's, and its digest; how many cannot be read."""

    created: str
    at: int = 0
    tail: int = -1
    digest: bytes = b""
    lost: int = 0


@dataclass(slots=True)
class _News:
    """A log with something new, up to a record."""

    path: Path
    until: int
    stamp: _Stamp | None

    @property
    def name(self) -> str:
        return _name(self.path)


class Follower:
    """The one that writes. `follow()` may be called from any thread, one at a time."""

    def __init__(self, home: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._home, self._clock_ns = home, clock_ns
        self._lock = threading.Lock()
        self._held: FileLock | None = None
        self._connection: Connection | None = None
        self._inode = 0
        self._rows: Rows | None = None
        self._logs: dict[str, _Log] = {}
        self._ends: dict[str, int] = {}  # logs that were left, and how many of their records count
        self._stamps: dict[Path, _Stamp] = {}
        self._problems: dict[str, str] = {}
        self._closing = False
        self.doubt = False  # set by whoever reads and finds the file broken
        self.behind = 0

    @property
    def problem(self) -> str:
        """What could not be read or written."""
        lost = {f"{name}: {log.lost:,} records cannot be read" for name, log in self._logs.copy().items() if log.lost}
        told = sorted(lost | {f"{name}: {what}" if name else what for name, what in self._problems.copy().items()})
        return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")

    def open(self) -> None:
        """Make the file if there is none, unless another process follows this home. Raises StoreError."""
        with self._lock:
            try:
                self._begin()
            except StoreBroken:
                self._renew()

    def close(self) -> None:
        """End, after the batch that is being written."""
        self._closing = True
        with self._lock:
            self._end()
            if self._held:
                self._held.release()
                self._held = None

    def follow(self, most: int) -> int:
        """Take in what the logs hold by now, at most so many records; how many there were."""
        with self._lock:
            try:
                try:
                    if self._closing or not self._begin():
                        return 0
                    taken = self._follow(most)
                except (_Doubt, StoreBroken):
                    self._renew()
                    taken = self._follow(most)
            except (_Doubt, StoreError, OSError) as error:
                self._problems[""] = f"{file.NAME}: {error}"
                self._end()
                return 0
            self._problems.pop("", None)
            return taken

    # ---- The file ---------------------------------------------------------------------------------------------------

    def _begin(self) -> bool:
        """Whether this process is the one that writes, with the file open."""
        if self._held is None:
            try:
                self._held = FileLock(self._home / "events.lock")
            except StoreBusy as error:
                self._problems[""] = f"another process follows this home ({error})"
                return False
        path = self._home / file.NAME
        if self.doubt:
            self._renew()
        elif self._connection and not (path.exists() and path.stat().st_ino == self._inode):
            self._end()  # somebody took the file away
        if self._connection is None:
            self._connection = file.writable(self._home)
            self._inode = path.stat().st_ino
            rows = self._connection.query("SELECT name, created, at, tail, digest, lost FROM log")
            self._logs = {name: _Log(*values) for name, *values in rows}
            self._stamps, self._ends = {}, {}
        if self._rows is None:
            self._rows = Rows(self._connection)
        return True

    def _end(self) -> None:
        self._rows = None
        if self._connection:
            connection, self._connection = self._connection, None
            connection.close()

    def _renew(self) -> None:
        """Throw the file away and begin another one."""
        self._end()
        file.discard(self._home)
        self.doubt = False
        self._problems.clear()
        self._begin()

    # ---- What is new ------------------------------------------------------------------------------------------------

    def _follow(self, most: int) -> int:
        work = self._survey()
        self.behind = sum(news.until - self._at(news) for news in work)
        taken = 0
        while work and taken < most and not self._closing:
            some = work[:_OPEN]
            wanted = min(BATCH, most - taken)
            batch = self._read(some, wanted)
            if batch:
                self._put(batch)
                taken += len(batch)
            if len(batch) < wanted:  # all that can be read of these
                for news in some:
                    self._done(news)
                del work[: len(some)]
            else:
                for news in some:
                    if self._at(news) >= news.until:
                        self._done(news)
                        work.remove(news)
            self.behind = sum(news.until - self._at(news) for news in work)
        return taken

    def _at(self, news: _News) -> int:
        return self._logs[news.name].at

    def _done(self, news: _News) -> None:
        if news.stamp:
            self._stamps[news.path] = news.stamp

    def _survey(self) -> list[_News]:
        """The logs that have something new. Raises _Doubt where what was read no longer holds."""
        found = logs(self._home)
        there = {_name(path) for path in found}
        if gone := self._logs.keys() - there:
            raise _Doubt(f"{len(gone)} logs are gone")
        self._problems = {name: what for name, what in self._problems.items() if name in there}
        changed = []
        for path in found:
            stamp = self._stamp(path)
            if stamp and self._stamps.get(path) == stamp:
                continue
            try:
                size = self._checked(path)
            except StoreError as error:
                self._problems[_name(path)] = str(error)
                if stamp and not isinstance(error, StoreBusy):
                    self._stamps[path] = stamp
                continue
            self._problems.pop(_name(path), None)
            changed.append(_News(path, size, stamp))
        for name, end in self._ends.items():
            if name in self._logs and self._logs[name].at > end:
                raise _Doubt(f"{name}: {self._logs[name].at - end} records were never acknowledged")
        for news in changed:
            news.until = min(news.until, self._ends.get(news.name, news.until))
            if self._at(news) >= news.until:
                self._done(news)
        return [news for news in changed if self._at(news) < news.until]

    def _checked(self, path: Path) -> int:
        """The size of a log that still begins with what was read of it; notes which log it was the next of."""
        name = _name(path)
        with LogFile.reading(path) as log:
            created = log.meta().get("created_us", "")
            size = log.size()
            known = self._logs.setdefault(name, _Log(created))
            if known.created != created or size < known.at:
                raise _Doubt(f"{name}: another log, or one that lost records")
            if known.tail >= 0:
                tail = list(log.records(known.tail, known.tail + 1))
                if not tail or _digest(tail[0]) != known.digest:
                    raise _Doubt(f"{name}: another record {known.tail} than before")
            for row in log.by_event("opened"):
                try:
                    after = parse(row).get("after")
                except StoreBroken:
                    continue  # counted where it is read
                if isinstance(after, dict) and isinstance(after.get("size"), int):
                    self._ends[str(after.get("log"))] = max(0, after["size"])
            return size

    def _stamp(self, path: Path) -> _Stamp | None:
        """What changes when a log is written; None while a change could still hide in the coarseness of its times."""
        told: list[object] = []
        newest = 0
        for name in (path, path.with_name(path.name + "-wal")):
            try:
                found = name.stat()
            except OSError:
                told.append(None)
                continue
            told.append((found.st_ino, found.st_size, found.st_mtime_ns))
            newest = max(newest, found.st_mtime_ns)
        return tuple(told) if newest + _SETTLED_NS < self._clock_ns() else None

    # ---- Records ----------------------------------------------------------------------------------------------------

    def _read(self, some: Sequence[_News], count: int) -> list[tuple[str, RecordRow]]:
        """The next records of these logs, by time."""
        with ExitStack() as stack:
            streams = []
            for news in some:
                try:
                    log = stack.enter_context(LogFile.reading(news.path))
                except StoreError as error:
                    self._problems[news.name] = str(error)
                    continue
                streams.append(self._readable(log, news))
                stack.callback(streams[-1].close)  # before its log
            merged = iter(streams[0]) if len(streams) == 1 else heapq.merge(*streams, key=_when)
            return list(islice(merged, count))

    def _readable(self, log: LogFile, news: _News) -> Generator[tuple[str, RecordRow], None, None]:
        """Records from where we are, past what cannot be read."""
        name, at, skip = news.name, self._at(news), 1
        for _ in range(_SKIPS):
            try:
                for row in log.records(at, news.until):
                    yield name, row
                    at, skip = row.seq + 1, 1
            except StoreError as error:
                self._problems[name] = str(error)
                at, skip = at + skip, skip * 2
            else:
                return

    def _put(self, batch: Sequence[tuple[str, RecordRow]]) -> None:
        """Rows and place together."""
        assert self._connection is not None
        assert self._rows is not None
        at = {name: self._logs[name].at for name, _ in batch}
        lost: Counter[str] = Counter()
        for name, row in batch:
            lost[name] += row.seq - at[name]
            at[name] = row.seq + 1
        last = dict(batch)
        try:
            with self._connection.transaction():
                lost.update(self._rows.take(batch))
                moved = {name: self._moved(name, row, lost[name]) for name, row in last.items()}
                self._connection.change_many(
                    "INSERT OR REPLACE INTO log VALUES (?, ?, ?, ?, ?, ?)",
                    [(name, log.created, log.at, log.tail, log.digest, log.lost) for name, log in moved.items()],
                )
                self._connection.change("UPDATE meta SET value = value + ? WHERE key = 'records'", (len(batch),))
        except BaseException:
            self._rows = None  # it knows of words that are not there
            raise
        self._logs |= moved

    def _moved(self, name: str, last: RecordRow, lost: int) -> _Log:
        known = self._logs[name]
        return _Log(known.created, last.seq + 1, last.seq, _digest(last), known.lost + lost)


def _name(path: Path) -> str:
    return path.name.removeprefix("log-").removesuffix(".sqlite")


def _when(item: tuple[str, RecordRow]) -> tuple[int, str, int]:
    name, row = item
    return row.time_us, name, row.seq


def _digest(row: RecordRow) -> bytes:
    return sha256(row.entry).digest()[:16]
