"""Both sides of a tunnel before it is one: what a host says first is kept, a client's first message is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from bartizan.doors.forward.pipe import End, Pipe
from bartizan.readers.client_hello import client_hello

if TYPE_CHECKING:
    from bartizan.doors.forward.connection import Connection
    from bartizan.readers.tunnel import Tunnel


class Server(asyncio.Protocol):
    """The other side until it is joined: holds what it says first."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.lost = False
        self._held: list[bytes] = []
        self._done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._held.append(data)
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._done = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def joined(self, end: End) -> None:
        """Its bytes go to the client from now on."""
        self.transport.set_protocol(end)
        for piece in self._held:
            end.data_received(piece)
        if self._done:
            end.eof_received()
        self.transport.resume_reading()


class Opening(End):
    """The client's end until its first message is whole."""

    __slots__ = ("_connection", "_decided", "_held", "content")

    def __init__(self, connection: Connection, pipe: Pipe, content: Tunnel) -> None:
        super().__init__(pipe, pipe.up.transport, pipe.up.peer)
        self._connection, self.content = connection, content
        self._held = b""
        self._decided = False

    def data_received(self, data: bytes) -> None:
        if not self._held:
            self._connection.hello_begins()
        self._held += data
        if not self._decided and (hello := client_hello(self._held)) is not None:
            self._decided = True
            self._connection.hello(self, hello)

    def eof_received(self) -> bool:
        """Less than a message is no name: nothing of it goes on."""
        if self._held:
            self.pipe.abort("client-gone")
            return False
        return super().eof_received()

    def go_on(self) -> None:
        """What was held leaves, and nothing is looked at any more."""
        end = End(self.pipe, self.transport, self.peer)
        self.pipe.up = end
        self.transport.set_protocol(end)
        end.data_received(self._held)
        self._held = b""
