"""One file that grows, read by `readers.logs` until it is renamed, emptied, deleted, or everything ends.

It is always read from its beginning, because a reader has to see the header and what came before; lines that an earlier
run told are not told again. What is new is shown whenever there is nothing more to read for now, and goes into the
register in steps: each says where it begins and ends, and where the register has been read up to somewhere else (by
`usage logs`, by a run that was killed) the file is counted as a whole instead, which counts nothing twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock

from bartizan.doors.watch.positions import HEAD_BYTES, Position, Positions
from bartizan.home.logs import observing
from bartizan.home.logs.lines import Line, lines
from bartizan.home.logs.observing import How, Told
from bartizan.home.logs.recording import Keep, news
from bartizan.home.logs.sources import CHUNK_BYTES, Source, opened, reason
from bartizan.readers.logs.observe import FULL, Observations
from bartizan.readers.logs.reading import Read, read
from bartizan.readers.logs.source import peeked, unpacked
from bartizan.readers.logs.visit import Tally, Visit

KEEP_S = 10.0  # Between two times that a file's news go into the register.
PEEK_BYTES = 256 * 1024  # Of a file, to see its head where it is packed.
QUIET = 4  # Looks without news, after which a file is let go where others wait.


class Stopped(Exception):
    """Everything ends: a line that is half written is left for the next time."""


class Again(Exception):
    """The register was fed by somebody else: the file is counted as a whole."""


@dataclass
class Watch:
    """What all files share. `turn` is held by the one that is being read: one at a time.

    Args:
        show: Takes new observations of one file. `say`: takes words for people.
        crowded: Others wait for their turn, so that quiet files are let go.
        unread: Names of files that could not be read as a whole.
    """

    how: How
    keep: Keep
    positions: Positions
    show: Callable[[Iterable[Line]], int]
    say: Callable[[str], None]
    poll_s: float = 0.5
    candidates: bool = False
    stop: Event = field(default_factory=Event)
    turn: Lock = field(default_factory=Lock)
    crowded: bool = False
    unread: set[str] = field(default_factory=set)
    files: set[tuple[int, int]] = field(default_factory=set)
    lines: int = 0
    junk: int = 0
    shown: int = 0

    def failed(self, name: str, why: str) -> None:
        """Says once that a file could not be read as a whole."""
        if name not in self.unread and len(self.unread) < 10_000:
            self.unread.add(name)
            self.say(f"{name}: not read to its end: {why}")


class Following:
    """One file. `run` ends when there is nothing more to come from it."""

    def __init__(self, watch: Watch, source: Source) -> None:
        self._watch, self._source = watch, source
        self._at = self._known = self._fed = 0  # Bytes: read, told by an earlier run, in the register.
        self._steps = False  # The register has what came before `_fed`, and adds.
        self._showing = self._feeding = False
        self._packed = False
        self._head = b""
        self._first = b""  # As it lies in the file.
        self._format = self._id = ""
        self._fed_s = float("-inf")
        self._asked = 0  # Up to where the register was last given something.
        self._lines = self._junk = 0  # Up to the last step: what an earlier run told is in them.
        self._old = (0, 0)  # Lines and junk that an earlier run told.
        self._bounds: dict[str, int] = {}
        self._new, self._step = Observations(), Observations(daily=True)
        self._tally = observing.tally_of(source, watch.how)
        self._read = Read(self._tally)

    def run(self) -> None:
        """Reads it. Raises BartizanError where the register fails."""
        with self._watch.turn:
            try:
                descriptor = opened(self._source)
            except FileNotFoundError:  # Between two steps of a rotation.
                return
            except OSError as error:
                self._watch.failed(self._source.name, reason(error))
                return
            try:
                self._follow(descriptor)
            except OSError as error:
                self._watch.failed(self._source.name, reason(error))
            except (Stopped, Again):
                return
            finally:
                os.close(descriptor)
                if self._showing:
                    self._watch.lines += self._tally.read - self._old[0]
                    self._watch.junk += self._tally.junk - self._old[1]

    def _follow(self, descriptor: int) -> None:
        watch = self._watch
        if observing.is_database(descriptor):
            watch.failed(self._source.name, "a database is not followed; `bartizan usage logs --record` reads it")
            return
        self._begin(descriptor)
        wanted = observing.sought(watch.how.home)

        def add(visit: Visit) -> None:
            if self._showing:
                self._new.add(visit, wanted)
            if self._feeding:
                self._step.add(visit, wanted)

        self._tally.reference_us = time.time_ns() // 1000
        raw = self._raw(descriptor)
        chunks = self._told(unpacked(raw, self._tally) if self._packed else raw, descriptor)
        read(chunks, wanted, self._tally, add, observing.format_of(watch.how), into=self._read)
        self._report(descriptor, last=True)

    def _begin(self, descriptor: int) -> None:
        """Where an earlier run has ended."""
        watch = self._watch
        self._first = os.pread(descriptor, PEEK_BYTES, 0)
        self._head, _ = peeked(unpacked(iter((self._first,)), Tally()), HEAD_BYTES)
        self._packed = not self._first.startswith(self._head[: len(self._first)]) if self._head else False
        known: Position | None = watch.positions.of(self._source.inode, self._head)
        if known is not None and (self._packed or known.offset <= self._source.size):
            self._known, self._format, self._id = known.offset, known.format, known.source
            if known.source and watch.keep.end_of(known.source) == known.offset:
                self._steps, self._fed = True, known.offset
        self._showing, self._feeding = not self._known, not self._fed
        watch.files.add(self._source.inode)

    # ---- Its bytes ---------------------------------------------------------------------------------------------------

    def _raw(self, descriptor: int) -> Iterator[bytes]:
        """As they lie in the file; an empty chunk where there is nothing more for now."""
        at = quiet = 0
        while True:
            self._watch.turn.release()  # Others have their turn while the disk works.
            try:
                chunk = os.read(descriptor, CHUNK_BYTES)
            finally:
                self._watch.turn.acquire()
            at += len(chunk)
            quiet = 0 if chunk else quiet + 1
            if chunk:
                yield chunk
            elif self._packed:
                return
            if not chunk or self._watch.stop.is_set():
                yield b""  # All whole lines are read and counted when this goes on.
                if self._emptied(descriptor, at):
                    return
                if self._moved(descriptor):
                    if rest := os.read(descriptor, CHUNK_BYTES):  # Written between the last look and the renaming.
                        at += len(rest)
                        yield rest
                        continue
                    return
                self._wait(quiet)

    def _wait(self, quiet: int) -> None:
        watch = self._watch
        watch.turn.release()
        try:
            over = watch.stop.wait(watch.poll_s if quiet else 0)
        finally:
            watch.turn.acquire()
        if over or (watch.crowded and quiet >= QUIET):
            raise Stopped

    def _emptied(self, descriptor: int, at: int) -> bool:
        """Whether it was emptied under its writer, also where it has grown again since."""
        if os.fstat(descriptor).st_size >= at and self._begins(descriptor):
            return False
        self._watch.say(
            f"{self._source.name}: was emptied under its writer after {at:,} bytes; "
            "what was written since the last look may be lost"
        )
        return True

    def _begins(self, descriptor: int) -> bool:
        """Whether it still begins as it did."""
        first = os.pread(descriptor, HEAD_BYTES, 0)
        if not first.startswith(self._first[:HEAD_BYTES]):
            return False
        self._first = first
        return True

    def _moved(self, descriptor: int) -> bool:
        """Whether another file has its name, or none will ever read it again."""
        mine = os.fstat(descriptor)
        if not mine.st_nlink:
            return True
        try:
            now = Path(os.fsdecode(self._source.path)).stat()
        except OSError:
            return False  # Renamed, and its successor not made yet: its writer may still have it open.
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)

    def _told(self, chunks: Iterator[bytes], descriptor: int) -> Iterator[bytes]:
        """The same bytes, unpacked; what an earlier run told ends with an empty chunk, and so does what is reported."""
        for chunk in chunks:
            rest = chunk
            for edge in sorted({self._fed if not self._feeding else 0, self._known}):
                if self._at < edge <= self._at + len(rest):
                    part, rest = rest[: edge - self._at], rest[edge - self._at :]
                    self._at += len(part)
                    yield part
                    yield b""
                    self._passed(edge)
            self._at += len(rest)
            yield rest
            if not chunk:
                self._report(descriptor, last=self._watch.stop.is_set())

    def _passed(self, edge: int) -> None:
        if edge == self._known:
            self._showing = True
            self._old = (self._tally.read, self._tally.junk)
        if edge == self._fed and not self._feeding:
            self._feeding = True
            self._lines, self._junk = self._tally.read, self._tally.junk

    # ---- What is new -------------------------------------------------------------------------------------------------

    def _report(self, descriptor: int, *, last: bool) -> None:
        watch, name = self._watch, self._source.name
        if len(self._new):
            found = Told(name, observations=self._new)
            watch.shown += watch.show(lines(found, observing.sought(watch.how.home), candidates=watch.candidates))
            self._new.clear()
        if self._step.lost:
            self._tally.bounded[FULL] = self._tally.bounded.get(FULL, 0) + self._step.lost
            self._step.lost = 0
        for bound in self._tally.bounded.keys() - self._bounds.keys():
            self._bounds[bound] = 1
            watch.say(f"{name}: {bound}")
            if bound in observing.HALF_READ:
                watch.unread.add(name)
        if self._feeding and self._showing and self._at and (last or time.monotonic() - self._fed_s >= KEEP_S):
            self._fed_s = time.monotonic()
            self._feed(descriptor)

    def _feed(self, descriptor: int) -> None:
        watch, tally, inode = self._watch, self._tally, self._source.inode
        if self._at in (self._fed, self._asked):
            return
        self._asked = self._at
        count, junk = tally.read - self._lines, tally.junk - self._junk
        if not self._packed and len(self._head) < HEAD_BYTES and self._begins(descriptor):
            self._head = self._first[: self._at]
        if not self._format and self._read.formats:
            self._format = max(self._read.formats, key=lambda id_: self._read.formats[id_])
        if not self._format:
            watch.positions.keep(inode, self._at, self._head, "", "")
            return
        if self._steps and watch.keep.end_of(self._id) != self._fed:
            watch.positions.keep(inode, self._at, self._head, self._format, "")  # It is shown, and not counted yet.
            raise Again
        step = Told(self._source.name, {self._format: count}, count, junk, head=self._head, observations=self._step)
        step.begin, step.end = (self._fed if self._steps else -1), self._at
        taken = watch.keep(step)
        if words := list(news(taken)):
            watch.say(f"{self._source.name}: {', '.join(words)}")
        self._id = taken.fed.source if taken.fed.lasting else ""
        watch.positions.keep(inode, self._at, self._head, self._format, self._id)
        if self._id:
            self._steps, self._fed = True, self._at
            self._lines, self._junk = tally.read, tally.junk
            self._step.clear()
