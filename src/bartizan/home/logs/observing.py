"""What one source tells, as plain values: the work of one process among several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.wanted import Wanted
from bartizan.core.errors import UsageError
from bartizan.home.logs import pihole
from bartizan.home.logs.sources import Source, chunks, opened, reason
from bartizan.readers.logs import guess
from bartizan.readers.logs.answers import Answers
from bartizan.readers.logs.formats import named
from bartizan.readers.logs.joined import Left
from bartizan.readers.logs.observe import FULL, Observations
from bartizan.readers.logs.pihole_ftl import MAGIC
from bartizan.readers.logs.reading import KNOWN_BYTES, NO_FORMAT, Read, read
from bartizan.readers.logs.source import BOMB, BROKEN, LAYERS, TRUNCATED
from bartizan.readers.logs.visit import Format, Tally, Visit

OWN = ("catalogue.toml", "catalogue.update")  # Of a home: the organisation's words, and an update that was taken.
HALF_READ = frozenset({BOMB, BROKEN, LAYERS, TRUNCATED, FULL, NO_FORMAT, pihole.FULL})


@dataclass(frozen=True, slots=True)
class How:
    """How sources are read: `as_` is a format's id or "", `zone` a name of the time-zone database or "".

    Args:
        mapping: What columns mean, as `--save-mapping` wrote it, or "".
        home: The folder whose catalogue is in force, or "".
        daily: Days are told apart, as the register does.
    """

    as_: str = ""
    zone: str = ""
    mapping: str = ""
    home: str = ""
    daily: bool = False


@dataclass(slots=True)
class Told:
    """What became of one source, and what it told.

    Args:
        why: Why it could not be read to its end, or "".
        head: Its first bytes, unpacked: what the register knows it by.
        begin: Where this step of a source that grows begins, -1 where it was read from its beginning.
        end: Where that which was read ends, in bytes, unpacked.
    """

    name: str
    formats: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    junk: int = 0
    bounded: dict[str, int] = field(default_factory=dict)
    why: str = ""
    head: bytes = b""
    begin: int = -1
    end: int = 0
    observations: Observations = field(default_factory=Observations)

    @property
    def whole(self) -> bool:
        """Whether all of it was examined."""
        return not self.why and not HALF_READ & self.bounded.keys()


@cache
def catalogue(home: str = "") -> Catalogue:
    """The catalogue in force, once a process. Raises InputError where a file of the home is broken."""
    folder = Path(home)
    if not home or not any((folder / name).exists() for name in OWN):
        return Catalogue.load()
    from bartizan.home import catalogues  # 100 ms that only those pay whose home says more.

    return catalogues.catalogue(folder)


@cache
def sought(home: str = "") -> Wanted:
    """What is looked for in logs, and what is known of it, once a process."""
    return catalogue(home).wanted()


def observed(path: bytes, size: int, written_us: int, *how: Any) -> object:  # Any: the fields of a How
    """What one file tells. Values alone, for they travel between processes."""
    told = tell(Source(path, size=size, written_us=written_us), How(*how))
    rest = (told.head, told.end, told.observations.packed())
    return told.name, told.formats, told.lines, told.junk, told.bounded, told.why, *rest


def received(answer: object) -> Told:
    """What `observed` gave, as it was."""
    name, formats, lines, junk, bounded, why, head, end, packed = cast("tuple[Any, ...]", answer)  # As given above.
    return Told(name, formats, lines, junk, bounded, why, head, -1, end, Observations.unpacked(packed))


@dataclass(slots=True)
class Run:
    """What the sources of one run tell each other."""

    answers: Answers = field(default_factory=Answers)
    left: Left = field(default_factory=Left)


def tell(source: Source, how: How, wanted: Wanted | None = None, run: Run | None = None) -> Told:
    """Reads one source, here and now.

    Args:
        wanted: Another map of what matters than the catalogue's.
        run: What other sources told and may still be told. Connections that are left open there come later.
    """
    tally = tally_of(source, how)
    told = Told(source.name, bounded=tally.bounded, why=source.why, observations=Observations(daily=how.daily))
    if source.why:
        return told
    try:
        descriptor = opened(source)
    except OSError as error:
        told.why = reason(error)
        return told
    map_, keep = sought(how.home) if wanted is None else wanted, told.observations.add

    def add(visit: Visit) -> None:
        keep(visit, map_)

    if run is not None:
        tally.answers, tally.endings = run.answers, run.left.of(add)
    became: Read
    try:
        if source.regular and not how.mapping and how.as_ in ("", pihole.ID) and is_database(descriptor):
            database = pihole.read(source, os.pread(descriptor, KNOWN_BYTES, 0), map_, tally, add)
            became, told.why = database, database.why
        elif how.as_ == pihole.ID:
            became, told.why = Read(tally), "no database of Pi-hole"
        else:
            became = read(_read(descriptor, told), map_, tally, add, format_of(how))
    finally:
        os.close(descriptor)
    told.formats, told.lines, told.junk = became.formats, tally.read, tally.junk
    told.head, told.end = became.head, became.size
    if told.observations.lost:
        tally.bound(FULL, told.observations.lost)
    return told


def zone(name: str) -> str:
    """The name of a time zone as the database of zones has it, "" for "". Raises UsageError."""
    try:
        return ZoneInfo(name).key if name else ""
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"no time zone is called {name!r}; it is a name such as Europe/Berlin") from None


def tally_of(source: Source, how: How) -> Tally:
    """An empty tally for a source."""
    return Tally(zone=ZoneInfo(how.zone) if how.zone else None, reference_us=source.written_us)


def format_of(how: How) -> Format | None:
    """The format that somebody asked for; None also for a database. Raises UsageError."""
    if how.mapping:
        return guess.format_of(guess.parsed(how.mapping.encode()))
    return named(how.as_) if how.as_ not in ("", pihole.ID) else None


def is_database(descriptor: int) -> bool:
    """Whether a file is one of SQLite's."""
    try:
        return os.pread(descriptor, len(MAGIC), 0) == MAGIC
    except OSError:
        return False  # A folder, or what cannot be read: the reading says so.


def _read(descriptor: int, told: Told) -> Iterator[bytes]:
    try:
        yield from chunks(descriptor)
    except OSError as error:  # A disk or a network drive that ends in the middle: what was there counts.
        told.why = reason(error)
