"""Who guesses has to wait: longer each time for one name, and for all names together.

An attempt counts before it is looked at, so that a hundred at once are no more than a hundred in a row, and it counts
alike whether the name exists or not. What is kept is bounded, and lives in memory: who can restart the console does not
need to guess. A name that somebody else keeps waiting still gets in by a link.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from bartizan.core.errors import SignInDenied

SECOND_US = 1_000_000
FREE = 5  # Wrong passwords in a row before the first wait: people mistype, and try the one from elsewhere.
FIRST_WAIT_S = 2
MAX_WAIT_S = 900  # Then a name costs a guesser a day for 96 guesses.
FORGET_US = 86_400 * SECOND_US
TELL_EVERY_US = 60 * SECOND_US
# For all names: a burst of colleagues on Monday morning passes; a guesser with a list of names gets 30 a minute.
BURST = 60
REFILL_S = 2.0
# More names than can be tried while one waits its longest, so that nobody drives a name out of the list to try it anew.
MAX_NAMES = 4096


@dataclass(slots=True)
class _Tried:
    failures: int
    last_us: int


class Throttle:
    """Counts attempts. Every method may be called from any thread."""

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._lock = threading.Lock()
        self._names: OrderedDict[bytes, _Tried] = OrderedDict()
        self._told: OrderedDict[bytes, int] = OrderedDict()
        self._left = float(BURST)
        self._filled_us = clock_us()

    def knock(self, name: bytes) -> None:
        """Count an attempt for a name (a digest of it). Raises SignInDenied, uncounted, while it has to wait."""
        now_us = self._clock_us()
        with self._lock:
            self._left = min(BURST, self._left + max(0, now_us - self._filled_us) / SECOND_US / REFILL_S)
            self._filled_us = now_us
            tried = self._names.get(name) or _Tried(0, now_us)
            elapsed_us = max(0, now_us - tried.last_us)  # A clock that went back frees nobody.
            if elapsed_us > FORGET_US:
                tried.failures = 0
            wait_s = max(_wait_s(tried.failures) - elapsed_us / SECOND_US, (1 - self._left) * REFILL_S)
            if wait_s > 0:
                seconds = int(wait_s) + 1
                raise SignInDenied(f"too many wrong attempts; wait {seconds} seconds", seconds)
            self._left -= 1
            tried.failures, tried.last_us = tried.failures + 1, now_us
            self._names[name] = tried
            self._names.move_to_end(name)
            if len(self._names) > MAX_NAMES:
                self._names.popitem(last=False)

    def let_in(self, name: bytes) -> None:
        """The attempt was right: nothing is held against the name any more."""
        with self._lock:
            self._left = min(BURST, self._left + 1)
            self._names.pop(name, None)

    def to_tell(self, name: bytes) -> bool:
        """Whether a failure is to be recorded: once a minute for a name."""
        now_us = self._clock_us()
        with self._lock:
            if 0 <= now_us - self._told.get(name, -FORGET_US) < TELL_EVERY_US:
                return False
            self._told[name] = now_us
            self._told.move_to_end(name)
            if len(self._told) > MAX_NAMES:
                self._told.popitem(last=False)
            return True


def _wait_s(failures: int) -> float:
    """How long after so many failures in a row."""
    if failures < FREE:
        return 0
    return min(FIRST_WAIT_S * 2.0 ** min(failures - FREE, 20), MAX_WAIT_S)
