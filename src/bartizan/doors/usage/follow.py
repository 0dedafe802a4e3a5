"""A log that grows and is rotated, followed with the readers of all others until somebody interrupts.

A file that was renamed is read to its end before its successor is opened; one that was emptied under its writer is read
from its beginning. What is new is printed when there is nothing more to read for now.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import click

from bartizan.core.errors import InputError
from bartizan.doors.usage import answer, observing, printing
from bartizan.doors.usage.observing import How, Told
from bartizan.doors.usage.recording import Keep
from bartizan.doors.usage.sources import CHUNK_BYTES, Source, opened, reason
from bartizan.readers.logs.observe import Observations
from bartizan.readers.logs.reading import Read, read
from bartizan.readers.logs.visit import Visit

POLL_S = 0.5
KEEP_S = 10.0  # Between two times that the register is fed.


def followed(source: Source, how: How, format_: str, candidates: bool, keep: Keep | None) -> int:
    """Prints what is new in a file as it grows, until interrupted."""
    if source.why or not source.regular:
        raise InputError(source.why or "only a file can be followed", source.name)
    following, stop = Following(source, how, format_, candidates, keep), Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        while True:
            following.once(stop.wait)
    except Stopped:
        following.told()
        click.echo(f"{source.name}: {following.lines:,} lines, {following.printed:,} observations", err=True)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


class Stopped(Exception):
    """Somebody interrupted."""


Wait = Callable[[float], bool]  # For so many seconds, or until there is no more to wait for: then True.


@dataclass
class Following:
    """One name in a folder, and the file that has it at the moment."""

    source: Source
    how: How
    format_: str
    candidates: bool
    keep: Keep | None
    lines: int = 0
    printed: int = 0
    _new: Observations = field(default_factory=Observations)
    _all: Observations = field(default_factory=Observations)
    _fed_s: float = 0.0
    _read: Read | None = None

    def once(self, wait: Wait) -> None:
        """Reads one file until another one has its name. Raises Stopped."""
        try:
            descriptor = opened(self.source)
        except FileNotFoundError:  # Between two steps of a rotation.
            if wait(POLL_S):
                raise Stopped from None
            return
        except OSError as error:
            raise InputError(reason(error), self.source.name) from None
        wanted, tally = observing.sought(self.how.home), observing.tally_of(self.source, self.how)
        tally.reference_us = time.time_ns() // 1000
        self._all = Observations(daily=True)
        self._read = Read(tally)

        def add(visit: Visit) -> None:
            self._new.add(visit, wanted)
            if self.keep is not None:
                self._all.add(visit, wanted)

        try:
            chunks = self._chunks(descriptor, wait)
            read(chunks, wanted, tally, add, observing.format_of(self.how), into=self._read)
        except OSError as error:
            raise InputError(reason(error), self.source.name) from None
        finally:
            os.close(descriptor)
            self.lines += tally.read
        self.told()

    def _chunks(self, descriptor: int, wait: Wait) -> Iterator[bytes]:
        at = 0
        while not wait(0):
            if chunk := os.read(descriptor, CHUNK_BYTES):
                at += len(chunk)
                yield chunk
                continue
            yield b""  # All whole lines are read and counted when this goes on.
            self._report(time.monotonic())
            if self._moved(descriptor, at):
                rest = os.read(descriptor, CHUNK_BYTES)  # Written between the last look and the renaming.
                if not rest:
                    return
                at += len(rest)
                yield rest
                continue
            if wait(POLL_S):
                break
        raise Stopped

    def _moved(self, descriptor: int, at: int) -> bool:
        mine = os.fstat(descriptor)
        if mine.st_size < at:
            return True
        try:
            now = Path(os.fsdecode(self.source.path)).stat()
        except FileNotFoundError:
            return False  # Renamed, and its successor not made yet: its writer may still have it open.
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)

    def told(self) -> None:
        """Prints and keeps what there is, at the end of a file or of the following."""
        self._report(float("inf"))

    def _report(self, now_s: float) -> None:
        if len(self._new):
            found = Told(self.source.name, observations=self._new)
            rows = list(answer.lines(found, observing.sought(self.how.home), candidates=self.candidates))
            self.printed += len(rows)
            if self.format_ == "jsonl":
                printing.as_jsonl(row.as_json() for row in rows)
            else:
                for row in rows:
                    click.echo(_text(row))
            self._new.clear()
        if self.keep is not None and len(self._all) and now_s - self._fed_s >= KEEP_S and self._read is not None:
            self._fed_s = time.monotonic()
            self.keep(self._whole(self._read))

    def _whole(self, read: Read) -> Told:
        """All that the file told so far: the register takes it instead of what it was told before."""
        tally = read.tally
        formats = read.formats or {"": 0}
        return Told(self.source.name, formats, tally.read, tally.junk, head=read.head, observations=self._all)


def _text(row: answer.Line) -> str:
    service = row.listed.service
    name = service.name if service else f"like {row.listed.lookalike_of}" if row.listed.lookalike_of else "candidate"
    words = (answer.rfc3339(row.last_us) or "-", row.actor or "-", row.host or row.app, name, row.evidence.word)
    shown = "  ".join("".join(c if c.isprintable() else "?" for c in word) for word in words)
    return f"{shown}  {row.count} ×{'  denied' * (row.denied == row.count)}"
