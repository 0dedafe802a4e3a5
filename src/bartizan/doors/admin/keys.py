"""`bartizan keys`: who may use the gateway."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from bartizan.config import options
from bartizan.home import Home, gateway_keys
from bartizan.report.table import show as table

ADD_EXAMPLES = """\b
Examples:
  bartizan keys add alice-laptop --user alice@example.org --group engineering
  bartizan keys add nightly-job --app reports
"""
LIST_EXAMPLES = """\b
Examples:
  bartizan keys list
  bartizan keys list --format json
"""
REVOKE_EXAMPLES = """\b
Examples:
  bartizan keys revoke alice-laptop
"""


@click.group(epilog="\b\nExamples:\n  bartizan keys add alice-laptop --user alice@example.org\n  bartizan keys list\n")
def keys() -> None:
    """Give, list and revoke gateway keys."""


@keys.command(epilog=ADD_EXAMPLES)
@click.argument("name")
@click.option("--user", default="", help="The person it belongs to.  [default: the key itself, by its name]")
@click.option("--group", "groups", multiple=True, help="A group that policy clauses may name; repeatable.")
@click.option("--app", default="", help="The application that uses it.")
@options.home
@options.format_
def add(name: str, user: str, groups: tuple[str, ...], app: str, home: Path | None, format_: str) -> None:
    """Make a key and print its secret, once: it is kept nowhere."""
    if not name.strip():
        raise click.UsageError("NAME is empty; say what the key is for, as in alice-laptop")
    with Home.open(home) as opened:
        folder = opened.path
        key, secret = gateway_keys.add(opened.vault, opened.record, name, user=user, groups=groups, app=app)
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.key/1", "id": key, "name": name, "secret": secret}, indent=2))
        return
    click.echo(secret)
    click.echo(f"key {key} ({name}) of {folder}; the secret is not shown again", err=True)


@keys.command("list", epilog=LIST_EXAMPLES)
@options.home
@options.format_
def list_(home: Path | None, format_: str) -> None:
    """Show all keys, also revoked ones. Never a secret."""
    with Home.open(home, create=False) as opened:
        keys_ = opened.vault.keys()
        found = [(key, opened.vault.name(key.pseudonym) or key.pseudonym) for key in keys_]
    if format_ == "json":
        told = [
            {
                "id": key.id,
                "name": key.name,
                "person": person,
                "groups": list(key.groups),
                "app": key.app,
                "created": _time(key.created_us),
                "revoked": _time(key.revoked_us) or None,
            }
            for key, person in found
        ]
        click.echo(json.dumps({"schema": "bartizan.keys/1", "keys": told}, indent=2))
        return
    rows = (
        (key.id, key.name, person, ", ".join(key.groups), key.app, _time(key.created_us), _time(key.revoked_us))
        for key, person in found
    )
    click.echo(table(("id", "name", "person", "groups", "app", "created", "revoked"), rows), nl=False)


@keys.command(epilog=REVOKE_EXAMPLES)
@click.argument("key")
@options.home
def revoke(key: str, home: Path | None) -> None:
    """End a key, by id or name. Running gateways refuse it within a second."""
    with Home.open(home, create=False) as opened:
        gone = gateway_keys.revoke(opened.vault, opened.record, key)
    click.echo(f"revoked {gone.id} ({gone.name})", err=True)


def _time(when_us: int | None) -> str:
    if when_us is None:
        return ""
    return datetime.fromtimestamp(when_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
