"""Connections in captured packets: their beginning put together until it names a host, then their bytes counted.

Every table is bounded: what falls out of it is a visit with the bytes so far, and it is said.

Source: RFC 9293, 3.4 (sequence numbers); RFC 8446 (ClientHello); RFC 9112, 3 (requests); RFC 9849 (ECH).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from bartizan.readers.client_hello import ClientHello, client_hello
from bartizan.readers.logs import quic
from bartizan.readers.logs.fields import authority, path, size
from bartizan.readers.logs.packets import ACK, FIN, RST, SYN, Packet
from bartizan.readers.logs.visit import Evidence, Tally, Visit, Wanted, of_request, of_tunnel

MAX_CONNECTIONS = 100_000  # At once: about 60 MB.
MAX_BEGINNINGS = 2_000  # Put together at once.
MAX_BEGINNING = 69_632  # Bytes of a ClientHello with the records around it.
MAX_HEAD = 16_384  # Bytes of an HTTP request in which its host stands.
MAX_PIECES = 64  # Segments of a beginning that came too early.
MAX_LOOKS = 256  # At the beginning of one connection.
MAX_STEP = 16 * 1024 * 1024  # A sequence number that goes further is forged, or of another connection.
HIDING = frozenset({"cloudflare-ech.com"})  # Names of a provider that stand in front of encrypted ones.
HIDDEN = "connections whose name is encrypted (ECH)"
CUT_OFF = "connections whose beginning was not captured whole"
MANY = "connections at once"
METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"CONNECT ", b"DELETE ", b"PATCH ", b"OPTIONS ")
_HEADER = re.compile(rb"\r\n(host|content-length|transfer-encoding):[ \t]*([^\r\n]*)", re.IGNORECASE)

Ends = tuple[bytes, int, bytes, int]


class _Connection:
    """How much went each way, and what it begins with as long as its name is not known."""

    __slots__ = ("begin", "cut", "data", "down", "flight", "high", "looks", "pieces", "tunnel", "up", "visit")

    def __init__(self, begin: int) -> None:
        self.begin = self.high = begin  # The sequence number of the client's first byte, and of the next one.
        self.up = self.down = self.looks = 0
        self.data = bytearray()
        self.pieces: dict[int, bytes] = {}
        self.flight: quic.Initial | None = None
        self.cut = False
        self.visit: Visit | None = None
        self.tunnel = True


class Connections:
    """All that are open. What it is given never makes it raise."""

    def __init__(self, wanted: Wanted, tally: Tally) -> None:
        self._wanted, self._tally = wanted, tally
        self._open: dict[Ends, _Connection] = {}
        self._beginnings: dict[Ends, _Connection] = {}  # Those of them whose name is not known.

    def segment(self, time_us: int, packet: Packet) -> Iterator[Visit]:
        """One segment of TCP."""
        key = (packet.source, packet.from_port, packet.target, packet.to_port)
        first = packet.flags & (SYN | ACK) == SYN
        begin = (packet.sequence + bool(packet.flags & SYN)) & 0xFFFFFFFF
        connection = self._open.get(key)
        if connection is not None and first and begin != connection.begin:  # The port is used again.
            yield from self._close(key)
            connection = None
        if connection is None:
            back = self._open.get((packet.target, packet.to_port, packet.source, packet.from_port))
            if back is not None and not first:
                back.down += packet.size
                if packet.flags & RST:
                    yield from self._close((packet.target, packet.to_port, packet.source, packet.from_port))
                return
            if not first and not _begins(packet.payload):
                return
            yield from self._room()
            connection = self._open[key] = self._beginnings[key] = _Connection(begin)
        step = (begin + packet.size - connection.high) & 0xFFFFFFFF
        if 0 < step <= MAX_STEP:
            connection.up += step
            connection.high = (connection.high + step) & 0xFFFFFFFF
        if packet.payload and key in self._beginnings:
            self._put(connection, (begin - connection.begin) & 0xFFFFFFFF, packet)
            self._look(time_us, key, connection)
        if packet.flags & (FIN | RST):
            yield from self._close(key)

    def datagram(self, time_us: int, packet: Packet) -> Iterator[Visit]:
        """One datagram of UDP."""
        key = (packet.source, packet.from_port, packet.target, packet.to_port)
        connection = self._open.get(key)
        if connection is None:
            if back := self._open.get((packet.target, packet.to_port, packet.source, packet.from_port)):
                back.down += packet.size
                return
            if not quic.begins(packet.payload):
                return
            yield from self._room()
            connection = self._open[key] = self._beginnings[key] = _Connection(0)
            connection.flight = quic.Initial()
        connection.up += packet.size
        if connection.flight is not None and key in self._beginnings and quic.begins(packet.payload):
            hello = connection.flight.feed(packet.payload)
            if hello is not None:
                self._named(time_us, key, connection, hello)
            elif connection.flight.spent:
                self._give_up(key)

    def rest(self) -> Iterator[Visit]:
        """All that are open at the end of the capture."""
        for key in list(self._open):
            yield from self._close(key)

    def _room(self) -> Iterator[Visit]:
        if len(self._beginnings) >= MAX_BEGINNINGS:
            self._give_up(next(iter(self._beginnings)))
        if len(self._open) >= MAX_CONNECTIONS:
            self._tally.bound(MANY)
            yield from self._close(next(iter(self._open)))

    def _close(self, key: Ends) -> Iterator[Visit]:
        connection = self._open.pop(key)
        if self._beginnings.pop(key, None) and connection.data:
            self._tally.bound(CUT_OFF)
        if visit := connection.visit:
            proved = of_tunnel(connection.up) if connection.tunnel else visit.evidence
            evidence = max(visit.evidence, proved)
            yield visit._replace(evidence=evidence, bytes_up=connection.up, bytes_down=connection.down)

    def _give_up(self, key: Ends) -> None:
        connection = self._beginnings.pop(key)
        if connection.data or connection.flight:
            self._tally.bound(CUT_OFF)
        connection.data.clear()
        connection.pieces.clear()

    def _put(self, connection: _Connection, offset: int, packet: Packet) -> None:
        """Where segments overlap, the first one counts."""
        data, pieces = connection.data, connection.pieces
        connection.cut = connection.cut or len(packet.payload) < packet.size
        if offset > MAX_BEGINNING or len(data) > MAX_BEGINNING:
            return
        if offset > len(data):
            if len(pieces) < MAX_PIECES:
                pieces.setdefault(offset, packet.payload)
            return
        data += packet.payload[len(data) - offset :]
        for later in sorted(pieces):
            if later > len(data):
                break
            data += pieces.pop(later)[len(data) - later :]

    def _look(self, time_us: int, key: Ends, connection: _Connection) -> None:
        """Whether what is there names a host by now."""
        data = bytes(connection.data)
        if not data:
            return
        connection.looks += 1
        if data[:1] == b"\x16":
            hello = client_hello(data)
            if hello is not None:
                self._named(time_us, key, connection, hello)
                return
        elif data.startswith(METHODS):
            end = data.find(b"\r\n\r\n")
            if end >= 0 or len(data) > MAX_HEAD:
                self._requested(time_us, key, connection, data[: end if end >= 0 else MAX_HEAD])
                return
        elif not any(method.startswith(data) for method in METHODS):
            del self._beginnings[key]  # Another protocol.
            connection.data.clear()
            connection.pieces.clear()
            return
        if connection.cut or connection.looks >= MAX_LOOKS or len(data) > MAX_BEGINNING:
            self._give_up(key)

    def _named(self, time_us: int, key: Ends, connection: _Connection, hello: ClientHello) -> None:
        if hello.bounded:
            self._give_up(key)
            return
        del self._beginnings[key]
        connection.data.clear()
        connection.pieces.clear()
        connection.flight = None
        if hello.encrypted and hello.name in HIDING:
            self._tally.bound(HIDDEN)
        host = hello.name.encode("ascii")
        if host and self._wanted[host] is not None:
            connection.visit = Visit(time_us, _address(key[0]), host, Evidence.CONNECTED)

    def _requested(self, time_us: int, key: Ends, connection: _Connection, head: bytes) -> None:
        del self._beginnings[key]
        connection.data.clear()
        connection.pieces.clear()
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return
        method, target = words[0], words[1]
        headers: dict[bytes, bytes] = {}
        for name, value in _HEADER.findall(head):
            headers.setdefault(name.lower(), value.strip())
        named = method == b"CONNECT" or target[:4].lower() == b"http"
        host = authority(target) if named else headers.get(b"host", b"")
        if not host or self._wanted[host] is None:
            return
        body = size(headers.get(b"content-length")) or int(b"transfer-encoding" in headers)
        evidence = of_request(method.decode("ascii"), path(target), body)
        connection.tunnel = method == b"CONNECT"
        connection.visit = Visit(time_us, _address(key[0]), host, evidence)


def _begins(payload: bytes) -> bool:
    """Whether a segment of a connection whose first one was not seen may be the beginning of what it says."""
    return payload[:2] == b"\x16\x03" or payload.startswith(METHODS)


def _address(packed: bytes) -> str:
    return str(ip_address(packed))
