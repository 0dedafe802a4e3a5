"""PowerDNS Recursor: the questions of clients, as `quiet=no` logs them, structured (4.6 and later) or not.

Source: PowerDNS Recursor manual: settings `quiet` and `structured-logging`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.syslog import LINE, when
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_STRUCTURED = re.compile(rb'\bmsg="[^"]*".* (?:subsystem|tid|prio)="')
_ASKED = re.compile(rb'\bmsg="Question" .*\bqname="([^"]*)"')
_FROM = re.compile(rb' remote="([0-9A-Fa-f:.\[\]%]{2,64}):\d{1,5}"')
_STAMP = re.compile(rb' ts="(\d{9,11}(?:\.\d{1,6})?)"')
_PLAIN = re.compile(rb" question for '([^'|]*)\|[A-Z0-9]+' from ([0-9A-Fa-f:.\[\]%]{2,64}):\d{1,5}")
_OURS = re.compile(rb"\bpdns[-_]recursor\[\d")


def recognise(sample: Sample) -> float:
    """Lines that the recursor wrote."""
    return share(sample.lines, _ours)


def _ours(line: bytes) -> bool:
    line = line[:LINE]
    return bool(_OURS.search(line) or _PLAIN.search(line) or _STRUCTURED.search(line))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    for line in source:
        structured = line.find(b' qname="')
        if structured >= 0:
            begin = structured + 8
            host = line[begin : line.find(b'"', begin)]
        elif (plain := line.find(b" question for '")) >= 0:
            begin = plain + 15
            host = line[begin : line.find(b"|", begin)]
        else:
            tally.junk += bool(line) and not _ours(line)
            continue
        if wanted[host] is None:
            continue
        at = line[:LINE]
        if structured >= 0:
            asked, client, stamp = _ASKED.search(at), _FROM.search(at), _STAMP.search(at)
            if asked and client:  # Else what is said of the answer.
                at_us = micros(stamp[1], tally) if stamp else when(line, tally)
                yield Visit(at_us, client[1].strip(b"[]").decode("latin-1"), host, Evidence.RESOLVED)
        elif question := _PLAIN.search(at):
            actor = question[2].strip(b"[]").decode("latin-1")
            yield Visit(when(line, tally), actor, host, Evidence.RESOLVED)


FORMAT = Format(
    id="powerdns",
    title="PowerDNS Recursor log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="PowerDNS Recursor manual, settings quiet and structured-logging",
)
