"""Windows DNS Server: the debug log, one line a packet.

Every query is there up to four times: received from the client, asked of another server, answered twice. What was
received and is a query (`Rcv … Q`, not `R Q`) is the visit. Names are labels with their length in front, so a label
may hold any character: a host counts only when the lengths are right. Dates are as the server's language writes them
and have no zone. Where day and month cannot be told apart, a clock of twelve hours means the month first, as in the
United States, until a date of the log says otherwise.

Source: Microsoft, "DNS Logging and Diagnostics"; the description of the fields in front of every such log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bartizan.readers.logs.fields import share
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

LINE = 4096
_DATE = rb"\s*(\d{1,4})([./-])\s?(\d{1,2})\2\s?(\d{2,4})\.?\s+(\d{1,2})[:.](\d{2})[:.](\d{2})\s?(?:([AaPp])\.?[Mm]\.?)?"
_BARE = rb"\s*(\d{4})(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)"
_PACKET = re.compile(
    rb"[^A-Z]{10,40}?(?:[AaPp]\.?[Mm]\.? )?[^A-Z]{0,8}[0-9A-F]{3,5} PACKET +[0-9A-Fa-f]{8,16} (?:UDP|TCP) (Rcv|Snd) "
    rb"([0-9A-Fa-f:.]{2,45}(?:%\d{1,10})?) +[0-9a-f]{4} (R| ) ([QNU?]) \[[^\]]{4,40}\] +[A-Z0-9]+ +(\(\d+\).*)$"
)
_OURS = re.compile(rb"\s*\d[\d./-]{6,10}.{0,24} [0-9A-F]{3,5} (?:PACKET|EVENT|Note:|[A-Z]{2,10}) ")
_HEADS = (b"DNS Server log file", b"Log file wrap", b"Message logging key", b"\tField #", b"\t-------")
_LENGTHS = re.compile(rb"\(\d{1,2}\)")
_LABEL = re.compile(rb"\((\d{1,2})\)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP, _BARE_STAMP = re.compile(_DATE), re.compile(_BARE)


def recognise(sample: Sample) -> float:
    """Lines of packets, and what is explained in front of them."""
    return share(sample.lines, lambda line: _PACKET.match(line[:LINE].rstrip()) or line.startswith(_HEADS))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    dates = _Dates(tally)
    explained = False  # Whether lines come that explain the fields.
    for line in source:
        at = line.find(b"] ")
        if at < 0 or b" PACKET " not in line[:64]:
            explained = explained or line.startswith(_HEADS)
            tally.junk += not (explained or not line.strip() or _OURS.match(line[:LINE]))
            continue
        explained = False
        labels = line[line.rfind(b" ") + 1 :]
        if (
            wanted[_LENGTHS.sub(b".", labels[3:] if labels[2:3] == b")" else labels[4:])] is None
            or b" Rcv " not in line
        ):
            continue
        packet = _PACKET.match(line[:LINE].rstrip())
        if packet is None:
            tally.junk += 1
        elif packet.group(1, 3, 4) == (b"Rcv", b" ", b"Q") and wanted[host := _host(packet[5])] is not None:
            yield Visit(dates.micros(line), packet[2].decode("latin-1"), host, Evidence.RESOLVED)


def _host(labels: bytes) -> bytes:
    """`(3)api(6)openai(3)com(0)` as a name; b"" where a length is wrong."""
    found: list[bytes] = []
    at = 0
    while length := _LABEL.match(labels, at):
        size = int(length[1])
        if not size:
            return b".".join(found) if length.end() == len(labels) else b""
        label = labels[length.end() : length.end() + size]
        if b"." in label:
            return b""
        found.append(label)
        at = length.end() + size
    return b""


class _Dates:
    """Times as the server's language writes them."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._day_first: bool | None = None

    def micros(self, line: bytes) -> int:
        found = _STAMP.match(line[:64])
        if found is None:
            bare = _BARE_STAMP.match(line[:64])
            return self._moment(*(int(part) for part in bare.groups())) if bare else 0
        first, separator, second, last, hour, minute, seconds, half = found.groups()
        hours = int(hour)
        if half:
            hours = hours % 12 + 12 * (half in b"Pp")
        clock = (hours, int(minute), int(seconds))
        if len(first) == 4:
            return self._moment(int(first), int(second), int(last), *clock)
        a, b, year = int(first), int(second), int(last) + 2000 * (len(last) == 2)
        if a > 12 or b > 12:
            self._day_first = a > 12
        day_first = self._day_first
        if day_first is None:
            day_first = separator != b"/" or not half
        return self._moment(year, b if day_first else a, a if day_first else b, *clock)

    def _moment(self, year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
        try:
            at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return 0
        return max(self._tally.local_us((at - _EPOCH) // timedelta(microseconds=1)), 0)


FORMAT = Format(
    id="windows-dns",
    title="Windows DNS debug log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Microsoft: DNS Logging and Diagnostics, debug logging",
)
