"""The least a CONNECT proxy in asyncio can cost: it looks nothing up, asks nobody, and writes nothing down.

    python -m benchmarks.bare_tunnel PORT streams|protocols

`streams` is what a page of documentation leads to: `asyncio.start_server`, two tasks a tunnel, `read`, `write`,
`drain`. `protocols` is the same on asyncio's lower layer. Both on uvloop.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def place(head: bytes) -> tuple[str, int]:
    """Where a CONNECT wants to go."""
    host, _, port = head.split(b" ", 2)[1].decode().rpartition(":")
    return host, int(port)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(256 * 1024):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    there, back = await asyncio.open_connection(*place(head), limit=256 * 1024)
    writer.write(ESTABLISHED)
    await asyncio.gather(pump(reader, back), pump(there, writer))


class Side(asyncio.Protocol):
    """One side of a tunnel."""

    other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


class Client(Side):
    """A client's, which says where to go first."""

    task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)
        elif self.task is None:
            self.task = asyncio.get_running_loop().create_task(self.join(data))

    async def join(self, head: bytes) -> None:
        _, other = await asyncio.get_running_loop().create_connection(Side, *place(head))
        self.other, other.other = other, self
        self.transport.write(ESTABLISHED)


async def main(port: int, how: str) -> None:
    if how == "streams":
        server = await asyncio.start_server(tunnel, "127.0.0.1", port, limit=256 * 1024, backlog=1024)
    else:
        server = await asyncio.get_running_loop().create_server(Client, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2]))
