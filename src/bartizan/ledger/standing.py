"""How the logs of a home stand, read in a moment: how long, signed how far, kept outside how far. No check of records:
that is `verify`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bartizan.core.errors import InputError, StoreError
from bartizan.ledger.checkpoint import Note, last_kept, read_note
from bartizan.ledger.proof import is_consistent
from bartizan.ledger.tree import consistency
from bartizan.store.logfile import LogFile, logs

PATIENCE_S = 0.1  # A page shows many logs: one that somebody keeps must not make the others wait.


@dataclass(frozen=True, slots=True)
class Standing:
    """One log. `problem` says why it cannot be read; what could be read before that is there."""

    name: str
    bytes: int
    records: int = 0
    signed: int = 0  # records that the newest checkpoint covers
    checkpoints: int = 0
    note: str = ""  # the newest checkpoint
    first_us: int = 0
    last_us: int = 0
    months: tuple[str, ...] = ()  # of which sealed texts are kept
    problem: str = ""
    path: Path = field(default=Path(), compare=False)


@dataclass(frozen=True, slots=True)
class Outside:
    """How the checkpoints kept outside agree with the logs.

    `kept`: records that an agreeing checkpoint outside covers, by log. `missing`: logs of which there is none outside
    yet. `faults`: what does not agree, a sentence each. `problem`: why the file cannot be read.
    """

    kept: dict[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    problem: str = ""


def standing(path: Path) -> Standing:
    """One log as it stands."""
    name = path.name.removeprefix("log-").removesuffix(".sqlite")
    wal = path.with_name(path.name + "-wal")
    found = Standing(name, sum(one.stat().st_size for one in (path, wal) if one.exists()), path=path)
    try:
        with LogFile.reading(path, patience_s=PATIENCE_S) as file:
            size = file.size()
            number, signed, note = file.last_checkpoint() or (0, 0, "")
            ends = [row.time_us for at in (0, size - 1) for row in file.records(at, at + 1)]
            months = tuple(month for month, _ in file.months())
    except StoreError as error:
        return Standing(name, found.bytes, problem=str(error), path=path)
    first, last = (ends[0], ends[-1]) if ends else (0, 0)
    return Standing(name, found.bytes, size, signed, number, note, first, last, months, "", path)


def standings(home: Path) -> tuple[Standing, ...]:
    """All logs of a home, by name."""
    return tuple(standing(path) for path in logs(home))


def outside(file: Path, found: Sequence[Standing], publics: Sequence[bytes]) -> Outside:
    """Hold the newest checkpoint outside of each log against that log, by a proof of consistency."""
    kept: dict[str, int] = {}
    missing, faults = [], []
    for one in found:
        if one.problem or not one.note:
            continue
        try:
            last = read_note(one.note)
            note = last_kept(file, last.checkpoint.origin)
        except OSError as error:
            return Outside(problem=f"{file}: {error.strerror}")
        except InputError as error:
            return Outside(problem=f"{file}: {error}")
        if note is None:
            missing.append(one.name)
        elif fault := _disagrees(one, note, last, publics):
            faults.append(f"{one.name}: {fault}")
        else:
            kept[one.name] = note.checkpoint.size
    return Outside(kept, tuple(missing), tuple(faults))


def _disagrees(one: Standing, kept: Note, last: Note, publics: Sequence[bytes]) -> str:
    """What is wrong between the checkpoint outside and the log's newest, or ""."""
    old, new = kept.checkpoint, last.checkpoint
    if not any(kept.signed_by(public) for public in publics):
        return f"checkpoint {old.number} outside was signed with another key"
    if old.size > new.size:
        return f"ends at {new.size} records, and checkpoint {old.number} outside has {old.size}"
    try:
        with LogFile.reading(one.path, patience_s=PATIENCE_S) as file:
            path = consistency(old.size, new.size, file.tile) if old.size > 0 else []
    except StoreError as error:
        return str(error)
    if not is_consistent(old, new, path):
        return f"its first {old.size} records are not those of checkpoint {old.number} outside"
    return ""
