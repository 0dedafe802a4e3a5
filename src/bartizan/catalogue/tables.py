"""The tables a catalogue is made of, as text: what ships, an update, an organisation's own words.

An update is a text of the lines `bartizan-catalogue 1`, `version N`, `made DATE`, and the tables `[services]`,
`[corrections]`, `[hosts]` and `[signals]` as CSV with a header each. Whoever wrote it may be hostile: sizes are
bounded, and the first thing wrong is said with its line.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bartizan import rules
from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import TIERS
from bartizan.core.errors import InputError

PACKAGE = "bartizan.catalogue"
MAX_UPDATE = 16 << 20
MAX_ROWS = 200_000
MAX_CELL = 512
COLUMNS = {
    "services": ("service", "vendor", "category", "audience", "also", "hosts"),
    "corrections": ("pattern", "tier", "why"),
    "hosts": (
        "pattern", "match", "tier", "service", "name", "vendor", "category", "endpoint", "audience", "sources",
    ),
    "signals": ("kind", "value", "service", "name", "vendor", "category"),
}  # fmt: skip
VERSION = 2026112301  # Of what ships: the day and a number.
MATCHES = ("suffix", "exact", "regex")
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?")
_MARKED = re.compile(r"(?:[bm]:)?[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_HEAD = re.compile(r"bartizan-catalogue 1\nversion (\d{1,15})\nmade (\d{4}-\d\d-\d\d)\n")
# Of an expression for hosts: no group that is repeated, nothing that looks around.
_EXPRESSION = re.compile(r"(?:[a-z0-9\\.\[\]+|?-]|\((?!\?)|\)(?![+*{]))+")
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Tables:
    """The rows of a catalogue. `version` grows; an older one never replaces a newer one."""

    version: int
    made: str
    services: tuple[Row, ...] = ()
    corrections: tuple[Row, ...] = ()
    hosts: tuple[Row, ...] = ()
    signals: tuple[Row, ...] = ()


def shipped() -> Tables:
    """The tables of this release."""
    made = f"{VERSION // 100:08d}"
    return Tables(
        VERSION,
        f"{made[:4]}-{made[4:6]}-{made[6:]}",
        tuple(_csv(rules.text(PACKAGE, "data/services.csv"), "services", 0)),
        tuple(_csv(rules.text(PACKAGE, "data/corrections.csv"), "corrections", 0)),
        tuple(_csv(gzip.decompress(rules.data(PACKAGE, "data/hosts.csv.gz")).decode(), "hosts", 0)),
        tuple(_csv(gzip.decompress(rules.data(PACKAGE, "data/signals.csv.gz")).decode(), "signals", 0)),
    )


def text(tables: Tables) -> str:
    """The tables as an update."""
    out = io.StringIO()
    out.write(f"bartizan-catalogue 1\nversion {tables.version}\nmade {tables.made}\n")
    for name, columns in COLUMNS.items():
        out.write(f"[{name}]\n")
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(getattr(tables, name))
    return out.getvalue()


def parse(update: bytes) -> Tables:
    """The tables of an update. Raises InputError with the line that is wrong."""
    if len(update) > MAX_UPDATE:
        raise InputError(f"the update is larger than {MAX_UPDATE >> 20} MiB")
    try:
        whole = update.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"the update is no UTF-8 at byte {error.start}") from None
    head = _HEAD.match(whole)
    if head is None:
        raise InputError("this is no catalogue: it begins with `bartizan-catalogue 1`, `version N` and `made DATE`")
    parts = re.split(r"^\[([a-z]+)\]\n", whole[head.end() :], flags=re.M)
    found: dict[str, tuple[Row, ...]] = {}
    line = 3
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        line += 1
        if name not in COLUMNS or name in found:
            raise InputError(f"line {line}: there is no second table and no other than {', '.join(COLUMNS)}")
        found[name] = tuple(_csv(body, name, line))
        line += body.count("\n")
    if set(found) != set(COLUMNS) or parts[0]:
        raise InputError(f"the tables of a catalogue are {', '.join(COLUMNS)}, each once")
    _check(found)
    return Tables(int(head[1]), head[2], **found)


def _check(found: dict[str, tuple[Row, ...]]) -> None:
    """That every row can be used and shown. Raises InputError with the first that cannot."""
    for name, rows in found.items():
        for row in rows:
            if not all(map(str.isprintable, row.values())):
                raise InputError(f"[{name}] holds a character that cannot be shown")
    for row in found["services"]:
        if wrong := next((host for host in row["hosts"].split() if not _MARKED.fullmatch(host)), ""):
            raise InputError(f"[services]: {wrong[:80]!r} is no host, with b: or m: before it for its tier")
    for row in found["hosts"]:
        pattern = row["pattern"]
        if row["match"] == "regex":
            expression(pattern)
        if row["match"] not in MATCHES or (row["match"] != "regex" and hostname(pattern) != pattern):
            raise InputError(f"[hosts]: {pattern[:80]!r} is no {' or '.join(MATCHES)} of a host")
        if row["tier"] not in TIERS or not _ID.fullmatch(row["service"]):
            raise InputError(f"[hosts]: {pattern[:80]!r} has no tier of {', '.join(TIERS)} or no id of a service")
    for row in found["corrections"]:
        if row["tier"] not in {*TIERS, "none"}:
            raise InputError(f"[corrections]: {row['pattern'][:80]!r} has no tier of {', '.join(TIERS)} or none")
    for row in found["signals"]:
        if not row["kind"] or not row["value"] or not _ID.fullmatch(row["service"]):
            raise InputError(f"[signals]: {row['value'][:80]!r} has no kind, no value or no id of a service")


def _csv(body: str, name: str, before: int) -> Iterator[Row]:
    columns = COLUMNS[name]
    reader = csv.reader(body.splitlines(), strict=True)
    try:
        header = next(reader, [])
        if tuple(header) != columns:
            raise InputError(f"line {before + 1}: the columns of [{name}] are {','.join(columns)}")
        for number, cells in enumerate(reader, 2):
            if len(cells) != len(columns) or max(map(len, cells)) > MAX_CELL * 4 or number > MAX_ROWS:
                raise InputError(f"line {before + number}: {len(columns)} cells of up to {MAX_CELL * 4} characters")
            yield dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise InputError(f"line {before + reader.line_num}: {error}") from None


def expression(pattern: str) -> re.Pattern[str]:
    """An expression for hosts. Raises InputError where it could take for ever, or is none."""
    if not _EXPRESSION.fullmatch(pattern) or len(pattern) > MAX_CELL:
        raise InputError(f"{pattern!r} is no expression for hosts: letters, digits, classes, groups that do not repeat")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(f"{pattern!r} is no expression for hosts: {error}") from None
