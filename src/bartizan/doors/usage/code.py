"""`bartizan usage code`: which AI a project uses, from its files alone."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bartizan.config import options
from bartizan.readers.archives import printable
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.catalogue.catalogue import Catalogue
    from bartizan.readers.code.clue import Clue, Known

MAX_FILE_BYTES = 8 << 20
MAX_FILES = 1_000_000
LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".tox", ".mypy_cache", "target", ".gradle"}
)
ECOSYSTEMS = ("pypi", "npm", "cargo", "go", "maven", "nuget", "rubygems", "composer", "conda")
EXAMPLES = """\b
Examples:
  bartizan usage code .
  bartizan usage code ~/src --format mlbom > ai.cdx.json
  bartizan usage code . --record
  bartizan usage code . --format jsonl | jq 'select(.kind == "model")'
"""


@dataclass(slots=True)
class Thing:
    """One package, model, host, variable, image or file of an AI tool, with all places where it was seen."""

    kind: str
    name: str
    ecosystem: str
    version: str = ""
    how: str = ""
    service: str = ""
    vendor: str = ""
    places: list[tuple[str, int]] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """For programs; the same rows are what a bill of materials is made of."""
        return {
            "kind": self.kind, "name": self.name, "ecosystem": self.ecosystem, "version": self.version,
            "how": self.how, "service": self.service or None, "vendor": self.vendor or None,
            "count": len(self.places), "places": self.places,
        }  # fmt: skip


@dataclass(slots=True)
class Walked:
    """What was looked at, and what was not."""

    files: int = 0
    unread: list[str] = field(default_factory=list)
    large: int = 0


HOWS = ("", "declared", "locked", "imported", "used")  # weakest first


@click.command(epilog=EXAMPLES)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "jsonl", "mlbom"]),
    default="text",
    show_default=True,
    help="How to print; mlbom is a CycloneDX 1.6 bill of materials.",
)
@click.option("--record", is_flag=True, help="Feed the register of AI systems in --home.")
@options.home
def code(paths: tuple[Path, ...], format_: str, record: bool, home: Path | None) -> int:
    """Find the AI that code uses: packages, imports, model ids, endpoints, images, variables. Nothing is run.

    Folders of dependencies (node_modules, virtual environments) are left out: lock files name what is in them. What
    could not be read as a whole is said: exit code 3.
    """
    from bartizan.home.logs import observing

    catalogue = observing.catalogue(str(options.settings(home).home))
    walked = Walked()
    things = found(_files(paths, walked), catalogue, walked)
    rows = [thing.as_json() for thing in things]
    match format_:
        case "mlbom":
            from bartizan.report.mlbom import mlbom

            made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            click.echo(mlbom(rows, _name(paths), made), nl=False)
        case "json":
            click.echo(orjson.dumps({"schema": "bartizan.code/1", "files": walked.files, "things": rows}).decode())
        case "jsonl":
            for row in rows:
                click.echo(orjson.dumps(row).decode())
        case _:
            _tell(things, walked)
    if record:
        _keep(things, catalogue, paths, home)
    for path in walked.unread:
        click.echo(f"bartizan: not read: {printable(path, 4096)}", err=True)
    if walked.large:
        click.echo(f"bartizan: of {walked.large} files only the first {MAX_FILE_BYTES >> 20} MiB were read", err=True)
    return 3 if walked.unread or walked.large else 0


def _keep(things: list[Thing], catalogue: Catalogue, paths: tuple[Path, ...], home: Path | None) -> None:
    from bartizan.doors.usage.signs import Sign, keep
    from bartizan.inventory.feeding import SourceKind

    named = {service.name: service for service in catalogue.services()}
    signs = [Sign(named[thing.service], times=len(thing.places)) for thing in things if thing.service in named]
    keep(home, SourceKind.CODE, " ".join(str(path.resolve()) for path in paths), signs)


def found(files: Iterable[tuple[str, Path]], catalogue: Catalogue, walked: Walked) -> list[Thing]:
    """What all files tell, each thing once, most sure first."""
    from bartizan.readers.code.sources import clues

    known, tools = _known(catalogue), _Tools(catalogue.signals("file"))
    things: dict[tuple[str, str, str], Thing] = {}

    def add(clue: Clue, shown: str) -> None:
        key = (clue.sign.value, clue.ecosystem, clue.value)
        thing = things.setdefault(key, Thing(clue.sign.value, clue.value, clue.ecosystem))
        thing.how = max(thing.how, clue.how.value, key=HOWS.index)
        if clue.version and (not thing.version or clue.how.value == "locked"):
            thing.version = clue.version
        thing.places.append((shown, clue.line))

    for shown, path in files:
        if tool := tools.of(shown):
            thing = things.setdefault(("file", "", tool), Thing("file", tool, "", how="used", service=tool))
            thing.places.append((shown, 0))
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError:
            walked.unread.append(shown)
            continue
        walked.files += 1
        walked.large += len(data) > MAX_FILE_BYTES
        missed: set[str] = set()
        for clue in clues(path.name, data[:MAX_FILE_BYTES], known, missed):
            add(clue, shown)
        walked.unread += [f"{shown}: {what}" for what in sorted(missed)]
    for thing in things.values():
        _named(thing, catalogue)
    return sorted(things.values(), key=lambda one: (-HOWS.index(one.how), one.kind, one.name))


def _named(thing: Thing, catalogue: Catalogue) -> None:
    """The service that a thing belongs to."""
    listed = None
    if thing.kind == "package":
        ecosystem = {"golang": "go", "gem": "rubygems"}.get(thing.ecosystem, thing.ecosystem)
        signals = catalogue.signals(f"package:{ecosystem}")
        listed = next((s for value, s in signals.items() if value.lower() == thing.name), None) or signals.get(
            thing.name
        )
    elif thing.kind == "env":
        listed = catalogue.signals("env").get(thing.name)
    elif thing.kind == "host":
        listed = catalogue.lookup(thing.name).service
    if listed is not None:
        thing.service, thing.vendor = listed.name, listed.vendor


def _known(catalogue: Catalogue) -> Known:
    from bartizan.readers.code.clue import Known, normal

    packages = {
        ecosystem: frozenset(normal(ecosystem, value) for value in catalogue.signals(f"package:{ecosystem}"))
        for ecosystem in ECOSYSTEMS
    }

    def service(host: str) -> bool:
        return catalogue.lookup(host).service is not None

    return Known(packages, frozenset(catalogue.signals("env")), service)


class _Tools:
    """Files that betray a coding tool, by the patterns of the catalogue (`**/.cursor/rules/**`)."""

    def __init__(self, patterns: Mapping[str, object]) -> None:
        self._rows = [
            (re.compile(translate(pattern.removeprefix("**/").removesuffix("/**"))), getattr(service, "name", ""))
            for pattern, service in patterns.items()
        ]
        self._seen: dict[str, str] = {}

    def of(self, path: str) -> str:
        """The tool whose file this is, or ""."""
        parts = path.replace(os.sep, "/").split("/")
        for at in range(len(parts)):
            # A whole tail, or a folder in it: `.cursor/rules/x.md` is below `.cursor/rules`.
            for end in range(len(parts), at, -1):
                if tool := self._tool("/".join(parts[at:end])):
                    return tool
                if end - at > 4:
                    break
        return ""

    def _tool(self, tail: str) -> str:
        if tail not in self._seen:
            if len(self._seen) > 100_000:
                self._seen.clear()
            self._seen[tail] = next((tool for pattern, tool in self._rows if pattern.match(tail)), "")
        return self._seen[tail]


def _files(paths: Iterable[Path], walked: Walked) -> Iterator[tuple[str, Path]]:
    """Regular files below the paths, in a stable order; links are not followed."""
    count = 0
    for top in paths:
        if not top.is_dir():
            yield printable(os.fspath(top), 4096), top
            continue
        for folder, below, names in os.walk(
            top, onerror=lambda error: walked.unread.append(printable(str(error.filename)))
        ):
            below[:] = sorted(name for name in below if name not in LEFT_OUT)
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink():
                    count += 1
                    if count > MAX_FILES:
                        walked.unread.append(f"{top}: more than {MAX_FILES:,} files; what is behind them")
                        return
                    yield printable(os.fspath(path.relative_to(top)), 4096), path


def _name(paths: tuple[Path, ...]) -> str:
    return ", ".join(path.resolve().name or "/" for path in paths[:5])


def _tell(things: list[Thing], walked: Walked) -> None:
    rows = [
        (
            thing.kind, thing.name + (f" {thing.version}" if thing.version else ""), thing.service or "-", thing.how,
            len(thing.places), _place(thing.places[0]),
        )
        for thing in things
    ]  # fmt: skip
    if rows:
        click.echo(table(("seen", "name", "service", "evidence", "places", "first"), rows), nl=False)
    services = len({thing.service for thing in things if thing.service})
    click.echo(
        f"{len(things)} signs of {services} AI services and tools in {walked.files:,} files.", err=sys.stdout.isatty()
    )


def _place(place: tuple[str, int]) -> str:
    return f"{place[0]}:{place[1]}" if place[1] else place[0]
