"""Files of captured packets, pcap and pcapng: frames with their time and the kind of link they were seen on.

Source: draft-ietf-opsawg-pcap (both orders of bytes, µs and ns), draft-ietf-opsawg-pcapng; LINKTYPE_ registry.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from bartizan.readers.logs.visit import Tally

MAX_FRAME = 262_144  # Bytes; the largest snap length that tools take.
MAX_BLOCK = 1_048_576  # Of pcapng; a longer one is a broken length.
MAX_LINKS = 4096
PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1000), b"\xa1\xb2\x3c\x4d": (">", 1000),
}  # fmt: skip
PCAPNG = b"\x0a\x0d\x0d\x0a"
BROKEN = "captures broken in the middle"


class Frame(NamedTuple):
    """A packet as it was captured; `missing` bytes at its end were cut off by the snap length."""

    time_us: int
    link: int
    data: bytes
    missing: int = 0


class Stream:
    """Bytes that come in chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data, self._at = b"", 0

    def take(self, count: int) -> bytes:
        """So many bytes, fewer only at the end."""
        end = self._at + count
        if end > len(self._data):
            held = [self._data[self._at :]]
            have = len(held[0])
            for chunk in self._chunks:
                held.append(chunk)
                have += len(chunk)
                if have >= count:
                    break
            self._data, self._at, end = b"".join(held), 0, count
        taken = self._data[self._at : end]
        self._at = min(end, len(self._data))
        return taken


def is_capture(head: bytes) -> bool:
    """Whether a file with that beginning is one."""
    if head[:4] in PCAP:
        return len(head) >= 24
    return head[:4] == PCAPNG and head[8:12] in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d")


def frames(chunks: Iterator[bytes], tally: Tally) -> Iterator[Frame]:
    """Every frame up to the end, or to where the file is broken, which is said."""
    stream = Stream(chunks)
    magic = stream.take(4)
    if magic in PCAP:
        yield from _pcap(stream, *PCAP[magic], tally)
    elif magic == PCAPNG:
        yield from _pcapng(stream, tally)
    else:
        tally.junk += 1


def _broken(tally: Tally) -> None:
    tally.junk += 1
    tally.bound(BROKEN)


def _pcap(stream: Stream, order: str, per_us: int, tally: Tally) -> Iterator[Frame]:
    head = stream.take(20)
    if len(head) < 20:
        return _broken(tally)
    link = struct.unpack(order + "I", head[16:])[0] & 0x0FFFFFFF
    record = struct.Struct(order + "IIII")
    while True:
        head = stream.take(16)
        if len(head) < 16:
            return None if not head else _broken(tally)
        seconds, part, captured, size = record.unpack(head)
        if captured > MAX_FRAME:
            return _broken(tally)
        data = stream.take(captured)
        if len(data) < captured:
            return _broken(tally)
        yield Frame(seconds * 1_000_000 + part // per_us, link, data, max(size - captured, 0))


def _pcapng(stream: Stream, tally: Tally) -> Iterator[Frame]:
    order = "<"
    links: list[tuple[int, int]] = []  # Of each interface, with its ticks a second.
    kind_raw = PCAPNG
    while kind_raw:
        if kind_raw == PCAPNG:
            head = stream.take(8)
            if len(head) < 8:
                return _broken(tally)
            order = "<" if head[4:] == b"\x4d\x3c\x2b\x1a" else ">"
            links = []
            size, body = struct.unpack(order + "I", head[:4])[0], 12
        else:
            head = stream.take(4)
            if len(head) < 4:
                return _broken(tally)
            size, body = struct.unpack(order + "I", head)[0], 8
        kind = struct.unpack(order + "I", kind_raw)[0]
        if not body + 4 <= size <= MAX_BLOCK or size % 4:
            return _broken(tally)
        data = stream.take(size - body)
        if len(data) < size - body:
            return _broken(tally)
        if kind == 1 and len(data) >= 12 and len(links) < MAX_LINKS:
            links.append((struct.unpack(order + "H", data[:2])[0], _ticks(data[8:-4], order)))
        elif (frame := _block(kind, data, order, links)) is not None:
            yield frame
        kind_raw = stream.take(4)
        if 0 < len(kind_raw) < 4:
            return _broken(tally)


def _block(kind: int, data: bytes, order: str, links: list[tuple[int, int]]) -> Frame | None:
    """The frame of an enhanced, simple or (obsolete) packet block."""
    if kind == 6 and len(data) >= 24:
        which, high, low, captured, size = struct.unpack(order + "IIIII", data[:20])
        begin = 20
    elif kind == 2 and len(data) >= 24:
        which, _, high, low, captured, size = struct.unpack(order + "HHIIII", data[:20])
        begin = 20
    elif kind == 3 and len(data) >= 8:
        size = struct.unpack(order + "I", data[:4])[0]
        which = high = low = 0
        begin, captured = 4, min(size, len(data) - 8)
    else:
        return None
    if which >= len(links) or captured > len(data) - begin - 4:
        return None
    link, ticks = links[which]
    at_us = (high << 32 | low) * 1_000_000 // ticks
    return Frame(at_us, link, data[begin : begin + captured], max(size - captured, 0))


def _ticks(options: bytes, order: str) -> int:
    """Of an interface, a second: its option if_tsresol, else a million."""
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack(order + "HH", options[at : at + 4])
        if code == 0:
            break
        if code == 9 and size == 1 and at + 4 < len(options):
            value = options[at + 4]
            power = value & 0x7F
            return 1 << power if value & 0x80 else int(10 ** min(power, 18))
        at += 4 + (size + 3) // 4 * 4
    return 1_000_000
