"""`bartizan watch`: logs that grow, read for ever: what they tell is shown, kept in the register and recorded."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bartizan.config import options

if TYPE_CHECKING:
    from bartizan.home.logs.lines import Line

EXAMPLES = """\b
Examples:
  bartizan watch /var/log/squid
  bartizan watch /var/log/squid/access.log /var/log/dnsmasq.log --format jsonl
  bartizan watch --mapping export.mapping --origin proxy-1 /srv/exports
"""


@click.command(epilog=EXAMPLES)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", type=click.Path(exists=True, path_type=bytes))
@click.option("--candidates", is_flag=True, help="Show unknown hosts that look like AI, too.")
@click.option("--as", "as_", metavar="FORMAT", default="", help="Read all as this format, whatever they look like.")
@click.option("--timezone", "zone", metavar="ZONE", default="", help="Of logs that do not say theirs.  [default: UTC]")
@click.option(
    "--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read columns as they were kept."
)
@click.option("--origin", metavar="NAME", default="", help="What these logs are called, as in proxy-1.")
@options.home
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="How to print.",
)
def watch(
    sources: tuple[bytes, ...],
    candidates: bool,
    as_: str,
    zone: str,
    mapping: Path | None,
    origin: str,
    home: Path | None,
    format_: str,
) -> int:
    """Follow logs while they grow and are rotated: show which AI is used, and keep it in the register of --home.

    SOURCE is a file or a folder; new files in a folder are picked up. Formats, --as and --mapping are those of
    `bartizan usage logs`; columns that have to be guessed are told after 200 lines, or at once by --mapping. Each file
    is read by itself. What an earlier run has told is not told again: where logs are rotated while nothing runs, watch
    their folder. Ends with Ctrl-C: exit code 3 where something could not be read as a whole.
    """
    from bartizan.doors.watch.following import Watch
    from bartizan.doors.watch.positions import positions
    from bartizan.doors.watch.watching import Watching
    from bartizan.home.logs import observing
    from bartizan.home.logs.observing import How
    from bartizan.home.logs.recording import recording

    folder = options.settings(home).home
    kept = mapping.read_text("utf-8", "replace") if mapping else ""
    how = How(as_, observing.zone(zone), kept, str(folder), daily=True)
    observing.format_of(how)  # A mistake is told before anything is read.
    show = _as_jsonl if format_ == "jsonl" else _as_text
    with recording(home, how, origin) as keep, positions(keep.home) as at:
        whole = Watch(how, keep, at, show, lambda words: click.echo(words, err=True), candidates=candidates)
        before = {one: signal.signal(one, lambda *_: whole.stop.set()) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            Watching(whole, sources).run()
        finally:
            for one, old in before.items():
                signal.signal(one, old)
    junk = f", {whole.junk:,} of no known format" if whole.junk else ""
    unread = f"; {len(whole.unread):,} not read to their end" if whole.unread else ""
    files = f"{len(whole.files):,} file{'s' * (len(whole.files) != 1)}"
    click.echo(f"{files}, {whole.lines:,} lines{junk}, {whole.shown:,} observations{unread}", err=True)
    return 3 if whole.unread else 0


def _as_jsonl(lines: Iterable[Line]) -> int:
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007  How many there were.
        sys.stdout.buffer.write(orjson.dumps(line.as_json(), option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.flush()
    return count


def _as_text(lines: Iterable[Line]) -> int:
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007  How many there were.
        click.echo(_text(line))
    return count


def _text(line: Line) -> str:
    from bartizan.home.logs.lines import rfc3339

    service = line.listed.service
    like = line.listed.lookalike_of
    name = service.name if service else f"like {like}" if like else "candidate"
    words = (rfc3339(line.last_us) or "-", line.actor or "-", line.host or line.app, name, line.evidence.word)
    shown = "  ".join("".join(c if c.isprintable() else "?" for c in word) for word in words)
    return f"{shown}  {line.count} ×{'  denied' * (line.denied == line.count)}"
