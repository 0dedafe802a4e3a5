"""`bartizan usage logs`: which AI is used, by whom and how much, as the logs that there are tell it."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import astuple
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bartizan.config import options
from bartizan.doors.usage import answer, joining, printing
from bartizan.home.logs import observing, pihole
from bartizan.home.logs.lines import lines
from bartizan.home.logs.observing import How, Told
from bartizan.home.logs.sources import Source, Sources
from bartizan.report.table import show as table
from bartizan.workers import Lost, Pool, cores

if TYPE_CHECKING:
    from concurrent.futures import Future

    from bartizan.home.logs.recording import Keep
    from bartizan.report.decision import Json

DEADLINE_S = 86_400.0  # One source. A TB takes some hours.
AHEAD = 16  # Sources that wait for their turn to be told.
OBSERVATION_COLUMNS = ("file", "actor", "host", "service", "evidence", "count", "bytes_up", "first", "last")
SERVICE_COLUMNS = (
    "service", "vendor", "tier", "people", "count", "bytes_up", "evidence", "denied", "first", "last", "accounts",
    "hosts", "lookalike_of",
)  # fmt: skip
EXAMPLES = """\b
Examples:
  bartizan usage logs /var/log/squid
  bartizan usage logs dns.log.gz --format json
  bartizan usage logs --observations --format jsonl proxy.log
  ssh gateway cat /var/log/dnsmasq.log | bartizan usage logs - --timezone Europe/Berlin
  bartizan usage logs --preview --save-mapping export.mapping export.csv
  bartizan usage logs --mapping export.mapping --record export.csv
"""


@click.command(epilog=EXAMPLES)
@click.argument("sources", nargs=-1, metavar="SOURCE...", type=click.Path(path_type=bytes))
@click.option("--observations", is_flag=True, help="What each actor did with each host, source by source.")
@click.option("--candidates", is_flag=True, help="With --observations: unknown hosts that look like AI, too.")
@click.option("--as", "as_", metavar="FORMAT", default="", help="Read all as this format, whatever they look like.")
@click.option("--timezone", "zone", metavar="ZONE", default="", help="Of logs that do not say theirs.  [default: UTC]")
@click.option("--formats", is_flag=True, help="List the formats that are read.")
@click.option("--preview", is_flag=True, help="Show what the first rows are taken for, and read no further.")
@click.option("--save-mapping", type=click.Path(dir_okay=False, path_type=Path), help="Keep what columns were guessed.")
@click.option(
    "--mapping", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Read columns as they were kept."
)
@click.option("--record", is_flag=True, help="Feed the register of AI systems in --home.")
@click.option("--origin", metavar="NAME", default="", help="With --record: what these logs are called, as in proxy-1.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes to work in.  [default: one a core]")
@options.home
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "jsonl", "csv"]),
    default="text",
    show_default=True,
    help="How to print.",
)
def logs(
    sources: tuple[bytes, ...],
    observations: bool,
    candidates: bool,
    as_: str,
    zone: str,
    formats: bool,
    preview: bool,
    save_mapping: Path | None,
    mapping: Path | None,
    record: bool,
    origin: str,
    jobs: int | None,
    home: Path | None,
    format_: str,
) -> int:
    """Say which AI services are used, by how many people and how much, from logs of proxies, DNS, firewalls and clouds.

    SOURCE is a file, a folder or `-` for standard input, also packed with gzip, zstd, bzip2 or xz. The format of each
    is told by its content. Lines that cannot be read are counted, never fatal. A source that could not be read as a
    whole is said: exit code 3. `bartizan watch` reads on while logs grow.
    """
    if formats:
        _list_formats(format_)
        return 0
    if not sources:
        raise click.UsageError("say which logs to read, or --formats")
    folder = options.settings(home).home
    how = How(as_, observing.zone(zone), mapping.read_text("utf-8", "replace") if mapping else "", str(folder), record)
    observing.format_of(how)  # A mistake is told before anything is read.
    found = Sources(sources)
    if preview or save_mapping:
        from bartizan.doors.usage.mapping import shown

        return shown(next(iter(found)), how, save_mapping, format_)
    with ExitStack() as stack:
        keep = stack.enter_context(_recording(home, how, origin)) if record else None
        parts = joining.arranged(found, how)
        every = chain(joining.read(parts.together, how), _read(stack, parts.others, how, jobs or cores()))
        code = _told(stack, _kept(every, keep), how, format_, observations, candidates)
        for words in found.left_out():
            click.echo(words, err=True)
        return code


def _list_formats(format_: str) -> None:
    from bartizan.readers.logs.formats import formats

    every = [(one.id, one.title, one.unit.value, one.source) for one in formats()]
    every.append((pihole.ID, pihole.TITLE, "row", pihole.SOURCE))
    rows: list[Json] = [dict(zip(("id", "title", "unit", "source"), one, strict=True)) for one in sorted(every)]
    if format_ == "text":
        click.echo(table(("format", "what it is"), ((row["id"], row["title"]) for row in rows)), nl=False)
    elif format_ == "json":
        click.echo(orjson.dumps({"schema": "bartizan.log-formats/1", "formats": rows}, option=orjson.OPT_INDENT_2))
    elif format_ == "jsonl":
        printing.as_jsonl(rows)
    else:
        printing.as_csv(("id", "title", "unit", "source"), rows)


def _read(stack: ExitStack, sources: Iterable[Source], how: How, jobs: int) -> Iterator[Told]:
    """What each source tells, in order. One source is read here; several are read by as many processes."""
    waiting: deque[tuple[Source, Future[object] | None]] = deque()
    pool: Pool | None = None
    held: Source | None = None  # The first, until there is a second.

    def submitted(source: Source) -> Future[object] | None:
        nonlocal pool
        if jobs == 1 or not source.regular or source.why:
            return None
        pool = pool or stack.enter_context(Pool(jobs, deadline_s=DEADLINE_S))
        return pool.submit(
            "bartizan.home.logs.observing:observed",
            source.path, source.size, source.written_us, *astuple(how),
        )  # fmt: skip

    for source in sources:
        if held is None and not waiting:
            held = source
            continue
        if held is not None:
            waiting.append((held, submitted(held)))
            held = None
        waiting.append((source, submitted(source)))
        if len(waiting) >= AHEAD:
            yield _answered(*waiting.popleft(), how)
            held = None
    if held is not None:
        yield observing.tell(held, how)
    while waiting:
        yield _answered(*waiting.popleft(), how)


def _answered(source: Source, future: Future[object] | None, how: How) -> Told:
    if future is None:
        return observing.tell(source, how)
    try:
        return observing.received(future.result())
    except Lost as lost:
        return Told(source.name, why=lost.why)


def _recording(home: Path | None, how: How, origin: str) -> AbstractContextManager[Keep]:
    from bartizan.home.logs.recording import recording

    return recording(home, how, origin)


def _kept(every: Iterable[Told], keep: Keep | None) -> Iterator[Told]:
    """Every source, fed to the register on its way."""
    from bartizan.home.logs.recording import said

    for told in every:
        if keep is not None and told.formats:
            for words in said(told.name, keep(told)):
                click.echo(words, err=True)
        yield told


def _told(stack: ExitStack, every: Iterable[Told], how: How, format_: str, observations: bool, candidates: bool) -> int:
    whole = answer.Answer()
    sought = observing.sought(how.home)
    tick = _progress(stack)
    rows: list[Json] = []
    header = True
    for told in every:
        found = whole.add(told, lines(told, sought, candidates=candidates or not observations))
        tick()
        if not observations:
            deque(found, maxlen=0)
            continue
        new = (line.as_json() for line in found)
        if format_ == "jsonl":
            printing.as_jsonl(new)
        elif format_ == "csv":
            printing.as_csv(OBSERVATION_COLUMNS, new, header=header)
            header = False
        else:
            rows += new
    stack.close()  # The progress goes before the last words come.
    if observations and format_ == "json":
        printing.as_json(
            {
                "schema": "bartizan.observations/1",
                "observations": rows,
                "sources": [one.as_json() for one in whole.sources],
            }
        )
    elif observations and format_ == "text":
        cells = ([row[name] if row[name] is not None else "-" for name in OBSERVATION_COLUMNS] for row in rows)
        click.echo(table(OBSERVATION_COLUMNS, cells), nl=False)
    elif not observations:
        _write(whole, format_)
    _coverage(whole)
    return 3 if whole.unread else 0


def _write(whole: answer.Answer, format_: str) -> None:
    if format_ == "json":
        printing.as_json(whole.as_json())
        return
    rows = [
        use.as_json() for uses in (whole.services, whole.lookalikes, whole.candidates) for use in answer.ordered(uses)
    ]
    if format_ == "jsonl":
        printing.as_jsonl(rows)
    elif format_ == "csv":
        printing.as_csv(SERVICE_COLUMNS, rows)
    else:
        from bartizan.doors.usage.words import told

        click.echo(told(whole), nl=False)


def _coverage(whole: answer.Answer) -> None:
    from bartizan.doors.usage.words import coverage

    for line in coverage(whole):
        click.echo(line, err=True)


def _progress(stack: ExitStack) -> Callable[[], None]:
    """Counts on a terminal; says nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda: None
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed} sources"), TimeElapsedColumn())
    progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    task = progress.add_task("", total=None)
    return lambda: progress.advance(task, 1)
