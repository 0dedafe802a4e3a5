"""dnsmasq and Pi-hole: `log-queries`, also with `extra`, by itself or in syslog.

`query[A] name from client` is a visit. `forwarded`, `cached` and `reply` tell of the same query; the aliases a reply
names were asked by nobody. What the resolver answers by itself, with no address or the null address, it has denied:
`gravity blocked`, `regex denied`, `config … is NXDOMAIN`, a file of hosts that says 0.0.0.0.

Source: dnsmasq(8) --log-queries; Pi-hole documentation, "Log file" of FTL (pihole.log).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.syslog import LINE, when
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted
from bartizan.readers.logs.waiting import Waiting

_OURS = re.compile(rb" (?:dnsmasq(?:-dhcp|-tftp|-script)?|pihole-FTL)(?:\[\d{1,8}\])?: ")
_ASKED = re.compile(rb"(?:dnsmasq|pihole-FTL)\S*: (?:\d+ \S+ )?query\[[\w=-]{1,16}\] \S* from [0-9A-Fa-f:.%\w]{2,64}$")
_SAYS = re.compile(
    rb"dnsmasq\S*: (?:\d+ \S+ )?"
    rb"(query|forwarded|cached-stale|cached|reply|config|/\S+"
    rb"|[a-z]+ (?:blocked|blacklisted|denied|domain)(?: \([^)]{1,32}\))?)"
    rb" (\S+) (?:is|to) (\S*)"
)
_OTHER = frozenset({b"forwarded", b"cached", b"cached-stale", b"reply"})
_NOWHERE = frozenset({b"0.0.0.0", b"::", b"NXDOMAIN", b"NODATA", b"NODATA-IPv4", b"NODATA-IPv6"})


def recognise(sample: Sample) -> float:
    """Lines that dnsmasq wrote."""
    return share(sample.lines, lambda line: _OURS.search(line, 0, LINE))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    waiting = Waiting()
    for line in source:
        at = line.find(b" query[")
        if at >= 0:
            begin, end = line.find(b"] ", at) + 2, line.rfind(b" from ")
            host = line[begin:end]
            if begin > at and end >= begin and wanted[host] is not None:
                if _ASKED.search(line, 0, LINE):
                    actor = line[end + 6 :].strip().decode("latin-1")
                    yield from waiting.ask(host, Visit(when(line, tally), actor, host, Evidence.RESOLVED))
                else:
                    tally.junk += 1
        elif waiting:
            if (said := _SAYS.search(line, 0, LINE)) and (visit := waiting.decided(said[2], _denied(said[1], said[3]))):
                yield visit
        elif b"dnsmasq" not in line:
            tally.junk += bool(line) and not _OURS.search(line, 0, LINE)
        if waiting:
            yield from waiting.passed()
    yield from waiting.rest()


def _denied(source: bytes, answer: bytes) -> bool:
    """Whether the answer is the resolver's own, and leads nowhere."""
    if source in _OTHER:
        return False
    return (source[:1].isalpha() and source != b"config") or answer in _NOWHERE or b"/pihole/" in source


FORMAT = Format(
    id="dnsmasq",
    title="dnsmasq or Pi-hole log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="dnsmasq(8), --log-queries; Pi-hole documentation, pihole.log",
)
