"""`bartizan usage evidence`: what laws and standards ask about the use of AI, answered and proved."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.core.errors import InputError, UsageError
from bartizan.home import Home

if TYPE_CHECKING:
    from bartizan.report.compliance.evidence import Evidence

FRAMEWORKS = ("eu-ai-act", "gdpr", "nist-ai-rmf", "nist-ai-600-1", "iso-42001", "soc-2")
FORMATS = ("text", "json", "csv", "html")
DAY_US = 86_400_000_000
PERIOD_DAYS = 90
MAX_KEYS_BYTES = 1 << 20
EXAMPLES = """\b
Examples:
  bartizan usage evidence --framework eu-ai-act
  bartizan usage evidence --format html > evidence.html
  bartizan usage evidence --since 2026-10-01 --until 2027-01-01 --bundle q4-2026
  bartizan usage evidence --check q4-2026 --key signing.pub

\b
Exit codes:
  0 answered, or the bundle is as it was signed   1 --check found a fault
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--framework",
    "frameworks",
    type=click.Choice(FRAMEWORKS),
    multiple=True,
    help="Only this one; repeatable.  [default: all]",
)
@click.option("--since", metavar="DATE", help="Decisions and cases from this day on, UTC.  [default: 90 days ago]")
@click.option("--until", metavar="DATE", help="Decisions and cases before this day, UTC.  [default: now]")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True, help="How to print."
)
@click.option(
    "--bundle",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write everything into this new folder: page, tables, checkpoints, and a manifest that is signed.",
)
@click.option(
    "--controller", default="", help="Who is responsible and how to reach them, for the record of processing."
)
@click.option("--dpo", default="", help="The data protection officer and how to reach them, for that record.")
@click.option(
    "--check",
    "checked",
    metavar="DIR",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Say whether a bundle is still what was signed.",
)
@click.option("--key", help="For --check: the public key, a file or base64.  [default: signing.pub in the home]")
@options.home
def evidence(
    frameworks: tuple[str, ...],
    since: str | None,
    until: str | None,
    format_: str,
    folder: Path | None,
    controller: str,
    dpo: str,
    checked: Path | None,
    key: str | None,
    home: Path | None,
) -> int:
    """Answer what laws and standards ask about the use of AI.

    Each control of a framework is one or more queries over the register, the policy, the cases and the ledger: met, a
    gap, or for people to answer, with the rows behind it and the records that prove it. Nobody's name is in it. It is
    no verdict on the law: it shows what Bartizan knows, and what somebody has to add.
    """
    if checked is not None:
        return _check(checked, key, home)
    now_us = time.time_ns() // 1000
    until_us = _day_us("--until", until) if until else now_us
    since_us = _day_us("--since", since) if since else until_us - PERIOD_DAYS * DAY_US
    if since_us >= until_us:
        raise UsageError("--since: lies behind --until")
    from bartizan.home.bundles import write
    from bartizan.home.evidence import facts
    from bartizan.report.compliance.evidence import evidence as answer
    from bartizan.report.compliance.framework import framework

    with Home.open(home, create=False) as opened:
        found = answer(facts(opened, since_us, now_us, until_us), map(framework, frameworks or FRAMEWORKS))
        if folder is not None:
            names = write(opened, found, folder, controller, dpo)
            click.echo(
                f"{folder}: {len(names)} files; `bartizan usage evidence --check {folder}` checks them", err=True
            )
            return 0
        sys.stdout.write(_printed(found, format_, controller, dpo))
    return 0


def _printed(found: Evidence, format_: str, controller: str, dpo: str) -> str:
    if format_ == "json":
        return json.dumps(found.as_json(), ensure_ascii=False, indent=2) + "\n"
    if format_ == "csv":
        from bartizan.report.compliance.sheets import controls

        return controls(found).as_csv().replace("\r\n", "\n")
    if format_ == "html":
        from bartizan.report.compliance.article30 import activities
        from bartizan.report.compliance.page import page

        return page(found, found.facts.systems, activities(found.facts, controller, dpo))
    from bartizan.report.compliance.told import lines

    return "".join(f"{line}\n" for line in lines(found))


def _check(folder: Path, key: str | None, home: Path | None) -> int:
    from bartizan.home.bundles import check

    made, faults = check(folder, _publics(key, home))
    for fault in faults:
        click.echo(fault)
    click.echo(
        f"{made}; " + (f"{len(faults)} files are not what was signed" if faults else "every file is as it was signed")
    )
    return 1 if faults else 0


def _publics(key: str | None, home: Path | None) -> tuple[bytes, ...]:
    from bartizan.home.verifying import public_keys
    from bartizan.ledger.checkpoint import read_public

    if key is None:
        return public_keys(options.settings(home).home)
    text = key
    try:
        if Path(key).is_file():
            with Path(key).open("rb") as file:
                text = file.read(MAX_KEYS_BYTES).decode("ascii", "replace")
        keys = read_public(text)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", key[:200]) from error
    except InputError as error:
        raise UsageError(f"--key: neither a file nor a public key: {key[:60]}") from error
    if not keys:
        raise UsageError("--key: there is no public key in it")
    return keys


def _day_us(option: str, text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option}: {text[:40]!r} is no date\n  {option} 2026-11-01") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()) * 1_000_000
