"""What was decided about AI systems, as the one table that every block-list is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.listing import Pattern
from bartizan.inventory.exceptions import UseException, Who
from bartizan.inventory.restriction import HOST, Entry, Exempt, Table, plain, table
from bartizan.inventory.system import Standing, when

NO_HOST = "no host that is this service's alone: nothing to put into a list"
A_PATTERN = "is a pattern, which no list can say: the forward door can"


def restriction(
    catalogue: Catalogue,
    standings: Iterable[Standing],
    exceptions: Iterable[UseException],
    now_us: int,
    *,
    clients: Mapping[str, tuple[str, ...]] | None = None,
    coach: str = "",
    gateway: str = "",
) -> Table:
    """The table of what is restricted or blocked now.

    Only hosts of tier A are in it, without those that several services share for signing in and loading. A host of
    another service that lies below a restricted one stays reachable: a decision is about its own service alone.

    Args:
        standings: Every service of the register, as it stands for everybody.
        exceptions: Those in force.
        clients: Addresses or networks by whom an exception is for: a pseudonym, or `group:NAME`.
    """
    closed = {one.system: one for one in standings if one.status.closed}
    rows = [row for id_ in closed for row in catalogue.hosts(id_)]
    entries = [
        _entry(row, closed[row.service.id]) for row in rows if row.match != "regex" and row.endpoint != "support"
    ]
    made = table(
        when(now_us) or "",
        entries,
        exempt=[one for exception in exceptions for one in _exempt(exception, clients or {})],
        coach=coach,
        gateway=gateway,
    )
    left_out = [
        *made.left_out,
        *((plain(row.text), A_PATTERN) for row in rows if row.match == "regex"),
        *((plain(closed[id_].name), NO_HOST) for id_ in sorted(closed) if not any(e.id == id_ for e in entries)),
    ]
    others = {
        row.text
        for row in catalogue.patterns()
        if (row.service.id not in closed or row.endpoint == "support") and row.match != "regex"
    }
    below = {entry.host for entry in made.entries if entry.below}
    allowed = sorted(host for host in others if HOST.match(host) and any(parent in below for parent in _parents(host)))
    return replace(made, allowed=tuple(allowed), left_out=tuple(left_out))


def _parents(host: str) -> Iterator[str]:
    rest = host.partition(".")[2]
    while rest:
        yield rest
        rest = rest.partition(".")[2]


def _entry(row: Pattern, standing: Standing) -> Entry:
    return Entry(row.text, row.match == "suffix", row.service.id, standing.name, standing.alternative_name)


def _exempt(exception: UseException, clients: Mapping[str, tuple[str, ...]]) -> Iterator[Exempt]:
    """An exception as lists can say one: for addresses where they are known, else by whom it is for."""
    until = (when(exception.until_us - 1) or "")[:10]  # Its last day, as people ask for it.
    base = Exempt(exception.system, until, approver=exception.decided_by)
    if exception.who_kind is Who.EVERYONE:
        yield base
        return
    who = f"group:{exception.who}" if exception.who_kind is Who.GROUP else exception.who
    for client in clients.get(who, ()):
        yield replace(base, client=client)
    if who not in clients:
        yield replace(base, user=who.replace(":", "-"))
