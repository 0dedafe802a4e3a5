"""`bartizan usage breach`: the draft of a notification of a personal data breach, from what is on record."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from bartizan.config import options
from bartizan.core.errors import UsageError
from bartizan.home import Home

MAX_IDS = 1000
EXAMPLES = """\b
Examples:
  bartizan usage breach 01JD9Z6W0V3M7Q2K4T8R5B1XNC --aware 2026-11-23T08:30
  bartizan usage breach ID1 ID2 --aware 2026-11-23T08:30+01:00 --format json > draft.json
"""


@click.command(epilog=EXAMPLES)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--aware", metavar="TIME", required=True, help="When you became aware of it; UTC unless it says otherwise."
)
@options.home
@options.format_
def breach(ids: tuple[str, ...], aware: str, home: Path | None, format_: str) -> None:
    """Draft what Article 33 GDPR asks for, of an incident: the IDs of exchanges, of cases, or of both.

    Counts values by their keyed digests and people by pseudonyms, and says what was done and how much of the 72 hours
    is left. Nothing is sent. It never holds content: who writes the notification adds what only people know.
    """
    if len(ids) > MAX_IDS:
        raise UsageError(f"at most {MAX_IDS:,} ids at once")
    now_us = time.time_ns() // 1000
    aware_us = _time_us(aware)
    if aware_us > now_us:
        raise UsageError("--aware: lies in the future")
    from bartizan.home.evidence import incident
    from bartizan.report.compliance.breach import draft
    from bartizan.rules.risks import catalogue

    with Home.open(home, create=False) as opened:
        found = []
        for id_ in dict.fromkeys(ids):
            found += incident(opened, id_, now_us)
    made = draft(found, {id_: risk.title for id_, risk in catalogue().items()}, aware_us, now_us)
    click.echo(json.dumps(made.as_json(), indent=2) if format_ == "json" else "\n".join(made.lines()))


def _time_us(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--aware: {text[:40]!r} is no time\n  --aware 2026-11-23T08:30") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()) * 1_000_000
