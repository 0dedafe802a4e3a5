"""Logs that no other format knows: CSV, JSON and key=value whose columns are guessed, or named by whoever knows them.

A guess is a value (`Mapping`): it can be shown, saved and given again, so that the next file is read the same way.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

import orjson

from bartizan.core.errors import UsageError
from bartizan.readers.logs.columns import ROLES, Columns, denied, guessed, looks_like_values
from bartizan.readers.logs.fields import LONGEST, authority, pairs, size, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_tunnel

SCHEMA = "bartizan.log-mapping/1"
_PAIRED = "key-value"
SAMPLE = 200  # Lines or records that a guess is made from.
DELIMITERS = ("\t", ",", ";", "|", " ")
LEAST_CELLS = 2
_NUMBERED = re.compile(r"#[1-9]\d{0,2}")
SAME = 0.8  # Of the lines must have the same number of cells.
MAX_CELLS = 512
MAX_DEPTH = 4  # Of objects in a record.

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Mapping:
    """How an unknown log is read.

    Args:
        shape: csv, json or key-value.
        delimiter: Between the cells of a CSV.
        names: The columns' names, where a CSV has a header that says them; () where they are "#1", "#2", ….
    """

    shape: str
    columns: Columns
    delimiter: str = ""
    names: tuple[str, ...] = ()


def mapping_of(sample: Sample, shape: str = "") -> Mapping | None:
    """The best guess for a sample, None where it is no log of who went where."""
    for name in (shape,) if shape else _SHAPES:
        made = _SHAPES[name](sample)
        if made is not None and made.columns.enough:
            return made
    return None


def written(mapping: Mapping) -> bytes:
    """A mapping as a file."""
    columns = {role: list(held) for role, held in asdict(mapping.columns).items() if held}
    value = {
        "schema": SCHEMA, "shape": mapping.shape, "delimiter": mapping.delimiter, "names": list(mapping.names),
        "columns": columns,
    }  # fmt: skip
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def parsed(data: bytes) -> Mapping:
    """A mapping from a file. Raises UsageError."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"the mapping is no JSON (line {error.lineno})") from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise UsageError(f'the mapping does not say "schema": "{SCHEMA}"; `--save-mapping` writes one')
    shape, delimiter, names = value.get("shape"), value.get("delimiter", ""), _texts(value.get("names", []))
    columns = value.get("columns")
    if shape not in ("csv", "json", "key-value"):
        raise UsageError("the mapping's shape is none of csv, json, key-value")
    if shape == "csv" and not (isinstance(delimiter, str) and len(delimiter) == 1):
        raise UsageError("the mapping's delimiter is not one character")
    if not isinstance(columns, dict) or not columns.keys() <= set(ROLES):
        raise UsageError(f"the mapping's columns are none of {', '.join(ROLES)}")
    held = {role: _texts([one] if isinstance(one, str) else one) for role, one in columns.items()}
    if names is None or any(one is None for one in held.values()):
        raise UsageError("the mapping's names are no texts")
    made = Columns(**{role: one for role, one in held.items() if one})
    if not made.host:
        raise UsageError("the mapping does not say which column holds the host or the URL")
    return Mapping(shape, made, delimiter, names)


def format_of(mapping: Mapping) -> Format:
    """The format that reads by a mapping."""
    known = {one.id: one for one in FORMATS}[mapping.shape]

    def read(source: Iterator[Any], wanted: Wanted, tally: Tally) -> Iterator[Visit]:  # Any: as the unit says
        return _visits(mapping, source, wanted, tally)

    return Format(known.id, f"{known.title}, by a mapping", known.unit, known.recognise, read, known.source)


def rows(mapping: Mapping, sample: Sample) -> Iterator[Row]:
    """The rows of a sample by role, for a preview."""
    source = sample.records if mapping.shape == "json" else sample.lines
    get = _getter(mapping)
    for one in source[bool(mapping.names) :] if mapping.shape == "csv" else source:
        if row := get(one):
            yield {role: " ".join(filter(None, (row.get(name, "") for name in held))) for role, held in roles(mapping)}


def roles(mapping: Mapping) -> list[tuple[str, tuple[str, ...]]]:
    """What is known of the columns: a role and the columns that have it."""
    return [(role, held) for role, held in asdict(mapping.columns).items() if held]


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else None


# ---- Reading ---------------------------------------------------------------------------------------------------------


def _visits(mapping: Mapping, source: Iterator[Any], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits of a log by its mapping. The host is looked up before anything else is read."""
    get, columns = _getter(mapping), mapping.columns
    where = columns.host[0]
    source = _near(mapping, source, wanted) if mapping.shape == "csv" else source
    header = list(mapping.names)

    def first(row: Row, held: tuple[str, ...]) -> str:
        return row.get(held[0], "") if held else ""

    for one in source:
        row = get(one)
        if row is None:
            tally.junk += bool(one)
            continue
        url = row.get(where, "")
        host = authority(url.encode("utf-8", "replace"))
        if not host or len(host) > LONGEST or wanted[host] is None:
            continue
        if header and list(row.values()) == header:
            continue
        up = size(first(row, columns.up))
        evidence = of_tunnel(up) if up else Evidence.CONNECTED
        yield Visit(
            micros(" ".join(row.get(name, "") for name in columns.time), tally),
            somebody(first(row, columns.user), _bare(first(row, columns.client))),
            host,
            evidence,
            up,
            size(first(row, columns.down)),
            denied=denied(first(row, columns.action)),
        )


def _near(mapping: Mapping, lines: Iterator[bytes], wanted: Wanted) -> Iterator[bytes]:
    """The lines that may matter: of those without quotes, only where the cell of the host is wanted."""
    name, between = mapping.columns.host[0], mapping.delimiter.encode() if mapping.delimiter != " " else None
    at = mapping.names.index(name) if name in mapping.names else int(name[1:]) - 1 if _NUMBERED.fullmatch(name) else -1
    for line in lines:
        if at >= 0 and b'"' not in line:
            cells = line.split(between, at + 1)
            if len(cells) > at:
                url = cells[at]
                if wanted[url.split(b"/", 3)[2] if url[:4] == b"http" and url.count(b"/", 0, 9) > 1 else url] is None:
                    continue
        yield line


def _bare(address: str) -> str:
    """A client's address without the port that may stand behind it."""
    host, _, port = address.strip().rpartition(":")
    return host if port.isdigit() and (host.count(":") == 0 or host.endswith("]")) and host else address.strip("[]")


def _getter(mapping: Mapping) -> Callable[[Any], Row | None]:  # Any: a line or a record
    if mapping.shape == "json":
        return _flat
    if mapping.shape == "key-value":
        return _pairs
    return lambda line: _cells_of(line, mapping.delimiter, mapping.names)


def _flat(record: dict[str, Any], depth: int = MAX_DEPTH) -> Row:  # Any: JSON is what its author wrote
    """A record with its inner keys as `outer.inner`; of a list, the first."""
    row: Row = {}
    for key, value in record.items():
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict) and depth:
            row |= {f"{key}.{inner}": held for inner, held in _flat(value, depth - 1).items()}
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            row[key] = text(value)
    return row


def _pairs(line: bytes) -> Row | None:
    found = pairs(line)
    return {text(key): text(value) for key, value in found.items()} if len(found) >= LEAST_CELLS else None


def _cells_of(line: bytes, delimiter: str, names: Sequence[str]) -> Row | None:
    cells = _cells(line, delimiter)
    if len(cells) < LEAST_CELLS or (names and len(cells) < len(names)):
        return None
    if names:
        return dict(zip(names, cells, strict=False))
    return {f"#{n}": cell for n, cell in enumerate(cells, 1)}


def _cells(line: bytes, delimiter: str) -> list[str]:
    decoded = line.decode("utf-8", "replace").replace("\0", "")
    if '"' not in decoded:
        return decoded.split(delimiter, MAX_CELLS) if delimiter != " " else decoded.split(None, MAX_CELLS)
    try:
        return next(csv.reader([decoded], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


# ---- Guessing --------------------------------------------------------------------------------------------------------


def _csv(lines: Sequence[bytes]) -> Mapping | None:
    for delimiter in DELIMITERS:
        cells = [_cells(line, delimiter) for line in lines if not line.startswith(b"#")]
        counts = Counter(map(len, cells))
        if not counts:
            return None
        width, often = counts.most_common(1)[0]
        if not max(LEAST_CELLS, 4 * (delimiter == " ")) <= width <= MAX_CELLS or often < SAME * len(cells):
            continue
        first = [cell.strip() for cell in cells[0]]
        named = len(first) == width and len(cells) > 1 and not looks_like_values(first) and len(set(first)) == width
        names = tuple(first) if named else ()
        held = [dict(zip(names or _numbers(width), row, strict=False)) for row in cells[named:] if len(row) == width]
        columns = guessed(held)
        if columns.enough:
            return Mapping("csv", columns, delimiter, names)
    return None


def _numbers(width: int) -> list[str]:
    return [f"#{n}" for n in range(1, width + 1)]


def _json(sample: Sample) -> Mapping | None:
    return Mapping("json", guessed([_flat(record) for record in sample.records])) if sample.records else None


def _key_value(lines: Sequence[bytes]) -> Mapping | None:
    found = [row for line in lines if (row := _pairs(line)) is not None]
    return Mapping("key-value", guessed(found)) if found and len(found) >= SAME * len(lines) else None


_SHAPES: dict[str, Callable[[Sample], Mapping | None]] = {
    "json": _json,
    _PAIRED: lambda sample: _key_value(sample.lines),
    "csv": lambda sample: _csv(sample.lines),
}


def _recognise(shape: str) -> Callable[[Sample], float]:
    return lambda sample: 1.0 if mapping_of(sample, shape) is not None else 0.0


def _read_lines(shape: str) -> Callable[[Iterator[bytes], Wanted, Tally], Iterator[Visit]]:
    def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
        head = list(islice((line for line in source if line.strip()), SAMPLE))
        mapping = mapping_of(Sample(b"", tuple(head), ()), shape)
        if mapping is None:
            tally.junk += len(head) + sum(1 for line in source if line)
            return
        yield from _visits(mapping, chain(head, source), wanted, tally)

    return read


def _read_records(source: Iterator[dict[str, Any]], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    head = list(islice(source, SAMPLE))
    mapping = mapping_of(Sample(b"", (), tuple(head)), "json")
    if mapping is None:
        tally.junk += len(head) + sum(1 for _ in source)
        return
    yield from _visits(mapping, chain(head, source), wanted, tally)


_SOURCE = "columns guessed by their values and names"
FORMATS = (
    Format("csv", "CSV with columns of any kind", Unit.LINE, _recognise("csv"), _read_lines("csv"), _SOURCE),
    Format("json", "JSON with keys of any kind", Unit.RECORD, _recognise("json"), _read_records, _SOURCE),
    Format(
        "key-value",
        "key=value pairs of any kind",
        Unit.LINE,
        _recognise("key-value"),
        _read_lines("key-value"),
        _SOURCE,
    ),
)
