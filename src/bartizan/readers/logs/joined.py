"""Connections told of twice: with their name when they begin, with their bytes when they end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator

from bartizan.readers.logs.visit import HANDSHAKE_BYTES, Tally, Visit, of_tunnel

MAX_OPEN = 100_000  # Wanted connections without an end, about 40 MB.
MAX_EARLY = 200_000  # Connections whose end came before their name, about 40 MB.
ALONE = "connections without names: addresses alone prove nothing, logs of the same run that name them do"

Add = Callable[[Visit], None]


class Joined:
    """Visits that wait for the end of their connection; those beyond the bounds go on without bytes, which is said."""

    def __init__(self, tally: Tally, bound: str) -> None:
        self._tally, self._bound = tally, bound
        # The first of a dict is found behind all that were taken from its front; an OrderedDict knows it.
        self._open: OrderedDict[Hashable, Visit] = OrderedDict()
        self._early: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()
        self._named = False

    def __bool__(self) -> bool:
        return bool(self._open) or bool(self._tally.endings)

    def __contains__(self, key: object) -> bool:
        return key in self._open

    def begun(self, key: object, visit: Visit) -> Iterator[Visit]:
        """A connection with its name. A second name for the same connection is no second visit."""
        self._named = True
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
            yield self._open.popitem(last=False)[1]
        self._open[key] = visit

    def ended(self, key: object, up: int, down: int) -> Iterator[Visit]:
        """A connection with its bytes."""
        if isinstance(key, str | int | bytes | tuple) and (visit := self._open.pop(key, None)) is not None:
            yield _with_bytes(visit, up, down)

    def early(self, key: Hashable, up: int, down: int) -> None:
        """A connection that ended before its name is read, or that another source named.

        Only those that prove more than a connection are kept.
        """
        if self._tally.endings is not None and self._tally.endings.ended(key, up, down):
            self._named = True
            return
        if up <= HANDSHAKE_BYTES:
            return
        if len(self._early) >= MAX_EARLY:
            self._tally.bound(self._bound)
            self._early.popitem(last=False)
        self._early[key] = (up, down)

    def denied(self, key: object) -> bool:
        """The connection of that key was cut off; False where none is known."""
        if not isinstance(key, str | int | bytes | tuple) or key not in self._open:
            return False
        self._open[key] = self._open[key]._replace(denied=True)
        return True

    def rest(self) -> Iterator[Visit]:
        """All that are open at the end of the source, but for those whose end another one may tell."""
        endings = self._tally.endings
        for key, visit in self._open.items():
            if endings is None:
                yield visit
            elif not endings.leave(key, visit):
                self._tally.bound(self._bound)
                yield visit
        self._open.clear()
        if self._early and not self._named:
            self._tally.bound(ALONE)


def _with_bytes(visit: Visit, up: int, down: int) -> Visit:
    return visit._replace(evidence=max(visit.evidence, of_tunnel(up)), bytes_up=up, bytes_down=down)


class Left:
    """Connections that the sources of one run left open, each with where its visit goes in the end."""

    def __init__(self) -> None:
        self._open: dict[Hashable, tuple[Visit, Add]] = {}

    def of(self, add: Add) -> LeftBy:
        """As one source sees it."""
        return LeftBy(self, add)

    def rest(self) -> None:
        """Hands on all whose end nobody told."""
        for visit, add in self._open.values():
            add(visit)
        self._open.clear()

    def put(self, key: Hashable, visit: Visit, add: Add) -> bool:
        """One more; False where there is no room. A second name for the same connection is no second visit."""
        if key not in self._open:
            if len(self._open) >= MAX_OPEN:
                return False
            self._open[key] = (visit, add)
        return True

    def ended(self, key: Hashable, up: int, down: int) -> bool:
        """A connection with its bytes; False where nobody named it."""
        found = self._open.pop(key, None)
        if found is None:
            return False
        found[1](_with_bytes(found[0], up, down))
        return True

    def __bool__(self) -> bool:
        return bool(self._open)


class LeftBy:
    """What one source leaves open, and what it ends of others."""

    def __init__(self, left: Left, add: Add) -> None:
        self._left, self._add = left, add
        self.ended = left.ended

    def __bool__(self) -> bool:
        return bool(self._left)

    def leave(self, key: Hashable, visit: Visit) -> bool:
        """A connection without an end so far; False where there is no room."""
        return self._left.put(key, visit, self._add)
