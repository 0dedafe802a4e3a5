"""Which sources told of the use of AI, in which time, and which are silent: what is not seen is said.

A source is expected where it told before. Silent is one that was read on several days and whose newest line, or newest
reading, is older than three times what usually lies between two of them, and than two days.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

from bartizan.inventory.system import when
from bartizan.readers.logs.visit import DAY_US
from bartizan.store.state import State as Store

SILENT_TIMES = 3.0
LEAST_SILENCE_US = 2 * DAY_US
EXPECTED = ("logs", "endpoint", "code", "ledger")  # Kinds of sources there are; one that never told is "never".


@dataclass(frozen=True, slots=True)
class Covered:
    """Sources of one kind, format and origin, taken together.

    Args:
        sources: How many files, machines or logs.
        first_us: The first line of all. `last_us`: the last one; 0 where none has a time.
        read_us: When one of them was last read.
        lines: Of all. `junk`: those that were none of the format.
        silent: Nothing came for longer than usual. `never`: nothing of this kind ever came.
        silent_days: For how long there was nothing.
    """

    kind: str
    format: str = ""
    origin: str = ""
    sources: int = 0
    first_us: int = 0
    last_us: int = 0
    read_us: int = 0
    lines: int = 0
    junk: int = 0
    silent: bool = False
    never: bool = False
    silent_days: int = 0

    @property
    def title(self) -> str:
        """As it is printed."""
        return " ".join(filter(None, (self.kind, self.format, f"({self.origin})" if self.origin else "")))

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "kind": self.kind,
            "format": self.format,
            "origin": self.origin,
            "sources": self.sources,
            "first": when(self.first_us),
            "last": when(self.last_us),
            "read": when(self.read_us),
            "lines": self.lines,
            "junk": self.junk,
            "silent": self.silent,
            "never": self.never,
            "silent_days": self.silent_days,
        }


def coverage(store: Store, now_us: int) -> list[Covered]:
    """Every kind of source with its formats and origins; a kind that never told is in it, too."""
    rows = store.query(
        "SELECT kind, format, origin, count(*), coalesce(min(nullif(first_us, 0)), 0), max(last_us), max(read_us), "
        "sum(lines), sum(junk) FROM usage_source GROUP BY kind, format, origin ORDER BY kind, format, origin"
    )
    moments: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for kind, format_, origin, last_us, read_us in store.query(
        "SELECT kind, format, origin, last_us, read_us FROM usage_source"
    ):
        moments[kind, format_, origin].add((last_us or read_us) // DAY_US)
    found = []
    for row in rows:
        covered = Covered(*row)
        quiet_us = now_us - min(covered.last_us or covered.read_us, now_us)
        silent = quiet_us > max(LEAST_SILENCE_US, SILENT_TIMES * _usual_us(sorted(moments[row[:3]])))
        found.append(replace(covered, silent=silent, silent_days=quiet_us // DAY_US))
    never = [Covered(kind, never=True) for kind in EXPECTED if not any(one.kind == kind for one in found)]
    return found + never


def silent(covered: list[Covered]) -> list[Covered]:
    """Those that told before and do not now."""
    return [one for one in covered if one.silent]


def _usual_us(days: list[int]) -> float:
    """What usually lies between two of these days: the median of the gaps; one day where there is none."""
    gaps = sorted(later - earlier for earlier, later in pairwise(days))
    return float(gaps[len(gaps) // 2] * DAY_US) if gaps else float(DAY_US)
