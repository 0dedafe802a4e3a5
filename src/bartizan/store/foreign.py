"""Databases of other programs (Pi-hole, browsers, editors), read and never touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from bartizan.core.errors import InputError

MAX_STEPS = 50_000_000  # Of SQLite's virtual machine, some seconds; a hostile file must not keep us.
STEPS = 100_000
MAX_VALUE = 4 << 20  # Bytes of one value: a view may make one of a GB in a single step.


def rows(
    path: Path, query: str, values: Sequence[object] = (), limit: int = 1_000_000, steps_each: int = 0
) -> Iterator[tuple[object, ...]]:
    """The rows of a query, at most `limit`. The file is opened read-only and immutable, so that nothing is locked.

    What its program wrote and has not yet brought into the file (a write-ahead log) is not seen. Raises InputError.

    Args:
        steps_each: So many more steps are given for every row, where honest databases have many millions of them.
    """
    steps = number = 0

    def spent() -> bool:
        nonlocal steps
        steps += STEPS
        return steps > MAX_STEPS + number * steps_each

    if not path.is_file():  # Opening a pipe would wait for its writer.
        raise InputError("not a file")
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise InputError("not a database that can be opened") from error
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.set_progress_handler(spent, STEPS)
        for number, row in enumerate(connection.execute(query, values)):
            if number == limit:
                return
            yield row
    except sqlite3.Error as error:
        raise InputError("not a database of the shape that was expected") from error
    finally:
        connection.close()
