"""What one actor did with one host, by one source: an observation as people and other programs get it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

from bartizan.catalogue.listing import Listed
from bartizan.catalogue.wanted import Wanted
from bartizan.home.logs.observing import Told
from bartizan.readers.logs.observe import APP, Observation
from bartizan.readers.logs.visit import Evidence
from bartizan.report.decision import Json

MAX_NAMES = 16  # Of accounts and hosts that are shown for one observation or service.


@dataclass(slots=True)
class Line:
    """What one actor did with one host, of one source: an observation as other programs get it."""

    file: str
    actor: str
    host: str
    app: str
    evidence: Evidence
    listed: Listed
    count: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    first_us: int = 0
    last_us: int = 0
    denied: int = 0
    accounts: set[str] = field(default_factory=set)

    def add(self, one: Observation) -> None:
        """Counts what differs in day, account or denial alone."""
        self.count += one.visits
        self.bytes_up += one.bytes_up
        self.bytes_down += one.bytes_down
        self.denied += one.visits if one.denied else 0
        self.first_us, self.last_us = span(self.first_us, self.last_us, one.first_us, one.last_us)
        keep(self.accounts, one.account, MAX_NAMES)

    def as_json(self) -> Json:
        """The keys that are promised first."""
        service = self.listed.service
        return {
            "file": self.file,
            "actor": self.actor or None,
            "host": self.host or None,
            "service": service.name if service else None,
            "evidence": self.evidence.word,
            "count": self.count,
            "bytes_up": self.bytes_up,
            "first": rfc3339(self.first_us),
            "last": rfc3339(self.last_us),
            "app": self.app or None,
            "system": service.id if service else None,
            "tier": self.listed.tier,
            "lookalike_of": self.listed.lookalike_of or None,
            "bytes_down": self.bytes_down,
            "denied": self.denied,
            "accounts": sorted(self.accounts),
        }


def lines(told: Told, sought: Wanted, *, candidates: bool) -> Iterator[Line]:
    """The observations of one source. Unknown hosts and look-alikes only where they are asked for."""
    for key, same in groupby(told.observations, lambda one: one[:4]):
        actor, host, app, evidence = key
        listed = sought[host.encode() if host else APP + app.strip().lower().encode("utf-8", "replace")]
        if listed is not None and (listed.service is not None or candidates):
            line = Line(told.name, actor, host, app, evidence, listed)
            for one in same:
                line.add(one)
            yield line


def keep(names: set[str], name: str, most: int) -> None:
    """Adds a name where there is room."""
    if name and len(names) < most:
        names.add(name)


def span(first_us: int, last_us: int, first_too_us: int, last_too_us: int) -> tuple[int, int]:
    """From when to when, 0 where unknown."""
    return min(filter(None, (first_us, first_too_us)), default=0), max(last_us, last_too_us)


def rfc3339(time_us: int) -> str | None:
    """A moment as others read it, None where it is not known."""
    if not 0 < time_us < 253_402_300_800_000_000:
        return None
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
