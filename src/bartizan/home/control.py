"""What the supervisor and its processes say to each other: one JSON value a line over a pair of sockets.

Either end notices the other's death by the end of the stream, so nobody is left behind as an orphan, whatever killed
the other one.
"""

from __future__ import annotations

import asyncio
import base64
import pickle
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from bartizan.config import Config
from bartizan.core.errors import BartizanError, ConfigError

MAX_LINE = 8 << 20
MAX_BEHIND = 8 << 20

Message = dict[str, Any]  # Any: as JSON has it


class Control:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, end: socket.socket) -> Control:
        """On a connected socket."""
        reader, writer = await asyncio.open_connection(sock=end, limit=MAX_LINE)
        return cls(reader, writer)

    def say(self, message: Message) -> None:
        """Send, and do not wait."""
        if not self._writer.is_closing():
            self._writer.write(orjson.dumps(message) + b"\n")

    def offer(self, message: Message) -> bool:
        """As `say`, unless the other end has so much to read already: then it never hears of this."""
        if self._writer.is_closing() or self._writer.transport.get_write_buffer_size() > MAX_BEHIND:
            return False
        self.say(message)
        return True

    async def heard(self) -> Message | None:
        """The next message; None once the other end is gone."""
        try:
            line = await self._reader.readline()
        except (OSError, ValueError):
            return None
        if not line.endswith(b"\n"):
            return None
        message: Message = orjson.loads(line)
        return message

    def close(self) -> None:
        """Let go."""
        self._writer.close()


async def obeyed(end: socket.socket, run: Callable[[Message, Control], Awaitable[None]]) -> int:
    """Be a process of the supervisor's: hear what to do, do it, and say there why it could not be done.

    The exit code says nothing that was not said on the socket.
    """
    control = await Control.over(end)
    told = await control.heard()
    if told is None or "config" not in told:
        return 0  # It never came to a start.
    try:
        await run(told, control)
    except BartizanError as error:
        control.say({"failed": str(error), "usage": isinstance(error, ConfigError)})
        return 3
    finally:
        control.close()
    return 0


def packed(config: Config) -> str:
    """A configuration on its way to a process of ours."""
    return base64.b64encode(pickle.dumps(config)).decode()


def unpacked(text: str) -> Config:
    """The configuration again."""
    config = pickle.loads(base64.b64decode(text))  # noqa: S301  Our own supervisor wrote it, over a private socket.
    assert isinstance(config, Config)
    return config
