"""The last fifteen minutes of each door, in steps of fifteen seconds.

What is older than a minute hardly changes any more, so that only the last minute is counted again each time, and all
of it every five minutes: a busy quarter of an hour has 200,000 exchanges.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.events import Bucket

if TYPE_CHECKING:
    from bartizan.events import Index

STEP_US = 15_000_000
STEPS = 60
AGAIN_US = 60_000_000
WHOLE_US = 300_000_000
NOW_US = 10_000_000  # What "a second now" is the mean of.
MAX_DOORS = 6

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Door:
    """One door, or all of them (`name` is ""): its steps, what they come to, and items a second now."""

    name: str
    buckets: tuple[Bucket, ...]
    counts: Counts
    a_second: float

    @property
    def examined(self) -> int:
        """How many of whatever outcome."""
        return sum(self.counts.values())


class Rates:
    """Kept for one console. Every method may be called from any thread."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._steps: dict[str, dict[int, Counts]] = {}
        self._whole_us = self._read_us = 0

    def doors(self, now_us: int) -> tuple[Door, ...]:
        """All together first, then each that had anything to do, the busiest first. Raises StoreError."""
        with self._lock:
            end_us = (now_us // STEP_US + 1) * STEP_US
            since_us = end_us - STEPS * STEP_US
            whole = now_us - self._whole_us > WHOLE_US or now_us < self._read_us
            begin_us = since_us if whole else max(since_us, (self._read_us - AGAIN_US) // STEP_US * STEP_US)
            self._take(begin_us, end_us, whole)
            self._read_us = now_us
            if whole:
                self._whole_us = now_us
            starts = range(since_us, end_us, STEP_US)
            made = [self._door(name, steps, starts, now_us) for name, steps in self._steps.items()]
        all_, *each = sorted(made, key=lambda one: (one.name != "", -one.examined))
        return (all_, *(one for one in each if one.examined))

    def _take(self, begin_us: int, end_us: int, whole: bool) -> None:
        """Count from then on, door by door until all is told: mostly there is one."""
        if whole:
            known = list(self._steps)
            self._steps = {}
            names = [*known[1:], *(name for name in self._index.suggestions("door", "") if name not in known)]
        else:
            names = list(self._steps)[1:]
        left = self._put("", begin_us, end_us)
        for name in names:
            if left > 0 or name in self._steps:
                left -= self._put(name, begin_us, end_us)
        if left > 0 and not whole:  # A door nobody used before.
            for name in self._index.suggestions("door", ""):
                if left > 0 and name not in self._steps and len(self._steps) <= MAX_DOORS:
                    left -= self._put(name, begin_us, end_us)

    def _put(self, name: str, begin_us: int, end_us: int) -> int:
        found = self._index.buckets(begin_us, end_us, STEP_US, door=name)
        steps = self._steps.setdefault(name, {})
        for one in found:
            steps[one.start_us] = one.counts
        for start_us in [start_us for start_us in steps if start_us < end_us - STEPS * STEP_US]:
            del steps[start_us]
        return sum(sum(one.counts.values()) for one in found)

    def _door(self, name: str, steps: Mapping[int, Counts], starts: range, now_us: int) -> Door:
        buckets = tuple(Bucket(start_us, steps.get(start_us, {})) for start_us in starts)
        total: Counter[str] = Counter()
        for one in buckets:
            total.update(one.counts)
        a_second = 0.0
        if any(one.counts for one in buckets[-2:]):
            (now,) = self._index.buckets(now_us - NOW_US, now_us, NOW_US, door=name)
            a_second = sum(now.counts.values()) / (NOW_US / 1e6)
        return Door(name, buckets, total, a_second)
