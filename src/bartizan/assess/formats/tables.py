"""Tables and texts with labels: CSV, Parquet, JSON lines. Read row by row; of more than fit a seeded sample is kept."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.formats.arrays import opened
from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

MAX_ROWS = 200_000
MAX_COLUMNS = 10_000
MAX_CELLS = 40_000_000  # Kept values of one table.
MAX_LINE = 1 << 20
MAX_BATCH = 1 << 19  # Values of a Parquet file that are unpacked at once.
MANY = 10**9  # Rows up to which numpy draws without putting back.
MAX_BYTES = 2 * 1024**3  # Of the rows that are kept of one.
MAX_UNPACKED = 200  # Times the size of a packed file; tables people keep unpack to 3 to 20 times it.
LITTLE = 1 << 26  # Characters that may always be unpacked.
MISSING = {"", "?", "na", "n/a", "nan", "null", "none"}
MAX_CATEGORIES = 5_000


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they were read (str, numbers or None), row by row, under the names of their columns."""

    columns: tuple[str, ...]
    rows: list[list[Any]]


def read_csv(path: Path, seed: int, notes: list[str]) -> Table:
    """A file with a header; the delimiter is the one the header has most of.

    Raises UsageError for text that is not UTF-8, rows of another length than the header, and more columns than bound.
    """
    try:
        with io.TextIOWrapper(opened(path), encoding="utf-8-sig", newline="") as text:
            head = text.readline(MAX_LINE)
            if not head.strip():
                raise UsageError(f"{path.name} is empty")
            delimiter = max(",;\t|", key=head.count)
            if len(head) == MAX_LINE and not head.endswith("\n"):
                raise UsageError(f"{path.name} has a first line of more than {MAX_LINE:,} characters")
            [columns] = csv.reader([head], delimiter=delimiter)
            names = tuple(name.strip() for name in columns)
            _fits(path, names)
            if all(map(_fraction, names)):
                raise UsageError(f"{path.name} begins with a row of numbers: its first line has to name the columns")
            records = _records(path, _lines(path, text), delimiter, len(names))
            return Table(names, _sample(records, len(names), seed, path, notes))
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not UTF-8 text: save it as UTF-8") from None
    except csv.Error as error:  # What it says holds no value: "field larger than field limit (131072)".
        raise UsageError(f"{path.name} is not a CSV file that can be read: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path.name} is not a CSV file that can be read ({type(error).__name__})") from None


def _fraction(name: str) -> bool:
    """A number that is no name: columns are sometimes called 0, 1, 2, but never -0.5."""
    try:
        float(name)
    except ValueError:
        return False
    return not name.isdigit()


def _lines(path: Path, text: io.TextIOWrapper, first: int = 2) -> Iterator[str]:
    """The lines of a file, each within a bound, and all of a packed one within a multiple of its size."""
    packed = isinstance(text.buffer, gzip.GzipFile)
    most = MAX_UNPACKED * path.stat().st_size + LITTLE if packed else None
    read = 0
    for number, line in enumerate(iter(lambda: text.readline(MAX_LINE + 1), ""), first):
        if len(line) > MAX_LINE:
            raise UsageError(f"{path.name}: line {number} is longer than {MAX_LINE:,} characters")
        read += len(line)
        if most is not None and read > most:
            raise UsageError(f"{path.name} unpacks to more than {MAX_UNPACKED} times its size: unpack it first")
        yield line


def _records(path: Path, lines: Iterator[str], delimiter: str, width: int) -> Iterator[list[Any]]:
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter), 2):
        if not row:
            continue
        if len(row) != width:
            raise UsageError(f"{path.name}: row {number} has {len(row)} values, the header {width}")
        yield [value.strip() for value in row] if width > 2 else row


def _fits(path: Path, names: tuple[str, ...]) -> None:
    if len(names) < 2:
        raise UsageError(f"{path.name} has one column: a table has columns of values and one of labels")
    if len(names) > MAX_COLUMNS:
        raise UsageError(f"{path.name} has {len(names):,} columns, more than {MAX_COLUMNS:,}")
    if len(set(names)) != len(names):
        raise UsageError(f"{path.name} has two columns of the same name in its first line, which has to name them")


def _limit(width: int) -> int:
    """How many rows of so many columns are kept."""
    return max(1, min(MAX_ROWS, MAX_CELLS // width))


def _sample(rows: Iterator[list[Any]], width: int, seed: int, path: Path, notes: list[str]) -> list[list[Any]]:
    """All rows, or of more than fit a uniform sample in the order of the file (Vitter 1985, algorithm R)."""
    limit = _limit(width)
    chance = np.random.default_rng(seed)
    kept: list[tuple[int, list[Any]]] = []
    count = 0
    for count, row in enumerate(rows, 1):
        if len(kept) < limit:
            kept.append((count, row))
        elif (place := int(chance.integers(count))) < limit:
            kept[place] = (count, row)
    if count > limit:
        notes.append(f"of the {count:,} rows of {path.name} a random {limit:,} were read")
        kept.sort(key=lambda one: one[0])
    return [row for _, row in kept]


def read_parquet(path: Path, seed: int, notes: list[str]) -> Table:
    """All columns of plain values.

    Raises UsageError for a damaged file and nested columns. Missing: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Missing("pyarrow", "a Parquet file") from None
    try:
        file = parquet.ParquetFile(path)
        names = tuple(file.schema_arrow.names)
        _fits(path, names)
        kinds = [file.schema_arrow.field(name).type for name in names]
        nested = [name for name, kind in zip(names, kinds, strict=True) if pyarrow.types.is_nested(kind)]
        if nested:
            raise UsageError(f"{path.name}: the column {nested[0][:60]!r} holds lists or records, not plain values")

        return Table(names, drawn(file, len(names), seed, path, notes))
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"{path.name} is not a Parquet file that can be read ({type(error).__name__})") from None


def drawn(file: Any, width: int, seed: int, path: Path, notes: list[str]) -> list[list[Any]]:
    """All rows, or of more than fit a uniform sample: from each batch its share by chance, and only those as values."""
    total, limit = file.metadata.num_rows, _limit(width)
    chance = np.random.default_rng(seed)
    kept: list[list[Any]] = []
    left, need, size = total, min(limit, total), 0
    for batch in file.iter_batches(batch_size=max(1024, MAX_BATCH // width)):
        count = len(batch)
        if left <= count:
            take = min(need, count)
        elif left < MANY:
            take = int(chance.hypergeometric(count, left - count, need))
        else:
            take = min(need, int(chance.binomial(count, need / left)))
        left, need = left - count, need - take
        if take < count:
            batch = batch.take(np.sort(chance.permutation(count)[:take]))
        size += batch.get_total_buffer_size()
        if size > MAX_BYTES:
            raise UsageError(f"{path.name} unpacks to more than {MAX_BYTES:,} bytes: keep the columns that are needed")
        kept.extend(list(row) for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    if total > limit:
        notes.append(f"of the {total:,} rows of {path.name} a random {limit:,} were read")
    return kept


def read_jsonl(path: Path, seed: int, notes: list[str]) -> Table:
    """One object a line; all have the keys of the first: values in their order.

    Raises UsageError for a line that is no object, too long, or without one of the keys.
    """

    def rows() -> Iterator[list[Any]]:
        yield [first[name] for name in names]
        for number, line in enumerate(_lines(path, text), 2):
            if line.strip():
                record = _record(path, number, line)
                if record.keys() != first.keys():
                    raise UsageError(f"{path.name}: line {number} has other keys than the first")
                yield [record[name] for name in names]

    try:
        with io.TextIOWrapper(opened(path), encoding="utf-8-sig") as text:
            first = _record(path, 1, text.readline(MAX_LINE + 1))
            names = tuple(first)
            _fits(path, names)
            return Table(names, _sample(rows(), len(names), seed, path, notes))
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not UTF-8 text: save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path.name} cannot be read ({type(error).__name__})") from None


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise UsageError(f"{path.name}: line {number} is longer than {MAX_LINE:,} characters")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or any(isinstance(one, dict | list) for one in value.values()):
        raise UsageError(f"{path.name}: line {number} is not a JSON object of plain values")
    return value


# ------------------------------------------------------------------------------------------------- columns to numbers


@dataclass(frozen=True, slots=True)
class Coded:
    """Columns as numbers: a category is its place among `categories[column]`, a missing number NaN."""

    x: Array
    categories: dict[str, tuple[str, ...]]


def missing(value: Any) -> bool:
    """Nothing there, in the ways people write it."""
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def _number(value: Any) -> float:
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        return float(value)
    raise ValueError


def coded(names: tuple[str, ...], rows: list[list[Any]], file: str) -> Coded:
    """Numbers where every value of a column is one or missing, else codes of its sorted values.

    Raises UsageError for a column of more than `MAX_CATEGORIES` values that are no numbers.
    """
    x = np.empty((len(rows), len(names)), np.float64)
    categories: dict[str, tuple[str, ...]] = {}
    for at, name in enumerate(names):
        values = [row[at] for row in rows]
        try:
            x[:, at] = [np.nan if missing(value) else _number(value) for value in values]
        except (ValueError, OverflowError):
            words = ["?" if missing(value) else str(value) for value in values]
            found = sorted(set(words))
            if len(found) > MAX_CATEGORIES:
                raise UsageError(
                    f"{file}: the column {name[:60]!r} has {len(found):,} different texts: leave it out, or keep "
                    "only it and the label"
                ) from None
            place = {word: code for code, word in enumerate(found)}
            x[:, at] = [place[word] for word in words]
            categories[name] = tuple(found)
    return Coded(x, categories)


def labelled(values: list[Any], file: str) -> tuple[Array, tuple[str, ...]]:
    """Labels 0, 1, … and their names: whole numbers from 0 on are kept, everything else is coded in sorted order.

    Raises UsageError for a missing label and for more labels than could be classes.
    """
    if any(value is None or (isinstance(value, str) and not value.strip()) for value in values):
        raise UsageError(f"{file}: a row has no label")
    try:
        numbers = [_number(value) for value in values]
        if not all(map(isfinite, numbers)):
            raise UsageError(f"{file}: a label is NaN or infinite: leave its row out")
        if all(one == int(one) for one in numbers):
            found = sorted({int(one) for one in numbers})
            if found[0] >= 0 and found[-1] < max(2 * len(found), 2):
                return np.array(numbers, np.int64), tuple(str(one) for one in range(found[-1] + 1))
            names = tuple(str(one) for one in found)
            return np.searchsorted(found, np.array(numbers)).astype(np.int64), names
        words = [str(one) for one in numbers]
    except (ValueError, OverflowError):
        words = [str(value) for value in values]
    distinct = sorted(set(words))
    if len(distinct) > min(1000, max(20, len(values) // 5)):
        raise UsageError(f"{file}: the label column has {len(distinct):,} different values, which are no classes")
    place = {word: code for code, word in enumerate(distinct)}
    return np.array([place[word] for word in words], np.int64), tuple(distinct)
