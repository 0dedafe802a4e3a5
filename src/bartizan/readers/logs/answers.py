"""Which host a client was told at an address: what joins flows without names to what their clients had asked before.

An address is a hint. Many hosts share one, and only answers about hosts that matter are kept; so a flow counts when
the same client was told that address for such a host a short time before, and it proves a connection, never an
upload.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_ANSWERS = 100_000  # About 40 MB.
LEAST_S = 60  # Browsers keep an address for that long, whatever the answer says.
MOST_S = 86_400
SLACK_US = 60_000_000  # Clocks of two machines.


class _Answer(NamedTuple):
    host: bytes
    from_us: int
    until_us: int


class Answers:
    """The answers of one run, over all of its sources. The oldest of too many are forgotten, and counted."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], _Answer] = {}
        self.forgotten = 0

    def __bool__(self) -> bool:
        return bool(self._told)

    def told(self, client: str, address: str, host: bytes, at_us: int, ttl_s: int) -> None:
        """A client was told an address."""
        key = (client, address)
        if self._told.pop(key, None) is None and len(self._told) >= MAX_ANSWERS:
            del self._told[next(iter(self._told))]
            self.forgotten += 1
        kept_us = min(max(ttl_s, LEAST_S), MOST_S) * 1_000_000
        self._told[key] = _Answer(host, at_us - SLACK_US, at_us + kept_us + SLACK_US)

    def host(self, client: str, address: str, at_us: int) -> bytes:
        """The host that a connection of that client to that address was for; b"" where nothing tells."""
        answer = self._told.get((client, address))
        return answer.host if answer is not None and answer.from_us <= at_us <= answer.until_us else b""
