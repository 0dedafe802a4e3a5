"""dnsmasq and Pi-hole: `log-queries`, also with `extra`, by itself or in syslog.

`query[A] name from client` is a visit. `forwarded`, `cached` and `reply` tell of the same query; the aliases a reply
names were asked by nobody. What the resolver answers by itself, with no address or the null address, it has denied:
`gravity blocked`, `regex denied`, `config … is NXDOMAIN`, a file of hosts that says 0.0.0.0.

A line with an address does not say for whom it is: whoever asked for the name some lines before was told it. Behind
an alias (`reply claude.ai is <CNAME>`) the names that follow at once are those of the same answer.

Source: dnsmasq(8) --log-queries; Pi-hole documentation, "Log file" of FTL (pihole.log).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.syslog import LINE, when
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted
from bartizan.readers.logs.waiting import LINES, Waiting

MOST_NAMES, MOST_CLIENTS = 256, 64  # That are remembered until their answer; the oldest of more are forgotten.

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


class _Asked:
    """Who asked for a name some lines ago."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._by: dict[bytes, tuple[bytes, int, dict[str, int]]] = {}  # The name as asked, the line, whom when.
        self._line = 0
        self._alias: tuple[bytes, bytes] = (b"", b"")  # The kind of the line, and the name that was asked for.

    def __bool__(self) -> bool:
        return bool(self._by)

    def ask(self, visit: Visit) -> None:
        """One more question."""
        host, _, whom = self._by.pop(visit.host.lower(), (visit.host, 0, {}))
        whom[visit.actor] = visit.time_us
        if len(whom) > MOST_CLIENTS:
            del whom[next(iter(whom))]
        self._by[visit.host.lower()] = (host, self._line, whom)
        if len(self._by) > MOST_NAMES:
            del self._by[next(iter(self._by))]

    def said(self, kind: bytes, name: bytes, answer: bytes) -> None:
        """A line of an answer."""
        name = name.lower()
        asked = name if name in self._by else self._alias[1] if self._alias[0] == kind else b""
        self._alias = (kind, asked) if answer == b"<CNAME>" or asked != name else (b"", b"")
        if asked and answer != b"<CNAME>":
            host, _, whom = self._by[asked]
            for client, at_us in whom.items():
                self._tally.answers.told(client, answer.decode("latin-1"), host, at_us, 0)

    def passed(self) -> None:
        """A line went by."""
        self._line += 1
        if not self._line % LINES:
            for name in [name for name, (_, line, _) in self._by.items() if line <= self._line - LINES]:
                del self._by[name]
                self._alias = (b"", b"")


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    waiting, asked = Waiting(), _Asked(tally)
    for line in source:
        at = line.find(b" query[")
        if at >= 0:
            begin, end = line.find(b"] ", at) + 2, line.rfind(b" from ")
            host = line[begin:end]
            if begin > at and end >= begin and wanted[host] is not None:
                if _ASKED.search(line, 0, LINE):
                    actor = line[end + 6 :].strip().decode("latin-1")
                    visit = Visit(when(line, tally), actor, host, Evidence.RESOLVED)
                    asked.ask(visit)
                    yield from waiting.ask(host, visit)
                else:
                    tally.junk += 1
        elif waiting or asked:
            if said := _SAYS.search(line, 0, LINE):
                asked.said(said[1], said[2], said[3])
                if seen := waiting.decided(said[2], _denied(said[1], said[3])):
                    yield seen
        elif b"dnsmasq" not in line:
            tally.junk += bool(line) and not _OURS.search(line, 0, LINE)
        if waiting:
            yield from waiting.passed()
        if asked:
            asked.passed()
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
    answers=True,
)
