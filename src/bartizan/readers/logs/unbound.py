"""Unbound: `log-queries`, `log-replies`, `log-local-actions`; by itself, in syslog, and as pfSense and OPNsense write
it.

A query is a visit; the reply to it is the same one, and a visit where queries are not logged. A local zone or a
response policy that answered in place of the real server has denied it. Names are written in presentation format.

Source: unbound.conf(5): log-queries, log-replies, log-tag-queryreply, log-local-actions, rpz-log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.syslog import LINE, when
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted
from bartizan.readers.logs.waiting import Waiting

MAX_UNANSWERED = 4096  # Queries whose reply is still to come.
_OURS = re.compile(
    rb"\bunbound(?:\[\d+(?::[0-9a-f]+)?\]| \d+ )|(?:^| )\[\d+:[0-9a-f]+\] (?:info|query|reply|notice|debug): "
)
_SAYS = rb"\[\d+:[0-9a-f]+\] (?:info|query|reply): "
_ADDRESS = rb"([0-9A-Fa-f:.]{2,45}(?:%\w{1,32})?)"
_QUERY = re.compile(_SAYS + _ADDRESS + rb" (\S+) ([A-Z][A-Z0-9]*) (?:IN|CH|HS|ANY|CLASS\d+)(?: ([A-Z]{3,10}) |\s*$)")
_LOCAL = re.compile(
    _SAYS + rb"(?:rpz: applied (?:\[[^\]\s]*\] )?)?\S+ ([a-z_-]+) " + _ADDRESS + rb"@\d+ (\S+) ([A-Z0-9]+) [A-Z]"
)
_EPOCH = re.compile(rb"\[(\d{9,11}(?:\.\d{1,6})?)\]")
_LETS = frozenset({
    b"inform", b"transparent", b"typetransparent", b"always_transparent", b"nodefault",
    b"rpz-passthru", b"rpz-disabled", b"rpz-tcp-only",
})  # fmt: skip


def recognise(sample: Sample) -> float:
    """Lines that unbound wrote."""
    return share(sample.lines, lambda line: _OURS.search(line, 0, LINE))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    waiting = Waiting()
    unanswered: dict[tuple[bytes, bytes, bytes], int] = {}
    for line in source:
        at = line.find(b"] info: ")
        if at < 0 and (at := line.find(b"] query: ")) < 0:
            at = line.find(b"] reply: ")
        words = line[line.find(b": ", at) + 2 :].split(b" ", 2) if at >= 0 else []
        if len(words) < 3:
            tally.junk += bool(line) and not _OURS.search(line, 0, LINE)
        elif wanted[words[1]] is not None:
            if (query := _QUERY.search(line, 0, LINE)) is None:
                continue
            client, name, kind, rcode = query.groups()
            key = (client, name, kind)
            visit = Visit(_time(line, tally), client.decode("latin-1"), name, Evidence.RESOLVED)
            if rcode is None:
                if len(unanswered) >= MAX_UNANSWERED:
                    unanswered.clear()
                    tally.bound("unbound: queries without a reply")
                unanswered[key] = unanswered.get(key, 0) + 1
                yield from waiting.ask(key, visit)
            elif key not in unanswered:
                yield visit._replace(denied=rcode == b"REFUSED")
            else:
                unanswered[key] -= 1
                if not unanswered[key]:
                    del unanswered[key]
                if asked := waiting.decided(key, denied=rcode == b"REFUSED"):
                    yield asked
        elif waiting and (denied := _denied(line, waiting)):
            yield denied
        if waiting:
            yield from waiting.passed()
    yield from waiting.rest()


def _denied(line: bytes, waiting: Waiting) -> Visit | None:
    """What a local zone or a response policy answered, of what was asked before."""
    local = _LOCAL.search(line, 0, LINE)
    if local is None or local[1] in _LETS:
        return None
    return waiting.decided((local[2], local[3], local[4]), denied=True)


def _time(line: bytes, tally: Tally) -> int:
    epoch = _EPOCH.match(line)
    return micros(epoch[1], tally) if epoch else when(line, tally)


FORMAT = Format(
    id="unbound",
    title="Unbound log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="unbound.conf(5), log-queries and log-replies",
)
