"""`bartizan notify`: where notices go, how that stands, and whether they arrive."""

from __future__ import annotations

import json
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.core.errors import UsageError
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.config import Config
    from bartizan.home.outbox import Standing

EXAMPLES = """\b
Examples:
  bartizan notify list
  bartizan notify test
  bartizan notify test --channel webhook:chat
"""
HOW = "no channel is configured\n  Name one in bartizan.yaml, as in `notify: {syslog: {address: unix:/dev/log}}`."


@click.group(epilog=EXAMPLES)
def notify() -> None:
    """Say where notices of cases and alarms go, and try it."""


@notify.command("list", epilog="\b\nExamples:\n  bartizan notify list\n  bartizan notify list --format json\n")
@options.config
@options.home
@options.format_
def list_(config_file: Path | None, home: Path | None, format_: str) -> None:
    """Show all channels: what waits, what was sent last, and what is wrong."""
    config = options.settings(home, config_file)
    found = _standings(config)
    if format_ == "json":
        told = [
            {
                "name": one.channel.name,
                "kind": one.channel.kind,
                "where": one.channel.where,
                "waiting": one.waiting,
                "last_sent_us": one.last_sent_us,
                "error": one.error,
                "given_up": one.given_up,
            }
            for one in found
        ]
        click.echo(json.dumps({"schema": "bartizan.channels/1", "channels": told}, indent=2))
        return
    if not found:
        click.echo(HOW, err=True)
        return
    rows = (
        (one.channel.name, one.channel.where, one.waiting, _time(one.last_sent_us), one.error or "-") for one in found
    )
    click.echo(table(("channel", "leads to", "waiting", "last sent", "error"), rows), nl=False)


@notify.command(epilog="\b\nExamples:\n  bartizan notify test\n  bartizan notify test --channel mail\n")
@click.option("--channel", help="Only this one, as `bartizan notify list` names it.")
@options.config
@options.home
@options.format_
def test(channel: str | None, config_file: Path | None, home: Path | None, format_: str) -> int:
    """Send a test notice to every channel and say what became of it. Exit code 1 where one did not take it."""
    from bartizan.doors.notify.notifier import senders
    from bartizan.home.notices import of_test

    config = options.settings(home, config_file)
    ways = senders(config, os.environ)
    if not ways:
        raise UsageError(HOW)
    if channel is not None and channel not in ways:
        raise UsageError(f"there is no channel {channel!r}; there is {', '.join(ways)}")
    chosen = {name: sender for name, sender in ways.items() if channel in (None, name)}
    notice = of_test(secrets.token_hex(8), config.console_base, time.time_ns() // 1000)
    with ThreadPoolExecutor(len(chosen)) as threads:
        outcomes = dict(
            zip(chosen, threads.map(lambda sender: sender.send([notice], time.time()), chosen.values()), strict=True)
        )
    if format_ == "json":
        told = [{"name": name, "sent": one.sent, "why": one.why} for name, one in outcomes.items()]
        click.echo(json.dumps({"schema": "bartizan.notify-test/1", "channels": told}, indent=2))
    else:
        for name, one in outcomes.items():
            click.echo(f"{name}: {'sent' if one.sent else 'not sent'}" + (f": {one.why}" if one.why else ""))
    return 0 if all(one.sent for one in outcomes.values()) else 1


def _standings(config: Config) -> tuple[Standing, ...]:
    from bartizan.home.outbox import channels, nothing_yet, standings
    from bartizan.store.state import NAME, State

    if not (config.home / NAME).exists():
        return tuple(map(nothing_yet, channels(config)))
    state = State.open(config.home)
    try:
        return standings(state, config)
    finally:
        state.close()


def _time(when_us: int | None) -> str:
    from bartizan.home.notices import time as shown

    return shown(when_us) if when_us else "never"
