"""CoreDNS: the `log` plugin, `common` and `combined`, also behind what containers put in front of a line.

One line a query, with its answer. Only the refusal of an access list is a denial that the line itself tells. Names
are written in presentation format.

Source: CoreDNS manual, plugins/log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.syslog import LINE, when
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_ASKED = re.compile(
    rb"(?:^|\s)\[?((?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f.:]{2,45}?(?:%\w{1,32})?)\]?(?::\d{1,5})? - "
    rb"(?:\d{1,5}|\[([^\]]{1,40})\]) "
    rb'"(?:\d{1,2} )?([A-Z][A-Z0-9]*) (?:IN|CH|HS|ANY|NONE|CLASS\d+) (\S+) '
    rb'(?:udp|tcp|tls|https|quic|grpc) [^"]{0,40}" ([A-Z0-9-]+)'
)
_OURS = re.compile(rb"\[(?:INFO|ERROR|WARNING|FATAL|DEBUG)\] |^CoreDNS-\d")


def recognise(sample: Sample) -> float:
    """Lines of a client and its question in quotes."""
    return share(sample.lines, lambda line: _ASKED.search(line, 0, LINE))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    for line in source:
        at = line.find(b" IN ", line.find(b'"'))
        if at < 0:
            tally.junk += bool(line) and not _OURS.search(line, 0, LINE)
            continue
        host = line[at + 4 : line.find(b" ", at + 4)]
        if wanted[host] is None:
            continue
        asked = _ASKED.search(line, 0, LINE)
        if asked is None or asked[4] != host:
            tally.junk += 1
            continue
        at_us = micros(asked[2], tally) if asked[2] else when(line, tally)
        actor = asked[1].decode("latin-1")
        yield Visit(at_us, actor, host, Evidence.RESOLVED, denied=asked[5] == b"REFUSED")


FORMAT = Format(
    id="coredns",
    title="CoreDNS log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="CoreDNS manual, plugins/log",
)
