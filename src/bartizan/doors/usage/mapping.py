"""What the columns of an unknown log were taken for: shown on its first rows, kept for the next time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from bartizan.core.errors import InputError, UsageError
from bartizan.doors.usage import printing
from bartizan.home.logs import observing, pihole
from bartizan.home.logs.observing import How
from bartizan.home.logs.sources import Source, chunks, opened, reason
from bartizan.readers.logs import guess
from bartizan.readers.logs.reading import told
from bartizan.readers.logs.sniff import GUESSED
from bartizan.report.table import show as table

ROWS = 5
LONGEST = 60  # Characters of a cell that are shown.


def shown(source: Source, how: How, keep: Path | None, format_: str) -> int:
    """Shows what the first rows of a source are taken for, and keeps that where it is asked to."""
    if source.why:
        raise InputError(source.why, source.name)
    try:
        descriptor = opened(source)
    except OSError as error:
        raise InputError(reason(error), source.name) from None
    try:
        if source.regular and not (how.as_ or how.mapping) and observing.is_database(descriptor):
            click.echo(f"{source.name}: {pihole.TITLE} ({pihole.ID}); its columns are known, none is guessed", err=True)
            return 0
        known, sample = told(chunks(descriptor))
    except OSError as error:
        raise InputError(reason(error), source.name) from None
    finally:
        os.close(descriptor)
    if how.mapping:
        mapping = guess.parsed(how.mapping.encode())
    else:
        known = observing.format_of(how) or known
        if known is not None and known.id not in GUESSED:
            click.echo(f"{source.name}: {known.title} ({known.id}); its columns are known, none is guessed", err=True)
            return 0
        found = guess.mapping_of(sample, known.id if known else "")
        if found is None:
            raise UsageError(
                f"{source.name}: no column is surely a host, so nothing can be guessed\n"
                "  --as FORMAT reads it as a format (--formats), --mapping FILE by columns you name"
            )
        mapping = found
    rows = list(islice(guess.rows(mapping, sample), ROWS))
    _print(mapping, rows, format_)
    if keep is not None:
        try:
            keep.write_bytes(guess.written(mapping))
        except OSError as error:
            raise InputError(reason(error), str(keep)) from None
        click.echo(f"kept in {keep}; --mapping {keep} reads others the same way", err=True)
    return 0


def _print(mapping: guess.Mapping, rows: list[dict[str, str]], format_: str) -> None:
    roles = guess.roles(mapping)
    if format_ == "text":
        click.echo(table(("what", "column"), [(role, " + ".join(held)) for role, held in roles]), nl=False)
        click.echo()
        click.echo(table([role for role, _ in roles], _cells(rows, [role for role, _ in roles])), nl=False)
    elif format_ == "csv":
        printing.as_csv([role for role, _ in roles], [dict(row) for row in rows])
    elif format_ == "jsonl":
        printing.as_jsonl(dict(row) for row in rows)
    else:
        columns = {role: list(held) for role, held in roles}
        printing.as_json({"schema": "bartizan.log-preview/1", "shape": mapping.shape, "columns": columns, "rows": rows})


def _cells(rows: list[dict[str, str]], roles: list[str]) -> Iterator[list[str]]:
    for row in rows:
        cells = (row.get(role, "") or "-" for role in roles)
        yield [cell if len(cell) <= LONGEST else cell[: LONGEST - 1] + "…" for cell in cells]
