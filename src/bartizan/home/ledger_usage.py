"""What the ledger itself tells of the use of AI: what passed the gateway and the forward door.

Each log of the ledger is a source that only grows: it is read from where the last reading ended. A request that was
refused used nothing. Risks that were found in requests are kept by system: what people would put into it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from bartizan.catalogue.catalogue import Catalogue
from bartizan.core.decision import Action
from bartizan.home import Home
from bartizan.home.register import in_force, of_service, reached, register
from bartizan.inventory.feeding import Fed, SourceKind, SourceRead, data_seen, feed, read_up_to
from bartizan.inventory.register import Register
from bartizan.ledger.read import Record, parse, resumed
from bartizan.readers.logs.usage import Reached, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence, of_tunnel
from bartizan.store.logfile import LogFile, logs

DOORS = frozenset({"gateway", "forward"})
PASSED = frozenset({Action.ALLOW.name.lower(), Action.WARN.name.lower()})
AT_ONCE = 5_000  # Records in one step, some tens of MB.
MAX_WORD = 120


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of the logs: `records` read, what the register kept of each."""

    records: int
    fed: tuple[Fed, ...]

    @property
    def new(self) -> tuple[str, ...]:
        """Ids of systems that the register did not have."""
        return tuple(id_ for fed in self.fed for id_ in fed.new)


def _never() -> bool:
    return False


def refresh(
    home: Home, now_us: int, catalogue: Catalogue | None = None, *, stopping: Callable[[], bool] = _never
) -> Refreshed:
    """Bring the register up to the ledger, or as far as it is when `stopping`, asked after each step, says so.

    Raises StoreError; UsageError where another process does it just now.
    """
    known = catalogue or in_force(home)
    own = register(home, known)
    upstreams = {name: urlsplit(one.url).hostname or "" for name, one in home.config.upstreams.items()}
    systems = _Systems(known, upstreams)
    paths = logs(home.path)
    ends = resumed(paths)
    read, fed = 0, []
    for path in paths:
        with LogFile.reading(path) as file:
            head = b"ledger " + file.name.encode()
            begin = read_up_to(own, SourceKind.LEDGER, head)
            rows = file.records(begin, ends.get(file.name))
            while step := list(islice(rows, AT_ONCE)):
                end = step[-1].seq + 1
                fed.append(_step(own, systems, [parse(row) for row in step], head, begin, end, now_us))
                read, begin = read + len(step), end
                if stopping():
                    return Refreshed(read, tuple(fed))
    return Refreshed(read, tuple(fed))


@dataclass(slots=True)
class _Systems:
    """Which system a record is about."""

    catalogue: Catalogue
    upstreams: dict[str, str]  # host by the upstream's name

    def of(self, target: dict[str, Any]) -> Reached | None:
        """By its host, or that of its upstream; an upstream that no catalogue knows is a system of one's own."""
        provider = _word(target.get("provider"))
        for host in (_word(target.get("host")), self.upstreams.get(provider, "")):
            found = reached(self.catalogue.lookup(host)) if host else None
            if found is not None and found.sort is not Sort.CANDIDATE:
                return found
        service = self.catalogue.service(provider)
        if service is not None:  # What the forward door reached by another name.
            return of_service(service)
        id_ = re.sub(r"[^a-z0-9._-]+", "-", provider.lower()).strip("-._")
        if provider in self.upstreams and id_:
            return Reached(id_, Sort.OWN, provider)
        return None


def _step(
    own: Register, systems: _Systems, records: list[Record], head: bytes, begin: int, end: int, now_us: int
) -> Fed:
    found: list[Usage] = []
    risks: dict[str, set[str]] = defaultdict(set)
    times = [record["time_us"] for record in records if isinstance(record.get("time_us"), int)]
    for record in records:
        usage = _usage(systems, record)
        if usage is not None:
            found.append(usage)
            risks[usage.system] |= _risks(record)
    source = SourceRead(
        SourceKind.LEDGER,
        "",
        head,
        first_us=min(times, default=0),
        last_us=max(times, default=0),
        lines=len(records),
        begin=begin,
        end=end,
    )
    fed = feed(own, found, source, now_us)
    data_seen(own, risks)
    return fed


def _usage(systems: _Systems, record: Record) -> Usage | None:
    """What one record tells; None where that is no use of a system. Nothing of a record is trusted to be in order."""
    target, when_us, door = record.get("target"), record.get("when_us"), record.get("door")
    if door not in DOORS or not isinstance(target, dict) or not isinstance(when_us, int):
        return None
    side = record.get("side")
    bytes_up = record.get("bytes_up", 0) if side == "answer" else 0
    bytes_up = bytes_up if isinstance(bytes_up, int) and bytes_up > 0 else 0
    if side == "request":
        if record.get("action") not in PASSED:
            return None
    elif not bytes_up:
        return None
    to = systems.of(target)
    if to is None:
        return None
    evidence = of_tunnel(bytes_up) if record.get("kind") == "flow" else Evidence.PROMPT
    person = _word(record.get("person"))
    return Usage(
        person, to, when_us // DAY_US, evidence, int(side == "request"), bytes_up, 1, first_us=when_us, last_us=when_us
    )


def _risks(record: Record) -> set[str]:
    found = record.get("findings")
    told = found if isinstance(found, list) else []
    return {_word(one.get("risk")) for one in told if isinstance(one, dict)} - {""}


def _word(value: object) -> str:
    return value[:MAX_WORD] if isinstance(value, str) else ""
