"""Connections told of twice: with their name when they begin, with their bytes when they end."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from bartizan.readers.logs.visit import HANDSHAKE_BYTES, Tally, Visit, of_tunnel

MAX_OPEN = 100_000  # Wanted connections without an end, about 40 MB.
MAX_EARLY = 200_000  # Connections whose end came before their name, about 40 MB.


class Joined:
    """Visits that wait for the end of their connection; those beyond the bounds go on without bytes, which is said."""

    def __init__(self, tally: Tally, bound: str) -> None:
        self._tally, self._bound = tally, bound
        self._open: dict[Hashable, Visit] = {}
        self._early: dict[Hashable, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def begun(self, key: object, visit: Visit) -> Iterator[Visit]:
        """A connection with its name. A second name for the same connection is no second visit."""
        if not isinstance(key, str | int | bytes | tuple):
            yield visit
            return
        if early := self._early.pop(key, None):
            yield _with_bytes(visit, *early)
            return
        if key in self._open:
            return
        if len(self._open) >= MAX_OPEN:
            self._tally.bound(self._bound)
            yield self._open.pop(next(iter(self._open)))
        self._open[key] = visit

    def ended(self, key: object, up: int, down: int) -> Iterator[Visit]:
        """A connection with its bytes."""
        if isinstance(key, str | int | bytes | tuple) and (visit := self._open.pop(key, None)) is not None:
            yield _with_bytes(visit, up, down)

    def early(self, key: Hashable, up: int, down: int) -> None:
        """A connection that ended before its name is read. Only those that prove more than a connection are kept."""
        if up <= HANDSHAKE_BYTES:
            return
        if len(self._early) >= MAX_EARLY:
            self._tally.bound(self._bound)
            del self._early[next(iter(self._early))]
        self._early[key] = (up, down)

    def denied(self, key: object) -> bool:
        """The connection of that key was cut off; False where none is known."""
        if not isinstance(key, str | int | bytes | tuple) or key not in self._open:
            return False
        self._open[key] = self._open[key]._replace(denied=True)
        return True

    def rest(self) -> Iterator[Visit]:
        """All that are open at the end of the source."""
        yield from self._open.values()
        self._open.clear()


def _with_bytes(visit: Visit, up: int, down: int) -> Visit:
    return visit._replace(evidence=max(visit.evidence, of_tunnel(up)), bytes_up=up, bytes_down=down)
