"""`bartizan usage endpoint`: which AI is on this machine, without root and without the network."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from http.client import HTTPConnection, HTTPException
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click
import orjson

from bartizan import rules
from bartizan.config import options
from bartizan.core.errors import InputError
from bartizan.doors.usage.machine import Machine
from bartizan.readers.archives import printable
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.readers.endpoint.trace import Trace

MAX_HOSTS = 5_000
NAME = re.compile(r"(?:^|\s|export\s+|set\s+-\S*x\S*\s+)([A-Z][A-Z0-9_]{2,80})(?:=|\s+\S)")
EXAMPLES = """\b
Examples:
  bartizan usage endpoint
  bartizan usage endpoint --company example.org --history
  bartizan usage endpoint --root /mnt/laptop/home/mara --format jsonl
  bartizan usage endpoint --probe
  bartizan usage endpoint --company example.org --record --person mara@example.org
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another home folder, such as that of a mounted disk; processes and ports are left out then.",
)
@click.option("--company", multiple=True, metavar="DOMAIN", help="Mail domain of the company's accounts; repeatable.")
@click.option("--history", is_flag=True, help="Look at browsers' histories too: AI hosts and counts, nothing else.")
@click.option("--probe", is_flag=True, help="Ask local model servers on 127.0.0.1 which models they serve.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json", "jsonl"]), default="text", show_default=True,
    help="How to print.",
)  # fmt: skip
@click.option("--record", is_flag=True, help="Feed the register of AI systems in --home.")
@click.option("--person", default="", help="With --record: whose machine it is.  [default: the home folder's name]")
@options.home
def endpoint(
    root: Path | None,
    company: tuple[str, ...],
    history: bool,
    probe: bool,
    format_: str,
    record: bool,
    person: str,
    home: Path | None,
) -> int:
    """Find the AI on this machine: programs, model servers and files, extensions, MCP servers, accounts, variables.

    Reads settings and names, never a secret: of a variable the name, of a command the program, of a token whose it is.
    """
    from bartizan.home.logs import observing

    catalogue = observing.catalogue(str(options.settings(home).home))
    machine = Machine((root or Path.home()).resolve(), catalogue, frozenset(one.lower() for one in company))
    found = list(traces(machine, live=root is None, history=history, probe=probe))
    if format_ == "text":
        _tell(found)
    else:
        lines = [_shown(asdict(trace)) | {"found": trace.found.value} for trace in found]
        if format_ == "json":
            click.echo(
                orjson.dumps({"schema": "bartizan.endpoint/1", "traces": lines, "unread": machine.unread}).decode()
            )
        else:
            for line in lines:
                click.echo(orjson.dumps(line).decode())
    if record:
        _keep(machine, found, person or machine.root.name, home)
    for name in machine.unread:
        click.echo(f"bartizan: {printable(name, 4096)} could not be read", err=True)
    return 3 if machine.unread else 0


def _keep(machine: Machine, found: list[Trace], person: str, home: Path | None) -> None:
    from bartizan.doors.usage.signs import Sign, keep
    from bartizan.inventory.feeding import SourceKind
    from bartizan.readers.endpoint.trace import Found
    from bartizan.readers.logs.usage import AccountKind
    from bartizan.readers.logs.visit import Evidence

    named = {service.name.casefold(): service for service in machine.catalogue.services()}
    proves = {Found.ACCOUNT: Evidence.AUTHENTICATED, Found.HISTORY: Evidence.CONNECTED}
    signs = [
        Sign(service, person, proves.get(one.found, Evidence.RESOLVED), one.count, AccountKind(one.account_kind))
        for one in found
        if (service := named.get(one.tool.casefold()) or named.get(one.name.casefold())) is not None
    ]
    keep(home, SourceKind.ENDPOINT, f"machine of {person}", signs)


def _shown(told: dict[str, Any]) -> dict[str, Any]:  # Any: the fields of a Trace
    """Names of files and texts of JSON may hold half a character, which no other program would take."""
    return {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in told.items()
    }


def traces(machine: Machine, *, live: bool, history: bool, probe: bool) -> Iterator[Trace]:
    """Everything that is found, kind by kind."""
    places = rules.load("bartizan.readers.endpoint", "places.toml")
    if live:
        yield from _processes(machine)
        yield from _servers(places["server"], probe)
    yield from _settings(machine, places)
    yield from _extensions(machine, places)
    yield from _models(machine, places["models"])
    yield from _variables(machine, places["profiles"]["paths"], live)
    if history:
        yield from _history(machine, places["browser"])


def _processes(machine: Machine) -> Iterator[Trace]:
    """Programs that run now and that the catalogue knows by name; /proc shows everybody's names without root."""
    from bartizan.readers.endpoint.trace import Found, Trace

    kinds = ("process", "exe_name", "app_name")
    known = {
        value.lower(): service.name for kind in kinds for value, service in machine.catalogue.signals(kind).items()
    }
    seen: Counter[str] = Counter()
    proc = Path("/proc")
    if not proc.is_dir():
        machine.unread.append("the list of processes (this system has no /proc)")
    for folder in proc.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()[:4096].split(b"\0")
        except OSError:
            continue  # It ended meanwhile.
        # The program, and what an interpreter was told to run.
        for word in words[:2]:
            name = PurePath(word.decode("utf-8", "replace")).name.lower()
            if name in known:
                seen[name] += 1
                break
    for name, count in sorted(seen.items()):
        yield Trace(Found.PROCESS, name, known[name], count=count)


def _servers(rows: list[dict[str, Any]], probe: bool) -> Iterator[Trace]:
    """Ports on which something listens where model servers do by default; with `probe`, what it says it serves."""
    from bartizan.readers.endpoint.trace import Found, Trace

    listening = set(_listening())
    for row in rows:
        port = int(row["port"])
        if port not in listening:
            continue
        models = _asked(port, str(row["ask"])) if probe else None
        if models is None:
            detail = (
                "something listens; it did not answer as one" if probe else "something listens; --probe asks what it is"
            )
        else:
            detail = "serves " + (", ".join(models[:5]) or "no model")
        yield Trace(Found.SERVER, f"127.0.0.1:{port}", str(row["tool"]), detail=detail)


def _listening() -> Iterator[int]:
    for name in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 3 and fields[3] == "0A":
                yield int(fields[1].rpartition(":")[2], 16)


def _asked(port: int, path: str) -> list[str] | None:
    """The models that a local server names; None where it speaks of none."""
    connection = HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", path)
        made = orjson.loads(connection.getresponse().read(1 << 20))
    except (OSError, HTTPException, orjson.JSONDecodeError):
        return None
    finally:
        connection.close()
    if not isinstance(made, dict):
        return None
    rows = made.get("models", made.get("data", [made.get("result")] if "result" in made else None))
    if not isinstance(rows, list):
        return None
    names = [str(row.get("name") or row.get("id") or "") if isinstance(row, dict) else str(row) for row in rows]
    return [re.sub(r"[^\w./:@-]", "?", name)[:80] for name in names if name]


def _settings(machine: Machine, places: Mapping[str, Any]) -> Iterator[Trace]:
    from bartizan.readers.endpoint.settings import accounts, servers
    from bartizan.readers.endpoint.trace import Found, Trace, account_kind
    from bartizan.store.foreign import rows

    for row in places["mcp"]:
        for path in machine.under(row["paths"]):
            yield from servers(row["tool"], path.name, machine.shown(path), machine.data(path))
    for row in places["account"]:
        for path in machine.under(row["paths"]):
            where, data = machine.shown(path), machine.data(path)
            yield from accounts(row["tool"], path.name, where, data, row["mail"], row["plan"], machine.company)
    for row in places["state"]:
        for path in machine.under(row["paths"]):
            try:
                query = "SELECT key, CAST(value AS TEXT) FROM ItemTable WHERE key IN (?, ?)"
                told = {str(key): str(value)[:254] for key, value in rows(path, query, (row["mail"], row["plan"]))}
            except InputError:
                machine.unread.append(machine.shown(path))
                continue
            if mail := told.get(row["mail"], ""):
                plan = told.get(row["plan"], "")
                kind = account_kind(mail, plan, machine.company)
                yield Trace(Found.ACCOUNT, mail, row["tool"], machine.shown(path), plan, mail, kind)


def _extensions(machine: Machine, places: Mapping[str, Any]) -> Iterator[Trace]:
    from bartizan.readers.endpoint import extensions

    catalogue = machine.catalogue
    for folder in machine.under(places["ide"]["vscode"]):
        tool = machine.shown(folder).split("/")[0].lstrip(".")
        for name in machine.names(folder):
            yield from extensions.editor(name, tool, catalogue.signals("extension:vscode"))
    for folder in machine.under(places["ide"]["jetbrains"]):
        tool = folder.parent.name if folder.name == "plugins" else folder.name
        for name in machine.names(folder):
            yield from extensions.plugin(name, tool, catalogue.signals("extension:jetbrains"))
    known = {**catalogue.signals("extension:chrome"), **catalogue.signals("extension:edge")}
    for profile in machine.under(places["browser"]["chromium"]):
        for manifest in machine.matching(profile, "Extensions/*/*/manifest.json"):
            tool, id_ = machine.shown(profile), manifest.parent.parent.name
            yield from extensions.chromium(id_, machine.data(manifest), tool, known, machine.is_ai)
    for profile in machine.under(places["browser"]["firefox"]):
        if machine.is_file(profile / "extensions.json"):
            data = machine.data(profile / "extensions.json")
            firefox = catalogue.signals("extension:firefox")
            yield from extensions.firefox(data, machine.shown(profile), firefox, machine.is_ai)


def _models(machine: Machine, places: Mapping[str, list[str]]) -> Iterator[Trace]:
    from bartizan.readers.endpoint.trace import Found, Trace

    for path in machine.under(places["ollama"]):
        yield Trace(Found.MODEL, f"{path.parent.name}:{path.name}", "Ollama", machine.shown(path))
    for path in machine.under(places["huggingface"]):
        yield Trace(
            Found.MODEL, path.name.removeprefix("models--").replace("--", "/"), "Hugging Face", machine.shown(path)
        )
    for path in machine.under(places["files"]):
        if machine.is_file(path):
            size = path.stat().st_size
            yield Trace(Found.MODEL, path.name, "", machine.shown(path), f"{size / 2**30:.1f} GiB")


def _variables(machine: Machine, paths: list[str], live: bool) -> Iterator[Trace]:
    """Names of the environment that belong to AI tools: of shell profiles, of this process and of one's own others."""
    from bartizan.readers.endpoint.trace import Found, Trace

    known = machine.catalogue.signals("env")
    seen: dict[str, str] = {}
    for path in machine.under(paths):
        for line in machine.data(path).decode("utf-8", "replace").splitlines():
            for name in NAME.findall(line[:4096]):
                seen.setdefault(name, machine.shown(path))
    if live:
        for name in os.environ:
            seen.setdefault(name, "this session")
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                data = environ.read_bytes()[:65536]
            except OSError:
                continue  # Somebody else's, or it ended.
            for entry in data.split(b"\0"):
                seen.setdefault(entry.partition(b"=")[0].decode("utf-8", "replace"), "a running process")
    for name, where in sorted(seen.items()):
        if name in known:
            yield Trace(Found.ENV, name, known[name].name, where)


HISTORIES = (
    ("chromium", "History", "SELECT url, visit_count FROM urls"),
    ("firefox", "places.sqlite", "SELECT url, visit_count FROM moz_places"),
)


def _history(machine: Machine, places: Mapping[str, list[str]]) -> Iterator[Trace]:
    """AI hosts and how often, of each profile; no address, no title and no time leaves this function."""
    from bartizan.readers.endpoint.trace import Found, Trace
    from bartizan.store.foreign import rows

    for pattern, name, query in HISTORIES:
        for profile in machine.under(places[pattern]):
            path = profile / name
            if not machine.is_file(path):
                continue
            counts: Counter[str] = Counter()
            try:
                for url, visits in rows(path, query):
                    host = str(url).partition("://")[2].partition("/")[0]
                    host = host.rpartition("@")[2].partition(":")[0].lower()
                    counts[host] += int(visits) if isinstance(visits, int) else 1
            except InputError:
                machine.unread.append(machine.shown(path))
            found = [(host, count) for host, count in counts.most_common() if machine.catalogue.lookup(host).service]
            for host, count in found[:MAX_HOSTS]:
                service = machine.catalogue.lookup(host).service
                yield Trace(Found.HISTORY, host, service.name if service else "", machine.shown(profile), count=count)


def _tell(found: list[Trace]) -> None:
    rows = [
        (one.found.value, one.name, one.tool or "-", one.account_kind or "-", one.detail or "-", one.where or "-")
        for one in found
    ]
    if rows:
        click.echo(table(("found", "name", "tool", "account", "detail", "where"), rows), nl=False)
    else:
        click.echo("No AI was found here.")
    personal = sum(one.account_kind == "personal" for one in found)
    unknown = sum(one.found.value == "account" and not one.account_kind for one in found)
    if personal:
        click.echo(f"{personal} personal accounts.")
    if unknown:
        click.echo(f"{unknown} accounts of unknown kind; --company DOMAIN tells the company's own.")
