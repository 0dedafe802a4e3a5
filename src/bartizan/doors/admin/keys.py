"""`bartizan keys`: who may use the gateway."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from bartizan.config import options
from bartizan.home import Home, gateway_keys, pauses
from bartizan.report.table import show as table
from bartizan.vault import Key

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


PAUSE_EXAMPLES = """\b
Examples:
  bartizan keys pause nightly-job --for 1h --why "sends the same prompt in a loop"
  bartizan keys pause --person alice@example.org --for 24h --why "the laptop is lost"
"""
RESUME_EXAMPLES = """\b
Examples:
  bartizan keys resume nightly-job
  bartizan keys resume --person alice@example.org
"""


@click.group(epilog="\b\nExamples:\n  bartizan keys add alice-laptop --user alice@example.org\n  bartizan keys list\n")
def keys() -> None:
    """Give, list, pause and revoke gateway keys."""


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
        until = _paused_until(opened, keys_)
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
                "paused_until": _time(until.get(key.id)) or None,
            }
            for key, person in found
        ]
        click.echo(json.dumps({"schema": "bartizan.keys/1", "keys": told}, indent=2))
        return
    rows = (
        (key.id, key.name, person, ", ".join(key.groups), key.app, _time(key.created_us), _state(key, until))
        for key, person in found
    )
    click.echo(table(("id", "name", "person", "groups", "app", "created", "state"), rows), nl=False)


def _paused_until(opened: Home, keys_: tuple[Key, ...]) -> dict[str, int]:
    """Until when keys are refused, by their ids: for themselves, or with all of their person."""
    until: dict[str, int] = {}
    for one in pauses.active(opened.state, time.time_ns() // 1000):
        for key in keys_:
            if one.source in (key.id, key.pseudonym) and key.revoked_us is None:
                until[key.id] = max(until.get(key.id, 0), one.until_us)
    return until


def _state(key: Key, until: dict[str, int]) -> str:
    if key.revoked_us is not None:
        return f"revoked {_time(key.revoked_us)}"
    return f"paused until {_time(until[key.id])}" if key.id in until else "in force"


@keys.command(epilog=REVOKE_EXAMPLES)
@click.argument("key")
@options.home
def revoke(key: str, home: Path | None) -> None:
    """End a key, by id or name. Running gateways refuse it within a second."""
    with Home.open(home, create=False) as opened:
        gone = gateway_keys.revoke(opened.vault, opened.record, key)
    click.echo(f"revoked {gone.id} ({gone.name})", err=True)


_person = click.option("--person", is_flag=True, help="SOURCE is a person, by name or pseudonym: all their keys.")


@keys.command(epilog=PAUSE_EXAMPLES)
@click.argument("source")
@_person
@click.option("--for", "lasts", default="1h", show_default=True, help="How long, as 15m, 1h or 24h; at most 7d.")
@click.option("--why", required=True, help="Why: kept sealed.")
@options.home
@options.format_
def pause(source: str, person: bool, lasts: str, why: str, home: Path | None, format_: str) -> None:
    """Have running gateways refuse a key's requests for a while, from within a second on. It ends by itself."""
    minutes = pauses.lasting(lasts)
    with Home.open(home, create=False) as opened:
        found = _source(opened, source, person)
        made = pauses.pause(
            opened.vault, opened.record, found, minutes=minutes, why=why, by="", now_us=time.time_ns() // 1000
        )
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.pause/1", **made.as_json()}, indent=2))
        return
    click.echo(f"paused {made.kind} {made.source} until {_time(made.until_us)}", err=True)


@keys.command(epilog=RESUME_EXAMPLES)
@click.argument("source")
@_person
@options.home
def resume(source: str, person: bool, home: Path | None) -> None:
    """Let a paused key's requests pass again, before its time."""
    with Home.open(home, create=False) as opened:
        found = _source(opened, source, person)
        now_us = time.time_ns() // 1000
        pauses.lift(opened.vault, opened.record, found.kind, found.id, by="", now_us=now_us)
    click.echo(f"{found.kind} {found.id} is paused no more", err=True)


def _source(opened: Home, source: str, person: bool) -> pauses.Source:
    return pauses.person_source(opened.vault, source) if person else pauses.key_source(opened.vault, source)


def _time(when_us: int | None) -> str:
    if when_us is None:
        return ""
    return datetime.fromtimestamp(when_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
