"""NetFlow 5, NetFlow 9 and IPFIX: export packets one behind the other, as collectors store them or RFC 5655 says.

A flow has no name. It is a visit where its client was told that address for a host that matters, by DNS answers of
the same run (Zeek, Route 53, captures), shortly before: name servers' logs have to be read first. Otherwise it is
nothing: addresses of AI services are shared with others. What the client sent is shown, and proves a connection, no
upload.

Source: see `flow_exports`; RFC 5655 (files of IPFIX).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bartizan.readers.logs.capture import Stream
from bartizan.readers.logs.flow_exports import Exports, unjoined
from bartizan.readers.logs.visit import Format, Sample, Tally, Unit, Visit, Wanted

EARLIEST, LATEST = 946_684_800, 4_102_444_800  # 2000 and 2100: the time in a header tells it from other bytes.
MAX_FLOWS_5 = 30
BROKEN = "exports of flows broken in the middle"


def recognise(sample: Sample) -> float:
    """A header with a time of this century, and a length that leads to another one or to the end."""
    head = sample.head
    if len(head) < 24:
        return 0.0
    version, count = struct.unpack("!HH", head[:4])
    if version == 5:
        end = 24 + count * 48
        fits = 1 <= count <= MAX_FLOWS_5 and _century(head, 8)
    elif version == 9:
        id_, size = struct.unpack("!HH", head[20:24])
        end = 20 + size
        return float(1 <= count <= 1024 and _century(head, 8) and (id_ < 2 or id_ >= 256) and size >= 4)
    elif version == 10:
        end = count
        fits = count >= 20 and _century(head, 4)
    else:
        return 0.0
    return float(fits and (len(head) <= end or head[end : end + 2] == head[:2]))


def _century(head: bytes, at: int) -> bool:
    return EARLIEST < int.from_bytes(head[at : at + 4], "big") < LATEST


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits of a store of packets."""
    exports = Exports()
    for packet in _packets(Stream(source), tally):
        tally.read += 1
        yield from exports.visits(packet, b"", wanted, tally)
    unjoined(tally)


def _packets(stream: Stream, tally: Tally) -> Iterator[bytes]:
    head = stream.take(4)
    while len(head) == 4:
        version, count = struct.unpack("!HH", head)
        if version == 5 and 1 <= count <= MAX_FLOWS_5:
            packet = head + stream.take(20 + count * 48)
            whole, head = len(packet) == 24 + count * 48, stream.take(4)
        elif version == 10 and count >= 16:
            packet = head + stream.take(count - 4)
            whole, head = len(packet) == count, stream.take(4)
        elif version == 9:
            packet, whole, head = _version_9(head, stream)
        else:
            packet, whole, head = b"", False, b""
        if packet:
            yield packet
        if not whole:
            tally.junk += 1
            tally.bound(BROKEN)
            return
    if head:
        tally.bound(BROKEN)


def _version_9(head: bytes, stream: Stream) -> tuple[bytes, bool, bytes]:
    """A packet, whether it is whole, and what begins behind it: its header has no length, but no set is called 9."""
    parts = [head, stream.take(16)]
    whole = len(parts[1]) == 16
    head = stream.take(4)
    while len(head) == 4:
        id_, size = struct.unpack("!HH", head)
        if 2 <= id_ < 256:
            break
        body = stream.take(max(size - 4, 0))
        parts += [head, body]
        if size < 4 or len(body) < size - 4:
            return b"".join(parts), False, b""
        head = stream.take(4)
    return b"".join(parts), whole, head


FORMAT = Format(
    id="netflow",
    title="NetFlow 5, NetFlow 9, IPFIX",
    unit=Unit.BYTES,
    recognise=recognise,
    read=read,
    source="RFC 3954, RFC 7011, RFC 5655; Cisco: NetFlow Export Datagram Format",
    joins=lambda sample: recognise(sample) > 0.5,
)
