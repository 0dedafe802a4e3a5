"""`bartizan usage lookup`: which AI service a host belongs to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator

import click

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.listing import Listed
from bartizan.report.table import show as table

MAX_LINE = 4096  # Characters of a line that are looked at; a host has 253.
EXAMPLES = """\b
Examples:
  bartizan usage lookup chatgpt.com claude.ai
  cut -f9 dns.log | sort -u | bartizan usage lookup - --format jsonl
"""


@click.command(epilog=EXAMPLES)
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "jsonl"]),
    default="text",
    show_default=True,
    help="How to print.",
)
def lookup(hosts: tuple[str, ...], format_: str) -> None:
    """Say which AI service each HOST belongs to. `-` reads one host a line from standard input."""
    wanted = Catalogue.load()
    asked = _lines() if hosts == ("-",) else iter(hosts)
    found = ((host, wanted.lookup(host)) for host in asked)
    if format_ == "jsonl":
        for host, listed in found:
            sys.stdout.write(json.dumps(_row(host, listed)) + "\n")
    elif format_ == "json":
        rows = [_row(host, listed) for host, listed in found]
        click.echo(json.dumps({"schema": "bartizan.lookup/1", "hosts": rows}, indent=2))
    else:
        click.echo(table(("host", "service", "vendor", "category", "tier"), _texts(found)), nl=False)


def _lines() -> Iterator[str]:
    while line := sys.stdin.buffer.readline(MAX_LINE):
        rest = line
        while rest and not rest.endswith(b"\n"):  # The host is none; its line still gets its answer.
            rest = sys.stdin.buffer.readline(1 << 16)
        yield line.decode("utf-8", "replace").strip()


def _row(host: str, listed: Listed) -> dict[str, object]:
    service = listed.service
    return {
        "host": host,
        "service": service.name if service else None,
        "vendor": service.vendor or None if service else None,
        "category": service.category if service else None,
        "tier": listed.tier,
        "lookalike_of": listed.lookalike_of or None,
    }


def _texts(found: Iterable[tuple[str, Listed]]) -> Iterator[tuple[str, ...]]:
    for host, listed in found:
        service = listed.service
        if service is None:
            yield host, "-", "-", "-", listed.tier or "-"
        else:
            yield host, service.name, service.vendor or "-", service.category, listed.tier or "-"
