"""Palo Alto Networks PAN-OS: threat and traffic logs as syslog sends them, CSV after an optional prefix.

Only a threat of subtype `url` names a host. The others and the traffic log name the application (App-ID), which is
asked for by its name: `openai-base`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import DENIED, app_wanted, authority, cells, first_wanted, path, share, size, somebody
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_request, of_tunnel

_PREFIX_BYTES = 512  # Of syslog, before the row
_ROW = re.compile(rb"(?:^|[\s:>])(\d*),\d{4}/\d\d/\d\d \d\d:\d\d:\d\d,[0-9A-Za-z]*,([A-Z]{3,16}),([a-z-]*),")
# fmt: off
_TYPES = frozenset({
    b"THREAT", b"TRAFFIC", b"SYSTEM", b"CONFIG", b"HIPMATCH", b"USERID", b"URL", b"DECRYPTION", b"GLOBALPROTECT",
    b"TUNNEL", b"AUTHENTICATION", b"CORRELATION", b"IPTAG", b"DATA", b"WILDFIRE", b"SCTP", b"GTP",
})
# fmt: on
# Columns, counted from 0. A traffic log has other ones than a threat log from the 32nd on.
_GENERATED, _SOURCE, _USER, _APP, _ACTION, _URL, _DIRECTION, _METHOD = 6, 7, 12, 14, 30, 31, 35, 63
_SENT, _RECEIVED = 32, 33


def recognise(sample: Sample) -> float:
    """Rows with a time, a serial number, one of the types and a subtype."""
    return share(sample.lines, _row)


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The URLs and applications that matter."""
    for line in source:
        found = _row(line)
        if not found:
            tally.junk += bool(line)
            continue
        traffic, subtype = found[2] == b"TRAFFIC", found[3]
        if not traffic and found[2] not in (b"THREAT", b"URL"):
            continue
        start = found.start(1)
        quote = line.find(b'"', start)
        row = line[start:].split(b",", _URL + 1)
        if 0 <= quote and line.count(b",", start, quote) < _URL:  # noqa: SIM300 (in the order of the line)
            # A rule with a comma in its name stands before what is looked for.
            row = [cell.encode("utf-8", "replace") for cell in cells(line[start:]) or ()]
        if len(row) <= _URL:
            continue
        url = row[_URL].lstrip(b'"') if subtype == b"url" and not traffic else b""
        host = first_wanted(wanted, authority(url))
        app = "" if host else app_wanted(wanted, row[_APP].decode("utf-8", "replace"))
        if (host or app) and (full := cells(line[start:])) and len(full) > _URL:
            yield _visit(full, traffic, host, app, tally)


def _row(line: bytes) -> re.Match[bytes] | None:
    found = _ROW.search(line, 0, _PREFIX_BYTES)
    return found if found and found[2] in _TYPES else None


def _visit(row: list[str], traffic: bool, host: bytes, app: str, tally: Tally) -> Visit:
    sized = traffic and len(row) > _RECEIVED
    up = size(row[_SENT]) if sized else 0
    denied = bool(DENIED.search(row[_ACTION]))
    return Visit(
        time_us=micros(row[_GENERATED] or row[1], tally),
        actor=somebody(row[_USER], row[_SOURCE]),
        host=host,
        evidence=Evidence.CONNECTED if denied else of_tunnel(up) if traffic else _evidence(row),
        bytes_up=up,
        bytes_down=size(row[_RECEIVED]) if sized else 0,
        app=app,
        denied=denied,
    )


def _evidence(row: list[str]) -> Evidence:
    """What a threat log proves, which has no sizes: a body was sent, or a file went up."""
    if row[4] in ("file", "data"):
        return Evidence.UPLOADED if row[_DIRECTION : _DIRECTION + 1] == ["client-to-server"] else Evidence.CONNECTED
    method = row[_METHOD].strip().upper() if len(row) > _METHOD else ""
    return of_request(method, path(row[_URL].encode("utf-8", "replace")), 1)


FORMAT = Format(
    id="panos",
    title="PAN-OS threat and traffic log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="PAN-OS Administrator's Guide: Syslog Field Descriptions (URL Filtering, Threat, Traffic Log Fields)",
)
