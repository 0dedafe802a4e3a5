"""What one person can show another who has nothing else: a record, its path to a root, and the signed root.

A proof is one JSON file. Checking it needs the public key and SHA-256: docs/reference/ledger.md says how.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from bartizan.core.errors import InputError, UsageError
from bartizan.ledger.checkpoint import Checkpoint, Note, read_note
from bartizan.ledger.read import find
from bartizan.ledger.tree import TileSource, consistency, consistent, inclusion, leaf_hash, root_by_inclusion
from bartizan.store.logfile import LogFile, RecordRow, logs

SCHEMA = "bartizan.proof/1"
MAX_PROOF_BYTES = 32 << 20


def prove(home: Path, exchange: str, *, at_most: int | None = None) -> dict[str, object]:
    """Proofs for the records of an exchange: its decisions first, then what people did about it, in their order.

    `at_most`: so many of them; `left_out` says how many more there are. Raises UsageError if there is none, or one of
    them is not signed yet.
    """
    # What is about no exchange is no exchange: in a log of years, those are most of what people did.
    found = list(find(home, exchange)) if exchange else []
    if not found:
        raise UsageError("no record has this id; `bartizan ledger tail` shows the last ones")
    found.sort(key=lambda one: (one[1].event is not None, one[1].time_us, one[1].seq))
    kept = list(enumerate(found[:at_most]))
    proofs: list[tuple[int, dict[str, object]]] = []
    for path, rows in groupby(sorted(kept, key=lambda one: one[1][0]), key=lambda one: one[1][0]):
        with LogFile.reading(path) as file:  # Once for all of them: opening costs more than a proof.
            last = file.last_checkpoint()
            tiles = cache(file.tile)
            for place, (_, row) in rows:
                if last is None or last[1] <= row.seq:
                    raise UsageError(
                        "no checkpoint covers this record yet\n"
                        "  A running gateway signs within a second; after a crash the next start does."
                    )
                proofs.append((place, _proof(row, last[1], last[2], tiles)))
    told: dict[str, object] = {
        "proofs": [proof for _, proof in sorted(proofs, key=lambda one: one[0])],
        "schema": SCHEMA,
    }
    return told if len(kept) == len(found) else told | {"left_out": len(found) - len(kept)}


def _proof(row: RecordRow, size: int, note: str, tiles: TileSource) -> dict[str, object]:
    path = [base64.b64encode(node).decode() for node in inclusion(row.seq, size, tiles)]
    return {"checkpoint": note, "entry": row.entry.decode(), "index": row.seq, "path": path}


def proof_faults(text: str, publics: Sequence[bytes]) -> list[str]:
    """What does not hold in a proof. Raises InputError if it is none."""
    faults = []
    for number, (entry, index, path, note) in enumerate(_read(text), 1):
        root = root_by_inclusion(leaf_hash(entry), index, note.checkpoint.size, path)
        if root != note.checkpoint.root:
            faults.append(f"proof {number}: the record is not under the root of its checkpoint")
        if not any(note.signed_by(public) for public in publics):
            faults.append(f"proof {number}: the checkpoint is not signed with this key")
        try:
            told = json.loads(entry)
        except ValueError:
            told = None
        if not isinstance(told, dict) or told.get("seq") != index:
            faults.append(f"proof {number}: the record is not the one with number {index}")
    return faults


def _read(text: str) -> list[tuple[bytes, int, list[bytes], Note]]:
    try:
        told: Any = json.loads(text)  # Any: checked here, field by field
        if told["schema"] != SCHEMA or not told["proofs"]:
            raise InputError("not a proof of Bartizan")
        return [
            (
                str(proof["entry"]).encode(),
                int(proof["index"]),
                [base64.b64decode(node, validate=True) for node in proof["path"]],
                read_note(str(proof["checkpoint"])),
            )
            for proof in told["proofs"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise InputError(f"not a proof of Bartizan: {type(error).__name__}") from error


def prove_consistency(home: Path, old: Note, new: Note) -> dict[str, object]:
    """The proof that one checkpoint's log is the beginning of another's, as one JSON file.

    Raises UsageError if there is no such log, or the checkpoints are not of one log.
    """
    first, second = old.checkpoint, new.checkpoint
    if first.origin != second.origin:
        raise UsageError(f"the checkpoints are of two logs: {first.origin} and {second.origin}")
    for path in logs(home):
        with LogFile.reading(path) as file:
            if file.meta().get("origin") != first.origin:
                continue
            last = file.last_checkpoint()
            if last is None or second.size > last[1]:
                raise UsageError(f"{file.name} is signed up to {last[1] if last else 0} records, not {second.size}")
            nodes = consistency(first.size, second.size, file.tile) if 0 < first.size <= second.size else []
            return {
                "consistent": is_consistent(first, second, nodes),
                "new": {"root": base64.b64encode(second.root).decode(), "size": second.size},
                "old": {"root": base64.b64encode(first.root).decode(), "size": first.size},
                "origin": first.origin,
                "path": [base64.b64encode(node).decode() for node in nodes],
                "schema": "bartizan.consistency/1",
            }
    raise UsageError(f"there is no log {first.origin} here")


def is_consistent(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the old log is the beginning of the new one."""
    return consistent(old.size, old.root, new.size, new.root, path)
