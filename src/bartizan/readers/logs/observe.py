"""Visits, counted: one observation for every actor, host, evidence, account and answer of a source, and day if asked.

A log of a year has few of them beside its lines, and a hostile one as many as it has lines. So they are kept in columns
of numbers, some 200 bytes each, and there is a most of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from bartizan.readers.logs.visit import DAY_US, Evidence, Visit, Wanted

MAX_KEYS = 300_000  # Of one source: about 100 MB, with the names in them.
MAX_ACTOR = 256  # Code points of a name.
MAX_NAMES_BYTES = 48 * 1024 * 1024  # Of their names: 300,000 names as long as they may be would take ten times that.
FULL = "observations beyond 300,000, or 48 MiB of names, of one source: not counted"
APP = b"app:"
MOST = 2**62  # More than any number that an honest log adds up to.
_DAYS, _NAMES = 24, 20  # Bits of a day, and of the number of a name; the names are fewer than the keys.
_COLUMNS = 5  # visits, bytes up, bytes down, first, last

Packed = tuple[list[str], list[int], list[bytes], int]


class Observation(NamedTuple):
    """Visits of one actor to one host with one evidence.

    Args:
        host: As the catalogue writes it; "" where `app` is what was used.
        denied: The source let nothing through.
        day: Days since 1970, UTC; 0 where the source has no time, or days are not told apart.
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


class Observations:
    """Those of one source. Bounded: `lost` says how many visits had no room.

    Args:
        daily: Days are told apart.
    """

    def __init__(self, *, daily: bool = False, max_keys: int = MAX_KEYS) -> None:
        assert max_keys * 3 < 2**_NAMES
        self._daily, self._max = daily, max_keys
        self._names: dict[str, int] = {}
        self._rows: dict[int, int] = {}
        self._columns = [array("q") for _ in range(_COLUMNS)]
        self._names_bytes = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, visit: Visit, wanted: Wanted) -> None:
        """Counts one visit to what matters; `wanted` says what does, also of applications (`app:name`)."""
        time_us, actor, raw, evidence, up, down, app, account, denied = visit
        # The same map that told the reader that this line matters; a reader that did not ask it is asked for here.
        found = wanted[raw or APP + app.strip().lower().encode("utf-8", "replace")]
        if found is None:
            return
        what = getattr(found, "host", "") if raw else app  # A host as the catalogue writes it.
        day = min(max(time_us // DAY_US, 0), 2**_DAYS - 1) if self._daily else 0
        if (len(self._rows) >= self._max or self._names_bytes >= MAX_NAMES_BYTES) and not {
            actor[:MAX_ACTOR],
            what[:MAX_ACTOR],
            account[:MAX_ACTOR],
        } <= self._names.keys():
            self.lost += 1
            return
        key = self._named(actor) << _NAMES | self._named(what)
        key = (key << 1 | (not raw)) << 4 | evidence
        key = ((key << _NAMES | self._named(account)) << 1 | denied) << _DAYS | day
        row = self._rows.get(key)
        visits, ups, downs, first, last = self._columns
        if row is None:
            if len(self._rows) >= self._max:
                self.lost += 1
                return
            self._rows[key] = len(self._rows)
            for column, value in zip(self._columns, (1, up, down, time_us, time_us), strict=True):
                column.append(min(value, MOST))
            return
        visits[row] += 1
        ups[row] = min(ups[row] + up, MOST)
        downs[row] = min(downs[row] + down, MOST)
        if time_us:
            if time_us < first[row] or not first[row]:
                first[row] = time_us
            if time_us > last[row]:
                last[row] = time_us

    def __iter__(self) -> Iterator[Observation]:
        """What was counted; those of one actor, host and evidence stand together, in the order in which actors came."""
        names = list(self._names)
        columns, most = self._columns, 2**_NAMES - 1
        for key in sorted(self._rows):
            row = self._rows[key]
            day, rest = key & 2**_DAYS - 1, key >> _DAYS
            denied, rest = bool(rest & 1), rest >> 1
            account, rest = names[rest & most], rest >> _NAMES
            evidence, rest = Evidence(rest & 15), rest >> 4
            is_app, rest = rest & 1, rest >> 1
            what, actor = names[rest & most], names[rest >> _NAMES]
            host, app = ("", what) if is_app else (what, "")
            yield Observation(actor, host, app, evidence, account, denied, day, *(column[row] for column in columns))

    def packed(self) -> Packed:
        """All of it as plain values, for another process."""
        return list(self._names), list(self._rows), [column.tobytes() for column in self._columns], self.lost

    @classmethod
    def unpacked(cls, packed: Packed) -> Observations:
        """What was packed."""
        names, keys, columns, lost = packed
        made = cls()
        made._names = {name: n for n, name in enumerate(names)}
        made._rows = {key: row for row, key in enumerate(keys)}
        for column, data in zip(made._columns, columns, strict=True):
            column.frombytes(data)
        made.lost = lost
        return made

    def clear(self) -> None:
        """Begins anew, for a source that goes on."""
        self._names.clear()
        self._rows.clear()
        self._names_bytes = 0
        for column in self._columns:
            del column[:]

    def _named(self, name: str) -> int:
        name = name[:MAX_ACTOR]
        number = self._names.get(name)
        if number is None:
            number = self._names[name] = len(self._names)
            self._names_bytes += name.__sizeof__()
        return number
