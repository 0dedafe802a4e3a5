"""A view of events as a file: a table for people, records as the ledger has them, or events for another system."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from bartizan.core.errors import UsageError
from bartizan.doors.console.answers import File
from bartizan.doors.console.columns import COLUMNS as COLUMN
from bartizan.doors.console.render import iso
from bartizan.ledger.export import ocsf
from bartizan.ledger.read import Record, parse
from bartizan.store.logfile import LogFile, logs

if TYPE_CHECKING:
    from bartizan.events import Filter, Index
    from bartizan.events.row import Row

FORMATS = ("csv", "jsonl", "ocsf")
MAX_ROWS = 10_000
MAX_BYTES = 64 << 20
COLUMNS = (
    "time", "exchange", "action", "would", "door", "kind", "person", "groups", "app", "key", "provider", "model",
    "clauses", "risks", "severity", "confidence", "failures", "texts", "policy", "log", "record",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # What spreadsheets compute: somebody's model may be named so.


def rows(index: Index, filter_: Filter) -> Iterator[Row]:
    """What a filter means, newest first, up to the bound."""
    before, count = "", 0
    while count < MAX_ROWS:
        found = index.page(filter_, before=before, limit=min(500, MAX_ROWS - count))
        yield from found.rows
        count += len(found.rows)
        before = found.next
        if not before:
            return


def file(rows: Iterable[Row], format_: str, home: Path) -> File:
    """The file. Raises UsageError where it would be too large."""
    if format_ == "csv":
        return File("events.csv", "text/csv; charset=utf-8", _table(rows))
    lines: list[bytes] = []
    size = 0
    for record in records(rows, home):
        lines.append(orjson.dumps(ocsf(record) if format_ == "ocsf" else record, option=orjson.OPT_APPEND_NEWLINE))
        size += len(lines[-1])
        if size > MAX_BYTES:
            raise UsageError(f"this view holds more than {MAX_BYTES >> 20} MiB; ask for fewer events")
    name = "events.ocsf.jsonl" if format_ == "ocsf" else "events.jsonl"
    return File(name, "application/x-ndjson", b"".join(lines))


def chosen(rows: Iterable[tuple[Row, Mapping[str, str]]], columns: Iterable[str]) -> File:
    """A table of these columns alone, and of the id that each event has. With each row comes what people said of it."""
    names = ["id", *(name for name in columns if name != "id")]
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["exchange", *(COLUMN[name].told for name in names[1:])])
    for row, told in rows:
        cells = {**_cells(row), **{COLUMN[name].told: text for name, text in told.items()}}
        cells["disciplines"] = " ".join(row.disciplines)
        table.writerow([_plain(str(cells[COLUMN[name].told])) for name in names])
    return File("events.csv", "text/csv; charset=utf-8", out.getvalue().encode("utf-8", "replace"))


def records(rows: Iterable[Row], home: Path) -> Iterator[Record]:
    """The decisions behind rows. A log is opened once for neighbours."""
    paths = {path.name.removeprefix("log-").removesuffix(".sqlite"): path for path in logs(home)}
    for log, some in groupby(rows, key=lambda row: row.writer):
        if log in paths:
            with LogFile.reading(paths[log]) as found:
                for row in some:
                    yield from (made for made in map(parse, found.by_exchange(row.exchange)) if "action" in made)


def _table(rows: Iterable[Row]) -> bytes:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for row in rows:
        table.writerow([_plain(str(cell)) for cell in _cells(row).values()])
    return out.getvalue().encode("utf-8", "replace")


def _cells(row: Row) -> dict[str, object]:
    """A row as a table has it, by column."""
    cells = (
        iso(row.time_us), row.exchange, row.outcome, row.would, row.door, row.kind, row.person,
        " ".join(row.groups), row.app, row.key, row.provider, row.model, " ".join(row.clauses),
        " ".join(row.risks), row.severity, f"{row.confidence:g}" if row.severity else "", row.failures,
        " ".join(row.body), row.policy, row.writer, row.seq,
    )  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def _plain(cell: str) -> str:
    """What a spreadsheet shows and does not compute."""
    return "'" + cell if cell.startswith(_FORMULA) else cell
