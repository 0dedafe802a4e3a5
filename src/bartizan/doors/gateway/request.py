"""One request as the app sees it: its head read once, its body read whole, its answer sent."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from bartizan.core.errors import InputError
from bartizan.doors.gateway.upstream import HOP_BY_HOP

if TYPE_CHECKING:
    from bartizan.doors.gateway.strict import Connection
    from bartizan.exchange.dialect import Dialect
    from bartizan.exchange.inference import Served
    from bartizan.home.court import Intercepted
    from bartizan.vault import Identity

Scope = dict[str, Any]  # Any: as ASGI has it
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")
_OURS = b"x-bartizan-"
_CHARSET = re.compile(rb"charset(?!\s*=\s*[\"']?(?:utf-?8|us-ascii)[\"']?\s*(?:;|$))", re.IGNORECASE)
AT_ONCE_BYTES = 64 * 1024  # A larger body is not copied once more to save a system call.
_CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"x-bartizan-key"})
# Cookies are for whoever stands at our address (a proxy with a sign-in); addresses of clients are nobody's business.
_PRIVATE = frozenset(
    {b"cookie", b"forwarded", b"via", b"x-real-ip", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
)
_NOT_FORWARDED = (
    HOP_BY_HOP | _CREDENTIALS | _PRIVATE | {b"host", b"content-length", b"expect", b"accept-encoding", b"connection"}
)


class TooLarge(Exception):
    """A body beyond its bound. Says which."""


class ClientGone(Exception):
    """The client went away before its request was whole, or before its answer was."""


class Request:
    """A request of a client. `forward` are its end-to-end headers, as they go upstream."""

    __slots__ = (
        "_send",
        "began",
        "connection",
        "credentials",
        "dialect",
        "forward",
        "gone",
        "id",
        "identity",
        "intercepted",
        "length",
        "method",
        "path",
        "query",
        "receive",
        "route",
        "served",
        "started",
        "status",
        "wait_s",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, id_: str, dialect: Dialect, began: float) -> None:
        self.receive, self._send = receive, send
        self.id, self.dialect, self.began = id_, dialect, began
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.connection: Connection | None = scope.get("connection")
        self.intercepted: Intercepted | None = self.connection.intercepted if self.connection is not None else None
        self.route = "other"
        self.served: Served | None = None  # of a path that names a model
        self.credentials: dict[bytes, bytes] = {}
        self.forward: list[tuple[bytes, bytes]] = []
        self.length = 0
        self.identity: Identity | None = None
        self.wait_s = 0.0
        self.started = self.gone = False
        self.status = 0

    def read_head(self, headers: Headers) -> None:
        """Sort the headers. Raises InputError for what could be read in two ways."""
        forward, named = self.forward, b""
        for name, value in headers:
            if name in _NOT_FORWARDED:
                if name in _CREDENTIALS:
                    if name in self.credentials:
                        raise InputError("stands twice in the head", name.decode())
                    self.credentials[name] = value
                elif name == b"content-length":
                    self.length = int(value)
                elif name == b"connection" and value.lower() not in (b"keep-alive", b"close"):
                    named += b"," + value.lower()
            elif name == b"content-encoding" and value.lower() != b"identity":
                raise InputError("a request body that is compressed is not read here", "content-encoding")
            elif name == b"content-type" and _CHARSET.search(value):  # Whoever obeys it would read another text.
                raise InputError("a request body is read as UTF-8 alone", "content-type")
            elif not name.startswith(_OURS):
                forward.append((name, value))
        if named:
            hops = {token.strip() for token in named.split(b",")}
            self.forward = [pair for pair in forward if pair[0] not in hops]

    def as_configured(self, headers: Headers) -> None:
        """With these headers, in the place of the client's own of those names."""
        ours = {name.lower() for name, _ in headers}
        self.forward = [pair for pair in self.forward if pair[0] not in ours] + list(headers)

    def read_query(self, longest_wait_s: float) -> None:
        """Take `wait` out of the query. Raises InputError."""
        if b"wait" not in self.query:
            return
        kept = []
        for piece in self.query.split(b"&"):
            name, value = (parse_qsl(piece.decode("latin-1"), keep_blank_values=True) or [("", "")])[0]
            if name != "wait":
                kept.append(piece)
                continue
            if not (value.isascii() and value.isdigit() and 0 < int(value[:9]) <= longest_wait_s):
                raise InputError(f"is a number of seconds from 1 to {longest_wait_s:g}", "wait")
            self.wait_s = float(value)
        self.query = b"&".join(kept)

    def secrets(self) -> list[str]:
        """What may be a Bartizan key, the header that can be nothing else first."""
        found = []
        own = self.credentials.get(b"x-bartizan-key")
        if own is not None:
            return [own.decode("latin-1").strip()]
        if (bearer := self.credentials.get(b"authorization")) is not None and bearer[:7].lower() == b"bearer ":
            found.append(bearer[7:].decode("latin-1").strip())
        if (key := self.credentials.get(b"x-api-key")) is not None:
            found.append(key.decode("latin-1").strip())
        return found

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises TooLarge; ClientGone where the rest of it never came."""
        if self.length > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
        message = await self.receive()
        if message["type"] == "http.request" and not message["more_body"]:
            whole: bytes = message["body"]
            if len(whole) > limit:
                raise TooLarge(f"the body is larger than {limit} bytes")
            return whole
        pieces, size = [], 0
        while True:
            if message["type"] != "http.request":  # http.disconnect is not the end of a body.
                raise ClientGone
            size += len(message["body"])
            if size > limit:
                raise TooLarge(f"the body is larger than {limit} bytes")
            pieces.append(message["body"])
            if not message["more_body"]:
                return b"".join(pieces)
            message = await self.receive()

    def watch(self) -> None:
        """From now on, cancel this task when the client goes away."""
        if self.connection is not None:
            task = asyncio.current_task()
            assert task is not None

            def gone() -> None:
                self.gone = True
                task.cancel()

            self.connection.gone = gone

    def unwatch(self) -> None:
        """No longer."""
        if self.connection is not None:
            self.connection.gone = None

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The head of the answer."""
        self.started, self.status = True, status
        headers.append(self._own())
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _own(self) -> tuple[bytes, bytes]:
        return b"x-bartizan-decision", self.id.encode()

    async def more(self, body: bytes) -> None:
        """A piece of the answer."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Its last piece."""
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def answer(self, status: int, body: bytes, headers: Headers = (JSON_TYPE,)) -> None:
        """A whole answer."""
        length = (b"content-length", b"%d" % len(body))
        connection = self.connection if len(body) <= AT_ONCE_BYTES else None
        if connection is not None:
            self.started, self.status = True, status
            if connection.answer_at_once(status, (*headers, length, self._own()), body):
                return
        await self.start(status, [*headers, length])
        await self.end(body)

    async def error(self, status: int, message: str, *, retry_after_s: int = 0, code: str | None = None) -> None:
        """An error in the provider's shape."""
        headers = [JSON_TYPE]
        if retry_after_s:
            headers.append((b"retry-after", b"%d" % retry_after_s))
        if status == 413:  # The rest of the body is not going to be read.
            headers.append((b"connection", b"close"))
        await self.answer(status, self.dialect.error(status, message, code=code), headers)
