"""What logs tell, kept in the register of a home, judged and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bartizan.home import Home
from bartizan.home.logs import observing
from bartizan.home.logs.observing import How, Told
from bartizan.home.register import Taken, register, take, usages
from bartizan.inventory.feeding import SourceKind, SourceRead, end_of
from bartizan.readers.logs.observe import APP, Observation
from bartizan.readers.logs.visit import DAY_US


@dataclass(frozen=True, slots=True)
class Keep:
    """Keeps one source after the other in the register of an open home. `origin`: what an operator calls the logs."""

    home: Home
    how: How
    origin: str = ""

    def __call__(self, told: Told) -> Taken:
        """Keeps what one source told. Raises StoreError, UsageError."""
        wanted = observing.sought(self.how.home)

        def listed(one: Observation) -> object:
            return wanted[one.host.encode() if one.host else APP + one.app.strip().lower().encode("utf-8", "replace")]

        now_us = time.time_ns() // 1000
        found = usages(told.observations, listed, today=now_us // DAY_US)  # type: ignore[arg-type]  # A Listed.
        times = [(one.first_us, one.last_us) for one in found if one.first_us]
        source = SourceRead(
            SourceKind.LOGS,
            max(told.formats, key=lambda id_: told.formats[id_]),
            told.head,
            self.origin,
            min((first for first, _ in times), default=0),
            max((last for _, last in times), default=0),
            told.lines,
            told.junk,
            told.begin,
            told.end,
        )
        return take(self.home, found, source, now_us, catalogue=observing.catalogue(self.how.home))

    def end_of(self, source: str) -> int:
        """Up to where the register has read a source."""
        return end_of(register(self.home), source)


@contextmanager
def recording(home: Path | None, how: How, origin: str) -> Iterator[Keep]:
    """Opens a home to keep sources in."""
    with Home.open(home) as opened:
        yield Keep(opened, how, origin)


def said(name: str, taken: Taken) -> Iterator[str]:
    """What became of one source, in words."""
    fed = taken.fed
    words = [f"{fed.rows:,} {'entry' if fed.rows == 1 else 'entries'} kept"]
    if fed.known:
        words.append("it was read before: nothing counts twice")
    yield f"{name}: {', '.join([*words, *news(taken)])}"


def news(taken: Taken) -> Iterator[str]:
    """What of it somebody has to know."""
    fed = taken.fed
    if fed.new:
        yield f"{len(fed.new)} new in the register"
    if fed.waiting:
        yield f"{len(fed.waiting)} waiting for a decision (bartizan usage register list --waiting)"
    if fed.left_out:
        yield f"{fed.left_out:,} hosts left out, the register is full"
    if fed.overlapping:
        yield f"{fed.overlapping} other sources of this kind overlap it in time"
    if taken.beyond:
        yield f"{taken.beyond:,} more were kept and not judged"
