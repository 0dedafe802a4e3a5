"""Tables in text: CSV and JSON lines as columns and rows, with limits."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass

MAX_ROWS = 20_000
MAX_COLUMNS = 200
MAX_CELL = 4_000  # characters that are kept
LEAST_ROWS = 20
DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one width, as text. `cut`: there were more rows, columns or longer cells than are kept."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: bool = False


def read_table(text: str) -> Table | None:
    """The table that a text is; None for what is none, or too short to say anything about."""
    table = _lines(text) if text.lstrip()[:1] == "{" else _separated(text)
    return table if table is not None and len(table.rows) >= LEAST_ROWS and len(table.columns) > 1 else None


def _separated(text: str) -> Table | None:
    """Comma-separated values (RFC 4180), or what else separates the first line into most columns."""
    first = text.lstrip("\ufeff\r\n").split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    if not first.count(delimiter):
        return None
    return _of(csv.reader(text.lstrip("\ufeff").splitlines(keepends=True), delimiter=delimiter))


def _of(lines: Iterable[list[str]]) -> Table | None:
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    odd, cut = 0, False
    try:
        for line in lines:
            if not line:
                continue
            if not columns:
                columns, cut = tuple(cell[:200] for cell in line[:MAX_COLUMNS]), len(line) > MAX_COLUMNS
                continue
            if len(rows) == MAX_ROWS:
                cut = True
                break
            if len(line) < len(columns):
                odd += 1
                continue
            cut = cut or any(len(cell) > MAX_CELL for cell in line)
            rows.append(tuple(cell.strip()[:MAX_CELL] for cell in line[: len(columns)]))
    except csv.Error:
        return None
    return Table(columns, tuple(rows), cut) if odd <= len(rows) // 10 else None


def _lines(text: str) -> Table | None:
    """JSON lines: the keys of the first object are the columns."""
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    cut = False
    for line in text.splitlines():
        if not line.strip():
            continue
        if len(rows) == MAX_ROWS:
            cut = True
            break
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        columns = columns or tuple(value)[:MAX_COLUMNS]
        cells = tuple(_cell(value.get(column)) for column in columns)
        cut = cut or len(value) > MAX_COLUMNS or any(len(cell) > MAX_CELL for cell in cells)
        rows.append(tuple(cell[:MAX_CELL] for cell in cells))
    return Table(columns, tuple(rows), cut)


def _cell(value: object) -> str:
    return value.strip() if isinstance(value, str) else "" if value is None else json.dumps(value)
