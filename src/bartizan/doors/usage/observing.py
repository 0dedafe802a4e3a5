"""What one source tells, as plain values: the work of one process among several."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.listing import TIERS, Listed
from bartizan.catalogue.wanted import MAX_CACHED, Wanted
from bartizan.doors.usage.sources import Source, chunks, opened
from bartizan.readers.logs.formats import named
from bartizan.readers.logs.observe import FULL, Observation, Observer
from bartizan.readers.logs.reading import NO_FORMAT, read
from bartizan.readers.logs.source import BOMB, BROKEN, LAYERS, TRUNCATED
from bartizan.readers.logs.visit import Evidence, Format, Tally

HALF_READ = frozenset({BOMB, BROKEN, LAYERS, TRUNCATED, FULL, NO_FORMAT})
APP = b"app:"
MAX_APP = 512
SURE = ("A", "M", None)
_EDITION = re.compile(
    r"(?:\s*[(\[].*|\s+(?:enterprise|teams?|business|edu|desktop|app|web|plus|pro|for .*|by .*|[-–|] .*))$"
)


@dataclass(frozen=True, slots=True)
class How:
    """How sources are read: `as_` is a format's id or "", `zone` a name of the time-zone database or "".

    Args:
        mapping: What columns mean, as `--save-mapping` wrote it, or "".
    """

    as_: str = ""
    zone: str = ""
    mapping: str = ""


@dataclass(slots=True)
class Told:
    """What became of one source, and what it told.

    Args:
        why: Why it could not be read to its end, or "".
        head: Its first bytes, unpacked: what the register knows it by.
    """

    name: str
    formats: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    junk: int = 0
    bounded: dict[str, int] = field(default_factory=dict)
    why: str = ""
    head: bytes = b""
    observations: list[Observation] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether all of it was examined."""
        return not self.why and not HALF_READ & self.bounded.keys()


class Sought(Wanted):
    """Hosts, and the names of applications (`app:name`), as the catalogue knows them."""

    __slots__ = ("_apps", "_known", "_surely")

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(catalogue)
        self._known = catalogue
        self._apps = {service.name.casefold(): service for service in reversed(catalogue.services())}
        for kind in ("app_name", "entra_app_id"):
            self._apps |= {value.casefold(): service for value, service in catalogue.signals(kind).items()}
        self._surely = frozenset(value.casefold() for value in catalogue.signals("app_name"))

    def __missing__(self, raw: bytes) -> Listed | None:
        if not raw.startswith(APP):
            return super().__missing__(raw)
        name = raw[len(APP) : len(APP) + MAX_APP].decode("utf-8", "replace").strip().casefold()
        found = self._named(name) or self._named(_EDITION.sub("", name))
        if len(self) < MAX_CACHED:
            self[raw] = found
        return found

    def _named(self, name: str) -> Listed | None:
        listed = self._known.lookup(name) if "." in name else Listed("")
        service = self._apps.get(name) or listed.service
        if service is None:
            return None
        # A directory of tools names many a thing as other software is named too; curated lists do not.
        tier = next((one for one in TIERS.values() if self._known.hosts(service.id, (one,))), None)
        return Listed("", service, tier, pattern="app_name") if tier in SURE or name in self._surely else None


@cache
def sought() -> Sought:
    """The catalogue, once a process."""
    return Sought(Catalogue.load())


def observed(path: bytes, size: int, written_us: int, as_: str, zone: str, mapping: str) -> tuple[object, ...]:
    """What one file tells. Values alone, for they travel between processes."""
    source = Source(path, size=size, written_us=written_us)
    told = tell(source, How(as_, zone, mapping))
    rows = [(*row[:3], int(row.evidence), *row[4:]) for row in told.observations]
    return told.name, told.formats, told.lines, told.junk, told.bounded, told.why, told.head, rows


def received(answer: object) -> Told:
    """What `observed` gave, as it was."""
    name, formats, lines, junk, bounded, why, head, rows = cast("tuple[Any, ...]", answer)  # As `observed` gave them.
    observations = [Observation._make((*row[:3], Evidence(row[3]), *row[4:])) for row in rows]
    return Told(name, formats, lines, junk, bounded, why, head, observations)


def tell(source: Source, how: How, wanted: Sought | None = None) -> Told:
    """Reads one source, here and now."""
    wanted = sought() if wanted is None else wanted
    observer, tally = Observer(wanted), tally_of(source, how)
    told = Told(source.name, bounded=tally.bounded, why=source.why)
    if source.why:
        return told
    try:
        descriptor = opened(source)
    except OSError as error:
        told.why = (error.strerror or type(error).__name__).lower()
        return told
    try:
        became = read(_read(descriptor, told), wanted, tally, observer.add, format_of(how))
    finally:
        os.close(descriptor)
    told.formats, told.lines, told.junk, told.head = became.formats, tally.read, tally.junk, became.head
    told.observations = list(observer.observations())
    if observer.lost:
        tally.bound(FULL, observer.lost)
    return told


def tally_of(source: Source, how: How) -> Tally:
    """An empty tally for a source."""
    return Tally(zone=ZoneInfo(how.zone) if how.zone else None, reference_us=source.written_us)


def format_of(how: How) -> Format | None:
    """The format that somebody asked for. Raises UsageError."""
    return named(how.as_) if how.as_ else None


def _read(descriptor: int, told: Told) -> Iterator[bytes]:
    try:
        yield from chunks(descriptor)
    except OSError as error:  # A disk or a network drive that ends in the middle: what was there counts.
        told.why = (error.strerror or type(error).__name__).lower()
