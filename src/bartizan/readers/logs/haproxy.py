"""HAProxy's HTTP log (`option httplog`, `httpslog`), also behind a syslog: the host is a captured header in braces.

`client:port [time] frontend backend/server timers status bytes … {captured|request|headers} "METHOD path protocol"`.
The request headers that are captured are those an operator chose: of several, the first that is the name of a host
counts. A proxy's absolute URL or CONNECT in the request is the host itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import LONGEST, authority, path, share, size, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_request

_LINE = re.compile(
    rb"(?:.{0,200}?[\s:])??([0-9A-Fa-f.:]{2,45}):\d{1,5} \[(\d\d/[A-Z][a-z]{2}/\d{4}:[\d:.]+)\] "  # client, time
    rb"\S+ \S+/\S+ (?:-?\d+/){4}\+?-?\d+ (-?\d{1,3}) \+?(\d+) "  # frontend, backend, timers, status, bytes
    rb"\S+ \S+ \S{4} [\d/+]+ [\d/]+ "  # cookies, termination, connections, queues
    rb'(\{[^}]*\} )?(?:\{[^}]*\} )?"([^"]*)"?'  # captured headers, request
    rb"(?: \d+/[0-9A-Fa-f]+/\d+/\d+/\d+ ([\w.-]+)/TLS)?"  # errors, name of the server: `option httpslog`
)
_HOST = re.compile(rb"(?:[\w-]+\.)+[A-Za-z][\w-]+\.?(?::\d{1,5})?")
_FAR = 16_384


def recognise(sample: Sample) -> float:
    """Lines with HAProxy's five timers, its state of termination and a request."""
    return share(sample.lines, lambda line: _LINE.match(line[:_FAR]))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits of a log."""
    for line in source:
        if (found := _LINE.match(line[:_FAR])) is None:
            tally.junk += bool(line.strip())
            continue
        client, at, status, down, captured, request, server = found.groups()
        method, _, target = request.partition(b" ")
        target = target.partition(b" ")[0]
        host = _host(method, target, captured or b"", server or b"", wanted)
        if not host:
            continue
        tunnel = method == b"CONNECT"
        yield Visit(
            micros(at, tally),
            text(client),
            host,
            Evidence.CONNECTED if tunnel else of_request(method.decode("latin-1"), path(target), 0),
            bytes_down=size(down),
            denied=status == b"403",
        )


def _host(method: bytes, target: bytes, captured: bytes, server: bytes, wanted: Wanted) -> bytes:
    if method == b"CONNECT":
        named = [target]
    elif b"://" in target[:16]:
        named = [authority(target)]
    else:
        # One header stands for one value: a user agent or a referer beside the host is no host.
        named = [*captured.strip(b"{} ").split(b"|")[:8], server]
    host = next((one for one in named if len(one) <= LONGEST and _HOST.fullmatch(one)), b"")
    return host if host and wanted[host] is not None else b""


FORMAT = Format(
    id="haproxy",
    title="HAProxy HTTP log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="HAProxy Configuration Manual, 8.2.3 HTTP log format",
)
