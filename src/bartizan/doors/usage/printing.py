"""Rows of results on standard output: JSON, JSON lines, CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence

import orjson

from bartizan.report.decision import Json


def as_json(value: Json) -> None:
    """One value, indented."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.flush()


def as_jsonl(rows: Iterable[Json]) -> None:
    """A row a line."""
    for row in rows:
        sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.flush()


def as_csv(columns: Sequence[str], rows: Iterable[Json], *, header: bool = True) -> None:
    """A table, of these columns of the rows."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if header:
        writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    sys.stdout.flush()


def _cell(value: object) -> str:
    """One cell. A name that begins like a formula would be one in a spreadsheet."""
    text = " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
