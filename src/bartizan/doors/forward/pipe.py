"""Two connections joined: what comes from one goes to the other, and nothing looks at it.

Work for a piece of data is one addition and one write. Who cannot write pauses who sends, so a slow reader holds a
bounded number of bytes. Deadlines are kept by the door's sweep, which compares byte counts: no clock is read here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HIGH_WATER = 256 * 1024
NEVER = float("inf")


class End(asyncio.Protocol):
    """One of the two: reads from its own transport, writes to its peer's."""

    __slots__ = ("count", "peer", "pipe", "transport", "write")

    def __init__(self, pipe: Pipe, transport: asyncio.Transport, peer: asyncio.Transport) -> None:
        self.pipe, self.transport, self.peer = pipe, transport, peer
        self.write: Callable[[bytes], None] = peer.write
        self.count = 0

    def data_received(self, data: bytes) -> None:
        self.count += len(data)
        self.write(data)

    def pause_writing(self) -> None:
        if not self.peer.is_closing():
            self.peer.pause_reading()

    def resume_writing(self) -> None:
        if not self.peer.is_closing():
            self.peer.resume_reading()

    def eof_received(self) -> bool:
        """The sender is done; the other direction goes on, where the transport knows halves."""
        self.pipe.halves += 1
        if self.pipe.halves == 2 or self.peer.is_closing() or not self.peer.can_write_eof():
            return False  # The transport closes, and with it the pipe.
        self.peer.write_eof()
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.pipe.lost(self, exc)


class Pipe:
    """Both ends, from the moment both connections stand."""

    __slots__ = ("_ended", "_last", "_quiet_since", "down", "halves", "over", "up", "why")

    def __init__(
        self, client: asyncio.Transport, server: asyncio.Transport, now: float, ended: Callable[[Pipe], None]
    ) -> None:
        """`ended` is called once, when both connections are gone."""
        client.set_write_buffer_limits(high=HIGH_WATER)
        server.set_write_buffer_limits(high=HIGH_WATER)
        self.up, self.down = End(self, client, server), End(self, server, client)
        self._ended = ended
        self._last, self._quiet_since = 0, now
        self.halves, self.over, self.why = 0, 0, ""

    def lost(self, end: End, exc: Exception | None) -> None:
        """One is gone: what the other one still has to be told leaves, then it closes, too."""
        self.over += 1
        if self.over == 2:
            self._ended(self)
            return
        if not self.why:
            gone = "client" if end is self.up else "server"
            self.why = f"{gone}-broke" if exc is not None else "closed"
        end.peer.close()

    @property
    def bytes_up(self) -> int:
        """What the client sent."""
        return self.up.count

    @property
    def bytes_down(self) -> int:
        """What it got."""
        return self.down.count

    def quiet_s(self, now: float) -> float:
        """How long nothing has moved, as far as the sweep can tell."""
        moved = self.up.count + self.down.count
        if moved != self._last:
            self._last, self._quiet_since = moved, now
        return now - self._quiet_since

    def abort(self, why: str) -> None:
        """End both now."""
        self.why = self.why or why
        self.up.transport.abort()
        self.down.transport.abort()
