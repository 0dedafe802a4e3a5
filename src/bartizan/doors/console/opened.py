"""Texts that somebody opened, for a while: opening is recorded once, and the views of a text may then be switched.

In memory alone, by session, so that nobody reads what another opened; gone after a quarter of an hour.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

MINUTES = 15
MAX_BYTES = 128 << 20
Key = tuple[str, str]


class Opened:
    """What was opened, by session and what it belongs to. Safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[int, int, Any]] = OrderedDict()  # (session, what) -> until, size, value
        self._size = 0

    def keep(self, session: str, what: str, value: Any, size: int, now_us: int) -> None:
        """Keep a value of about `size` bytes. The oldest go when there is no room."""
        with self._lock:
            self._drop((session, what))
            self._kept[session, what] = (now_us + MINUTES * 60_000_000, size, value)
            self._size += size
            while self._size > MAX_BYTES and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def get(self, session: str, what: str, now_us: int) -> Any | None:
        """What this session opened, if it was within the last quarter of an hour."""
        with self._lock:
            for key in [key for key, (until, _, _) in self._kept.items() if until <= now_us]:
                self._drop(key)
            found = self._kept.get((session, what))
        return found[2] if found else None

    def end(self, session: str) -> None:
        """Forget all that a session opened."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == session]:
                self._drop(key)

    def _drop(self, key: Key) -> None:
        if (found := self._kept.pop(key, None)) is not None:
            self._size -= found[1]
