"""A request of http:// through the proxy: read by llhttp on both ways and written anew, so that both sides agree on it.

One request a connection, to the client and to the host: nothing that stands behind a request, or behind an answer, can
be taken for another one. Bodies go through as they come, framed by us; headers of the hop stay here, and those that are
configured for the host take the place of the client's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import httptools

from bartizan.core.errors import InputError
from bartizan.doors.forward import answers
from bartizan.doors.forward.head import MAX_HEAD_BYTES, Head, Refusal
from bartizan.doors.forward.pipe import HIGH_WATER
from bartizan.readers.tunnel import Place

MAX_HEADERS = 200
_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade content-length host expect".split()
)


def asked(url: bytes) -> tuple[Place, bytes]:
    """Where an absolute address leads, and the path to ask for there. Raises Refusal."""
    scheme, colon, rest = url.partition(b"://")
    if not colon or scheme.lower() != b"http":
        raise Refusal(400, "this is a proxy: ask for http://HOST/…, or for a tunnel (CONNECT)")
    authority = rest
    for end in (b"/", b"?", b"#"):
        authority = authority.partition(end)[0]
    path = rest[len(authority) :].partition(b"#")[0]
    try:
        place = Place.parse(authority, 80)
    except InputError as error:
        raise Refusal(400, f"the address's {error}") from None
    return place, path if path.startswith(b"/") else b"/" + path


def request_head(head: Head, place: Place, path: bytes, extra: Mapping[str, str]) -> bytes:
    """The head as the host gets it."""
    method = head.method
    host = str(place) if place.port != 80 else str(place).rpartition(":")[0]
    lines = [b"%s %s HTTP/1.1" % (method, path), b"host: " + host.encode()]
    ours = {name.lower().encode() for name in extra}
    lines += (b"%s: %s" % pair for pair in end_to_end(head.headers) if pair[0].lower() not in ours)
    lines += (f"{name}: {value}".encode() for name, value in extra.items())
    if b"transfer-encoding" in head.special:
        lines.append(b"transfer-encoding: chunked")
    elif (length := head.special.get(b"content-length")) is not None:
        lines.append(b"content-length: " + length)
    lines += (b"connection: close", b"\r\n")
    return b"\r\n".join(lines)


def end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Without those of the hop, those that `Connection` names, and our own."""
    named = {
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    }
    stay = _HOP | named
    return [p for p in headers if (name := p[0].lower()) not in stay and not name.startswith(b"x-bartizan-")]


def chunk(piece: bytes) -> bytes:
    """A piece of a body whose length nobody knows."""
    return b"%x\r\n%s\r\n" % (len(piece), piece)


class Origin(asyncio.Protocol):
    """The host's side, and both ways' bytes. It has what the sweep asks a pipe for."""

    def __init__(self, client: asyncio.Transport, head: Head, id_: str, ended: Callable[[Origin], None]) -> None:
        """`ended` is called once, when it is over with the host."""
        self._client, self._head, self._id, self._ended = client, head, id_, ended
        self.transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._size = self._unheard = 0
        self._reason = b""
        self._asked = self._started = self._chunked = self._to_eof = self._whole = False
        self.bytes_up = self.bytes_down = 0
        self.halves = self.over = 0
        self.why = ""
        self._last, self._quiet_since = 0, asyncio.get_running_loop().time()

    # ---- Towards the host

    def ask(self, raw: bytes) -> None:
        """The head of the request, then its body as it comes."""
        self._write(raw)
        self.more(b"")

    def more(self, data: bytes) -> None:
        """Bytes of the request's body. Raises Refusal."""
        head = self._head
        if data and not head.whole:
            head.more(data)
        chunked = b"transfer-encoding" in head.special
        for piece in head.body:
            self._write(chunk(piece) if chunked else piece)
        head.body.clear()
        if head.whole and chunked and not self._asked:
            self._write(b"0\r\n\r\n")
        self._asked = head.whole

    def _write(self, raw: bytes) -> None:
        self.bytes_up += len(raw)
        if not self.transport.is_closing():
            self.transport.write(raw)

    # ---- From the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self._unheard += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._broken("server-broke")
        else:
            if self._unheard > 2 * MAX_HEAD_BYTES:
                self._broken("server-broke")

    def pause_writing(self) -> None:
        if not self._client.is_closing():
            self._client.pause_reading()

    def resume_writing(self) -> None:
        if not self._client.is_closing():
            self._client.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._whole:
            if self._to_eof and exc is None:
                self.on_message_complete()
            else:
                self._broken("server-broke")
        self.over = 1
        self._ended(self)

    # ---- From the parser

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_message_begin(self) -> None:
        if self._whole:
            raise ValueError  # an answer that nobody asked for
        self._headers.clear()
        self._reason, self._size = b"", 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._started:
            return  # a trailer
        self._size += len(name) + len(value)
        if self._size > MAX_HEAD_BYTES or len(self._headers) >= MAX_HEADERS:
            raise ValueError
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise ValueError
            return
        lengths = [value for name, value in self._headers if name.lower() == b"content-length"]
        codings = [value for name, value in self._headers if name.lower() == b"transfer-encoding"]
        if codings and [one.strip().lower() for one in codings] != [b"chunked"]:
            raise ValueError
        self._chunked = bool(codings)
        self._to_eof = not codings and not lengths and status not in (204, 304)
        lines = [b"HTTP/1.1 %d %s" % (status, self._reason)]
        lines += (b"%s: %s" % pair for pair in end_to_end(self._headers))
        if self._chunked:
            lines.append(b"transfer-encoding: chunked")
        lines += (b"content-length: " + length for length in lengths[:1])
        lines += (b"x-bartizan-decision: " + self._id.encode(), b"connection: close", b"\r\n")
        self._started = True
        self._out(b"\r\n".join(lines))
        if self._head.method == b"HEAD":
            self.on_message_complete()

    def on_body(self, piece: bytes) -> None:
        self._unheard = min(0, self._unheard) - len(piece)  # `data_received` adds all it was given.
        if not self._whole:
            self._out(chunk(piece) if self._chunked else piece)

    def on_message_complete(self) -> None:
        if not self._started or self._whole:
            return  # an informational answer: the real one follows
        if self._chunked and self._head.method != b"HEAD":
            self._out(b"0\r\n\r\n")
        self._whole = True
        self.why = self.why or "closed"
        self._client.close()
        self.transport.close()

    def _out(self, raw: bytes) -> None:
        self.bytes_down += len(raw)
        if not self._client.is_closing():
            self._client.write(raw)

    # ---- The end

    def _broken(self, why: str) -> None:
        self.why = self.why or why
        if not self._whole:
            self._whole = True
            if self._started or self._client.is_closing():
                self._client.abort()  # Half an answer must not look whole.
            else:
                self._client.write(answers.error(502, "the host gave no readable answer", self._id))
                self._client.close()
        self.transport.abort()

    def client_lost(self) -> None:
        """Nobody waits for the answer any more."""
        self.why = self.why or "client-gone"
        self._whole = True
        self.transport.abort()

    def quiet_s(self, now: float) -> float:
        """How long nothing has moved, as far as the sweep can tell."""
        moved = self.bytes_up + self.bytes_down
        if moved != self._last:
            self._last, self._quiet_since = moved, now
        return now - self._quiet_since

    def abort(self, why: str) -> None:
        """End it now."""
        self.why = self.why or why
        self._whole = True
        self._client.abort()
        self.transport.abort()
