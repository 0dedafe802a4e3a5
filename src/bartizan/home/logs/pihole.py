"""Pi-hole's long-term database as a source: opened read-only, its rows read like the lines of a log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bartizan.catalogue.wanted import Wanted
from bartizan.core.errors import InputError
from bartizan.home.logs.sources import Source
from bartizan.readers.logs import pihole_ftl
from bartizan.readers.logs.reading import Add, Read
from bartizan.readers.logs.visit import Tally

ID = "pihole-ftl"
TITLE = "Pi-hole database (pihole-FTL.db)"
SOURCE = 'Pi-hole documentation, "Query database"'
MAX_ROWS = 100_000_000  # A year of a house that asks three times a second.
STEPS_EACH = 1000  # A row of the view is some 50.
FULL = "rows beyond 100,000,000: not read"


@dataclass(slots=True)
class Rows(Read):
    """What became of a database. `why`: what ended the reading, or ""."""

    why: str = ""


def read(source: Source, head: bytes, wanted: Wanted, tally: Tally, add: Add) -> Rows:
    """Hands every query that matters to `add`."""
    became = Rows(tally, head=head)

    def counted() -> Iterator[pihole_ftl.Row]:
        from bartizan.store import foreign  # Most sources are no databases.

        path = Path(os.fsdecode(source.path))
        for row in foreign.rows(path, pihole_ftl.QUERY, limit=MAX_ROWS + 1, steps_each=STEPS_EACH):
            if tally.read == MAX_ROWS:
                tally.bound(FULL)
                return
            tally.read += 1
            yield row

    try:
        for visit in pihole_ftl.visits(counted(), wanted, tally):
            add(visit)
    except InputError as error:
        became.why = str(error)
    if tally.read:
        became.formats[ID] = tally.read - tally.junk
    return became
