"""Squid's own access log: `ts.ms elapsed client code/status bytes METHOD url user hierarchy/peer mime`.

Extended layouts put ports, addresses and quoted fields in between and behind. They are read by what does not move: the
method with the URL behind it, and the result code in front of it. What a client sent is not in the log as it is written
by default, so that a tunnel is a connection, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import LONGEST, authority, path, share, size, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_request

_LINE = re.compile(
    rb"\s*(\d{9,11}(?:\.\d{1,6})?)\s+"  # time
    rb"(?>(\S.*?)\s((?:TCP|UDP|NONE|TAG)[A-Z_]*)/(\d{3})\s)"  # elapsed, client, perhaps more; the first result, status
    rb"(.*?)(?<=\s)([A-Z][A-Z_-]{2,30})\s+(\S+)"  # bytes, perhaps more; method and URL
    rb"(?:\s+(\S+))?",  # user
)
_ADDRESS = re.compile(rb"(\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?)(?:[:/]\d+)?")
_STAMP, _RESULT = re.compile(rb"\d{10}\.\d{3}"), re.compile(rb"(?:TCP|UDP|NONE|TAG)[A-Z_]*/\d{3}")
_FAR = 16_384  # A URL is cut at 8 KiB by Squid; a line of 2 MiB is not searched through.


def recognise(sample: Sample) -> float:
    """Lines that begin with seconds and have a result code, a method and a URL."""
    return share(sample.lines, _mine)


def _mine(line: bytes) -> bool:
    return line.lstrip()[:1].isdigit() and _LINE.match(line[:_FAR]) is not None


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits of a log."""
    for line in source:
        # The layout as it comes; tunnels are nine tenths of a log, and their host is looked up as it stands.
        try:
            at, _, client, result, down, method, url, rest = line.split(None, 7)
            if method == b"CONNECT":
                if wanted[url.removesuffix(b":443")] is None:
                    continue
            elif url[:4] == b"http" and wanted[url.split(b"/", 3)[2]] is None:
                continue
        except (ValueError, IndexError):
            pass  # Another layout, or none.
        else:
            address = _ADDRESS.fullmatch(client)
            if address and _STAMP.fullmatch(at) and _RESULT.fullmatch(result):
                host = url.removesuffix(b":443") if method == b"CONNECT" else authority(url)
                if len(host) > LONGEST or wanted[host] is None:
                    continue
                yield Visit(
                    int(at.replace(b".", b"")) * 1000,
                    somebody(text(rest.split(None, 1)[0]), text(address[1])),
                    host,
                    _evidence(method, url),
                    bytes_down=size(down),
                    denied=b"DENIED" in result,
                )
                continue
        if visit := _visit(line, wanted, tally):
            yield visit


def _visit(line: bytes, wanted: Wanted, tally: Tally) -> Visit | None:
    if (found := _LINE.match(line[:_FAR])) is None:
        tally.junk += bool(line.strip())
        return None
    at, front, result, _, behind, method, url, user = found.groups()
    host = url if method == b"CONNECT" else authority(url)
    if len(host) > LONGEST or wanted[host] is None:
        return None
    return Visit(
        micros(at, tally),
        somebody(text(user), text(_client(front))),
        host,
        _evidence(method, url),
        bytes_down=size(behind.partition(b" ")[0]),
        denied=b"DENIED" in result,
    )


def _evidence(method: bytes, url: bytes) -> Evidence:
    return Evidence.CONNECTED if method == b"CONNECT" else of_request(method.decode("latin-1"), path(url), 0)


def _client(front: bytes) -> bytes:
    """The client, of the fields in front of the result: the first address, else what stands behind the milliseconds."""
    fields = front.split()
    address = next((match for field in fields if (match := _ADDRESS.fullmatch(field))), None)
    if address:
        return address[1].strip(b"[]")
    return fields[1] if len(fields) > 1 else b""


FORMAT = Format(
    id="squid",
    title="Squid access log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Squid, squid.conf.documented, logformat squid",
)
