"""`bartizan ledger`: verify, prove, read and export what was recorded; forget a person."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.core.errors import BartizanError, InputError, UsageError
from bartizan.home import Home
from bartizan.report.table import show as table
from bartizan.report.text import shown

if TYPE_CHECKING:
    from bartizan.ledger.read import Record
    from bartizan.ledger.verify import Report

VERIFY_EXAMPLES = """\b
Examples:
  bartizan ledger verify
  bartizan ledger verify --checkpoint /mnt/other-disk/checkpoints
  bartizan ledger verify --proof proof.json --key signing.pub

\b
Exit codes:
  0 it holds   1 a fault was found
"""
PROVE_EXAMPLES = """\b
Examples:
  bartizan ledger prove 01JD9Z6W0V3M7Q2K4T8R5B1XNC > proof.json
"""
CONSISTENCY_EXAMPLES = """\b
Examples:
  bartizan ledger consistency monday.note friday.note

\b
Exit codes:
  0 the first log is the beginning of the second   1 it is not
"""
TAIL_EXAMPLES = """\b
Examples:
  bartizan ledger tail
  bartizan ledger tail -f -n 50
  bartizan ledger tail --format json
"""
EXPORT_EXAMPLES = """\b
Examples:
  bartizan ledger export > records.jsonl
  bartizan ledger export --format ocsf --since 2026-11-01 > events.jsonl
  bartizan ledger export --bodies --since 2026-11-23T08:00 > with-texts.jsonl
"""
CHECKPOINT_EXAMPLES = """\b
Examples:
  bartizan ledger checkpoint >> /mnt/other-disk/checkpoints
"""
FORGET_EXAMPLES = """\b
Examples:
  bartizan ledger forget alice@example.org --by dpo@example.org --why "request of 23 November"
  bartizan ledger forget --older-than 180 --by dpo@example.org --why "retention rule 4"
"""
FOLLOW_EVERY_S = 0.3

home_ = options.home


@click.group(epilog="\b\nExamples:\n  bartizan ledger verify\n  bartizan ledger tail -f\n")
def ledger() -> None:
    """Verify, prove, read and export what was recorded."""


# ---- Proof ----------------------------------------------------------------------------------------------------------


@ledger.command(epilog=VERIFY_EXAMPLES)
@click.option(
    "--checkpoint",
    "checkpoint_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Checkpoints kept outside.  [default: the configured checkpoint_file]",
)
@click.option("--proof", type=click.Path(dir_okay=False, path_type=Path), help="Check a proof instead of the ledger.")
@click.option("--key", help="Public key: a file, or base64.  [default: signing.pub in the home]")
@home_
@options.format_
def verify(checkpoint_file: Path | None, proof: Path | None, key: str | None, home: Path | None, format_: str) -> int:
    """Say whether every record is still what was signed.

    Reads only, also while a gateway writes. Needs no master key: it works on a copy of the log files alone.
    """
    from bartizan.ledger.verify import kept_notes, verify_home

    if proof:
        return _verify_proof(proof, _publics(key, home), format_)
    settings = options.settings(home)
    publics = _publics(key, settings.home)
    outside = checkpoint_file or settings.checkpoint_file
    kept = kept_notes(outside) if outside and (checkpoint_file or outside.exists()) else []
    with _progress() as progress:
        report = verify_home(
            settings.home, publics=publics, expected=_expected(settings.home), kept=kept, progress=progress
        )
    if not report.logs and not report.faults:
        raise UsageError(f"{settings.home}: there is no ledger here")
    if format_ == "json":
        click.echo(json.dumps(_told(report), indent=2))
    else:
        for fault in report.faults:
            click.echo(str(fault))
        click.echo(
            f"{_many(report.records, 'record')} in {_many(report.logs, 'log')}, "
            f"{_many(report.checkpoints, 'checkpoint')}, "
            f"{report.bodies} sealed bodies ({report.erased} past their time), "
            f"{_many(report.unfinished, 'unfinished exchange')}"
        )
        click.echo(report.verdict)
    return 1 if report.faults else 0


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)


def _told(report: Report) -> dict[str, object]:
    return {
        "schema": "bartizan.verify/1",
        "holds": not report.faults,
        "verdict": report.verdict,
        "records": report.records,
        "logs": report.logs,
        "checkpoints": report.checkpoints,
        "bodies": report.bodies,
        "erased": report.erased,
        "unfinished": report.unfinished,
        "outside": report.outside,
        "faults": [{"log": fault.log, "record": fault.record, "what": fault.what} for fault in report.faults],
    }


def _verify_proof(proof: Path, publics: tuple[bytes, ...], format_: str) -> int:
    from bartizan.ledger.proof import MAX_PROOF_BYTES, proof_faults

    faults = proof_faults(_read(proof, MAX_PROOF_BYTES), publics)
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.verify-proof/1", "holds": not faults, "faults": faults}, indent=2))
    else:
        for fault in faults:
            click.echo(fault)
        click.echo("the proof does not hold" if faults else "the proof holds: these records are in the signed log")
    return 1 if faults else 0


@ledger.command(epilog=PROVE_EXAMPLES)
@click.argument("id_", metavar="ID")
@home_
def prove(id_: str, home: Path | None) -> None:
    """Print a proof that the records of an exchange are in the signed log.

    It is one JSON file with the records themselves, which name no person and no text.
    """
    from bartizan.ledger.proof import prove as made

    click.echo(json.dumps(made(options.settings(home).home, id_), indent=2, ensure_ascii=False))


@ledger.command(epilog=CONSISTENCY_EXAMPLES)
@click.argument("old", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(dir_okay=False, path_type=Path))
@home_
def consistency(old: Path, new: Path, home: Path | None) -> int:
    """Print a proof that one checkpoint's log is the beginning of another's.

    Where a file holds the checkpoints of several logs, as `bartizan ledger checkpoint` prints them, there is one proof
    for each log of OLD. Of several of one log, the last counts.
    """
    from bartizan.ledger.checkpoint import read_notes
    from bartizan.ledger.proof import prove_consistency

    first, second = ({n.checkpoint.origin: n for n in read_notes(_read(path, 1 << 20))} for path in (old, new))
    for path, notes in ((old, first), (new, second)):
        if not notes:
            raise InputError(f"{path}: there is no checkpoint in it; `bartizan ledger checkpoint` prints them")
    if missing := sorted(first.keys() - second.keys()):
        raise UsageError(f"{new}: there is no checkpoint of {missing[0]} in it, and {old} has one")
    folder = options.settings(home).home
    proofs = [prove_consistency(folder, note, second[origin]) for origin, note in first.items()]
    for proof in proofs:
        click.echo(json.dumps(proof, indent=2))
    return 0 if all(proof["consistent"] for proof in proofs) else 1


@ledger.command(epilog=CHECKPOINT_EXAMPLES)
@home_
def checkpoint(home: Path | None) -> None:
    """Print the newest signed checkpoint of every log. Keep it where the ledger's owner cannot change it."""
    from bartizan.store.logfile import LogFile, logs

    for path in logs(_with_logs(home)):
        with LogFile.reading(path) as file:
            if last := file.last_checkpoint():
                click.echo(last[2])


# ---- Reading --------------------------------------------------------------------------------------------------------


@ledger.command(epilog=TAIL_EXAMPLES)
@click.option("-n", "count", type=click.IntRange(0, 100_000), default=20, show_default=True, help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until interrupted.")
@home_
@options.format_
def tail(count: int, follow: bool, home: Path | None, format_: str) -> None:
    """Show the last records: what was decided about whom, never what was said."""
    from bartizan.ledger.read import Follower, line
    from bartizan.ledger.read import tail as last

    path = options.settings(home).home if follow else _with_logs(home)
    follower = Follower(path)
    found = last(path, count)
    follower.saw(found)
    if format_ == "json":
        for record in found:
            click.echo(line(record))
    else:
        click.echo(table(("time", "log", "seq", "what", "risks", "person", "id"), map(_row, found)), nl=False)
    while follow:
        for record in follower.more():
            click.echo(line(record) if format_ == "json" else "  ".join(_row(record)))
        sys.stdout.flush()
        time.sleep(FOLLOW_EVERY_S)


def _row(record: Record) -> tuple[str, ...]:
    shape, word, _ = shown(record) if "action" in record else ("", "", "")
    what = record.get("event") or f"{shape} {word} {record.get('side', '')}"
    risks = sorted({told["risk"] for told in record.get("findings", ())})
    risks += sorted({f"{risk}?" for told in record.get("failures", ()) for risk in told["risks"]})
    return (
        _time(record["time_us"]),
        record["writer"],
        str(record["seq"]),
        what,
        ", ".join(risks),
        record.get("person", ""),
        record.get("exchange", ""),
    )


@ledger.command(epilog=EXPORT_EXAMPLES)
@click.option("--format", "format_", type=click.Choice(["jsonl", "ocsf"]), default="jsonl", show_default=True)
@click.option("--bodies", is_flag=True, help="Open the sealed texts too. This is recorded.")
@click.option("--since", help="From this time on (UTC), as 2026-11-23 or 2026-11-23T08:00.")
@click.option("--until", help="Up to this time (UTC).")
@home_
def export(format_: str, bodies: bool, since: str | None, until: str | None, home: Path | None) -> None:
    """Print records as JSON lines, for other systems.

    --bodies needs the master key, and its use is recorded before the first line is printed.
    """
    import orjson

    from bartizan.ledger.export import ocsf, opened
    from bartizan.ledger.read import records

    since_us, until_us = _instant(since) or 0, _instant(until)
    if not bodies:
        found: Iterator[Record] = records(_with_logs(home), since_us=since_us, until_us=until_us)
        for record in found:
            click.echo(orjson.dumps(ocsf(record) if format_ == "ocsf" else record))
        return
    with Home.open(home, create=False) as owned:
        told = {"event": "exported", "exchange": "", "format": format_, "since_us": since_us, "texts": True}
        owned.record(told | {"person": owned.vault.pseudonym(getpass.getuser()), "until_us": until_us})
        found = records(owned.path, since_us=since_us, until_us=until_us)
        for record in opened(found, owned.path, owned.vault):
            click.echo(orjson.dumps(ocsf(record) if format_ == "ocsf" else record))


# ---- Forgetting -----------------------------------------------------------------------------------------------------


@ledger.command(epilog=FORGET_EXAMPLES)
@click.argument("person", required=False)
@click.option("--older-than", type=int, help="Instead of a person: bodies of whole months older than so many days.")
@click.option("--by", required=True, help="Who asks for it.")
@click.option("--why", required=True, help="Why: kept sealed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_
def forget(person: str | None, older_than: int | None, by: str, why: str, yes: bool, home: Path | None) -> None:
    """Delete what ties records to a person and opens their texts. It cannot be undone.

    PERSON is a name or a pseudonym. The records stay, without anything personal, and so do all proofs.
    """
    if (person is None) == (older_than is None):
        raise UsageError("forget needs a PERSON or --older-than DAYS, not both")
    from bartizan.ledger import erase

    what = "this person's name, keys and every text of theirs" if person else f"all texts older than {older_than} days"
    if not yes and not click.confirm(f"Delete {what}? It cannot be undone", err=True):
        raise click.Abort
    with Home.open(home, create=False) as opened, opened.admin() as writer:
        if person is not None:
            gone = erase.forget(writer, opened.vault, person, by=by, why=why)
            click.echo(
                f"forgotten: {gone.pseudonym}; {_many(gone.months, 'month')} of keys, {_many(gone.keys, 'API key')}, "
                f"{_many(gone.grants, 'grant')}, {_many(gone.cases, 'case')}",
                err=True,
            )
            return
        assert older_than is not None
        months = erase.forget_older(writer, opened.vault, older_than, by=by, why=why)
    click.echo(f"bodies from {months} on are kept; running gateways follow within seconds", err=True)


# ---- Small parts ----------------------------------------------------------------------------------------------------


def _with_logs(home: Path | None) -> Path:
    """The home, if there is a log in it: an empty answer about a wrong folder would look like a quiet day."""
    from bartizan.store.logfile import logs

    path = options.settings(home).home
    if not logs(path):
        raise UsageError(f"{path}: there is no ledger here\n  `bartizan up` makes one; --home says where.")
    return path


def _publics(key: str | None, home: Path | None) -> tuple[bytes, ...]:
    from bartizan.ledger.checkpoint import PUBLIC_FILE, read_public

    if key is not None and not Path(key).exists():
        try:
            return read_public(key)
        except InputError as error:
            raise UsageError(f"--key: neither a file nor a public key: {key[:60]}") from error
    path = Path(key) if key is not None else (home or options.settings(None).home) / PUBLIC_FILE
    if not path.exists():
        raise UsageError(f"{path}: there is no public key here; give it with --key")
    keys = read_public(_read(path, 1 << 20))
    if not keys:
        raise UsageError(f"{path}: there is no public key in it")
    return keys


def _expected(home: Path) -> list[str]:
    """The logs that the shared state knows of, where it can be read."""
    from bartizan.store.state import log_names

    try:
        return log_names(home)
    except BartizanError as error:
        click.echo(f"{error}\n  Whether a whole log is missing cannot be said without it.", err=True)
        return []


def _read(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(raw) > limit:
        raise UsageError(f"{path}: larger than {limit} bytes")
    return raw.decode("utf-8", "replace")


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a time; write 2026-11-23 or 2026-11-23T08:00") from error
    return round((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1e6)


def _time(when_us: int) -> str:
    return datetime.fromtimestamp(when_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def _progress() -> Iterator[Callable[[int], None] | None]:
    """Records counted on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading the ledger") as status:
        yield lambda done: status.update(f"{done:,} records read")
