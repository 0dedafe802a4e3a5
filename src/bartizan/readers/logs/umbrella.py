"""Cisco Umbrella: DNS and web logs as they are exported to S3, CSV without a header.

A row of the DNS log has 10 cells in version 1 of the layout and more since; only the first nine matter. Newer rows say
in the eleventh what kind of identity the first one is: where that is a network or a site, the address counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import DENIED, authority, cells, first_wanted, path, share, size, somebody
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import (
    BODIES,
    Evidence,
    Format,
    Sample,
    Tally,
    Unit,
    Visit,
    Wanted,
    of_request,
    of_tunnel,
)

_STARTS = re.compile(rb'"?\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}"?,\s*"')
_HEADER = re.compile(rb'"?timestamp"?,', re.IGNORECASE)
_DNS_TYPE = re.compile(r"\d{1,5} \([A-Z0-9]{1,12}\)", re.ASCII)
_PLACES = re.compile(r"network|site|tunnel|device group", re.IGNORECASE)  # Identity types that are no person or device


def recognise(sample: Sample) -> float:
    """Rows that begin with a quoted time and have Umbrella's cells after it."""
    return share(sample.lines, lambda line: _STARTS.match(line) and _kind(cells(line)))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The DNS queries and web requests that matter."""
    for line in source:
        if not _STARTS.match(line):
            if line and not _HEADER.match(line):
                tally.junk += 1
            continue
        quick = line.replace(b'", "', b'","').split(b'","', 9)
        if len(quick) < 9 or not first_wanted(wanted, authority(quick[7]), quick[8].rstrip(b'"')):
            continue
        row = cells(line)
        kind = _kind(row)
        if row is None or not kind:
            continue
        visit = _query(row, tally) if kind == "dns" else _request(row, tally)
        if first_wanted(wanted, visit.host):
            yield visit


def _kind(row: list[str] | None) -> str:
    if row is None or len(row) < 9:
        return ""
    if _DNS_TYPE.fullmatch(row[6].strip()) and row[7].strip().isupper():
        return "dns"
    return "web" if row[6].strip().isalpha() and row[6].strip().isupper() and ":" in row[7] and len(row) > 12 else ""


def _query(row: list[str], tally: Tally) -> Visit:
    return Visit(
        time_us=micros(row[0], tally),
        actor=_actor(row[1], row[10] if len(row) > 10 else "", row[3], row[4]),
        host=row[8].strip().encode("utf-8", "replace"),
        evidence=Evidence.RESOLVED,
        denied=bool(DENIED.search(row[5])),
    )


def _request(row: list[str], tally: Tally) -> Visit:
    url = row[7].strip().encode("utf-8", "replace")
    method = row[25].strip().upper() if len(row) > 25 else ""
    up, denied = size(row[11].strip()), bool(DENIED.search(row[6]))
    evidence = of_request(method, path(url), up) if method in BODIES or method == "GET" else of_tunnel(up)
    return Visit(
        time_us=micros(row[0], tally),
        actor=_actor(row[1], row[21] if len(row) > 21 else "", row[2], row[3]),
        host=authority(url),
        evidence=Evidence.CONNECTED if denied else evidence,
        bytes_up=up,
        bytes_down=size(row[12].strip()),
        denied=denied,
    )


def _actor(identity: str, type_of_it: str, internal: str, external: str) -> str:
    if _PLACES.search(type_of_it):
        return somebody(internal, external, identity)
    return somebody(identity, internal, external)


FORMAT = Format(
    id="umbrella",
    title="Cisco Umbrella DNS and web log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Cisco Umbrella User Guide: Log Formats and Versioning; DNS Log Formats; Web Log Formats",
)
