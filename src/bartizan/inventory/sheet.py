"""The register as a file: CSV for spreadsheets, JSON for programs, and back again.

What is read must be what was written: a column that is missing stays as it was, an empty cell empties the field. A
cell that a spreadsheet would take for a formula gets an apostrophe in front, which is taken away again when it is read
(OWASP, CSV Injection). Everything that is wrong is said at once, by line; nothing is changed then.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bartizan.core.errors import ConfigError, Problem
from bartizan.inventory import fields
from bartizan.inventory.fields import FIELDS
from bartizan.inventory.register import Register
from bartizan.inventory.system import Status, System, iso, when
from bartizan.readers.logs.usage import Sort

SCHEMA = "bartizan.register/1"
WRITTEN = ("id", "status", "alternative", *FIELDS)  # What a file can change.
TOLD = (
    "sort",
    "people",
    "count",
    "bytes_up",
    "sources",
    "accounts",
    "first_seen",
    "last_seen",
    "decided",
)  # And what not.
COLUMNS = ("id", "sort", *WRITTEN[1:], *TOLD[1:])
FORMULA = ("=", "+", "-", "@", "\t", "\r")
MAX_BYTES = 16 * 1024 * 1024
MAX_ROWS = 20_000
MAX_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: what it says of one system, as people write it. `line` counts from 1."""

    line: int
    id: str
    values: Mapping[str, str]

    @property
    def fields(self) -> dict[str, str]:
        """What belongs to no decision."""
        return {name: value for name, value in self.values.items() if name in FIELDS}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    rows: int
    added: int
    changed: int
    decided: int


def cells(system: System) -> dict[str, str]:
    """A system as cells."""
    seen = system.seen
    return {
        "id": system.id,
        "sort": system.sort.value,
        "status": system.status.word,
        "alternative": system.alternative,
        "name": system.name,
        "vendor": system.vendor,
        "category": system.category,
        "owner": system.owner,
        "purpose": system.purpose,
        "data_classes": ", ".join(system.data_classes),
        "account": system.account.value,
        "risk_tier": system.risk_tier.value,
        "legal_basis": system.legal_basis,
        "oversight": system.oversight,
        "retention": system.retention,
        "instructions": system.instructions,
        "review_day": iso(system.review_day),
        "people": str(seen.people),
        "count": str(seen.count),
        "bytes_up": str(seen.bytes_up),
        "sources": ", ".join(seen.sources),
        "accounts": ", ".join(seen.accounts),
        "first_seen": when(system.first_us) or "",
        "last_seen": when(system.last_us) or "",
        "decided": when(system.decided_us) or "",
    }


def as_csv(systems: Iterable[System]) -> str:
    """RFC 4180, with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for system in systems:
        writer.writerow({name: _harmless(value) for name, value in cells(system).items()})
    return out.getvalue()


def as_json(systems: Iterable[System]) -> str:
    """One object with all systems."""
    return (
        json.dumps({"schema": SCHEMA, "systems": [cells(one) for one in systems]}, ensure_ascii=False, indent=2) + "\n"
    )


def read(data: bytes, name: str) -> list[Row]:
    """The rows of a file that `as_csv`, `as_json` or a spreadsheet wrote. Raises ConfigError with all that is wrong."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name}: is larger than {MAX_BYTES:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: is not UTF-8 (byte {error.start})\n  Save it as CSV UTF-8.") from error
    problems = _Problems(name)
    rows = list(_json(text, problems) if text.lstrip()[:1] in ("{", "[") else _csv(text, problems))
    _checked(rows, problems)
    problems.told()
    return rows


def take(register: Register, rows: Iterable[Row], name: str, by: str, why: str, now_us: int) -> Imported:
    """Change the register as a file says. What it says already is left alone, so that a file can be taken twice.

    Args:
        why: The reason of all decisions in it.

    Raises:
        ConfigError: With everything in the file that cannot be; then nothing was changed.
    """
    rows = list(rows)
    before = {system.id: system for system in register.systems()}
    problems = _Problems(name)
    known = before.keys() | {row.id for row in rows}
    for row in rows:
        status = fields.status(row.values.get("status", before[row.id].status.value if row.id in before else ""))
        if row.id in before and before[row.id].sort in (Sort.CANDIDATE, Sort.LOOK_ALIKE) and status.closed:
            problems.no(row.line, "status", f"a {before[row.id].sort} cannot be {status.word}")
        if status.closed and _decides(before.get(row.id), row) and not why.strip():
            problems.no(row.line, "status", f"{row.id}: say why it is {status.word}, with --why")
        other = row.values.get("alternative", "")
        if other and (other == row.id or (other not in known and register.catalogue(other) is None)):
            problems.no(row.line, "alternative", "is another system of the register, the catalogue or this file")
    problems.told()
    added = changed = decided = 0
    for row in rows:  # All of them first, so that any can be another's alternative.
        if row.id not in before:
            register.add(row.id, by, now_us)
            added += 1
    for row in rows:
        system = before.get(row.id) or register.system(row.id)
        now = cells(system)
        new = {key: value for key, value in row.fields.items() if fields.changes({key: value}) != _same(key, now[key])}
        if _decides(system, row):
            status = fields.status(row.values.get("status", system.status.value))
            other = row.values.get("alternative", system.alternative)
            register.decide(row.id, status, by, now_us, why=why, alternative=other, changes=new)
            decided += 1
        elif new:
            register.set(row.id, new, by, now_us)
            changed += 1
    return Imported(len(rows), added, changed, decided)


def _same(key: str, value: str) -> dict[str, str | int | None]:
    return fields.changes({key: value})


def _decides(system: System | None, row: Row) -> bool:
    """Whether a row says another decision than the one that holds."""
    was, other = (system.status, system.alternative) if system else (Status.UNDECIDED, "")
    return (
        fields.status(row.values.get("status", was.value)) is not was or row.values.get("alternative", other) != other
    )


class _Problems:
    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[Problem] = []

    def no(self, line: int, where: str, what: str) -> None:
        if len(self._found) < MAX_PROBLEMS:
            self._found.append(Problem(self._name, line, 1, f"{where}: {what}" if where else what))

    def told(self) -> None:
        if self._found:
            more = f"the first {MAX_PROBLEMS} mistakes" if len(self._found) == MAX_PROBLEMS else ""
            raise ConfigError(more, tuple(self._found))


def _csv(text: str, problems: _Problems) -> Iterator[Row]:
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","  # As spreadsheets write it in half of Europe.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [_plain(cell).strip() for cell in next(reader, [])]
        for index, column in enumerate(header):
            if column not in (*WRITTEN, *TOLD):
                problems.no(1, "", f'there is no column "{_shown(column)}"; there are: {", ".join(WRITTEN)}')
            elif column in header[:index]:
                problems.no(1, "", f'the column "{column}" is there twice')
        if "id" not in header:
            problems.no(1, "", "has no column id")
            return
        line = reader.line_num + 1
        for number, row in enumerate(reader):
            if number >= MAX_ROWS:
                problems.no(line, "", f"has more than {MAX_ROWS:,} rows")
                return
            if len(row) not in (0, len(header)):
                problems.no(line, "", f"has {len(row)} cells, not {len(header)}")
            elif any(row):
                values = dict(zip(header, map(_plain, row), strict=True))
                yield Row(line, values["id"].strip(), {k: v for k, v in values.items() if k in WRITTEN[1:]})
            line = reader.line_num + 1
    except csv.Error as error:
        problems.no(reader.line_num, "", f"is no CSV: {error}")


def _json(text: str, problems: _Problems) -> Iterator[Row]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        problems.no(line, "", f"is no JSON: {getattr(error, 'msg', 'too deep')}")
        return
    systems = whole.get("systems") if isinstance(whole, dict) else whole
    if not isinstance(systems, list) or len(systems) > MAX_ROWS:
        problems.no(1, "", f'is a list of up to {MAX_ROWS:,} systems, or an object with one under "systems"')
        return
    for number, one in enumerate(systems, 1):
        where = f"system {number}"
        if not isinstance(one, dict) or not isinstance(one.get("id"), str):
            problems.no(1, where, "is an object with an id")
            continue
        values: dict[str, str] = {}
        for key, value in one.items():
            if key not in (*WRITTEN, *TOLD):
                problems.no(1, where, f'there is no field "{_shown(key)}"; there are: {", ".join(WRITTEN)}')
            elif key in WRITTEN[1:]:
                if not isinstance(value, str):
                    problems.no(1, f"{where}, {key}", "is a text")
                else:
                    values[key] = value
        yield Row(number, one["id"].strip(), values)


def _checked(rows: Iterable[Row], problems: _Problems) -> None:
    lines: dict[str, int] = {}
    for row in rows:
        if not fields.ID.fullmatch(row.id):
            problems.no(row.line, "id", "has lower-case letters and digits, with - . or _ in between")
        elif row.id in lines:
            problems.no(row.line, "id", f"is that of line {lines[row.id]}, too")
        lines.setdefault(row.id, row.line)
        for key, value in row.values.items():
            read_ = (
                fields.identifier if key == "alternative" else fields.status if key == "status" else FIELDS[key].read
            )
            try:
                read_(value)
            except ValueError as error:
                problems.no(row.line, key, str(error))


def _harmless(value: str) -> str:
    """A cell that no spreadsheet computes."""
    return f"'{value}" if value.startswith((*FORMULA, "'")) else value


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")) else cell


def _shown(word: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in word[:60])
