"""`bartizan usage register exception`: who may use a restricted or blocked system nevertheless, until when."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.core.errors import UsageError
from bartizan.home import Home
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.inventory.exceptions import UseException

EXAMPLES = """\b
Examples:
  bartizan usage register exception ask perplexity --person mara@example.org --until 2027-01-31 --why "study" \\
      --by mara@example.org
  bartizan usage register exception approve x-5f0c9a1e77d2b340 --by ciso@example.org
"""
ASK_EXAMPLES = """\b
Examples:
  bartizan usage register exception ask perplexity --group research --until 2027-01-31 --why study --by it@example.org
  bartizan usage register exception ask perplexity --everyone --until 2026-12-31 --why "trial" --by it@example.org
"""
DECIDE_EXAMPLES = """\b
Examples:
  bartizan usage register exception approve x-5f0c9a1e77d2b340 --by ciso@example.org --note "until the study ends"
"""
REFUSE_EXAMPLES = """\b
Examples:
  bartizan usage register exception refuse x-5f0c9a1e77d2b340 --by ciso@example.org --note "use the approved one"
"""
END_EXAMPLES = """\b
Examples:
  bartizan usage register exception end x-5f0c9a1e77d2b340 --by ciso@example.org
"""
LIST_EXAMPLES = """\b
Examples:
  bartizan usage register exception list
  bartizan usage register exception list --all --format json
"""

by_option = click.option("--by", metavar="PERSON", required=True, help="Who you are; kept with what you do.")
note_option = click.option("--note", default="", help="A sentence to the one who asks; sealed.")
id_argument = click.argument("id_", metavar="ID")


@click.group(epilog=EXAMPLES)
def exception() -> None:
    """Let somebody use a restricted or blocked system for a while.

    One person asks, another one approves. It ends by itself: exports and the forward door leave it out from then on.
    """


@exception.command(epilog=ASK_EXAMPLES)
@click.argument("system_id", metavar="SYSTEM")
@click.option("--person", help="For this person.")
@click.option("--group", help="For this group.")
@click.option("--everyone", is_flag=True, help="For everybody.")
@click.option("--until", required=True, metavar="DATE", help="The last day on which it holds (UTC).")
@click.option("--why", required=True, help="The reason; sealed.")
@by_option
@options.home
@options.format_
def ask(
    system_id: str,
    person: str | None,
    group: str | None,
    everyone: bool,
    until: str,
    why: str,
    by: str,
    home: Path | None,
    format_: str,
) -> None:
    """Ask for one."""
    from bartizan.home.register import exceptions
    from bartizan.inventory.exceptions import Who

    if sum((person is not None, group is not None, everyone)) != 1:
        raise click.UsageError("say whom it is for: one of --person, --group, --everyone")
    kind = Who.EVERYONE if everyone else Who.PERSON if person is not None else Who.GROUP
    with Home.open(home, create=False) as opened:
        made = exceptions(opened).ask(system_id, kind, person or group or "", _end_us(until), why, by, _now_us())
    _told(made, f"asked for; somebody else approves it with `exception approve {made.id}`", format_)


@exception.command(epilog=DECIDE_EXAMPLES)
@id_argument
@by_option
@note_option
@options.home
@options.format_
def approve(id_: str, by: str, note: str, home: Path | None, format_: str) -> None:
    """Allow it, as somebody else than the one who asks and the one it is for."""
    from bartizan.home.register import exceptions

    with Home.open(home, create=False) as opened:
        made = exceptions(opened).approve(id_, by, _now_us(), note)
    _told(made, "granted", format_)


@exception.command(epilog=REFUSE_EXAMPLES)
@id_argument
@by_option
@note_option
@options.home
@options.format_
def refuse(id_: str, by: str, note: str, home: Path | None, format_: str) -> None:
    """Refuse it."""
    from bartizan.home.register import exceptions

    with Home.open(home, create=False) as opened:
        made = exceptions(opened).refuse(id_, by, _now_us(), note)
    _told(made, "refused", format_)


@exception.command(epilog=END_EXAMPLES)
@id_argument
@by_option
@options.home
@options.format_
def end(id_: str, by: str, home: Path | None, format_: str) -> None:
    """End one at once."""
    from bartizan.home.register import exceptions

    with Home.open(home, create=False) as opened:
        made = exceptions(opened).end(id_, by, _now_us())
    _told(made, "ended", format_)


@exception.command("list", epilog=LIST_EXAMPLES)
@click.option("--all", "every", is_flag=True, help="Also those that are over or were refused.")
@click.option("--system", "system_id", metavar="SYSTEM", help="Only those of one system.")
@options.home
@options.format_
def list_(every: bool, system_id: str | None, home: Path | None, format_: str) -> None:
    """List exceptions, newest first."""
    from bartizan.home.register import exceptions
    from bartizan.inventory.exceptions import State

    with Home.open(home, create=False) as opened:
        kept = exceptions(opened)
        found = kept.all(_now_us(), system=system_id)
        if not every:
            found = [one for one in found if one.state in (State.ASKED, State.GRANTED)]
        why = {one.id: kept.texts(one.id) for one in found}
    if format_ == "json":
        rows = [{**one.as_json(), "why": why[one.id][0], "note": why[one.id][1]} for one in found]
        click.echo(json.dumps({"schema": "bartizan.use-exceptions/1", "exceptions": rows}, indent=2))
    elif found:
        heads = ("exception", "system", "for", "state", "until", "asked by", "why")
        click.echo(table(heads, [(*_row(one), why[one.id][0]) for one in found]), nl=False)
    else:
        click.echo("no exceptions")


def _now_us() -> int:
    return time.time_ns() // 1000


def _end_us(until: str) -> int:
    """The end of a day, UTC."""
    try:
        day = date.fromisoformat(until)
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise UsageError(f'--until: "{until[:40]}" is not a date, as in 2027-01-31') from None
    return int(end.timestamp()) * 1_000_000


def _told(made: UseException, what: str, format_: str) -> None:
    if format_ == "json":
        click.echo(json.dumps(made.as_json(), indent=2))
    else:
        click.echo(f"{made.id}: {what}", err=True)


def _row(one: UseException) -> tuple[str, ...]:
    last = datetime.fromtimestamp(one.until_us / 1e6 - 1, UTC).strftime("%Y-%m-%d")
    whom = f"{one.who_kind} {one.who}".strip()
    return one.id, one.system, whom, one.state.value, last, one.asked_by
