"""`bartizan usage lookup`: which AI service a host belongs to."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click

from bartizan.catalogue.listing import Listed
from bartizan.config import options
from bartizan.core.errors import UsageError
from bartizan.home import catalogues
from bartizan.report.decision import Json
from bartizan.report.table import show as table

MAX_LINE = 4096  # Bytes of a line that are looked at; a host has 253.
MAX_AT_ONCE = 100_000  # Hosts in one JSON document.
MAX_TABLE = 500  # Rows of one table; more begin another.
MAX_SHOWN = 64  # Characters of a host in a table.
EXAMPLES = """\b
Examples:
  bartizan usage lookup chatgpt.com chat.openai.com.evil.example
  cut -f9 dns.log | sort -u | bartizan usage lookup - --format jsonl
"""


@click.command(epilog=EXAMPLES)
@click.argument("hosts", metavar="HOST...", nargs=-1, required=True)
@options.home
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "jsonl"]),
    default="text",
    show_default=True,
    help="How to print.",
)
def lookup(hosts: tuple[str, ...], home: Path | None, format_: str) -> None:
    """Say which AI service each HOST belongs to, and why. `-` reads one host a line.

    Tiers: A named by curated lists, B by directories alone, C the vendor's own domain behind a known host, M much
    besides AI, never to be blocked; candidate: not known, and looks like AI by its name. A host that imitates a known
    one is said so, and never taken for it.
    """
    catalogue = catalogues.catalogue(options.settings(home).home)
    asked = _lines(sys.stdin.buffer) if hosts == ("-",) else iter(hosts)
    found = ((host, catalogue.lookup(host)) for host in asked)
    if format_ == "jsonl":
        for host, listed in found:
            sys.stdout.write(json.dumps(_row(host, listed), separators=(",", ":")) + "\n")
    elif format_ == "json":
        rows = [_row(host, listed) for host, listed in islice(found, MAX_AT_ONCE + 1)]
        if len(rows) > MAX_AT_ONCE:
            raise UsageError(f"more than {MAX_AT_ONCE:,} hosts: --format jsonl takes any number")
        click.echo(json.dumps({"schema": "bartizan.lookup/1", "hosts": rows}, indent=2))
    else:
        while texts := [_text(host, listed) for host, listed in islice(found, MAX_TABLE)]:
            click.echo(table(("host", "service", "vendor", "category", "tier", "why"), texts), nl=False)


def _lines(source: BinaryIO) -> Iterator[str]:
    """The lines of a stream, each cut where it is longer than any host: one answer for each, whatever it holds."""
    while line := source.readline(MAX_LINE):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = source.readline(1 << 16)
        yield line.decode("utf-8", "replace").strip()


def _row(host: str, listed: Listed) -> Json:
    """The five keys that are promised first."""
    service = listed.service
    return {
        "host": host,
        "service": service.name if service else None,
        "vendor": service.vendor or None if service else None,
        "category": service.category if service else None,
        "tier": listed.tier,
        "system": service.id if service else None,
        "audience": service.audience or None if service else None,
        "endpoint": listed.endpoint or None,
        "pattern": listed.pattern or None,
        "sources": listed.sources or None,
        "lookalike_of": listed.lookalike_of or None,
        "score": listed.score or None,
        "because": listed.because or None,
    }


def _text(host: str, listed: Listed) -> tuple[str, ...]:
    service = listed.service
    name, vendor, category = (service.name, service.vendor, service.category) if service else ("", "", "")
    shown = host if len(host) <= MAX_SHOWN else f"{host[:MAX_SHOWN]}…"
    return shown, name or "-", vendor or "-", category or "-", listed.tier or "-", _why(listed)


def _why(listed: Listed) -> str:
    if not listed.host:
        return "no name of a host"
    if listed.lookalike_of:
        return f"look-alike: {listed.because}"
    if listed.tier == "candidate":
        return f"{listed.because} ({listed.score:.2f})"
    if listed.service:
        sources = listed.sources.split("; ")
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        return f"{listed.pattern}, named by {sources[0]}{more}"
    return listed.because or "-"
