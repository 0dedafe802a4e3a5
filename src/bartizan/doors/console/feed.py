"""What is new, for everybody who watches Live: read and rendered once a quarter of a second, however many they are.

    index.after(number) ─▶ rows ─▶ one piece for each filter ─▶ the queue of each listener ─▶ server-sent events

One task reads while somebody listens, in a thread. A listener who does not keep up is let go, and comes back with the
number of what it got last. Nobody is listened to for longer than their session holds or the console serves.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response

from bartizan.core.errors import StoreError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from bartizan.events import Filter, Index, Row

EVERY_S = 0.25
RATES_EVERY_S = 3.0
SESSION_EVERY_S = 5.0
HEARTBEAT_S = 15.0
SEND_S = 5.0  # A listener who takes nothing for so long is gone.
MAX_LISTENERS = 32
MAX_PIECES = 16  # waiting for one listener: four seconds
MAX_ROWS = 50  # in one piece; of more it says how many
MAX_QUIET = 12  # of them such as were simply allowed: four times a second nobody reads more
MAX_BEHIND = 1000  # changes; further back nothing is told one by one
AT_ONCE = 200
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # A proxy that gathers pieces would make Live late.
]

Render = Callable[["Sequence[Row]"], str]


@dataclass(eq=False)
class Listener:
    """Somebody who watches. Belongs to the event loop."""

    filter: Filter
    at: int  # the number of the row that they know of
    holds: Callable[[], bool]  # whether their session still does; may wait for a disk
    queue: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(MAX_PIECES))
    asked_s: float = 0.0  # when the session was looked at
    over: bool = False

    def put(self, piece: bytes) -> None:
        """Give them a piece, or let them go where they take none."""
        if self.over:
            return
        if self.queue.full():
            self.end(event("late", b"{}"))
        else:
            self.queue.put_nowait(piece)

    def end(self, last: bytes = b"") -> None:
        """Nothing comes after this."""
        self.over = True
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(last)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows for everybody with the same filter who knows of the same."""

    at: int
    told: bytes


class Feed:
    """The feed of one console. `listen` and what it returns belong to the event loop."""

    def __init__(
        self, index: Index, rows: Render, rates: Callable[[], Mapping[str, Any]], *, every_s: float = EVERY_S
    ) -> None:  # Any: as JSON has it
        """`rows` and `rates` render, called from a thread: rows newest first, and what ticks beside them."""
        self._index, self._rows, self._rates, self._every_s = index, rows, rates, every_s
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._ended = threading.Event()

    @property
    def full(self) -> bool:
        """Whether nobody more can listen."""
        return len(self._listeners) >= MAX_LISTENERS or self._ended.is_set()

    def end(self) -> None:
        """Let everybody go, at once and from any thread: the console stops."""
        self._ended.set()

    def join(self, listener: Listener) -> None:
        """Begin to tell somebody."""
        self._listeners.append(listener)
        listener.asked_s = asyncio.get_running_loop().time()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="live")

    def leave(self, listener: Listener) -> None:
        """Tell them nothing more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    # ---- The one who reads ------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        next_rates_s, trouble = 0.0, False
        try:
            while self._listeners and not self._ended.is_set():
                began_s = loop.time()
                wanted = {(one.filter.text, one.at): one.filter for one in self._listeners}
                with_rates = began_s >= next_rates_s
                try:
                    pieces, rates = await asyncio.to_thread(self._read, wanted, with_rates)
                    trouble = False
                except StoreError:
                    pieces, rates = {}, b"" if trouble else event("trouble", b"{}")
                    trouble = True
                if with_rates:
                    next_rates_s = began_s + RATES_EVERY_S
                for one in tuple(self._listeners):
                    piece = pieces.get((one.filter.text, one.at))
                    if piece is not None:
                        one.at = piece.at
                        if piece.told:
                            one.put(piece.told)
                    if rates:
                        one.put(rates)
                await self._sessions(began_s)
                await asyncio.sleep(max(self._every_s / 4, began_s + self._every_s - loop.time()))
        finally:
            self._task = None
            for one in self._listeners:
                one.end()

    async def _sessions(self, now_s: float) -> None:
        due = [one for one in self._listeners if now_s - one.asked_s >= SESSION_EVERY_S]
        if due:
            held = await asyncio.to_thread(lambda: [one.holds() for one in due])
            for one, holds in zip(due, held, strict=True):
                one.asked_s = now_s
                if not holds:
                    one.end(event("over", b"{}"))

    # ---- In a thread ------------------------------------------------------------------------------------------------

    def _read(
        self, wanted: Mapping[tuple[str, int], Filter], with_rates: bool
    ) -> tuple[dict[tuple[str, int], _Piece], bytes]:
        """A piece for each filter and place, where there is anything new. Raises StoreError."""
        newest = self._index.newest()
        rows = self._new(min((at for _, at in wanted), default=newest), newest)
        pieces = {}
        for (text, at), filter_ in wanted.items():
            if at == newest:
                continue
            # One that knows of more than there is knows of an index that was thrown away.
            known = at if at < newest else 0
            new = [row for row in rows if row.number > known and (not filter_.terms or filter_.matches(row))]
            missed = max(0, newest - MAX_BEHIND - known) if known else 0
            pieces[text, at] = _Piece(newest, self._told(new, missed, newest) if new else b"")
        return pieces, event("rates", orjson.dumps(self._rates())) if with_rates else b""

    def _new(self, at: int, newest: int) -> list[Row]:
        if at > newest:
            at = 0
        at = max(at, newest - MAX_BEHIND)
        rows: list[Row] = []
        while at < newest:
            some = self._index.after(at, AT_ONCE)
            rows += some
            if not some:
                break
            at = some[-1].number
        return [row for row in rows if row.number <= newest]

    def _told(self, new: Sequence[Row], missed: int, newest: int) -> bytes:
        acted = [row for row in new if row.outcome != "allow"][-MAX_ROWS:]
        quiet = [row for row in new if row.outcome == "allow"][-MAX_QUIET:][: MAX_ROWS - len(acted)]
        shown = sorted([*acted, *quiet], key=lambda row: (row.time_us, row.number), reverse=True)
        more = len(new) - len(shown) + missed
        told = {"html": self._rows(shown), "rows": len(shown), "more": more, "number": newest}
        return event("rows", orjson.dumps(told), newest)


class Listening(Response):
    """What a listener is sent: server-sent events until they leave or are let go."""

    def __init__(self, feed: Feed, listener: Listener) -> None:
        super().__init__()
        self._feed, self._listener = feed, listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        listener = self._listener
        left = asyncio.create_task(_until_left(receive, listener))
        self._feed.join(listener)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            async for piece in self._pieces():
                async with asyncio.timeout(SEND_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError):
            return  # They take nothing any more. The server closes what it could not send.
        finally:
            self._feed.leave(listener)
            left.cancel()

    async def _pieces(self) -> AsyncIterator[bytes]:
        listener = self._listener
        yield b"retry: 3000\n\n"
        while not (listener.over and listener.queue.empty()):
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    piece = await listener.queue.get()
            except TimeoutError:
                piece = b"id: %d\n: still here\n\n" % listener.at
            if piece:
                yield piece


async def _until_left(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()


def event(name: str, data: bytes, number: int | None = None) -> bytes:
    """One server-sent event. `data` is JSON on one line."""
    head = b"id: %d\n" % number if number is not None else b""
    return b"%sevent: %s\ndata: %s\n\n" % (head, name.encode(), data)
