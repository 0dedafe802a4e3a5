"""`bartizan cases`: what waits for a person, and deciding on it."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.core.errors import PolicyError
from bartizan.home import Home
from bartizan.report.table import columns
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.cases import Case

MAX_STDIN = 1 << 20  # Characters; what a reason may have is the desk's to say.
STATES = ("open", "granted", "refused", "expired", "all")
EXAMPLES = """\b
Examples:
  bartizan cases list
  bartizan cases show c-5f0c9a1e77d2b340 --open --by bob@example.org
  bartizan cases decide c-5f0c9a1e77d2b340 --approve --by bob@example.org --note "contract seen"
"""
LIST_EXAMPLES = """\b
Examples:
  bartizan cases list
  bartizan cases list --state all --format json
"""
SHOW_EXAMPLES = """\b
Examples:
  bartizan cases show c-5f0c9a1e77d2b340
  bartizan cases show c-5f0c9a1e77d2b340 --open --by bob@example.org
"""
DECIDE_EXAMPLES = """\b
Examples:
  bartizan cases decide c-5f0c9a1e77d2b340 --approve --by bob@example.org
  bartizan cases decide c-5f0c9a1e77d2b340 --refuse --by bob@example.org --note "send the summary instead"
"""
REASON_EXAMPLES = """\b
Examples:
  bartizan cases reason c-5f0c9a1e77d2b340 --by ada@example.org
  echo "for the audit" | bartizan cases reason c-5f0c9a1e77d2b340 --by ada@example.org --reason -
"""

by_option = click.option("--by", metavar="PERSON", required=True, help="Who you are; kept with the decision.")


@click.group(epilog=EXAMPLES)
def cases() -> None:
    """Decide what waits for a person.

    A clause that asks for a reason or a review opens a case. An approval lets the same matched values pass the same
    clause to the same destination for a while, and nothing else. Every decision is a record in the ledger.
    """


@cases.command("list", epilog=LIST_EXAMPLES)
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True, help="Which cases.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="At most so many.")
@options.home
@options.format_
def list_(state: str, limit: int, home: Path | None, format_: str) -> None:
    """List cases, newest first."""
    from bartizan.cases import State

    with Home.open(home, create=False) as opened:
        wanted = None if state == "all" else State(state)
        found = opened.desk().cases(_now_us(), state=wanted, limit=limit)
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.cases/1", "cases": [case.as_json() for case in found]}, indent=2))
    elif found:
        click.echo(table(("case", "state", "asks for", "who", "to", "clauses", "opened"), map(_row, found)), nl=False)
    else:
        click.echo(f"no {state} cases" if state != "all" else "no cases")


@cases.command(epilog=SHOW_EXAMPLES)
@click.argument("case_id", metavar="ID")
@click.option(
    "--open", "open_", is_flag=True, help="Also the name, the sealed text, reason and note. This is recorded."
)
@click.option("--by", metavar="PERSON", help="Who you are; needed with --open.")
@options.home
@options.format_
def show(case_id: str, open_: bool, by: str | None, home: Path | None, format_: str) -> None:
    """Show one case."""
    if open_ and not by:
        raise click.UsageError("--open needs --by: who opens a sealed text is recorded")
    with Home.open(home, create=False) as opened:
        desk = opened.desk()
        case = desk.case(case_id, _now_us())
        texts = desk.texts(case_id, by, _now_us()) if open_ and by else None
        says = _says(opened, case)
        who = case.person
        if texts is not None and (name := opened.vault.name(who)):
            who = f"{name} ({who})"
    if format_ == "json":
        value = {**case.as_json(), "says": says, **({"opened": texts} if texts is not None else {})}
        click.echo(json.dumps(value, indent=2))
        return
    click.echo(columns(_facts(case, says, who)), nl=False)
    for side, text in (texts or {}).items():
        click.echo(f"\n{side}:\n{_visible(text)}")
    if texts == {}:
        click.echo("\nnothing is sealed here any more: the case is decided, or the person was forgotten")


@cases.command(epilog=DECIDE_EXAMPLES)
@click.argument("case_id", metavar="ID")
@click.option("--approve/--refuse", "approve", default=None, help="Let it pass, or not.")
@by_option
@click.option("--note", default="", help="A sentence to the one who asks; sealed.")
@options.home
@options.format_
def decide(case_id: str, approve: bool | None, by: str, note: str, home: Path | None, format_: str) -> None:
    """Approve or refuse, as somebody else than the one who asks.

    Where a clause wants two people (`approvals: 2`), the first approval leaves the case open; one refusal ends it.
    """
    if approve is None:
        raise click.UsageError("say --approve or --refuse")
    with Home.open(home, create=False) as opened:
        case = opened.desk().decide(case_id, approve, by, _now_us(), note)
    _told(case, format_)


@cases.command(epilog=REASON_EXAMPLES)
@click.argument("case_id", metavar="ID")
@by_option
@click.option("--reason", help="The reason; `-` reads it from standard input.  [default: you are asked]")
@options.home
@options.format_
def reason(case_id: str, by: str, reason: str | None, home: Path | None, format_: str) -> None:
    """Give the reason for a case of your own.

    The way for clauses that want it from a person (`reason_by: person`) and not from a program with a key.
    """
    if reason == "-":
        reason = sys.stdin.read(MAX_STDIN)
    elif reason is None:
        reason = click.prompt("Reason", err=True, type=str)
    with Home.open(home, create=False) as opened:
        case = opened.desk().give_reason(case_id, by, reason, _now_us(), by_key=False)
    _told(case, format_)


def _now_us() -> int:
    return time.time_ns() // 1000


def _told(case: Case, format_: str) -> None:
    if format_ == "json":
        click.echo(json.dumps(case.as_json(), indent=2))
    elif case.state == "open" and case.approvals:
        click.echo(f"{case.id}: {_approvals(case)}; somebody else has to approve, too")
    elif case.state == "open":
        click.echo(f"{case.id}: kept; somebody else decides now")
    else:
        click.echo(f"{case.id}: {case.state.value}")


def _row(case: Case) -> tuple[str, ...]:
    asks = "a reason" if case.action.name == "JUSTIFY" else "a review"
    if case.needs > 1:
        asks += f" ({len(case.approvals)} of {case.needs})"
    return (
        case.id,
        case.state.value,
        asks,
        case.person,
        case.destination or "-",
        ", ".join(sorted(case.clauses)),
        _time(case.created_us),
    )


def _facts(case: Case, says: dict[str, str], who: str) -> list[tuple[str, str]]:
    facts = [
        ("case", case.id),
        ("state", case.state.value),
        ("asks for", "a reason" if case.action.name == "JUSTIFY" else "a review by somebody else"),
        ("who", who),
        ("to", case.destination or "-"),
        *((f"clause {clause}", says.get(clause, "(no longer in the policy)")) for clause in sorted(case.clauses)),
        ("risks", ", ".join(case.risks)),
        ("told", " ".join(case.tell)),
        ("exchange", case.exchange or "-"),
        ("opened", _time(case.created_us)),
        ("expires", _time(case.expires_us)),
    ]
    if case.needs > 1 or case.approvals:
        facts.append(("approvals", ": ".join(filter(None, (_approvals(case), ", ".join(case.approvals))))))
    if case.decided_us is not None:
        facts += [("decided", _time(case.decided_us)), ("by", case.decided_by or "whoever followed its link")]
    return facts


def _approvals(case: Case) -> str:
    return f"{len(case.approvals)} of {case.needs} approvals"


def _says(home: Home, case: Case) -> dict[str, str]:
    """The wording of the case's clauses, as far as they stand in a policy that can be read."""
    try:
        policy = home.policy()
    except PolicyError:
        return {}
    return {clause.id: clause.says for clause in policy.clauses if clause.id in case.clauses}


def _time(when_us: int) -> str:
    return datetime.fromtimestamp(when_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _visible(text: str) -> str:
    """The text with its control characters shown, so that none of them reaches the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
