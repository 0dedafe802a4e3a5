"""Between the event loop and the ledger's thread: an exchange waits for its record without a thread of its own.

Records of one turn of the event loop are handed over together at its end. The thread then wakes once, for a batch:
woken for each record by itself it would fight for the interpreter with the very requests whose records it writes
(measured at 16 connections: 15 futex calls a request, and a third of the time).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bartizan.core.errors import StoreError

if TYPE_CHECKING:
    from bartizan.home import Home
    from bartizan.ledger.writer import Writer

TURNS = 3  # Turns of the loop that a record may wait for others. An idle turn takes some microseconds.
LATER_S = 0.05  # How long one may wait that nobody waits for.
AT_ONCE = 32  # Records that are handed over without waiting longer: the disk works while the rest is judged.

Bodies = Sequence[tuple[str, bytes]]


class Ticket:
    """One record on its way. It belongs to the event loop."""

    __slots__ = ("bodies", "done", "entry", "error", "number", "waiter")

    def __init__(self, entry: Mapping[str, object], bodies: Bodies) -> None:
        self.entry, self.bodies = entry, bodies
        self.number = 0  # the ledger's own, once it has it
        self.done = False
        self.error: StoreError | None = None
        self.waiter: asyncio.Future[None] | None = None

    def settle(self, error: StoreError | None) -> None:
        """It is on the disk, or will never be."""
        self.done, self.error = True, error
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Ledger:
    """This process's log. `append` gives a ticket, `durable` waits for it; both belong to the event loop."""

    def __init__(self, home: Home, name: str, told: Callable[[str], None]) -> None:
        """Opens the log. `told` hears of trouble, from the log's thread. Raises StoreBusy, StoreError."""
        self._loop = asyncio.get_running_loop()
        self._fresh: list[Ticket] = []  # of this turn of the loop
        self._soon_over = False  # whether they are handed over at its end
        self._under_way: deque[Ticket] = deque()
        self.trouble: str = ""  # why the last batch could not be kept; "" while all is well
        self.writer: Writer = home.writer(name, on_durable=self._committed, on_alarm=told)

    def append(self, entry: Mapping[str, object], bodies: Bodies = (), *, awaited: bool = True) -> Ticket:
        """Hand a record over at the end of this turn of the loop; one that nobody waits for with the next such one."""
        ticket = Ticket(entry, bodies)
        if awaited and not self._soon_over:
            self._soon_over = True
            self._loop.call_soon(self._soon, TURNS)
        elif not self._fresh:
            self._loop.call_later(LATER_S, self.hand_over)
        self._fresh.append(ticket)
        if len(self._fresh) >= AT_ONCE:
            self.hand_over()
        return ticket

    async def durable(self, ticket: Ticket) -> None:
        """Until the record is on the disk. Raises StoreError if it is not going to be."""
        if not ticket.done:
            ticket.waiter = self._loop.create_future()
            await ticket.waiter
        if ticket.error is not None:
            # One error for each waiter: an exception that is raised twice collects tracebacks without end.
            raise type(ticket.error)(*ticket.error.args)

    @property
    def waiting(self) -> int:
        """How many records are on their way to the disk."""
        return len(self._fresh) + len(self._under_way)

    def record(self, event: Mapping[str, object]) -> None:
        """An event of a case, durably. Waits: for threads, never for the event loop."""
        self.writer.wait(self.writer.append(event))

    def _soon(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._soon, turns - 1)
        else:
            self.hand_over()

    def hand_over(self) -> None:
        """Give the ledger what this turn of the loop wrote down."""
        fresh, self._fresh, self._soon_over = self._fresh, [], False
        if not fresh:
            return
        for ticket in fresh:
            try:
                ticket.number = self.writer.append(ticket.entry, ticket.bodies, wake=False)
            except StoreError as error:
                self.trouble = str(error)
                ticket.settle(error)
            else:
                ticket.entry, ticket.bodies = {}, ()
                self._under_way.append(ticket)
        self.writer.wake()

    def close(self) -> None:
        """Write what is left and let go of the file. Waits."""
        self.hand_over()
        self.writer.close()

    def _committed(self, upto: int, error: BaseException | None) -> None:
        """Called from the log's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, upto, error)

    def _settle(self, upto: int, error: BaseException | None) -> None:
        failed = error if isinstance(error, StoreError) or error is None else StoreError(type(error).__name__)
        self.trouble = "" if failed is None else str(failed)
        under_way = self._under_way
        while under_way and under_way[0].number <= upto:
            under_way.popleft().settle(failed)
