"""`bartizan scan`: judge files, folders and archives, one result a file."""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bartizan.config.policy import policy_text
from bartizan.doors.files import options, terminal
from bartizan.doors.files.judging import How, Judged, loop_of, reported, subjects, unread
from bartizan.readers.archives import printable
from bartizan.report.decision import Json
from bartizan.workers import Lost, Pool, cores

if TYPE_CHECKING:
    from concurrent.futures import Future

    from bartizan.home.recording import Recorder

DEADLINE_S = 120.0  # One file with all its members. 32 MiB of the densest text take some 10 s.
LEFT_OUT = frozenset({b".git", b".hg", b".svn"})  # Packed copies of the files beside them.
EXAMPLES = """\b
Examples:
  bartizan scan ./prompts
  bartizan scan export.zip notes.txt --format jsonl --show
  bartizan scan . --fail-on critical --jobs 4 --format sarif > bartizan.sarif
"""

Result = list[tuple[Json, int]]


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=bytes))
@click.option(
    "--kind",
    type=click.Choice(["auto", "text", "chat"]),
    default="auto",
    show_default=True,
    help="What each file is; auto tells by its content.",
)
@options.direction
@click.option(
    "--fail-on",
    type=click.Choice(["info", "low", "medium", "high", "critical", "never"]),
    default="high",
    show_default=True,
    help="Exit with 1 for a finding at least this severe.",
)
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes to work in.  [default: one a core]")
@click.option("--show", is_flag=True, help="Show matched spans masked, and texts as edited.")
@options.record
@options.home
@click.option(
    "--format", "format_", type=click.Choice(["text", "json", "jsonl", "sarif"]), default="text", show_default=True
)
def scan(
    paths: tuple[bytes, ...],
    kind: str,
    direction: str,
    fail_on: str,
    jobs: int | None,
    show: bool,
    record: bool,
    home: Path | None,
    format_: str,
) -> int:
    """Judge files, folders and archives (zip, tar, gzip, bzip2, xz), also inside of each other.

    No file is changed: "redacted" is what would happen to it on its way. What is found is shown by its type and place
    alone, unless --show is given. Links are not followed. A file that cannot be read, or is neither text nor an
    archive, is said to be unexamined: exit code 3.
    """
    config = options.settings(home)
    how = How(*policy_text(config), kind, direction, fail_on, show, config.detectors)
    loop_of(how)  # A policy with mistakes is told before anything else, and once.
    walk = Walk(paths)
    with ExitStack() as stack:
        if record:
            from bartizan.home.recording import Recorder

            results = _recorded(walk, how, stack.enter_context(Recorder(home, "scan")))
        else:
            results = _scanned(walk, how, stack.enter_context(Pool(jobs or cores(), deadline_s=DEADLINE_S)))
        return _report(stack, results, walk, format_, show)


@dataclass
class Walk:
    """The files below some paths, in order of name. Counts what it leaves out."""

    paths: tuple[bytes, ...]
    links: int = 0
    left_out: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for path in self.paths:
            if Path(os.fsdecode(path)).is_dir():
                yield from self._below(path)
            else:
                yield path

    def _below(self, folder: bytes) -> Iterator[bytes]:
        folders = deque([folder])
        while folders:
            here = folders.popleft()
            try:
                with os.scandir(here) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except OSError:
                yield here  # Opening it as a file fails as well, and that is said.
                continue
            inner = []
            for entry in entries:
                if entry.is_symlink():  # It may lead out of the folder; what it leads to inside is met there.
                    self.links += 1
                elif not entry.is_dir(follow_symlinks=False):
                    yield entry.path
                elif entry.name in LEFT_OUT:
                    self.left_out += 1
                else:
                    inner.append(entry.path)
            folders.extendleft(reversed(inner))


def _scanned(walk: Iterable[bytes], how: How, pool: Pool) -> Iterator[Result]:
    """The results of all files in order, while up to 32 of them are worked on."""
    waiting: deque[tuple[bytes, Future[object]]] = deque()
    arguments = astuple(how)
    for path in walk:
        waiting.append((path, pool.submit("bartizan.doors.files.judging:judged", path, *arguments)))
        if len(waiting) >= 32:
            yield _result(*waiting.popleft(), how)
    while waiting:
        yield _result(*waiting.popleft(), how)


def _recorded(walk: Iterable[bytes], how: How, recorder: Recorder) -> Iterator[Result]:
    """The results of all files, each on the disk before it is told; in this process, which holds the log."""
    for path in walk:
        out, ticket, loop = [], 0, recorder.loop
        for name, subject in subjects(path, how):
            now = recorder.now(subject)
            one = Judged(name, now, loop.judge(now, thorough=True))
            value, code = reported(one, how, loop)
            content = subject.content.encode("utf-8", "replace") if isinstance(subject.content, str) else b""
            ticket = recorder.record(now, one.decision, str(value["id"]), content, loop.policy)
            out.append((value, code))
        if ticket:
            recorder.wait(ticket)
        yield out


def _result(path: bytes, answer: Future[object], how: How) -> Result:
    try:
        return answer.result()  # type: ignore[return-value]  # What `judged` returns.
    except Lost as lost:
        loop = loop_of(how)
        subject = unread(how, lost.why)
        one = Judged(printable(os.fsdecode(path), 4096), subject, loop.judge(subject))
        return [reported(one, how, loop)]


def _report(stack: ExitStack, results: Iterable[Result], walk: Walk, format_: str, show: bool) -> int:
    from bartizan.report import text
    from bartizan.report.exits import worse

    code, counts = 0, Counter[str]()
    kept: list[Json] = []
    tick = _progress(stack)
    for result in results:
        tick(len(result))
        for value, one in result:
            code = worse(code, one)
            counts[text.shown(value)[1]] += 1
            counts["unexamined"] += bool(value["failures"])
            if format_ == "jsonl":
                sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
            elif format_ != "text":
                kept.append(value)
            elif value["findings"] or value["failures"]:
                terminal.write(text.lines(value, show=show))
    stack.close()  # The progress goes before the last words come.
    if format_ == "json":
        sys.stdout.buffer.write(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    elif format_ == "sarif":
        from bartizan.report.sarif import sarif
        from bartizan.rules.risks import catalogue

        log = sarif(kept, catalogue(), show=show)
        sys.stdout.buffer.write(orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.flush()
    _summary(counts, walk)
    return code


def _summary(counts: Counter[str], walk: Walk) -> None:
    unexamined = counts.pop("unexamined", 0)
    files = sum(counts.values())
    words = ["1 file" if files == 1 else f"{files} files", *(f"{count} {word}" for word, count in counts.most_common())]
    if unexamined:
        words.append(f"{unexamined} not wholly examined")
    if walk.links:
        words.append(f"{walk.links} links not followed")
    if walk.left_out:
        words.append(f"{walk.left_out} folders left out ({b', '.join(sorted(LEFT_OUT)).decode()})")
    click.echo(", ".join(words), err=True)


def _progress(stack: ExitStack) -> Callable[[int], None]:
    """Counts on a terminal; says nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _: None
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed} files"), TimeElapsedColumn())
    progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    task = progress.add_task("", total=None)
    return lambda count: progress.advance(task, count)
