"""`bartizan assess own` and `bartizan assess claim`: keys that tell copies of a model from independent ones."""

from __future__ import annotations

import hashlib
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options as everywhere
from bartizan.doors.assess import options
from bartizan.doors.assess.command import opened, progress

if TYPE_CHECKING:
    from bartizan.assess.evidence import Json

COMMITMENT, KEYS = "ownership.json", "keys.npz"
EVENT = "ownership-keys"
MAX_BYTES = 256 * 1024 * 1024
OWN = """\b
Examples:
  bartizan assess own model.onnx --data digits.npz --out keys --record
  bartizan assess own model.txt --data table.npz --budget 600 --out keys
"""
CLAIM = """\b
Examples:
  bartizan assess claim keys suspect.onnx
  bartizan assess claim keys suspect.onnx --appeared 2026-03-01
  bartizan assess claim keys http://127.0.0.1:8080/predict --format json

\b
Exit codes:
  0 an independent model could answer like this   1 it is claimed to be a copy
  2 keys or model cannot be used as given
"""


@click.command(epilog=OWN)
@click.argument("model", metavar="MODEL")
@options.data
@options.label
@options.budget(300.0)
@options.seed
@options.opening
@click.option("--record", is_flag=True, help="Commit the digests of keys and commitment to the ledger in --home.")
@everywhere.home
@options.out
def own(
    model: str,
    data: tuple[Path, ...],
    label: str | None,
    budget: float,
    seed: int,
    trust: bool,
    weights: Path | None,
    train: str | None,
    record: bool,
    home: Path | None,
    out: Path,
) -> int:
    """Make keys: rows on which copies of MODEL answer as it does, and independently trained models do not.

    Keep keys.npz secret. ownership.json says nothing of the keys but their digest and what independent models met:
    with --record the digests of both stand in the ledger, which proves later that they were made before the dispute.
    """
    options.one_thread()
    from bartizan.assess.budget import Budget
    from bartizan.assess.evidence import as_bytes, write
    from bartizan.assess.how import How
    from bartizan.assess.theft.ownership import keys_for
    from bartizan.core.errors import UsageError

    whole = Budget(budget)
    with ExitStack() as stack:
        stack.enter_context(options.bounded_memory())
        stack.enter_context(options.quiet_libraries())
        say = progress(stack)
        found, target = opened(model, data, say, label, seed, trust=trust, weights=weights, train=train)
        keys = keys_for(target, found, How(0.0, seed=seed, budget=whole, progress=lambda text: say("own", text)))
    commitment: Json = keys.as_json()
    try:
        out.mkdir(parents=True, exist_ok=True)
        write(out / KEYS, keys.content())
        write(out / COMMITMENT, as_bytes(commitment))
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror}); choose another folder by --out") from error
    if record:
        _committed(home, commitment)
    click.echo(_told(commitment))
    return 0


def _committed(home: Path | None, commitment: Json) -> None:
    from bartizan.assess.evidence import as_bytes
    from bartizan.home import Home

    event = {
        "event": EVENT,
        "exchange": "",
        "model": commitment["model"],
        "keys": commitment["keys"],
        "keys_sha256": commitment["keys_sha256"],
        "commitment_sha256": hashlib.sha256(as_bytes(commitment)).hexdigest(),
    }
    with Home.open(home) as opened_home:
        opened_home.record(event)


def _told(commitment: Json) -> str:
    met = commitment["independent_matches"]
    lines = [
        f"{commitment['keys']} keys, sha256 {commitment['keys_sha256']}",
        f"{len(met)} independent models meet {min(met)} to {max(met)} of them; "
        f"{commitment['false_claims']['hits']} of {commitment['false_claims']['of']} would be claimed wrongly",
    ]
    lines += [
        f"  {one['done']}: {one['matches']}, p = {one['p_value']:.2g}{'' if one['claimed'] else ', not claimed'}"
        for one in commitment["survives"]
    ]
    return "\n".join(lines)


@click.command(epilog=CLAIM)
@click.argument("keys", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("suspect", metavar="SUSPECT")
@click.option("--trust", is_flag=True, help="Load a pickle, which runs code of whoever made it.")
@click.option("--weights", type=options.FILE, metavar="FILE", help="Weights for module:factory, as safetensors.")
@click.option(
    "--appeared",
    type=click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S")),
    help="When the suspect was first seen (UTC): keys that no ledger had before then claim nothing.",
)
@everywhere.home
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
def claim(
    keys: Path,
    suspect: str,
    trust: bool,
    weights: Path | None,
    appeared: datetime | None,
    home: Path | None,
    format_: str,
) -> int:
    """Say how probable it is that an independent model answers the keys as SUSPECT does.

    KEYS is a folder that `bartizan assess own` wrote. A claim is worth something where its digests were committed to a
    ledger before the suspect appeared: the record is looked for in --home, and the ledger is checked.
    """
    options.one_thread()
    from bartizan.assess.data import Data, Form
    from bartizan.assess.evidence import as_bytes, read_json
    from bartizan.assess.opening import target_of
    from bartizan.assess.theft.ownership import CLAIM as BELOW
    from bartizan.assess.theft.ownership import from_files, matches, p_value
    from bartizan.core.errors import UsageError

    file = keys / KEYS
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        raise UsageError(f"{file} is missing or larger than keys can be; `bartizan assess own` writes it")
    known = from_files(read_json(keys / COMMITMENT), file.read_bytes())
    form = Form.TABLE if known.rows.ndim == 2 else Form.IMAGES
    data = Data(form, "", x_test=known.rows, y_test=known.labels)
    with options.bounded_memory(), options.quiet_libraries():
        target = target_of(suspect, data, trust=trust, weights=weights)
        met = matches(target, known.rows, known.labels)
    p = p_value(met, known.independent, len(known.labels))
    record = _record(home, (keys / COMMITMENT).read_bytes(), file.read_bytes())
    when_us = record["time_us"] if record is not None and not record["faults"] else None
    before = appeared is None or (when_us is not None and when_us < appeared.replace(tzinfo=UTC).timestamp() * 1e6)
    claimed = p < BELOW and before
    value = {
        "keys": len(known.labels),
        "matches": met,
        "independent_matches": list(known.independent),
        "p_value": p,
        "claimed": claimed,
        "committed": record,
        "before_it_appeared": before if appeared is not None else None,
    }
    if format_ == "json":
        sys.stdout.buffer.write(as_bytes(value))
        sys.stdout.flush()
    else:
        said = "it is claimed to be a copy" if claimed else "an independent model could answer like this"
        if p < BELOW and not before:
            said = "no independent model answers like this, but the keys are not proved to be older than the suspect"
        others = f"{len(known.independent)} independent models met {min(known.independent)} to {max(known.independent)}"
        click.echo(f"{met} of {len(known.labels)} keys are met, {others}: p = {p:.2g}, {said}")
        click.echo(_when(record))
    return 1 if claimed else 0


def committed(home: Path | None, model: str) -> Json | None:
    """What the ledger in --home knows of the keys of a model, by its digest; None: none were committed there."""
    found = _recorded(home, {"model": model})
    if not found or not model:
        return None
    first = found[0]
    where = f"record {first['record']} of {first['log']}"
    return {
        "keys": first["keys"],
        "keys_sha256": first["keys_sha256"],
        "committed": {name: first[name] for name in ("log", "record", "time_us")},
        "sentence": f"{first['keys']} keys were committed at {_at(first)} ({where}); "
        "`bartizan assess claim` tells by them whether a model is a copy of this one.",
    }


def _record(home: Path | None, commitment: bytes, keys: bytes) -> Json | None:
    """The first record of these very files in the ledger, and whether that is whole; None where there is none."""
    from bartizan.core.errors import BartizanError
    from bartizan.home.verifying import check

    wanted = {
        "keys_sha256": hashlib.sha256(keys).hexdigest(),
        "commitment_sha256": hashlib.sha256(commitment).hexdigest(),
    }
    found = _recorded(home, wanted)
    if not found:
        return None
    config = everywhere.settings(home)
    try:
        faults = len(check(config.home, config.checkpoint_file).faults)
    except BartizanError as error:
        click.echo(_unreadable(error), err=True)
        return None
    return {**{name: found[0][name] for name in ("log", "record", "time_us")}, "faults": faults}


def _recorded(home: Path | None, wanted: Json) -> list[Json]:
    """Commitments of keys in the ledger that have these values, first ones first."""
    from bartizan.core.errors import BartizanError
    from bartizan.ledger.read import parse
    from bartizan.store.logfile import LogFile, logs

    found: list[Json] = []
    try:
        for path in logs(everywhere.settings(home).home):
            with LogFile.reading(path) as log:
                found += [
                    {**event, "log": log.name, "record": row.seq, "time_us": row.time_us}
                    for row in log.by_event(EVENT)
                    if wanted.items() <= (event := parse(row)).items()
                ]
    except BartizanError as error:
        click.echo(_unreadable(error), err=True)
        return []
    return sorted(found, key=lambda one: int(one["time_us"]))


def _unreadable(error: Exception) -> str:
    return f"the ledger cannot be read: {error}"


def _at(record: Json) -> str:
    return f"{datetime.fromtimestamp(record['time_us'] / 1e6, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _when(record: Json | None) -> str:
    if record is None:
        return "no record of these files stands in the ledger of --home: nothing shows when the keys were made"
    at = _at(record)
    where = f"record {record['record']} of {record['log']}"
    if record["faults"]:
        return f"{where} says {at}, but the ledger has {record['faults']} faults: `bartizan ledger verify` names them"
    return f"the keys were committed at {at} ({where}, the ledger is whole)"
