"""`bartizan usage catalogue`: what is known about AI services, and its updates without a network."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from bartizan.catalogue import tables
from bartizan.catalogue.changes import Change, changes
from bartizan.catalogue.signing import SecretKey
from bartizan.catalogue.tables import MAX_UPDATE
from bartizan.config import options
from bartizan.core.errors import InputError, UsageError
from bartizan.home import catalogues
from bartizan.report.table import show as table

EXAMPLES = """\b
Examples:
  bartizan usage catalogue show
  bartizan usage catalogue diff catalogue-2026120101.signed
  bartizan usage catalogue update catalogue-2026120101.signed
"""
SHOW_EXAMPLES = """\b
Examples:
  bartizan usage catalogue show
  bartizan usage catalogue show --format json
"""
DIFF_EXAMPLES = """\b
Examples:
  bartizan usage catalogue diff catalogue-2026120101.signed --key catalogue.pub
"""
UPDATE_EXAMPLES = """\b
Examples:
  bartizan usage catalogue update catalogue-2026120101.signed
"""
TEXT_EXAMPLES = """\b
Examples:
  bartizan usage catalogue text > catalogue.txt
"""
KEY_EXAMPLES = """\b
Examples:
  bartizan usage catalogue make-key catalogue
"""
SIGN_EXAMPLES = """\b
Examples:
  bartizan usage catalogue sign catalogue.txt --secret catalogue.sec > catalogue-2026120101.signed
"""
file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
key_option = click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public key whose updates count.  [default: catalogue.pub in the home]",
)
MAX_SIGNED = MAX_UPDATE + 4096


@click.group(epilog=EXAMPLES)
def catalogue() -> None:
    """Show, compare and update the catalogue of AI services, without a network.

    An organisation's own services and verdicts stand in catalogue.toml in the home, on top of it.
    """


@catalogue.command(epilog=SHOW_EXAMPLES)
@options.home
@options.format_
def show(home: Path | None, format_: str) -> None:
    """Say which catalogue is in force and what it holds."""
    folder = options.settings(home).home
    found = catalogues.catalogue(folder)
    tiers = Counter(str(one.tier) for one in found.patterns())
    signals = {kind: len(found.signals(kind)) for kind in found.kinds()}
    held = {
        "version": found.version,
        "made": found.made,
        "services": len(found.services()),
        "hosts": dict(sorted(tiers.items())),
        "signals": signals,
        "overlay": (folder / catalogues.OVERLAY).exists(),
        "update": (folder / catalogues.UPDATE).exists(),
    }
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.catalogue/1", **held}, indent=2))
        return
    rows = [("version", f"{found.version} of {found.made}"), ("services", len(found.services()))]
    rows += [(f"hosts, tier {tier}", count) for tier, count in sorted(tiers.items())]
    rows += [(f"signals, {kind}", count) for kind, count in signals.items()]
    rows += [(f"{name} of the home", "yes" if held[name] else "no") for name in ("overlay", "update")]
    click.echo(table(("what", "number"), rows), nl=False)


@catalogue.command(epilog=DIFF_EXAMPLES)
@file_argument
@key_option
@options.home
@options.format_
def diff(file: Path, key: Path | None, home: Path | None, format_: str) -> None:
    """Show what a signed update changes. Takes nothing."""
    folder = options.settings(home).home
    new, _, _ = catalogues.offered(folder, _read(file), _key(key))
    _told(changes(catalogues.in_force(folder), new), new, format_)


@catalogue.command(epilog=UPDATE_EXAMPLES)
@file_argument
@key_option
@options.home
@options.format_
def update(file: Path, key: Path | None, home: Path | None, format_: str) -> None:
    """Take a signed update: newer than what is in force, by the key that counts. Prints what it changes."""
    folder = options.settings(home).home
    new, message, public = catalogues.offered(folder, _read(file), _key(key))
    changed = changes(catalogues.in_force(folder), new)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    catalogues.take(folder, message, public)
    _told(changed, new, format_)
    click.echo(f"version {new.version} is in force; what runs already takes it at its next start", err=True)


@catalogue.command(epilog=TEXT_EXAMPLES)
@options.home
def text(home: Path | None) -> None:
    """Print the catalogue in force as the text that an update is made of."""
    click.echo(tables.text(catalogues.in_force(options.settings(home).home)), nl=False)


@catalogue.command("make-key", epilog=KEY_EXAMPLES)
@click.argument("name", type=click.Path(path_type=Path))
def make_key(name: Path) -> None:
    """Make a key pair for signing updates: NAME.sec, which nobody else may have, and NAME.pub."""
    secret = SecretKey(os.urandom(8), os.urandom(32))
    for path, content, mode in (
        (name.with_suffix(".sec"), secret.text(), 0o600),
        (name.with_suffix(".pub"), secret.public().text(), 0o644),
    ):
        try:
            out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        with os.fdopen(out, "w") as stream:
            stream.write(content)
        click.echo(str(path))


@catalogue.command(epilog=SIGN_EXAMPLES)
@file_argument
@click.option(
    "--secret",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The secret key, from `make-key`.",
)
def sign(file: Path, secret: Path) -> None:
    """Print the signed update of a text, in the format of signify. The text is checked first."""
    content = _read(file)
    tables.parse(content)
    click.echo(SecretKey.parse(_read(secret)).sign(content), nl=False)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        found = file.read(MAX_SIGNED + 1)
    if len(found) > MAX_SIGNED:
        raise InputError(f"{path} is larger than {MAX_SIGNED:,} bytes")
    return found


def _key(path: Path | None) -> bytes | None:
    return _read(path) if path else None


def _told(changed: Iterable[Change], new: tables.Tables, format_: str) -> None:
    changed = tuple(changed)
    if format_ == "json":
        rows = [asdict(one) for one in changed]
        head = {"schema": "bartizan.catalogue-diff/1", "version": new.version, "made": new.made}
        click.echo(json.dumps({**head, "changes": rows}, indent=2))
        return
    if not changed:
        click.echo("No entry differs.")
        return
    marks = {"added": "+", "removed": "-", "changed": "~"}
    rows_ = (
        (marks[one.how], one.what, one.name, " -> ".join(filter(None, (one.before, one.after)))) for one in changed
    )
    click.echo(table(("", "what", "name", "is"), rows_), nl=False)
