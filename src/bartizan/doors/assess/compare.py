"""`bartizan assess compare`: what differs between two assessments."""

from __future__ import annotations

import sys
from pathlib import Path

import click

EXAMPLES = """\b
Examples:
  bartizan assess compare before after
  bartizan assess compare before after --format json
"""
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(epilog=EXAMPLES)
@click.argument("before", type=FOLDER)
@click.argument("after", type=FOLDER)
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
def compare(before: Path, after: Path, format_: str) -> int:
    """Say what differs between two assessments, row by row, and how sure that is.

    BEFORE and AFTER are folders that `bartizan assess` wrote, with the same data, strength and norm.
    """
    from bartizan.assess.comparison import compared
    from bartizan.assess.evidence import as_bytes
    from bartizan.report.assessment.text import difference

    found = compared(before, after).as_json()
    if format_ == "json":
        sys.stdout.buffer.write(as_bytes(found))
        sys.stdout.flush()
    else:
        click.echo("\n".join(difference(found)))
    return 0
