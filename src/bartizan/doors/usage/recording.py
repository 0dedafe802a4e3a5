"""What logs tell, kept in the register of a home, judged and recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bartizan.doors.usage import observing
from bartizan.doors.usage.observing import How, Told
from bartizan.home import Home
from bartizan.home.register import take, usages
from bartizan.inventory.feeding import Fed, SourceKind, SourceRead
from bartizan.readers.logs.observe import APP, Observation
from bartizan.readers.logs.visit import DAY_US

Keep = Callable[[Told], None]


@contextmanager
def recording(home: Path | None, how: How, origin: str) -> Iterator[Keep]:
    """Opens a home; what it gives keeps one source, and says what became of it."""
    with Home.open(home) as opened:
        wanted, catalogue = observing.sought(how.home), observing.catalogue(how.home)

        def listed(one: Observation) -> object:
            return wanted[one.host.encode() if one.host else APP + one.app.strip().lower().encode("utf-8", "replace")]

        def keep(told: Told) -> None:
            now_us = time.time_ns() // 1000
            found = usages(told.observations, listed, today=now_us // DAY_US)  # type: ignore[arg-type]  # A Listed.
            times = [(one.first_us, one.last_us) for one in found if one.first_us]
            source = SourceRead(
                SourceKind.LOGS,
                max(told.formats, key=lambda id_: told.formats[id_]),
                told.head,
                origin,
                min((first for first, _ in times), default=0),
                max((last for _, last in times), default=0),
                told.lines,
                told.junk,
            )
            taken = take(opened, found, source, now_us, catalogue=catalogue)
            _say(told.name, taken.fed)
            if taken.beyond:
                click.echo(f"{told.name}: {taken.beyond:,} more were kept and not judged", err=True)

        yield keep


def _say(name: str, fed: Fed) -> None:
    words = [f"{fed.rows:,} {'entry' if fed.rows == 1 else 'entries'} kept"]
    if fed.known:
        words.append("it was read before: nothing counts twice")
    if fed.new:
        words.append(f"{len(fed.new)} new in the register")
    if fed.waiting:
        words.append(f"{len(fed.waiting)} waiting for a decision (bartizan usage register list --waiting)")
    if fed.left_out:
        words.append(f"{fed.left_out:,} hosts left out, the register is full")
    if fed.overlapping:
        words.append(f"{fed.overlapping} other sources of this kind overlap it in time")
    click.echo(f"{name}: {', '.join(words)}", err=True)
