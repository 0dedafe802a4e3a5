"""BIND 9: the query log, with what response policies and access rules said of a query.

A line of the category `queries` is a visit; the line of the category `rpz` or `security` that follows it makes it one
that was denied. Lines of `responses` (9.20) tell of the same query and are none. Names are written in presentation
format, so a name cannot contain a space: what stands before `query:` is the server's own. The client is who asked the
server, also where it forwarded the network of somebody else (ECS).

Source: BIND 9 Administrator Reference Manual, logging statement: The query Log Message, category rpz.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.syslog import LINE, when
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted
from bartizan.readers.logs.waiting import Waiting

_CLIENT = rb"client (?:@0x[0-9a-fA-F]+ )?([0-9A-Fa-f:.]{2,45}(?:%[^\s#]{1,32})?)#(\d{1,5})(?:/key \S+)?"
_ASKED = re.compile(_CLIENT + rb"(?: \([^\s]*\))?: (?:view [^\s:]+: )?query: \S+ [A-Z]\S* [A-Z]\S* [+-]")
_NAMED = re.compile(rb"^\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d\.\d{3} | named\[\d")
_SAID = re.compile(
    _CLIENT
    + rb"(?: \([^\s]*\))?: (?:view [^\s:]+: )?"
    + rb"(rpz \S+ (?!PASSTHRU|TCP-ONLY)\S+ rewrite |query (?:\(cache\) )?'[^']*' denied)"
)


def recognise(sample: Sample) -> float:
    """Lines of a client and its query, or what was said of one."""
    return share(sample.lines, lambda line: _ASKED.search(line, 0, LINE) or _SAID.search(line, 0, LINE))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    waiting = Waiting()
    for line in source:
        at = line.find(b": query: ")
        if at >= 0:
            end = line.find(b" ", at + 9)
            host = line[at + 9 : end]
            if wanted[host] is not None:
                asked = _ASKED.search(line, 0, LINE)
                if asked is None:
                    tally.junk += 1
                else:
                    actor = asked[1].decode("latin-1")
                    visit = Visit(when(line, tally), actor, host, Evidence.RESOLVED)
                    yield from waiting.ask((asked[1], asked[2]), visit)
        elif b"client " not in line:
            tally.junk += bool(line) and not _NAMED.search(line, 0, LINE)
        elif waiting and (denied := _denied(line, waiting)):
            yield denied
        if waiting:
            yield from waiting.passed()
    yield from waiting.rest()


def _denied(line: bytes, waiting: Waiting) -> Visit | None:
    """What a response policy or an access rule denied, of what was asked before."""
    said = _SAID.search(line, 0, LINE)
    return waiting.decided((said[1], said[2]), denied=True) if said else None


FORMAT = Format(
    id="bind",
    title="BIND query log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="BIND 9 Administrator Reference Manual: The query Log Message",
)
