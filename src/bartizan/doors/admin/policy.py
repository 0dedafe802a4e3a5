"""`bartizan policy`: the written rules, checked, tried, explained and compared."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan import rules
from bartizan.config import options
from bartizan.config.policy import MAX_BYTES, decoded, no, policy_text, text_of
from bartizan.core.errors import InputError
from bartizan.report import policies
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.config import Config
    from bartizan.core.detector import Detector
    from bartizan.core.subject import Context, Subject
    from bartizan.loop import Loop
    from bartizan.policy.diff import Past
    from bartizan.policy.model import Policy

MAX_TEXT_BYTES = 32 << 20
DAY_US = 86_400_000_000

EXAMPLES = """\b
Examples:
  bartizan policy check policy.yaml
  bartizan policy explain --text "my card is 5326 9018 4471 2906"
  bartizan policy default > policy.yaml
"""
CHECK_EXAMPLES = """\b
Examples:
  bartizan policy check
  bartizan policy check policy.yaml --format json
"""
TEST_EXAMPLES = """\b
Examples:
  bartizan policy test
  bartizan policy test policy.yaml
"""
EXPLAIN_EXAMPLES = """\b
Examples:
  bartizan policy explain --text "my card is 5326 9018 4471 2906"
  bartizan policy explain letter.txt --direction in --group contractors
  echo '{"messages": [{"role": "user", "content": "hi"}]}' | bartizan policy explain - --kind chat
"""
DIFF_EXAMPLES = """\b
Examples:
  bartizan policy default > old.yaml
  sed 's/mode: observe/mode: enforce/' old.yaml > new.yaml
  bartizan policy diff old.yaml new.yaml
  bartizan policy diff old.yaml new.yaml --days 7
"""
SHOW_EXAMPLES = """\b
Examples:
  bartizan policy show
  bartizan policy show --format json
"""
DEFAULT_EXAMPLES = """\b
Examples:
  bartizan policy default > policy.yaml
"""

a_policy = click.argument(
    "file", required=False, type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), metavar="[FILE]"
)


@click.group(epilog=EXAMPLES)
def policy() -> None:
    """Check, test, explain and compare policies.

    Without a FILE it is about the policy in force: policy.yaml in --home, or the one built in where there is none.
    """


@policy.command(epilog=CHECK_EXAMPLES)
@a_policy
@options.home
@options.format_
def check(file: Path | None, home: Path | None, format_: str) -> int:
    """Say everything that is wrong or unwise in a policy. Exit code 1 if something is."""
    from bartizan.policy.check import check as checked

    config = options.settings(home)
    text, name = _text(config, file)
    found = checked(
        text,
        name,
        risks=rules.load("bartizan.rules", "risks.toml"),
        detectors=_detectors(config),
        now_us=time.time_ns() // 1000,
    )
    if format_ == "json":
        problems = [{"file": p.file, "line": p.line, "column": p.column, "what": p.what, "hint": p.hint} for p in found]
        click.echo(json.dumps({"schema": "bartizan.policy-check/1", "problems": problems}, indent=2))
    else:
        for problem in found:
            click.echo(str(problem))
        click.echo(
            f"{name}: {policies.counted(len(found), 'problem')}" if found else f"{name}: no problems", err=bool(found)
        )
    return 1 if found else 0


@policy.command(epilog=TEST_EXAMPLES)
@a_policy
@options.home
@options.format_
def test(file: Path | None, home: Path | None, format_: str) -> int:
    """Run every clause's examples through the real detectors. Exit code 1 if one does not do what it should."""
    from bartizan.policy.test import run

    config = options.settings(home)
    text, name = _text(config, file)
    read = _read(config, text, name)
    outcome = run(read, _loop(config, read).seen)
    if format_ == "json":
        faults = [
            {"clause": f.clause, "side": f.side, "example": f.number, "line": f.line, "why": list(f.why)}
            for f in outcome.faults
        ]
        value = {"schema": "bartizan.policy-test/1", "examples": outcome.examples, "faults": faults}
        click.echo(json.dumps(value, indent=2))
    else:
        for fault in outcome.faults:
            click.echo(f"{name}:{fault.line}: {fault}")
        passed = outcome.examples - len(outcome.faults)
        clauses = policies.counted(len(read.clauses), "clause")
        click.echo(f"{name}: {passed} of {outcome.examples} examples of {clauses} do what they should")
    return 1 if outcome.faults else 0


@policy.command(epilog=EXPLAIN_EXAMPLES)
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option("--text", help="The text itself, instead of a file.")
@click.option("--kind", type=click.Choice(["text", "chat"]), default="text", show_default=True, help="What it is.")
@click.option(
    "--direction", type=click.Choice(["out", "in"]), default="out", show_default=True, help="To the AI, or back."
)
@click.option("--policy", "policy_file", type=click.Path(dir_okay=False, path_type=Path), help="The policy to ask.")
@click.option("--person", default="", help="As if this person had sent it.")
@click.option("--group", "groups", multiple=True, help="A group of the person; repeatable.")
@click.option("--app", default="", help="The application that sends it.")
@click.option("--provider", default="", help="The upstream it goes to.")
@click.option("--model", default="", help="The model it goes to.")
@click.option("--all", "all_", is_flag=True, help="Also the clauses that are about something else.")
@options.home
@options.format_
def explain(
    file: str | None,
    text: str | None,
    kind: str,
    direction: str,
    policy_file: Path | None,
    person: str,
    groups: tuple[str, ...],
    app: str,
    provider: str,
    model: str,
    all_: bool,
    home: Path | None,
    format_: str,
) -> None:
    """Say why a text gets its decision: which clauses matched, and which nearly did.

    What is printed names risks, places and conditions, and none of the text.
    """
    from bartizan.core.subject import Context, Direction
    from bartizan.policy.explain import explain as explained

    config = options.settings(home)
    read = _read(config, *_text(config, policy_file))
    context = Context(
        person=person,
        groups=groups,
        app=app,
        provider=provider,
        model=model,
        direction=Direction(direction),
        when_us=time.time_ns() // 1000,
    )
    subject = _subject(_given(file, text), kind, context)
    explanation = explained(read, _loop(config, read).seen(subject), context)
    if format_ == "json":
        click.echo(json.dumps(policies.explained(read, explanation), indent=2))
    else:
        for line in policies.told(explanation, all_):
            click.echo(line)


@policy.command(epilog=DIFF_EXAMPLES)
@click.argument("old", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.argument("new", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--days", type=click.IntRange(1, 3660), help="Also decide again what --home recorded in so many days.")
@options.home
@options.format_
def diff(old: Path, new: Path, days: int | None, home: Path | None, format_: str) -> None:
    """Say what a new version changes, clause by clause. With --days, what it would have changed."""
    from bartizan.policy.diff import diff as compared
    from bartizan.policy.diff import effect

    config = options.settings(home)
    before, after = _read(config, *_text(config, old)), _read(config, *_text(config, new))
    changes = compared(before, after)
    result = effect(before, after, _past(config, before, days)) if days else None
    if format_ == "json":
        click.echo(json.dumps(policies.compared(changes, result), indent=2))
        return
    for change in changes:
        click.echo(f"{change.what}: {change.sort}")
        for how in change.how:
            click.echo(f"  {how}")
    if not changes:
        click.echo("no difference in meaning")
    if result is not None:
        click.echo(policies.effect(result, days or 0))


@policy.command(epilog=SHOW_EXAMPLES)
@a_policy
@options.home
@options.format_
def show(file: Path | None, home: Path | None, format_: str) -> None:
    """List a policy's clauses and exceptions."""
    from bartizan.policy.explain import risk_of

    config = options.settings(home)
    read = _read(config, *_text(config, file))
    if format_ == "json":
        click.echo(json.dumps(policies.shown(read), indent=2))
        return
    click.echo(f"{read.ref}\n")
    rows = ((c.id, c.mode.value, c.then.value, risk_of(c), c.says) for c in read.clauses)
    click.echo(table(("clause", "mode", "then", "risk", "says"), rows), nl=False)
    for exempt in read.exceptions:
        whom = ", ".join(f"{c.field.partition('.')[2]} {c.words()}" for c in (*exempt.who, *exempt.where))
        click.echo(f"exception from {exempt.clause} until {exempt.until} where {whom} (by {exempt.approved_by})")


@policy.command(epilog=DEFAULT_EXAMPLES)
def default() -> None:
    """Print the policy that is built in, comments and all."""
    click.echo(rules.text("bartizan.rules", "policies/default.yaml"), nl=False)


# ---- Reading ----------------------------------------------------------------------------------------


def _text(config: Config, file: Path | None) -> tuple[str, str]:
    """The text of a policy and what to call it: the file's, else the home's, else the one built in."""
    if file is None:
        return policy_text(config)
    if str(file) == "-":
        stdin = Path("stdin")
        return decoded(sys.stdin.buffer.read(MAX_BYTES + 1), stdin), str(stdin)
    if not file.exists():
        raise no(file, "there is no such file")
    return text_of(file), str(file)


def _read(config: Config, text: str, name: str) -> Policy:
    from bartizan.home import policy_of

    return policy_of(config, text, name)


def _detectors(config: Config) -> tuple[Detector, ...]:
    from bartizan.home import detectors_of

    return detectors_of(config)


def _loop(config: Config, read: Policy) -> Loop:
    from bartizan.loop import Loop

    return Loop(_detectors(config), lambda: read)


def _given(file: str | None, text: str | None) -> bytes:
    if (file is None) == (text is None):
        raise click.UsageError("give either FILE (or - for standard input) or --text")
    if text is not None:
        return text.encode("utf-8", "surrogateescape")
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_TEXT_BYTES + 1)
        else:
            with Path(str(file)).open("rb") as opened:
                raw = opened.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(file)) from error
    if len(raw) > MAX_TEXT_BYTES:
        raise InputError(f"is larger than {MAX_TEXT_BYTES} bytes", str(file))
    return raw


def _subject(raw: bytes, kind: str, context: Context) -> Subject:
    from bartizan.core.subject import Direction, alone
    from bartizan.readers.chat import chat, reply
    from bartizan.readers.strict_json import loads

    if kind == "chat":
        return (reply if context.direction is Direction.IN else chat)(loads(raw), context=context)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start} is not UTF-8") from error
    return alone(text, context)


def _past(config: Config, old: Policy, days: int) -> Iterator[Past]:
    """What a home recorded in the last days, as the policy decided on it."""
    from bartizan.home import Home
    from bartizan.home.past import past
    from bartizan.ledger.read import records

    with Home.open(config=config, create=False, environ=os.environ) as home:
        yield from past(home, old, records(config.home, since_us=time.time_ns() // 1000 - days * DAY_US))
