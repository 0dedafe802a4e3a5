"""`bartizan usage register`: the AI systems in use, who decided what about them, and who may use them nevertheless."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from bartizan.config import options
from bartizan.core.errors import InputError
from bartizan.doors.usage.exceptions import exception
from bartizan.doors.usage.names import name
from bartizan.home import Home
from bartizan.inventory.fields import FIELDS
from bartizan.inventory.system import Status
from bartizan.readers.logs.usage import Sort
from bartizan.report.table import columns
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.inventory.coverage import Covered
    from bartizan.inventory.seen import PersonUse
    from bartizan.inventory.system import System

STATUSES = [status.word for status in Status]
FORMATS = ("csv", "json")
DAY_S = 86_400
EXAMPLES = """\b
Examples:
  bartizan usage register list --waiting
  bartizan usage register decide deepseek --status blocked --why "no contract" --by ciso@example.org
  bartizan usage register export > register.csv
"""
LIST_EXAMPLES = """\b
Examples:
  bartizan usage register list
  bartizan usage register list --waiting
  bartizan usage register list --status blocked --days 30 --format json
"""
SHOW_EXAMPLES = """\b
Examples:
  bartizan usage register show chatgpt
  bartizan usage register show chatgpt --people --days 30
"""
DECIDE_EXAMPLES = """\b
Examples:
  bartizan usage register decide chatgpt --status approved --set owner=it@example.org --by ciso@example.org
  bartizan usage register decide deepseek --status blocked --why "no contract" --alternative chatgpt --by it@example.org
  bartizan usage register decide perplexity --status restricted --why "trial" --review 2027-03-01 --by ciso@example.org
"""
SET_EXAMPLES = """\b
Examples:
  bartizan usage register set chatgpt owner=it@example.org purpose="drafts and code" --by ada@example.org
  bartizan usage register set our-assistant name="Our assistant" risk_tier=limited --by ada@example.org
"""
IMPORT_EXAMPLES = """\b
Examples:
  bartizan usage register import register.csv --by ada@example.org
  bartizan usage register import register.json --why "yearly review" --by ciso@example.org
"""
EXPORT_EXAMPLES = """\b
Examples:
  bartizan usage register export > register.csv
  bartizan usage register export --format json > register.json
"""
REFRESH_EXAMPLES = """\b
Examples:
  bartizan usage register refresh
"""
COVERAGE_EXAMPLES = """\b
Examples:
  bartizan usage register coverage
"""

by_option = click.option("--by", metavar="PERSON", required=True, help="Who you are; kept with what you do.")
days_option = click.option("--days", type=click.IntRange(1, 36_500), help="Count use of the last so many days only.")
system_argument = click.argument("system_id", metavar="SYSTEM")


@click.group(epilog=EXAMPLES)
def register() -> None:
    """Keep the register of AI systems in use.

    Logs, machines, code and the ledger fill it; people say what each system is for and whether it may be used. People
    are in it as pseudonyms. Every decision is a record in the ledger.
    """


register.add_command(exception)
register.add_command(name)


@register.command("list", epilog=LIST_EXAMPLES)
@click.option("--status", type=click.Choice(STATUSES), help="Only those with this status.")
@click.option("--sort", "sorts", type=click.Choice([one.value for one in Sort]), multiple=True, help="Only these.")
@click.option("--waiting", is_flag=True, help="Only those that wait for a decision, the longest first.")
@days_option
@options.home
@options.format_
def list_(
    status: str | None, sorts: tuple[str, ...], waiting: bool, days: int | None, home: Path | None, format_: str
) -> None:
    """List the systems, the one most people use first."""
    from bartizan.home.register import register as register_of
    from bartizan.inventory import fields

    with Home.open(home, create=False) as opened:
        own = register_of(opened)
        if waiting:
            found = own.waits(_now_us())
        else:
            wanted = fields.status(status) if status else None
            found = own.systems(since_day=_since(days), status=wanted, sorts=map(Sort, sorts))
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.systems/1", "systems": [one.as_json() for one in found]}, indent=2))
    elif found:
        heads = ("system", "status", "people", "times", "sent", "evidence", "account", "last seen", "owner")
        click.echo(table(heads, map(_row, found)), nl=False)
    else:
        click.echo("nothing waits" if waiting else "no systems")


@register.command(epilog=SHOW_EXAMPLES)
@system_argument
@click.option("--people", is_flag=True, help="Also who used it, as pseudonyms.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many people."
)
@days_option
@options.home
@options.format_
def show(system_id: str, people: bool, limit: int, days: int | None, home: Path | None, format_: str) -> None:
    """Show one system: what is known, what was decided, how it is used."""
    from bartizan.home.register import register as register_of
    from bartizan.inventory import seen

    with Home.open(home, create=False) as opened:
        own = register_of(opened)
        system = own.system(system_id, since_day=_since(days))
        history = [(one, own.why(one)) for one in own.history(system_id)]
        notes = own.notes(system_id)
        users = seen.people(opened.state, system=system_id, since_day=_since(days), limit=limit) if people else []
    if format_ == "json":
        decisions = [
            {"status": one.status.word, "by": one.by, "at": _time(one.at_us), "why": why} for one, why in history
        ]
        value = {**system.as_json(), "notes": notes, "decisions": decisions}
        if people:
            value["people"] = [_person(one) for one in users]
        click.echo(json.dumps(value, indent=2))
        return
    click.echo(columns(_facts(system, notes)), nl=False)
    for one, why in history:
        click.echo(f"\n{_time(one.at_us)}  {one.status.word}, by {one.by}" + (f": {_visible(why)}" if why else ""))
    if people:
        heads = ("person", "times", "sent", "evidence", "days", "account", "last seen")
        click.echo("\n" + table(heads, map(_use, users)), nl=False)


@register.command(epilog=DECIDE_EXAMPLES)
@system_argument
@click.option("--status", type=click.Choice(STATUSES), required=True, help="What may be done with it.")
@click.option("--why", default="", help="The reason; sealed. Needed to restrict or block.")
@click.option("--alternative", metavar="SYSTEM", help='What may be used instead; "" for nothing.')
@click.option("--review", metavar="DATE", help='When somebody looks at it again, as in 2027-03-01; "" for never.')
@click.option("--set", "sets", metavar="FIELD=VALUE", multiple=True, help="A field along with it; repeatable.")
@by_option
@options.home
@options.format_
def decide(
    system_id: str,
    status: str,
    why: str,
    alternative: str | None,
    review: str | None,
    sets: tuple[str, ...],
    by: str,
    home: Path | None,
    format_: str,
) -> None:
    """Say whether SYSTEM may be used: approved, tolerated, restricted (with an exception) or blocked."""
    from bartizan.home.register import register as register_of
    from bartizan.inventory import fields

    changes = _pairs(sets)
    if review is not None:
        changes["review_day"] = review
    with Home.open(home, create=False) as opened:
        own = register_of(opened)
        system = own.decide(
            system_id, fields.status(status), by, _now_us(), why=why, alternative=alternative, changes=changes
        )
    _told(system, f"{system.status.word} from now on", format_)


@register.command("set", epilog=SET_EXAMPLES)
@system_argument
@click.argument("pairs", metavar="FIELD=VALUE...", nargs=-1)
@click.option("--notes", help="What else there is to say; sealed. `-` reads it from standard input.")
@by_option
@options.home
@options.format_
def set_(system_id: str, pairs: tuple[str, ...], notes: str | None, by: str, home: Path | None, format_: str) -> None:
    """Write down what is known of SYSTEM. One that is new is added.

    The fields: name, vendor, category, owner (a role or a mailbox, not a private person), purpose, data_classes (what
    may be put into it), account (personal or corporate), risk_tier (minimal, limited, high, prohibited), legal_basis,
    oversight, retention, instructions, review_day.
    """
    from bartizan.home.register import register as register_of

    changes = _pairs(pairs)
    if not changes and notes is None:
        raise click.UsageError(f"say what to set, as FIELD=VALUE; the fields are: {', '.join(FIELDS)}")
    if notes == "-":
        notes = sys.stdin.read(1 << 16)
    with Home.open(home) as opened:
        system = register_of(opened).set(system_id, changes, by, _now_us(), notes=notes)
    _told(system, "changed", format_)


@register.command("import", epilog=IMPORT_EXAMPLES)
@click.argument("file", type=click.File("rb"))
@click.option("--why", default="", help="The reason of the decisions in it; sealed.")
@by_option
@options.home
@options.format_
def import_(file: BinaryIO, why: str, by: str, home: Path | None, format_: str) -> None:
    """Change the register as FILE says: CSV or JSON as `export` writes it. `-` is standard input.

    All mistakes are said at once and by line; then nothing is changed. What the file says already stays as it is.
    """
    from bartizan.home.register import register as register_of
    from bartizan.inventory import sheet

    name = "standard input" if file.name == "<stdin>" else str(file.name)
    try:
        data: bytes = file.read(sheet.MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", name) from error
    rows = sheet.read(data, name)
    with Home.open(home) as opened:
        done = sheet.take(register_of(opened), rows, name, by, why, _now_us())
    if format_ == "json":
        value = {"schema": "bartizan.import/1", "rows": done.rows, "added": done.added, "changed": done.changed}
        click.echo(json.dumps({**value, "decided": done.decided}, indent=2))
    else:
        click.echo(f"{done.rows} rows: {done.added} added, {done.changed} changed, {done.decided} decided", err=True)


@register.command(epilog=EXPORT_EXAMPLES)
@click.option("--format", "format_", type=click.Choice(FORMATS), default="csv", show_default=True, help="How to write.")
@days_option
@options.home
def export(format_: str, days: int | None, home: Path | None) -> None:
    """Write the register to standard output, for spreadsheets and programs. `import` reads it back."""
    from bartizan.home.register import register as register_of
    from bartizan.inventory import sheet

    with Home.open(home, create=False) as opened:
        systems = register_of(opened).systems(since_day=_since(days))
    sys.stdout.write(sheet.as_csv(systems).replace("\r\n", "\n") if format_ == "csv" else sheet.as_json(systems))


@register.command(epilog=REFRESH_EXAMPLES)
@options.home
@options.format_
def refresh(home: Path | None, format_: str) -> None:
    """Bring the register up to the ledger: what passed the gateway and the forward door. Ends exceptions, too."""
    from bartizan.home.ledger_usage import refresh as refresh_of
    from bartizan.home.register import exceptions

    with Home.open(home, create=False) as opened:
        done = refresh_of(opened, _now_us())
        ended = exceptions(opened).expire(_now_us())
    if format_ == "json":
        value = {"schema": "bartizan.refresh/1", "records": done.records, "new": list(done.new), "ended": len(ended)}
        click.echo(json.dumps(value, indent=2))
        return
    new = f"; new: {', '.join(done.new)}" if done.new else ""
    over = f"; {len(ended)} exceptions are over" if ended else ""
    click.echo(f"{done.records:,} records read{new}{over}", err=True)


@register.command(epilog=COVERAGE_EXAMPLES)
@options.home
@options.format_
def coverage(home: Path | None, format_: str) -> None:
    """Show which sources told of the use of AI, in which time, and which are silent now."""
    from bartizan.inventory.coverage import coverage as coverage_of

    with Home.open(home, create=False) as opened:
        found = coverage_of(opened.state, _now_us())
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.coverage/1", "sources": [one.as_json() for one in found]}, indent=2))
        return
    heads = ("source", "how many", "from", "to", "last read", "lines", "junk", "state")
    click.echo(table(heads, map(_covered, found)), nl=False)


# ---- Small parts ----------------------------------------------------------------------------------------------------


def _now_us() -> int:
    return time.time_ns() // 1000


def _since(days: int | None) -> int:
    return int(time.time() // DAY_S) - days + 1 if days else 0


def _pairs(given: Iterable[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in given:
        field, equals, value = one.partition("=")
        if not equals:
            raise click.UsageError(f'"{one[:60]}" is not FIELD=VALUE; the fields are: {", ".join(FIELDS)}')
        pairs[field] = value
    return pairs


def _told(system: System, what: str, format_: str) -> None:
    if format_ == "json":
        click.echo(json.dumps(system.as_json(), indent=2))
    else:
        click.echo(f"{system.id}: {what}", err=True)


def _row(one: System) -> tuple[str, ...]:
    seen = one.seen
    what = one.id if one.sort in (Sort.SERVICE, Sort.OWN) else f"{one.id} ({one.sort})"
    return (
        what,
        one.status.word,
        f"{seen.people:,}",
        f"{seen.count:,}",
        _size(seen.bytes_up),
        _evidence(seen.evidence),
        ", ".join(seen.accounts) or "-",
        _day(one.last_us),
        one.owner or "-",
    )


def _facts(one: System, notes: str) -> list[tuple[str, str]]:
    seen = one.seen
    facts = [
        ("system", one.id),
        ("sort", one.sort.value),
        ("name", one.name),
        ("vendor", one.vendor),
        ("category", one.category),
        ("status", one.status.word + (", waits for a decision" if one.waits_us else "")),
        ("alternative", one.alternative),
        ("owner", one.owner),
        ("purpose", one.purpose),
        ("data allowed", ", ".join(one.data_classes)),
        ("data found", ", ".join(one.data_seen)),
        ("account", one.account.value),
        ("risk tier", one.risk_tier.value),
        ("legal basis", one.legal_basis),
        ("oversight", one.oversight),
        ("retention", one.retention),
        ("instructions", one.instructions),
        ("review", one.review),
        ("people", f"{seen.people:,}"),
        ("use", f"visits {seen.count:,}, days {seen.days:,}, sent {_size(seen.bytes_up)}"),
        ("evidence", ", ".join(f"{_evidence(level)} {count:,}" for level, count in reversed(seen.by_evidence))),
        ("accounts seen", ", ".join(seen.accounts)),
        ("told by", ", ".join(seen.sources)),
        ("first seen", _day(one.first_us)),
        ("last seen", _day(one.last_us)),
        ("notes", notes),
    ]
    return [(key, _visible(value)) for key, value in facts if value and value != "-"]


def _use(one: PersonUse) -> tuple[str, ...]:
    return (
        one.person or "(nobody in particular)",
        f"{one.count:,}",
        _size(one.bytes_up),
        _evidence(one.evidence),
        f"{one.days:,}",
        ", ".join(one.accounts) or "-",
        _day(one.last_us),
    )


def _person(one: PersonUse) -> dict[str, object]:
    return {
        "person": one.person,
        "count": one.count,
        "bytes_up": one.bytes_up,
        "evidence": _evidence(one.evidence),
        "days": one.days,
        "accounts": [account.value for account in one.accounts],
        "first": _time(one.first_us),
        "last": _time(one.last_us),
    }


def _covered(one: Covered) -> tuple[str, ...]:
    state = "never told" if one.never else f"silent for {one.silent_days} days" if one.silent else "tells"
    return (
        one.title,
        f"{one.sources:,}",
        _day(one.first_us),
        _day(one.last_us),
        _day(one.read_us),
        f"{one.lines:,}",
        f"{one.junk:,}",
        state,
    )


def _evidence(level: int) -> str:
    from bartizan.readers.logs.visit import Evidence

    return Evidence(level).word if level else "-"


def _size(size: int) -> str:
    """Bytes for people, in powers of a thousand."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def _day(when_us: int) -> str:
    return datetime.fromtimestamp(when_us / 1e6, UTC).strftime("%Y-%m-%d") if when_us else "-"


def _time(when_us: int) -> str:
    return datetime.fromtimestamp(when_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if when_us else ""


def _visible(text: str) -> str:
    """The text on one line, with its control characters shown, so that none of them reaches the terminal."""
    return " ".join("".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text).split())
