"""TLS ended in the middle of a tunnel: what was encrypted comes out to a protocol inside, as from a transport.

The client's first message has been read already, so it is fed here before what follows. `ssl` does the cryptography on
two buffers; nothing waits, and a client that does not read makes the protocol inside wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PIECE = 256 * 1024


class Inside(asyncio.Protocol):
    """The client's side of an intercepted tunnel."""

    def __init__(
        self,
        transport: asyncio.Transport,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        ended: Callable[[Inside], None],
    ) -> None:
        """`protocol` makes what is spoken inside, once TLS stands; `ended` is called once, at the end."""
        self.transport, self._make, self._ended = transport, protocol, ended
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._context = context
        self.protocol: asyncio.Protocol | None = None
        self.bytes_up = self.bytes_down = 0
        self.why = ""
        self._paused = self._closing = False

    # ---- From the transport

    def data_received(self, data: bytes) -> None:
        self.bytes_up += len(data)
        self._incoming.write(data)
        self._pump()

    def eof_received(self) -> bool:
        self._incoming.write_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        if self.protocol is not None:
            self.protocol.connection_lost(exc)
        self.why = self.why or "closed"
        self._ended(self)

    def pause_writing(self) -> None:
        if self.protocol is not None:
            self.protocol.pause_writing()

    def resume_writing(self) -> None:
        if self.protocol is not None:
            self.protocol.resume_writing()

    # ---- TLS

    def _pump(self) -> None:
        try:
            if self.protocol is None:
                self._tls.do_handshake()
                self.protocol = self._make()
                self.protocol.connection_made(Decrypted(self, self._context))
            while not self._paused and not self._closing:
                piece = self._tls.read(PIECE)
                if not piece:
                    break
                self.protocol.data_received(piece)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError) as error:
            self.flush()
            if isinstance(error, ssl.SSLZeroReturnError) and not self._closing:
                self.close()
            return
        except ssl.SSLError:
            self.why = self.why or "tls"  # Most often a client that does not believe the certificate.
            self.flush()
            self.transport.close()
            return
        self.flush()

    def write(self, data: bytes) -> None:
        """From inside."""
        if data and not self._closing:
            self._tls.write(data)
            self.flush()

    def flush(self) -> None:
        """What TLS has to send leaves."""
        if (out := self._outgoing.read()) and not self.transport.is_closing():
            self.bytes_down += len(out)
            self.transport.write(out)

    def flow(self, *, go: bool) -> None:
        """Read on, or let the client wait."""
        if self._closing or self._paused is not go:
            return
        self._paused = not go
        if go:
            self.transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._pump)  # What was read before still lies in the buffers.
        else:
            self.transport.pause_reading()

    def close(self) -> None:
        """Say goodbye, after all that was written."""
        if self._closing:
            return
        self._closing = True
        with suppress(ssl.SSLError):  # The client's goodbye is not waited for.
            self._tls.unwrap()
        self.flush()
        self.transport.close()

    @property
    def closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._closing or self.transport.is_closing()


class Decrypted(asyncio.Transport):
    """What the protocol inside takes for its transport."""

    def __init__(self, inside: Inside, context: ssl.SSLContext) -> None:
        super().__init__()
        self._inside, self._context = inside, context

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # Any: as asyncio has it
        if name == "sslcontext":
            return self._context
        return default if name == "socket" else self._inside.transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._inside.write(bytes(data))

    def close(self) -> None:
        self._inside.close()

    def abort(self) -> None:
        self._inside.transport.abort()

    def is_closing(self) -> bool:
        return self._inside.closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._inside.flow(go=False)

    def resume_reading(self) -> None:
        self._inside.flow(go=True)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._inside.transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._inside.transport.get_write_buffer_size()
