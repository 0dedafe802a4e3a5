"""Parquet files as text: the first rows as JSON lines, within bounds on rows, columns and bytes."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import orjson

from bartizan.readers.table import MAX_CELL, MAX_COLUMNS, MAX_ROWS

MAX_BYTES = 32 * 1024 * 1024  # of JSON lines
BATCH = 256  # rows
MAX_BATCH_BYTES = 256 * 1024 * 1024  # of one group of rows, unpacked, as the file says


class Unreadable(ValueError):
    """Why the file was not looked into."""


def json_lines(data: bytes) -> tuple[str, bool]:
    """The rows of a Parquet file as JSON lines, and whether that is not all of it.

    Raises Unreadable: damaged, too large when unpacked, or pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Unreadable("is a Parquet file: reading it needs pyarrow (pip install pyarrow)") from None
    lines: list[bytes] = []
    size = 0
    try:
        file = parquet.ParquetFile(BytesIO(data))
        groups = [file.metadata.row_group(at).total_byte_size for at in range(file.metadata.num_row_groups)]
        if max(groups, default=0) > MAX_BATCH_BYTES:
            raise Unreadable("is a Parquet file that unpacks to more than is looked at")
        names = file.schema_arrow.names
        cut = len(names) > MAX_COLUMNS or file.metadata.num_rows > MAX_ROWS
        for batch in file.iter_batches(batch_size=BATCH, columns=names[:MAX_COLUMNS]):
            for row in batch.to_pylist():
                line = orjson.dumps({name: _plain(value) for name, value in row.items()})
                size += len(line)
                if len(lines) == MAX_ROWS or size > MAX_BYTES:
                    return b"\n".join(lines).decode(), True
                lines.append(line)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("is a damaged Parquet file") from None
    return b"\n".join(lines).decode(), cut


def _plain(value: Any) -> Any:
    """A cell as JSON has it; what it has no word for is left as its kind."""
    if value is None or isinstance(value, bool | float | str):
        return value[:MAX_CELL] if isinstance(value, str) else value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    return f"({type(value).__name__})"
