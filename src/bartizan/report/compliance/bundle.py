"""A bundle of evidence as files, and the manifest that holds them together.

    bartizan evidence/1
    made 2026-11-23T09:00:00Z
    sha256:4f0c… 1234 controls.csv
    …
    (a blank line)
    — bartizan-4f0c6a1e/evidence Az3grl…

The manifest is a signed note (C2SP signed-note, Ed25519), by the key that signs the ledger's checkpoints. `sha256sum`
and any tool for signed notes can check it without Bartizan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from bartizan.core.errors import InputError
from bartizan.inventory import sheet as register_sheet
from bartizan.inventory.exceptions import UseException
from bartizan.inventory.system import Decided, System, when
from bartizan.ledger.checkpoint import opened
from bartizan.report.compliance import article30, sheets
from bartizan.report.compliance.article30 import Activity
from bartizan.report.compliance.evidence import Evidence
from bartizan.report.compliance.page import page

HEAD = "bartizan evidence/1"
NAME = "evidence"
MANIFEST = "MANIFEST.txt"
MAX_MANIFEST_BYTES = 1 << 20
_LINE = re.compile(r"sha256:([0-9a-f]{64}) (\d{1,15}) ([a-z0-9][a-z0-9.-]{0,99})")


def files(
    evidence: Evidence,
    systems: Iterable[System],
    decisions: Iterable[Decided],
    exceptions: Iterable[UseException],
    activities: Iterable[Activity],
) -> dict[str, bytes]:
    """All files but the manifest, by name. `systems`: the whole register, as `register export` has it."""
    every, record = tuple(systems), tuple(activities)
    made = {
        "index.html": page(evidence, every, record),
        "evidence.json": json.dumps(evidence.as_json(), ensure_ascii=False, indent=2) + "\n",
        "register.csv": register_sheet.as_csv(every),
        "register.json": register_sheet.as_json(every),
        "checkpoints.txt": "".join(f"{log.note}\n" for log in evidence.facts.logs if log.note),
    }
    tables = (
        sheets.controls(evidence),
        sheets.decided(decisions),
        sheets.exceptions(exceptions),
        sheets.incidents(evidence),
        sheets.ledger(evidence),
        article30.sheet(record),
    )
    for table in tables:
        made |= {f"{table.name}.csv": table.as_csv(), f"{table.name}.json": table.as_json()}
    return {name: text.encode() for name, text in sorted(made.items())}


def manifest(made: Mapping[str, bytes], now_us: int) -> str:
    """What is signed."""
    lines = [f"sha256:{sha256(data).hexdigest()} {len(data)} {name}" for name, data in sorted(made.items())]
    return "\n".join([HEAD, f"made {when(now_us)}", *lines]) + "\n"


def listed(note: str, publics: Iterable[bytes]) -> dict[str, tuple[str, int]]:
    """The digests and sizes of a manifest, by file. Raises InputError: it is none, or none of these keys signed it."""
    try:
        found = opened(note, publics)
    except InputError:
        found = None
    if found is None or not found[1].endswith(f"/{NAME}"):
        raise InputError("the manifest is not signed with this key", MANIFEST)
    head, made, *lines = found[0].rstrip("\n").split("\n")
    rows = [_LINE.fullmatch(line) for line in lines]
    if head != HEAD or not made.startswith("made ") or not all(rows):
        raise InputError("not a manifest of evidence", MANIFEST)
    return {row[3]: (row[1], int(row[2])) for row in rows if row}


def faults(wanted: Mapping[str, tuple[str, int]], there: Mapping[str, tuple[str, int] | None]) -> list[str]:
    """What a folder's files are not, by the manifest. `there`: digests and sizes; None for what is no plain file."""
    found = []
    for name, told in sorted(wanted.items()):
        if name not in there:
            found.append(f"{name}: is missing")
        elif there[name] != told:
            found.append(f"{name}: is not what was signed")
    return found + [f"{name}: is not in the manifest" for name in sorted(there.keys() - wanted.keys())]
