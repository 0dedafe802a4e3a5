"""`bartizan usage register name`: who a pseudonym is, opened by two privacy officers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.home import Home
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.inventory.names import NameRequest

EXAMPLES = """\b
Examples:
  bartizan usage register name ask p-5f0c9a1e77d2b3405f0c --reason "upload of 6 December" --by ada@example.org
  bartizan usage register name approve n-5f0c9a1e77d2b340 --by bob@example.org
  bartizan usage register name show n-5f0c9a1e77d2b340 --by ada@example.org
"""
ASK_EXAMPLES = """\b
Examples:
  bartizan usage register name ask p-5f0c9a1e77d2b3405f0c --reason "upload of 6 December" --by ada@example.org
"""
APPROVE_EXAMPLES = """\b
Examples:
  bartizan usage register name approve n-5f0c9a1e77d2b340 --by bob@example.org
"""
REFUSE_EXAMPLES = """\b
Examples:
  bartizan usage register name refuse n-5f0c9a1e77d2b340 --by bob@example.org
"""
SHOW_EXAMPLES = """\b
Examples:
  bartizan usage register name show n-5f0c9a1e77d2b340 --by ada@example.org
"""
LIST_EXAMPLES = """\b
Examples:
  bartizan usage register name list
"""

by_option = click.option("--by", metavar="PERSON", required=True, help="Who you are: an account with the role privacy.")
id_argument = click.argument("id_", metavar="ID")


@click.group(epilog=EXAMPLES)
def name() -> None:
    """Find out who a pseudonym is, by four eyes.

    One account with the role privacy asks and says why, another one approves; then the first one is shown the name for
    15 minutes. All of it is on record before anybody sees anything.
    """


@name.command(epilog=ASK_EXAMPLES)
@click.argument("person", metavar="PSEUDONYM")
@click.option("--reason", required=True, help="Why you have to know; sealed.")
@by_option
@options.home
@options.format_
def ask(person: str, reason: str, by: str, home: Path | None, format_: str) -> None:
    """Ask who PSEUDONYM is."""
    from bartizan.home.register import names

    with Home.open(home, create=False) as opened:
        asked = names(opened).ask(person, reason, by, _now_us())
    _told(asked, f"asked; another privacy officer approves it with `name approve {asked.id}`", format_)


@name.command(epilog=APPROVE_EXAMPLES)
@id_argument
@by_option
@options.home
@options.format_
def approve(id_: str, by: str, home: Path | None, format_: str) -> None:
    """Agree, as another privacy officer than the one who asks."""
    from bartizan.home.register import names

    with Home.open(home, create=False) as opened:
        decided = names(opened).approve(id_, by, _now_us())
    _told(decided, "approved; the one who asked can see it for 15 minutes", format_)


@name.command(epilog=REFUSE_EXAMPLES)
@id_argument
@by_option
@options.home
@options.format_
def refuse(id_: str, by: str, home: Path | None, format_: str) -> None:
    """Refuse."""
    from bartizan.home.register import names

    with Home.open(home, create=False) as opened:
        decided = names(opened).refuse(id_, by, _now_us())
    _told(decided, "refused", format_)


@name.command(epilog=SHOW_EXAMPLES)
@id_argument
@by_option
@options.home
def show(id_: str, by: str, home: Path | None) -> None:
    """Print the name, to the one who asked."""
    from bartizan.home.register import names

    with Home.open(home, create=False) as opened:
        told = names(opened).shown(id_, by, _now_us())
    click.echo("".join(c if c.isprintable() else ascii(c)[1:-1] for c in told))


@name.command("list", epilog=LIST_EXAMPLES)
@options.home
@options.format_
def list_(home: Path | None, format_: str) -> None:
    """List requests, newest first. Never a name."""
    from bartizan.home.register import names

    with Home.open(home, create=False) as opened:
        kept = names(opened)
        found = [(one, kept.reason(one.id)) for one in kept.all(_now_us())]
    if format_ == "json":
        rows = [{**one.as_json(), "reason": reason} for one, reason in found]
        click.echo(json.dumps({"schema": "bartizan.name-requests/1", "requests": rows}, indent=2))
    elif found:
        heads = ("request", "person", "state", "asked by", "reason")
        click.echo(table(heads, [(o.id, o.person, o.state.value, o.asked_by, why) for o, why in found]), nl=False)
    else:
        click.echo("no requests")


def _now_us() -> int:
    return time.time_ns() // 1000


def _told(one: NameRequest, what: str, format_: str) -> None:
    if format_ == "json":
        click.echo(json.dumps(one.as_json(), indent=2))
    else:
        click.echo(f"{one.id}: {what}", err=True)
