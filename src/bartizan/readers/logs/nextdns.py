"""NextDNS: the logs of a profile as they are downloaded, CSV with a header."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import cells, first_wanted, share, somebody
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_HEADER = b"timestamp,domain,query_type,"
_COLUMNS = (
    "timestamp",
    "domain",
    "query_type",
    "dnssec",
    "protocol",
    "client_ip",
    "status",
)  # Of a file without its header
_STARTS = re.compile(rb'"?\d{4}-\d{2}-\d{2}T[\d:.]{8,16}Z"?,"?[^,"]+"?,"?[A-Z0-9]{1,10}"?,"?(?:true|false)?"?,')


def recognise(sample: Sample) -> float:
    """Rows of a time, a domain, a type of record and whether that was signed."""
    return share(sample.lines, lambda line: _STARTS.match(line) or line.startswith(_HEADER))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    columns = {name: n for n, name in enumerate(_COLUMNS)}
    for line in source:
        if line.startswith(_HEADER):
            columns = {name: n for n, name in enumerate(line.decode("latin-1").strip().split(","))}
            continue
        if not _STARTS.match(line):
            tally.junk += bool(line)
            continue
        domain = line.split(b",", 2)[1].strip(b'"')
        if not first_wanted(wanted, domain) or (row := cells(line)) is None:
            continue
        cell = {name: row[n] for name, n in columns.items() if n < len(row)}
        yield Visit(
            time_us=micros(cell.get("timestamp", ""), tally),
            actor=somebody(cell.get("client_ip", ""), cell.get("client_name", ""), cell.get("device_name", "")),
            host=domain,
            evidence=Evidence.RESOLVED,
            denied=cell.get("status", "") == "blocked",
        )


FORMAT = Format(
    id="nextdns",
    title="NextDNS log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="NextDNS API: Logs, Download (columns of the CSV)",
)
