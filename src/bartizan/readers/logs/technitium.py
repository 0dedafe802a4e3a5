"""Technitium DNS Server: its text log with queries.

`[2026-01-05 10:00:00 UTC] [10.0.0.7:51023] [UDP] QNAME: chatgpt.com; QTYPE: A; QCLASS: IN; RCODE: NoError; ANSWER:
[…]`. A refusal, and an answer of the null address alone, is a denial.

Source: Technitium DNS Server, LogManager (the line it writes for a query).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.syslog import LINE
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_ASKED = re.compile(
    rb"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)( UTC| Local)?\] "
    rb"\[([0-9A-Fa-f:.%]{2,64}|\[[0-9A-Fa-f:.%]{2,64}\]):\d{1,5}\] (?:\[[A-Za-z]{2,8}\] )?"
    rb"QNAME: (\S*); QTYPE: [A-Z0-9]+; QCLASS: [A-Z0-9]+; "
    rb"RCODE: (\w+)(?:; ANSWER: \[([^\]]*)\])?"
)
_OURS = re.compile(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: UTC| Local)?\] ")


def recognise(sample: Sample) -> float:
    """Lines of a client and its question."""
    return share(sample.lines, lambda line: _ASKED.match(line, 0, LINE))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    for line in source:
        at = line.find(b"] QNAME: ")
        if at < 0:
            tally.junk += bool(line) and not _OURS.match(line)
            continue
        if wanted[line[at + 9 : line.find(b";", at)]] is None:
            continue
        asked = _ASKED.match(line, 0, LINE)
        if asked is None:
            tally.junk += 1
            continue
        stamp, zone, client, host, rcode, answer = asked.groups()
        yield Visit(
            micros(stamp + (b" UTC" if zone == b" UTC" else b""), tally),
            client.strip(b"[]").decode("latin-1"),
            host,
            Evidence.RESOLVED,
            denied=rcode == b"Refused" or answer in (b"0.0.0.0", b"::"),
        )


FORMAT = Format(
    id="technitium",
    title="Technitium DNS Server log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Technitium DNS Server: LogManager",
)
