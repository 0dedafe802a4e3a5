"""Pi-hole's long-term database, `pihole-FTL.db`, as rows. A door opens it: no reader knows of SQL.

Source: Pi-hole documentation, "Query database" (the view `queries`, its status).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bartizan.readers.logs.fields import raw, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Tally, Visit, Wanted

MAGIC = b"SQLite format 3\0"
TABLE = "queries"  # A view since version 5.3, a table before; both have these columns.
COLUMNS = ("timestamp", "domain", "client", "status")
QUERY = f"SELECT {', '.join(COLUMNS)} FROM {TABLE} ORDER BY id"  # noqa: S608 - two constants

# Gravity, regex, exact, upstream (6-8), the first three by an alias (9-11), busy database, special domain, EDE.
_DENIED = frozenset({1, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 18})
_SEEN_BEFORE = frozenset({12, 13})  # The resolver tried again for the same client.

Row = tuple[Any, ...]  # Any: SQLite stores in a column what it is given


def visits(rows: Iterable[Row], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter, of rows of `COLUMNS`. Never raises on what a row holds."""
    for row in rows:
        if len(row) != len(COLUMNS) or not isinstance(row[1], str):
            tally.junk += 1
            continue
        timestamp, domain, client, status = row
        host = raw(domain)
        if wanted[host] is None or (isinstance(status, int) and status in _SEEN_BEFORE):
            continue
        denied = isinstance(status, int) and status in _DENIED
        yield Visit(micros(timestamp, tally), somebody(text(client)), host, Evidence.RESOLVED, denied=denied)
