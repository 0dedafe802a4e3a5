"""Visits, counted: one observation for every actor, host, evidence, account and day of a source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bartizan.readers.logs.visit import DAY_US, Evidence, Visit, Wanted

MAX_KEYS = 200_000  # Of one source: about 100 MB.
APP = b"app:"
MAX_ACTOR = 256  # Code points of a name.
FULL = "observations beyond 200,000 of one source: not counted"


class Observation(NamedTuple):
    """Visits of one actor to one host on one day with one evidence.

    Args:
        host: As the catalogue writes it; "" where `app` is what was used.
        day: Days since 1970, UTC; 0 where the source has no time.
        denied: The source let nothing through.
    """

    actor: str
    host: str
    app: str
    evidence: Evidence
    account: str
    denied: bool
    day: int
    visits: int
    bytes_up: int
    bytes_down: int
    first_us: int
    last_us: int


class Observer:
    """Counts the visits of one source. Bounded: `lost` says how many visits had no room."""

    def __init__(self, wanted: Wanted, max_keys: int = MAX_KEYS) -> None:
        self._wanted, self._max = wanted, max_keys
        self._rows: dict[tuple[str, str, str, Evidence, str, bool, int], list[int]] = {}
        self.lost = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, visit: Visit) -> None:
        """Counts one."""
        time_us, actor, raw, evidence, up, down, app, account, denied = visit
        # The same map that told the reader that this line matters; a reader that did not ask it is asked for here.
        found = self._wanted[raw or APP + app.strip().lower().encode("utf-8", "replace")]
        if found is None:
            return
        host = ""
        if raw:
            host, app = getattr(found, "host", ""), ""  # As the catalogue writes it.
        key = (actor[:MAX_ACTOR], host, app[:MAX_ACTOR], evidence, account[:MAX_ACTOR], denied, time_us // DAY_US)
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= self._max:
                self.lost += 1
                return
            self._rows[key] = [1, up, down, time_us, time_us]
            return
        row[0] += 1
        row[1] += up
        row[2] += down
        if time_us:
            if time_us < row[3] or not row[3]:
                row[3] = time_us
            if time_us > row[4]:
                row[4] = time_us

    def observations(self) -> Iterator[Observation]:
        """What was counted, in the order of its first visit."""
        for key, row in self._rows.items():
            yield Observation(*key, *row)

    def taken(self) -> list[Observation]:
        """The same, and counting begins anew: for a source that goes on."""
        rows = list(self.observations())
        self._rows.clear()
        return rows
