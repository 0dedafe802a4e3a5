"""uvicorn's protocol for HTTP/1.1, stricter, and with a deadline for everything a client can be slow at.

What two readers of one request could understand differently is refused: a proxy before us and we must agree where a
request ends. llhttp refuses most of it by itself (both lengths, bare LF, obs-fold, bad chunk sizes); this adds unknown
transfer codings, trailers, upgrades, several hosts, and sizes.

uvicorn waits for ever for the rest of a head or a body. Here every connection has a `deadline`, and one sweep of all of
them a moment replaces a timer each: a thousand slow clients cost a loop over a thousand floats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from bartizan.home.court import Intercepted

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
BODY_TIMES_IDLE = 10  # A whole body may take this many times the longest pause: a drip of single bytes ends too.
WRITE_STALL_S = 60.0  # A client that takes nothing for so long has gone.
LINGER_S = 2.0  # After a refusal, what the client still sends is read and dropped: a reset would lose the answer.
NEVER = float("inf")

_SPECIAL = frozenset({b"expect", b"transfer-encoding", b"host"})
_IDLE, _HEAD, _BODY, _WHOLE, _REFUSED = range(5)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may take: seconds and number of connections."""

    head_s: float
    body_idle_s: float
    connections: int


class Refusal(Exception):
    """A request that is answered before anybody reads it."""

    def __init__(self, status: int, what: str) -> None:
        self.status, self.what = status, what
        super().__init__(what)


# status, path, message -> a whole HTTP response
Answer = Callable[[int, bytes, str], bytes]


class Cork:
    """Holds what an answer's head and body are written in, so that both leave in one system call and one packet."""

    __slots__ = ("_close", "_held", "_transport")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport, self._close, self._held = transport, close, [b""]

    def write(self, data: bytes) -> None:
        """Hold it."""
        self._held.append(data)

    def pop(self) -> asyncio.Transport:
        """Write all, and give the transport back."""
        if not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        return self._transport

    def close(self) -> None:
        """Write all and close."""
        self.pop()
        self._held.clear()
        self._close()

    def is_closing(self) -> bool:
        """Whether the client has gone."""
        return self._transport.is_closing()


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(
        self, config: Config, state: ServerState, loop: asyncio.AbstractEventLoop, bounds: Bounds, answer: Answer
    ) -> None:
        super().__init__(config, state, {}, loop)
        self.bounds, self.answer = bounds, answer
        self.deadline = NEVER
        self.intercepted: Intercepted | None = None  # where this is the inside of a tunnel of the forward door
        self.gone: Callable[[], object] | None = None  # called once if the client goes while an exchange waits
        self._stage = _IDLE
        self._body_ends = NEVER
        self._stalled = NEVER
        self._head_size = 0
        self._hosts = 0
        self._coding: bytes | None = None
        self._why: Refusal | None = None
        self._cork: Cork | None = None
        self._corked: RequestResponseCycle | None = None
        self.url = b""

    # ---- From the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client connected. One too many is told so at once."""
        super().connection_made(transport)
        self.deadline = self.loop.time() + self.bounds.head_s
        self._stage = _HEAD
        if len(self.connections) > self.bounds.connections:
            self.refuse(Refusal(503, "too many connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        self.deadline = NEVER
        gone, self.gone = self.gone, None
        if gone is not None:
            gone()

    def eof_received(self) -> None:
        """The client sends no more: half a request is none, and whoever half-closes gets no more answers either."""

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or of several."""
        if self._stage == _REFUSED:
            return
        self._unset_keepalive_if_required()
        if self._stage == _IDLE or self._stage == _WHOLE:
            self._stage = _HEAD
            self.deadline = self.loop.time() + self.bounds.head_s
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.refuse(Refusal(400, "this speaks HTTP/1.1 and upgrades to nothing else"))
        except httptools.HttpParserError as error:
            self.refuse(self._why or Refusal(400, f"the request cannot be read: {_plain(error)}"))
        else:
            if self._stage == _HEAD:
                self._head_size += len(data)
                if self._head_size > 2 * MAX_HEAD_BYTES:  # One header that does not end is never told to `on_header`.
                    self.refuse(Refusal(431, f"the head is larger than {MAX_HEAD_BYTES} bytes"))

    # ---- From the parser

    def on_message_begin(self) -> None:
        """A new request."""
        super().on_message_begin()
        self.scope["connection"] = self  # type: ignore[typeddict-unknown-key]  # our app's own
        self._stage = _HEAD
        self._head_size = self._hosts = 0
        self._coding = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or a trailer, which nobody asked for and which must not pass as a header."""
        if self._stage == _BODY:
            return
        self._head_size += len(name) + len(value) + 4
        if self._head_size + len(self.url) > MAX_HEAD_BYTES:
            self._no(431, f"the head is larger than {MAX_HEAD_BYTES} bytes")
        if len(self.headers) >= MAX_HEADERS:
            self._no(431, f"the head has more than {MAX_HEADERS} headers")
        name = name.lower()
        if name in _SPECIAL:
            self._special(name, value)
        self.headers.append((name, value))

    def _special(self, name: bytes, value: bytes) -> None:
        if name == b"expect":
            if value.lower() != b"100-continue":
                self._no(417, "nothing but 100-continue can be expected")
            self.expect_100_continue = True
        elif name == b"host":
            self._hosts += 1
        elif self._coding is not None or value.lower() != b"chunked":
            self._no(501, "the only transfer coding known here is chunked")
        else:
            self._coding = value

    def on_headers_complete(self) -> None:
        """The head is whole."""
        version = self.parser.get_http_version()
        if version != "1.1":
            if version != "1.0":
                self._no(505, "this speaks HTTP/1.1")
            if self._coding is not None:
                self._no(400, "HTTP/1.0 knows no transfer codings")
        elif self._hosts != 1:
            self._no(400, "the request must have one Host")
        if self.parser.should_upgrade():
            self._no(400, "this speaks HTTP/1.1 and upgrades to nothing else")
        if len(self.url) > MAX_HEAD_BYTES:
            self._no(414, "the address is too long")
        super().on_headers_complete()
        self._stage = _BODY
        now = self.loop.time()
        self.deadline = now + self.bounds.body_idle_s
        self._body_ends = now + BODY_TIMES_IDLE * self.bounds.body_idle_s

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        super().on_body(body)
        self.deadline = min(self.loop.time() + self.bounds.body_idle_s, self._body_ends)

    def on_message_complete(self) -> None:
        """The request is whole."""
        super().on_message_complete()
        self._stage = _WHOLE
        self.deadline = NEVER

    def on_response_complete(self) -> None:
        """The answer is whole."""
        super().on_response_complete()
        if self._stage == _WHOLE:
            self._stage = _IDLE

    def answer_at_once(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """Write a whole answer in one system call; False, and nothing written, where only ASGI's long way does.

        uvicorn takes two messages for it, and checks every header by two expressions.
        """
        cycle, flow = self.cycle, self.flow
        if self.pipeline or flow.write_paused or cycle.disconnected or cycle.response_started:
            return False
        rows, count = [STATUS_LINE[status]], 1
        for name, value in headers:
            if name == b"connection":  # A provider's does not come here: this one is ours, and says `close`.
                cycle.keep_alive = False
                continue
            rows.append(b"%s: %s\r\n" % (name, value))
            count += 1
        if not cycle.keep_alive:
            rows.append(b"connection: close\r\n")
            count += 1
        head = b"".join(rows)
        if head.count(b"\n") != count or head.count(b"\r") != count:
            return False
        if cycle.scope["method"] == "HEAD":
            body = b""
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        if not self.transport.is_closing():
            self.transport.write(b"%s\r\n%s" % (head, body))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.linger()
        cycle.on_response()
        return True

    def cork(self) -> None:
        """From now to `uncork`, the answer's pieces are held."""
        self.uncork()
        if not self.pipeline:  # Else `cycle` is that of a later request.
            self._corked = self.cycle
            self._cork = self._corked.transport = Cork(self.transport, self.linger)  # type: ignore[assignment]  # all that is used

    def cork_this_turn(self) -> None:
        """Hold the answer's pieces until the event loop turns: what is here already leaves together."""
        self.cork()
        self.loop.call_soon(self.uncork)

    def uncork(self) -> None:
        """What was held leaves."""
        if self._cork is not None and self._corked is not None:
            self._corked.transport = self._cork.pop()
            self._cork = self._corked = None

    # ---- Saying no

    def _no(self, status: int, what: str) -> None:
        self._why = Refusal(status, what)
        raise self._why

    def refuse(self, why: Refusal) -> None:
        """Answer and close, unless an answer to an earlier request is on its way: then that is the last one."""
        waiting = self.cycle is not None and not self.cycle.response_complete
        # A request that was read whole before this one gets its answer; so does one that is being answered.
        if waiting and (not self.cycle.more_body or self.cycle.response_started):
            self.cycle.keep_alive = False
            self.pipeline.clear()
            self._stage, self.deadline = _REFUSED, NEVER
            return
        self._stage = _REFUSED
        if self.transport.is_closing():
            return
        if waiting:  # Its body will not come: the app hears that the client has gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(self.answer(why.status, self.url, why.what))
        self._lingering()

    def linger(self) -> None:
        """Close after an answer; where the request was not whole yet, so that the client gets to read it."""
        if self._stage == _BODY:
            self._lingering()
        else:
            self.transport.close()

    def _lingering(self) -> None:
        self._stage = _REFUSED
        self.deadline = self.loop.time() + LINGER_S
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def overdue(self, now: float) -> None:
        """Called by the sweep: ends what took too long."""
        if self.flow.write_paused:
            if self._stalled == NEVER:
                self._stalled = now + WRITE_STALL_S
            elif now > self._stalled:
                self.transport.abort()
            return
        self._stalled = NEVER
        if now < self.deadline:
            return
        if self.flow.read_paused:  # We made it wait ourselves.
            self.deadline = now + self.bounds.body_idle_s
        elif self._stage == _REFUSED:
            self.transport.abort()
        elif self._stage == _HEAD and not self._head_size:
            self.transport.close()
        else:
            self.refuse(Refusal(408, "the rest of the request did not come in time"))


def sweep(connections: Iterable[Any], now: float) -> None:  # Any: uvicorn's set holds any of its protocols
    """End every connection that is behind its deadline."""
    for connection in tuple(connections):
        if now > connection.deadline or connection.flow.write_paused:
            connection.overdue(now)


def _plain(error: httptools.HttpParserError) -> str:
    """llhttp's own words, which never hold what was sent; not those of an error in a callback."""
    if isinstance(error, httptools.HttpParserCallbackError | httptools.HttpParserInvalidURLError):
        return "the address is not one"
    return str(error)
