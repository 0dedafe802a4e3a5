"""One decision table: which hosts of which services are restricted, for whom not, and what is said instead.

Every export is made from this table alone, so that a resolver, a proxy and a browser never disagree about what is
meant. Only hosts that curated sources name as AI (tier A) are in it: directories, vendors' own sites and hosts that
carry other work as well are never put into a block-list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
HOST = re.compile(rf"{LABEL}(?:\.{LABEL})+\Z")
MAX_HOST = 253
MAX_ENTRIES = 100_000
WORDS = 200  # Code points of a service's name or a reason in an export.


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A host to restrict. `below`: every host below it as well. `host` is a lower-case A-label, `id` the service's."""

    host: str
    below: bool
    id: str
    service: str
    alternative: str = ""

    def covers(self, host: str) -> bool:
        """Whether a host is this one, or below it where that is meant."""
        return host == self.host or (self.below and host.endswith("." + self.host))


@dataclass(frozen=True, slots=True)
class Exempt:
    """An exception in force. `client` is an address or network, `user` a login; both empty: everybody."""

    id: str  # of the service
    until: str  # ISO date, for people who read the export
    why: str = ""
    approver: str = ""
    client: str = ""
    user: str = ""

    @property
    def network(self) -> IPv4Network | IPv6Network | None:
        """Whom it is for, where that is an address."""
        return ip_network(self.client, strict=False) if self.client else None


@dataclass(frozen=True, slots=True)
class Table:
    """What is restricted at a time.

    Args:
        made: When, ISO 8601 UTC.
        entries: What is restricted; no entry is covered by another one.
        allowed: Hosts that stay reachable although an entry covers them.
        exempt: Exceptions for some: those for everybody are no entries any more.
        coach: Host of the coaching page; "" where there is none.
        gateway: host:port of the forward door, for PAC files.
        addresses: What hosts resolved to when the table was made; only nftables needs it.
        left_out: Hosts that no export can say, and why.
    """

    made: str
    entries: tuple[Entry, ...]
    allowed: tuple[str, ...] = ()
    exempt: tuple[Exempt, ...] = ()
    coach: str = ""
    gateway: str = ""
    addresses: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def services(self) -> dict[str, str]:
        """What is restricted: names by id."""
        return {entry.id: entry.service for entry in sorted(self.entries, key=lambda entry: entry.id)}

    def of(self, id_: str) -> tuple[Entry, ...]:
        """The entries of one service."""
        return tuple(entry for entry in self.entries if entry.id == id_)

    def blocks(self, host: str) -> Entry | None:
        """The entry that restricts a host, for what an export would stop."""
        if any(host == allowed or host.endswith("." + allowed) for allowed in self.allowed):
            return None
        return next((entry for entry in self.entries if entry.covers(host)), None)


@dataclass(slots=True)
class _Names:
    """Hosts by name, so that what is covered is found label by label."""

    below: dict[str, Entry] = field(default_factory=dict)

    def covered(self, host: str) -> bool:
        labels = host.split(".")
        return any(".".join(labels[at:]) in self.below for at in range(len(labels)))


def table(
    made: str,
    entries: Iterable[Entry],
    *,
    allowed: Iterable[str] = (),
    exempt: Iterable[Exempt] = (),
    coach: str = "",
    gateway: str = "",
    addresses: Iterable[str] = (),
) -> Table:
    """The table of these entries: cleaned, sorted, without what another entry covers or somebody exempted for all.

    A name never reaches an export unless it is a host name (RFC 1123, with underscores): what is none is left out, and
    said so. `coach` and `gateway` are checked by whoever asks for them.
    """
    exempt = tuple(
        replace(one, id=slug(one.id), until=plain(one.until), why=plain(one.why), approver=plain(one.approver))
        for one in exempt
        if not one.user or login(one.user)
    )
    free = {one.id for one in exempt if not one.client and not one.user}
    good: list[Entry] = []
    left_out: list[tuple[str, str]] = []
    for entry in entries:
        entry = replace(entry, id=slug(entry.id), service=plain(entry.service), alternative=plain(entry.alternative))
        if entry.id in free:
            continue
        if not HOST.match(entry.host) or len(entry.host) > MAX_HOST:
            left_out.append((plain(entry.host), "no host name"))
        elif len(good) == MAX_ENTRIES:
            left_out.append((entry.host, f"more than {MAX_ENTRIES:,} hosts"))
        else:
            good.append(entry)
    names = _Names()
    kept: dict[str, Entry] = {}
    for entry in sorted(good, key=lambda one: (one.host.count("."), one.host, not one.below)):
        if not names.covered(entry.host) and entry.host not in kept:
            kept[entry.host] = entry
            if entry.below:
                names.below[entry.host] = entry
    hosts = sorted({host for host in allowed if HOST.match(host) and len(host) <= MAX_HOST})
    return Table(
        plain(made),
        tuple(sorted(kept.values())),
        tuple(hosts),
        tuple(one for one in exempt if one.client or one.user),
        coach,
        gateway,
        tuple(addresses),
        tuple(left_out),
    )


def plain(text: str) -> str:
    """A name or a reason as it may stand in a comment of any format: one line of printable ASCII without quotes."""
    kept = "".join(c if " " <= c <= "~" and c not in "\"'\\`$<>;{}|" else " " for c in text[: WORDS * 4])
    return " ".join(kept.split())[:WORDS]


def slug(id_: str) -> str:
    """A service's id as it may stand in a name of an access list or the path of a page."""
    return re.sub(r"[^a-z0-9._-]+", "-", id_.lower())[:WORDS].strip("-") or "service"


def login(name: str) -> str:
    """A login as it may stand in an access list; "" where it has anything but the characters of one."""
    return name if re.fullmatch(r"[A-Za-z0-9._@+-]{1,120}", name) and not name.startswith("-") else ""
