"""Captured packets: who asked for which name, and to which name a connection went, with the bytes the client sent.

Names come from DNS queries, the ClientHello of TLS (put together over segments in any order) and of QUIC, and plain
HTTP: CONNECT, and the first request of a connection. A connection is one visit, said when it ends. Where a
ClientHello names only a provider that hides the real name (ECH), that is counted, and no name is made up. What a
resolver answered is not asked here, and DNS inside of TLS or HTTPS is a connection to its resolver.

Source: RFC 1035, 4.2 (DNS over UDP and TCP); see `capture`, `packets`, `connections` and `quic` for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from bartizan.readers.logs.capture import frames, is_capture
from bartizan.readers.logs.connections import Connections
from bartizan.readers.logs.dns_message import Message, message
from bartizan.readers.logs.flow_exports import Exports
from bartizan.readers.logs.packets import TCP, UDP, Packet, packet
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

DNS = 53
EXPORTS = frozenset({2055, 2056, 4739, 9555, 9995, 9996})  # Where collectors of flows listen.
MAX_ANSWERS = 16  # Of one query.


def recognise(sample: Sample) -> float:
    """The beginning of a capture."""
    return float(is_capture(sample.head))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits in a capture."""
    connections, exports = Connections(wanted, tally), Exports()
    for frame in frames(source, tally):
        tally.read += 1
        found = packet(frame.link, frame.data)
        if found is None:
            continue
        if found.to_port == DNS:
            if visit := _asked(frame.time_us, found, wanted):
                yield visit
        elif found.from_port == DNS:
            _answered(frame.time_us, found, wanted, tally)
        elif found.protocol == UDP and found.to_port in EXPORTS:
            yield from exports.visits(found.payload, found.source, wanted, tally)
        elif found.protocol == TCP:
            yield from connections.segment(frame.time_us, found)
        else:
            yield from connections.datagram(frame.time_us, found)
    yield from connections.rest()


def _message(found: Packet) -> Message | None:
    data = found.payload
    if found.protocol == TCP:
        data = data[2:] if int.from_bytes(data[:2], "big") == len(data) - 2 else b""
    return message(data)


def _answered(time_us: int, found: Packet, wanted: Wanted, tally: Tally) -> None:
    answer = _message(found)
    if answer is None or not answer.addresses or wanted[answer.name] is None:
        return
    client = str(ip_address(found.target))
    for address in answer.addresses[:MAX_ANSWERS]:
        tally.answers.told(client, str(ip_address(address)), answer.name, time_us, answer.ttl_s)


def _asked(time_us: int, found: Packet, wanted: Wanted) -> Visit | None:
    asked = _message(found)
    if asked is None or asked.response or wanted[asked.name] is None:
        return None
    return Visit(time_us, str(ip_address(found.source)), asked.name, Evidence.RESOLVED)


FORMAT = Format(
    id="pcap",
    title="Packet capture (pcap, pcapng)",
    unit=Unit.BYTES,
    recognise=recognise,
    read=read,
    source="draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng",
    answers=True,
)
