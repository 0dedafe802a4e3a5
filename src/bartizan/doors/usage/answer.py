"""What logs say about the use of AI: services, how many people, how much, how surely; and what they do not say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bartizan.catalogue.listing import Listed
from bartizan.home.logs.lines import MAX_NAMES, Line, keep, rfc3339, span
from bartizan.home.logs.observing import Told
from bartizan.readers.logs.visit import Evidence
from bartizan.report.decision import Json

MAX_PEOPLE = 100_000  # Told apart for one service; more are said as "at least" so many.
MAX_ROWS = 20_000  # Candidates and look-alikes told apart.
WORDS = {
    Evidence.RESOLVED: "resolved only: a DNS request is not a prompt",
    Evidence.CONNECTED: "connected: a connection is not a prompt",
    Evidence.AUTHENTICATED: "signed in",
    Evidence.UPLOADED: "uploaded: something was sent, what it was is not known",
    Evidence.PROMPT: "prompt sent: requests to where prompts go",
}


@dataclass(slots=True)
class Use:
    """The use of one service, candidate or look-alike."""

    listed: Listed
    people: set[str] = field(default_factory=set)
    count: int = 0
    bytes_up: int = 0
    evidence: Evidence = Evidence.RESOLVED
    accounts: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    denied: int = 0
    first_us: int = 0
    last_us: int = 0

    def add(self, line: Line) -> None:
        """Counts one observation."""
        keep(self.people, line.actor, MAX_PEOPLE)
        keep(self.hosts, line.host or line.app, MAX_NAMES)
        for account in line.accounts:
            keep(self.accounts, account, MAX_NAMES)
        self.count += line.count
        self.bytes_up += line.bytes_up
        self.denied += line.denied
        self.evidence = max(self.evidence, line.evidence)
        self.first_us, self.last_us = span(self.first_us, self.last_us, line.first_us, line.last_us)

    def as_json(self) -> Json:
        """With everything that is known."""
        service = self.listed.service
        return {
            "service": service.name if service else None,
            "system": service.id if service else None,
            "vendor": service.vendor if service else None,
            "category": service.category if service else None,
            "tier": self.listed.tier,
            "lookalike_of": self.listed.lookalike_of or None,
            "people": len(self.people),
            "count": self.count,
            "bytes_up": self.bytes_up,
            "evidence": self.evidence.word,
            "denied": self.denied,
            "first": rfc3339(self.first_us),
            "last": rfc3339(self.last_us),
            "accounts": sorted(self.accounts),
            "hosts": sorted(self.hosts),
        }


@dataclass(frozen=True, slots=True)
class Covered:
    """What became of one source.

    Args:
        silent: It has no line about an AI service: it says nothing, or sees nothing.
        why: Why it was not read to its end, or "".
        whole: All of it was examined.
    """

    file: str
    formats: dict[str, int]
    lines: int
    junk: int
    silent: bool
    bounds: dict[str, int]
    why: str
    whole: bool

    def as_json(self) -> Json:
        """As other programs get it."""
        return {
            "file": self.file,
            "formats": self.formats,
            "lines": self.lines,
            "junk": self.junk,
            "silent": self.silent,
            "bounds": self.bounds,
            "unread": self.why or None,
            "whole": self.whole,
        }


@dataclass(slots=True)
class Answer:
    """What all sources say together, and what became of each of them."""

    services: dict[str, Use] = field(default_factory=dict)
    candidates: dict[str, Use] = field(default_factory=dict)
    lookalikes: dict[str, Use] = field(default_factory=dict)
    sources: list[Covered] = field(default_factory=list)
    unread: int = 0
    left_out: int = 0

    def add(self, told: Told, found: Iterable[Line]) -> Iterator[Line]:
        """Adds one source, and hands its observations on."""
        silent = True
        for line in found:
            yield line
            service = line.listed.service
            silent = silent and service is None
            if service is not None:
                uses, key = self.services, service.id
            else:
                uses, key = (self.lookalikes if line.listed.lookalike_of else self.candidates), line.host
            use = uses.get(key)
            if use is None:
                if len(uses) >= MAX_ROWS:
                    self.left_out += 1
                    continue
                use = uses[key] = Use(line.listed)
            use.add(line)
        self.unread += not told.whole
        self.sources.append(
            Covered(told.name, told.formats, told.lines, told.junk, silent, told.bounded, told.why, told.whole)
        )

    def as_json(self) -> Json:
        """All of it."""
        return {
            "schema": "bartizan.usage/1",
            "services": [use.as_json() for use in ordered(self.services)],
            "candidates": [use.as_json() for use in ordered(self.candidates)],
            "lookalikes": [use.as_json() for use in ordered(self.lookalikes)],
            "sources": [one.as_json() for one in self.sources],
        }


def ordered(uses: dict[str, Use]) -> list[Use]:
    """Those that most people use first."""
    return [uses[key] for key in sorted(uses, key=lambda key: (-len(uses[key].people), -uses[key].count, key))]
