"""Which host a client was told at an address: what joins flows without names to what their clients had asked before.

An address is a hint. Many hosts share one, and only answers about hosts that matter are kept; so a flow counts when
the same client was told that address for such a host a short time before, and it proves a connection, never an
upload.
"""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections import OrderedDict
from operator import attrgetter
from typing import NamedTuple

MAX_ANSWERS = 100_000  # Spans of time, about 40 MB.
LEAST_S = 60  # Browsers keep an address for that long, whatever the answer says.
MOST_S = 86_400
SLACK_US = 60_000_000  # Clocks of two machines.
LOOKED_BACK = 8  # Spans that began before a flow, the nearest first.
ALONE = "flows have no names: addresses alone prove nothing, logs of name servers of the same run do"
FORGOTTEN = "answers beyond 100,000 of name servers: the oldest were forgotten"


_ADDRESS = re.compile(r"(?=.*[.:])[0-9A-Fa-f.:]{2,45}")  # Name servers also answer with aliases and texts.
_NULL = frozenset({"0.0.0.0", "::"})  # noqa: S104 - an answer, no address to listen on


class _Answer(NamedTuple):
    from_us: int
    until_us: int
    host: bytes


_FROM = attrgetter("from_us")


class Answers:
    """The answers of one run, over all of its sources. The oldest of too many are forgotten, and counted."""

    def __init__(self) -> None:
        # Not a dict: its first is found behind all that were taken from its front.
        self._told: OrderedDict[tuple[str, str], list[_Answer]] = OrderedDict()
        self._count = 0
        self.forgotten = 0

    def __bool__(self) -> bool:
        return bool(self._told)

    def told(self, client: str, address: str, host: bytes, at_us: int, ttl_s: int) -> None:
        """A client was told an address. What was told of it before stays true of its own time."""
        if address in _NULL or not _ADDRESS.fullmatch(address):
            return
        kept_us = min(max(ttl_s, LEAST_S), MOST_S) * 1_000_000
        new = _Answer(at_us - SLACK_US, at_us + kept_us + SLACK_US, host)
        spans = self._told.setdefault((client, address), [])
        if spans and spans[-1].host == host and spans[-1].from_us <= new.from_us <= spans[-1].until_us:
            spans[-1] = spans[-1]._replace(until_us=max(new.until_us, spans[-1].until_us))
            return
        insort(spans, new)
        self._count += 1
        while self._count > MAX_ANSWERS:
            key = next(iter(self._told))
            oldest = self._told[key]
            del oldest[0]
            if not oldest:
                del self._told[key]
            self._count -= 1
            self.forgotten += 1

    def host(self, client: str, address: str, at_us: int) -> bytes:
        """The host that a connection of that client to that address was for; b"" where nothing tells."""
        spans = self._told.get((client, address))
        if spans is None:
            return b""
        at = bisect_right(spans, at_us, key=_FROM)
        near = reversed(spans[max(0, at - LOOKED_BACK) : at])
        return next((one.host for one in near if at_us <= one.until_us), b"")
