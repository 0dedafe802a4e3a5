"""How AI systems are used, counted beside the pages: no page waits for two hundred thousand rows.

Counting goes over everything that sources told and takes seconds in a large register. So it is done in a thread of its
own, over a connection of its own, when a source has told more; until it is done pages show what was counted last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass

from bartizan.doors.console.use_words import Bar, bars
from bartizan.inventory.seen import days_of_each, people_seen, seen
from bartizan.inventory.system import Seen
from bartizan.readers.logs.usage import AccountKind
from bartizan.readers.logs.visit import DAY_US
from bartizan.store.connection import Connection
from bartizan.store.state import NAME, State

WAIT_S = 0.05  # A small register is counted within it, and is always fresh.
MAX_BARS = 20  # Charts that are kept.
RESTS = 10  # times as long as the last count took, before the next one begins

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """Use within some days. People are pseudonyms, here as everywhere.

    Args:
        people: How many used any AI. `personal`: with an account of their own.
        by_day: (system, day, how often), oldest first.
    """

    days: int
    since_day: int
    at_us: int
    seen: Mapping[str, Seen]
    by_day: tuple[tuple[str, int, int], ...]
    people: int
    personal: int


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: Stamp
    counted: Counted
    took_s: float
    done_s: float


class Uses:
    """The counts of one home, each kept until a source tells more. Every method may be called from any thread."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="uses")
        self._lock = threading.Lock()
        self._kept: dict[int, _Kept] = {}
        self._running: dict[int, Future[Counted]] = {}
        self._bars: dict[tuple[int, int, int], list[Bar]] = {}

    def counted(self, days: int, now_us: int) -> Counted:
        """Use within the last so many days: now, where that is quick, else as it was counted last. Raises StoreError.

        Only who asks first of all waits until it is done.
        """
        stamp = (now_us // DAY_US, *self._told())
        with self._lock:
            kept = self._kept.get(days)
            if kept is not None:
                early = time.monotonic() - kept.done_s < RESTS * kept.took_s - RESTS * WAIT_S
                if kept.stamp == stamp or early:
                    return kept.counted
            future = self._running.get(days)
            if future is None:
                future = self._running[days] = self._thread.submit(self._count, days, now_us, stamp)
        try:
            return future.result(WAIT_S if kept is not None else None)
        except NotYet:
            assert kept is not None
            return kept.counted

    def bars(self, counted: Counted, shapes: Mapping[str, str]) -> list[Bar]:
        """The bars of a chart, kept for as long as neither the count nor a status changes."""
        key = (counted.days, counted.at_us, hash(frozenset(shapes.items())))
        with self._lock:
            found = self._bars.get(key)
            if found is None:
                if len(self._bars) >= MAX_BARS:
                    self._bars.clear()
                found = self._bars[key] = bars(counted.by_day, shapes, counted.since_day, counted.days)
            return found

    def close(self) -> None:
        """End the thread; what is being counted is counted to its end."""
        self._thread.shutdown(cancel_futures=True)

    def _told(self) -> Stamp:
        """What changes whenever a source tells more. Costs next to nothing."""
        query = (
            "SELECT count(*), coalesce(sum(reads), 0), coalesce(sum(upto), 0), coalesce(sum(lines), 0), "
            "coalesce(max(read_us), 0) FROM usage_source"
        )
        return tuple(map(int, self._state.query(query)[0]))

    def _count(self, days: int, now_us: int, stamp: Stamp) -> Counted:
        began = time.monotonic()
        try:
            made = self._read(days, now_us)
            took_s = time.monotonic() - began
            with self._lock:
                self._kept[days] = _Kept(stamp, made, took_s, time.monotonic())
            return made
        finally:
            with self._lock:
                self._running.pop(days, None)

    def _read(self, days: int, now_us: int) -> Counted:
        since_day = now_us // DAY_US - days + 1
        # The console's own connection serves all pages, one after the other: this one is for nobody else.
        store = State(self._state.home, Connection(self._state.home / NAME, readonly=True))
        try:
            return Counted(
                days,
                since_day,
                now_us,
                seen(store, since_day),
                tuple(days_of_each(store, since_day)),
                people_seen(store, since_day),
                people_seen(store, since_day, AccountKind.PERSONAL),
            )
        finally:
            store.close()
