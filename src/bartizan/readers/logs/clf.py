"""The Common Log Format of forward proxies: Squid's `common` and `combined`, Apache, nginx, Traffic Server, tinyproxy.

`client ident user [time] "METHOD target protocol" status bytes "referer" "user agent" …`. Only a proxy logs a whole URL
or a host and port as its target; a web server that logs paths says which of *its* pages were asked for, and is none. A
virtual host may stand in front of the client or behind the line; it is where the line was logged, not what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import LONGEST, authority, path, share, size, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_request

_LINE = re.compile(
    rb"(?:\S+ (?=(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+) \S+ [^\[]))?"  # a virtual host
    rb"(\S+) \S+ (\S.*?) \[([^\]\s]+ ?[^\]]{0,8})\] "  # client, ident, user, time
    rb'"([A-Z][A-Z_-]{2,30}) (\S+)(?: [A-Za-z]+/[\d.]+)?" '  # method and target
    rb"(\d{3}|-)(?: (\d+|-))?(.*)",  # status, bytes
    re.DOTALL,
)
_FAR = 16_384
_TARGET = (b"http:", b"https", b"ftp:/")


def recognise(sample: Sample) -> float:
    """Lines with a time in brackets, a request in quotes, and a URL or a host and port in it."""
    return share(sample.lines, _mine)


def _mine(line: bytes) -> bool:
    found = _LINE.fullmatch(line[:_FAR])
    return found is not None and (found[4] == b"CONNECT" or found[5].startswith(_TARGET))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits of a log."""
    for line in source:
        # The request is what stands in the first quotes: nobody can log in with one, and names are escaped.
        try:
            method, target, _ = line.split(b'"', 2)[1].split(b" ", 2)
            if method == b"CONNECT":
                if wanted[target.removesuffix(b":443")] is None:
                    continue
            elif target[:4] == b"http" and wanted[target.split(b"/", 3)[2]] is None:
                continue
        except (ValueError, IndexError):
            pass  # HTTP/0.9, or none of ours.
        if visit := _visit(line, wanted, tally):
            yield visit


def _visit(line: bytes, wanted: Wanted, tally: Tally) -> Visit | None:
    if (found := _LINE.match(line[:_FAR])) is None:
        tally.junk += bool(line.strip())
        return None
    client, user, at, method, target, status, down, rest = found.groups()
    tunnel = method == b"CONNECT"
    host = target if tunnel else authority(target)
    if len(host) > LONGEST or wanted[host] is None:
        return None
    return Visit(
        micros(at, tally),
        somebody(text(user), text(client)),
        host,
        Evidence.CONNECTED if tunnel else of_request(method.decode("latin-1"), path(target), 0),
        bytes_down=size(down or b""),
        denied=(tunnel and status == b"403") or b"_DENIED" in rest.rpartition(b'"')[2],
    )


FORMAT = Format(
    id="clf",
    title="Proxy access log in the Common or Combined Log Format",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Apache HTTP Server, mod_log_config; Squid, logformat common and combined",
)
