"""Queries of which a later line says what became of them: blocked here, or asked elsewhere.

A resolver logs the question first and its own decision in a line or two after it. A question waits that long, and is
one visit whether the decision comes or not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from bartizan.readers.logs.visit import Visit

LINES = 64  # How many lines later the decision is no longer waited for. Busy resolvers interleave some dozens.
MOST = 1024  # Visits that wait at once.


class Waiting:
    """What was asked, under a key that the line of the decision names as well."""

    def __init__(self) -> None:
        self._asked: dict[Hashable, list[tuple[int, Visit]]] = {}
        self._line = 0
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def ask(self, key: Hashable, visit: Visit) -> Iterator[Visit]:
        """One more question. Yields what has waited for too long, should there be too many."""
        if self._count >= MOST:
            yield from self.rest()
        self._asked.setdefault(key, []).append((self._line, visit))
        self._count += 1

    def decided(self, key: Hashable, denied: bool) -> Visit | None:
        """The oldest question of that key with what became of it; None where nobody asked."""
        asked = self._asked.get(key)
        if not asked:
            return None
        visit = asked.pop(0)[1]
        if not asked:
            del self._asked[key]
        self._count -= 1
        return visit._replace(denied=True) if denied else visit

    def passed(self) -> Iterator[Visit]:
        """A line went by. Yields what waited for long enough."""
        self._line += 1
        if self._line % LINES:
            return
        until = self._line - LINES
        for key in [key for key, asked in self._asked.items() if asked[0][0] <= until]:
            while (asked := self._asked.get(key)) and asked[0][0] <= until:
                if visit := self.decided(key, denied=False):
                    yield visit

    def rest(self) -> Iterator[Visit]:
        """All that wait, at the end of the source."""
        asked = [visit for every in self._asked.values() for _, visit in every]
        self._asked.clear()
        self._count = 0
        yield from asked
