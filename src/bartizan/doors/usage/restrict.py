"""`bartizan usage restrict`: what was decided, as lists for resolvers, proxies, firewalls and browsers."""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.core.errors import UsageError
from bartizan.home import Home
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.inventory.exports import Export
    from bartizan.inventory.restriction import Table

ADDRESS = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]{2,45}\]")
FOLLOW_S = 5.0
MAX_RESOLVED = 5000
EXAMPLES = """\b
Examples:
  bartizan usage register decide deepseek --status blocked --why "no contract" --by ciso@example.org
  bartizan usage restrict export rpz --coach ai.example.org > bartizan.rpz
  bartizan usage restrict export --all --dir /srv/bartizan --follow
  bartizan usage restrict preview chat.deepseek.com chatgpt.com
"""
EXPORT_EXAMPLES = """\b
Examples:
  bartizan usage restrict export squid --coach ai.example.org > /etc/squid/bartizan.conf
  bartizan usage restrict export squid --client mara@example.org=10.1.2.3 --client group:research=10.9.0.0/16
  bartizan usage restrict export nftables --resolve | nft -f -
  bartizan usage restrict export --all --dir /srv/bartizan --follow
"""
FORMATS_EXAMPLES = """\b
Examples:
  bartizan usage restrict formats
  bartizan usage restrict formats --format json
"""
PREVIEW_EXAMPLES = """\b
Examples:
  bartizan usage restrict preview
  bartizan usage restrict preview chat.deepseek.com api.openai.com
"""


@click.group(epilog=EXAMPLES)
def restrict() -> None:
    """Write block-lists of what the register says is restricted or blocked.

    Only hosts that curated sources name as one AI service alone are in them. Exceptions end by themselves: export
    again, or let --follow do it.
    """


@restrict.command("formats", epilog=FORMATS_EXAMPLES)
@options.format_
def formats(format_: str) -> None:
    """Show all formats, how each is put to use, and where it leaks."""
    from bartizan.inventory.exports import exports

    found = exports().values()
    if format_ == "json":
        rows = [
            {"id": e.id, "title": e.title, "use": e.use, "leaks": e.leaks, "source": e.source, "checked": e.checked}
            for e in found
        ]
        click.echo(json.dumps({"schema": "bartizan.exports/1", "exports": rows}, indent=2))
        return
    for one in found:
        click.echo(f"{one.id:12}{one.title}\n{'':12}{one.use}\n{'':12}{one.leaks}")


def _coach(_: click.Context, __: click.Parameter, value: str) -> str:
    if value and not re.fullmatch(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))+", value):
        raise click.BadParameter("a host name in lower case, such as ai.example.org")
    return value


def _gateway(_: click.Context, __: click.Parameter, value: str) -> str:
    host, colon, port = value.rpartition(":")
    if value and not (
        colon and ADDRESS.fullmatch(host) and re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536
    ):
        raise click.BadParameter("HOST:PORT, such as gateway.example.org:8403")
    return value


@restrict.command("export", epilog=EXPORT_EXAMPLES)
@click.argument("format_id", metavar="[FORMAT]", required=False)
@click.option("--all", "every", is_flag=True, help="All formats, into --dir.")
@click.option("--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write files here.")
@click.option("--coach", default="", callback=_coach, help="Host of the page that says what was blocked and why.")
@click.option("--gateway", default="", callback=_gateway, help="The forward door, for PAC files.")
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="WHO=ADDRESS",
    help="Where somebody with an exception is: a name or group:NAME, and an address or network; repeatable.",
)
@click.option("--resolve", is_flag=True, help="Look the addresses of all hosts up, for nftables.")
@click.option("--follow", is_flag=True, help="Go on: write again when a decision or an exception changes.")
@options.home
def export(
    format_id: str | None,
    every: bool,
    folder: Path | None,
    coach: str,
    gateway: str,
    clients: tuple[str, ...],
    resolve: bool,
    follow: bool,
    home: Path | None,
) -> None:
    """Write the list in one FORMAT to stdout, or into --dir; `restrict formats` shows which there are."""
    from bartizan.inventory.exports import exports

    known = exports()
    if every == bool(format_id):
        raise UsageError("name a format, or say --all\n  `bartizan usage restrict formats` shows which there are")
    if format_id and format_id not in known:
        raise UsageError(f'there is no format "{format_id}"\n  there are: {", ".join(known)}')
    if (every or follow) and folder is None:
        raise UsageError("--all and --follow write files: say where with --dir")
    wanted = list(known.values()) if every else [known[format_id or ""]]
    said: dict[str, list[str]] = {}
    with Home.open(home, create=False) as opened:
        while True:
            made = _table(opened, clients, coach, gateway)
            if resolve and any(one.id == "nftables" for one in wanted):
                made = replace(made, addresses=tuple(_resolved(made)))
            unsaid = _write(made, wanted, folder)
            if unsaid != said:
                _tell(unsaid, made, wanted)
                said = unsaid
            if not follow:
                return
            time.sleep(FOLLOW_S)


@restrict.command(epilog=PREVIEW_EXAMPLES)
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@options.home
@options.format_
def preview(hosts: tuple[str, ...], home: Path | None, format_: str) -> None:
    """Show what an export made now would stop: hosts, services, and what their use was."""
    from bartizan.catalogue.hostnames import hostname
    from bartizan.home.register import register

    with Home.open(home, create=False) as opened:
        made = _table(opened, (), "", "")
        systems = {one.id: one for one in register(opened).systems()}
    asked = [(host, made.blocks(hostname(host) or "")) for host in hosts]
    services = [
        {
            "id": id_,
            "service": name,
            "status": systems[id_].status.word,
            "hosts": len(made.of(id_)),
            "people": systems[id_].seen.people,
            "visits": systems[id_].seen.count,
            "alternative": systems[id_].alternative or None,
        }
        for id_, name in made.services.items()
    ]
    if format_ == "json":
        told = [{"host": host, "blocked": one is not None, "service": one.id if one else None} for host, one in asked]
        left = [{"what": what, "why": why} for what, why in made.left_out]
        click.echo(
            json.dumps({"schema": "bartizan.restriction/1", "services": services, "hosts": told, "left_out": left})
        )
        return
    if hosts:
        click.echo(
            table(
                ("host", "would be", "service"),
                [(h, "blocked" if e else "-", e.service if e else "-") for h, e in asked],
            ),
            nl=False,
        )
        return
    if not services:
        click.echo("Nothing is restricted or blocked.\n  bartizan usage register decide SERVICE --status blocked …")
        return
    rows = [
        (s["service"], s["status"], s["hosts"], s["people"], s["visits"], s["alternative"] or "-") for s in services
    ]
    click.echo(table(("service", "status", "hosts", "people", "visits", "alternative"), rows), nl=False)
    for what, why in made.left_out:
        click.echo(f"not in it: {what}: {why}")


def _table(home: Home, clients: Iterable[str], coach: str, gateway: str) -> Table:
    from bartizan.home.register import exceptions, in_force, statuses
    from bartizan.home.restricting import restriction

    now_us = time.time_ns() // 1000
    return restriction(
        in_force(home),
        statuses(home).standings(now_us).values(),
        exceptions(home).in_force(now_us),
        now_us,
        clients=_clients(home, clients),
        coach=coach,
        gateway=gateway,
    )


def _clients(home: Home, given: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Addresses by pseudonym or group, from WHO=ADDRESS."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one in given:
        who, _, address = one.rpartition("=")
        try:
            network = str(ip_network(address, strict=False))
        except ValueError:
            raise UsageError(
                f"--client: {address[:60]!r} is no address and no network\n  --client mara=10.1.2.3"
            ) from None
        if not who:
            raise UsageError("--client: say who it is, as in --client mara=10.1.2.3")
        found[who if who.startswith(("group:", "p-")) else home.vault.pseudonym(who)].append(network)
    return {who: tuple(networks) for who, networks in found.items()}


def _resolved(made: Table) -> list[str]:
    """Addresses of the hosts, as the system's resolver has them now."""
    found: dict[str, None] = {}
    for entry in made.entries[:MAX_RESOLVED]:
        try:
            for *_, address in socket.getaddrinfo(entry.host, 443, type=socket.SOCK_STREAM):
                shown = str(address[0]).partition("%")[0]
                if ip_address(shown).is_global:
                    found[shown] = None
                else:  # Whoever owns the name would choose which of your own machines is blocked.
                    click.echo(f"bartizan: {entry.host} is at {shown}, no public address: left out", err=True)
        except OSError:
            click.echo(f"bartizan: {entry.host} has no address here", err=True)
    return list(found)


def _write(made: Table, wanted: list[Export], folder: Path | None) -> dict[str, list[str]]:
    """Write what changed. Returns what lists cannot say: the formats, by what it is."""
    unsaid: dict[str, list[str]] = defaultdict(list)
    for one in wanted:
        text = one.write(made)
        if folder is None:
            click.echo(text, nl=False)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"bartizan-{one.id}{one.suffix}"
            if not path.exists() or _said(path.read_text(), made.made) != _said(text, made.made):
                part = path.with_suffix(".part")
                part.unlink(missing_ok=True)  # Perhaps somebody's link to elsewhere.
                with part.open("x", encoding="utf-8") as file:
                    file.write(text)
                part.replace(path)  # Whoever reads it sees the old list or the new one.
                click.echo(f"{path}: {len(made.entries)} hosts of {len(made.services)} services", err=True)
        for what in one.silent(made):
            unsaid[what].append(one.id)
    return unsaid


def _tell(unsaid: dict[str, list[str]], made: Table, wanted: list[Export]) -> None:
    for what, formats_ in unsaid.items():
        click.echo(f"bartizan: {', '.join(formats_)}: {what}", err=True)
    if any(one.clients for one in wanted) and any(exempt.user for exempt in made.exempt):
        click.echo("  --client WHO=ADDRESS says where they are, for formats that know addresses", err=True)
    sys.stderr.flush()


def _said(text: str, made: str) -> str:
    """A list without when it was made: only what it says is a reason to write it again."""
    stamp = "".join(c for c in made if c.isdigit())[2:12]
    lines = (line for line in text.splitlines() if "made by Bartizan" not in line and " SOA " not in line)
    return "\n".join(lines).replace(stamp, "")
