"""Does traffic to what is blocked still appear, and how does it get around?

A list is not a block: clients resolve elsewhere, tunnel, or never asked the proxy. So the same logs are read again, and
only what they prove is told: a name that was merely resolved is no connection.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from bartizan import rules
from bartizan.readers.logs.observe import Observation
from bartizan.readers.logs.visit import Evidence

MAX_ACTORS = 100_000


class Way(StrEnum):
    """How something that is blocked was reached all the same."""

    LIST = "the source that should stop it let it pass: its list is old, or was not loaded"
    WIRE = "it was seen on the wire, not by the proxy: the client went past it"
    SIGN_IN = "somebody signed in to it: an account, from wherever"
    RESOLVER = "the client resolves names elsewhere (DNS over HTTPS or TLS)"
    TUNNEL = "the client uses a tunnel (VPN, relay, Tor)"


WIRE = ("zeek", "suricata", "pcap", "netflow", "ipfix", "nfdump")
AUDITS = ("entra", "google-workspace", "okta", "github", "cloudtrail", "azure-openai", "vertex")


@dataclass(slots=True)
class Through:
    """Blocked use that got through: one actor and service, after the decision."""

    system: str
    actor: str
    evidence: Evidence = Evidence.CONNECTED
    visits: int = 0
    bytes_up: int = 0
    first_us: int = 0
    last_us: int = 0
    hosts: set[str] = field(default_factory=set)
    ways: set[Way] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Verified:
    """What the logs prove about what is blocked.

    Args:
        through: What got through, most first.
        stopped: Visits that a source denied, by system.
        resolved: Names that were asked for and not seen connected, by system.
        around: Actors that use a way around without having been seen at something blocked, and which hosts.
        unseen: Blocked systems that no source mentions: stopped elsewhere, or not seen.
    """

    through: tuple[Through, ...]
    stopped: Mapping[str, int]
    resolved: Mapping[str, int]
    around: Mapping[str, tuple[str, ...]]
    unseen: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was seen to get through."""
        return not self.through


def verify(
    seen: Iterable[tuple[str, Observation]],
    closed: Mapping[str, int],
    system_of: Callable[[str, str], str | None],
) -> Verified:
    """What observations prove.

    Args:
        seen: (format of the source, observation).
        closed: Restricted and blocked systems, and since when (µs). Observations without a time count.
        system_of: The system that a host, or an application by its name, belongs to.
    """
    through: dict[tuple[str, str], Through] = {}
    stopped: Counter[str] = Counter()
    resolved: Counter[str] = Counter()
    around: defaultdict[str, dict[str, Way]] = defaultdict(dict)
    for format_, one in seen:
        if (way := bypass(one.host)) is not None:
            if len(around) < MAX_ACTORS or one.actor in around:
                around[one.actor][one.host] = way
            continue
        system = system_of(one.host, one.app)
        if system is None or system not in closed or 0 < one.last_us < closed[system]:
            continue
        if one.denied:
            stopped[system] += one.visits
        elif one.evidence is Evidence.RESOLVED:
            resolved[system] += one.visits
        else:
            _add(through.setdefault((system, one.actor), Through(system, one.actor)), format_, one)
    for (_, actor), row in through.items():
        row.ways |= set(around.pop(actor, {}).values())
    rows = sorted(through.values(), key=lambda row: (-row.evidence, -row.visits, row.system, row.actor))
    mentioned = {row.system for row in rows} | stopped.keys() | resolved.keys()
    return Verified(
        tuple(rows),
        dict(stopped),
        dict(resolved),
        {actor: tuple(sorted(hosts)) for actor, hosts in sorted(around.items())},
        tuple(sorted(closed.keys() - mentioned)),
    )


def _add(row: Through, format_: str, one: Observation) -> None:
    row.visits += one.visits
    row.bytes_up += one.bytes_up
    row.evidence = max(row.evidence, one.evidence)
    row.first_us = min(filter(None, (row.first_us, one.first_us)), default=0)
    row.last_us = max(row.last_us, one.last_us)
    row.hosts.add(one.host or one.app)
    if format_.startswith(WIRE):
        row.ways.add(Way.WIRE)
    elif format_.startswith(AUDITS):
        row.ways.add(Way.SIGN_IN)
    else:
        row.ways.add(Way.LIST)


@lru_cache(maxsize=1)
def _around() -> Mapping[str, Way]:
    told = rules.load("bartizan.inventory", "bypass.toml")
    ways = {"encrypted-resolver": Way.RESOLVER, "tunnel": Way.TUNNEL}
    return {host: way for name, way in ways.items() for host in told[name]["hosts"]}


def bypass(host: str) -> Way | None:
    """The way around that a host stands for, or None."""
    known = _around()
    while host:
        if host in known:
            return known[host]
        host = host.partition(".")[2]
    return None
