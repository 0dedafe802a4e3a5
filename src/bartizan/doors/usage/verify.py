"""`bartizan usage verify`: whether what is restricted or blocked still gets through, as logs prove it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.listing import Listed
from bartizan.catalogue.wanted import APP, Wanted
from bartizan.config import options
from bartizan.core.errors import UsageError
from bartizan.doors.usage import joining
from bartizan.home import Home
from bartizan.home.logs import observing
from bartizan.home.logs.observing import How, Told
from bartizan.home.logs.sources import Sources
from bartizan.inventory.verify import Verified, Way, bypass
from bartizan.inventory.verify import verify as verified
from bartizan.report.table import show as table

if TYPE_CHECKING:
    from bartizan.readers.logs.observe import Observation

EXAMPLES = """\b
Examples:
  bartizan usage verify /var/log/squid /var/log/zeek
  bartizan usage verify dns.log --since 2026-11-01 --format json
"""


class Watched(Wanted):
    """Hosts of the catalogue, and those that are ways around a list."""

    __slots__ = ()

    def __missing__(self, raw: bytes) -> Listed | None:
        found = super().__missing__(raw)
        if found is None and not raw.startswith(APP):
            host = hostname(raw.decode("utf-8", "replace"))
            if host and bypass(host) is not None:
                found = self[raw] = Listed(host)
        return found


@click.command(epilog=EXAMPLES)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", type=click.Path(path_type=bytes))
@click.option("--since", metavar="DATE", help="Count use from this day on.  [default: since each decision]")
@click.option("--as", "as_", metavar="FORMAT", default="", help="Read all as this format, whatever they look like.")
@options.home
@options.format_
def verify(sources: tuple[bytes, ...], since: str | None, as_: str, home: Path | None, format_: str) -> int:
    """Say whether traffic to restricted or blocked AI still appears in logs, whose, and how it gets around.

    Exit code 1 where something gets through, 3 where a source could not be read as a whole.
    """
    from bartizan.home.register import in_force, register, statuses

    since_us = _day_us(since) if since else None
    with Home.open(home, create=False) as opened:
        standings = statuses(opened).standings(time.time_ns() // 1000).values()
        systems = {one.id: one for one in register(opened).systems()}
        wanted = Watched(in_force(opened))
    closed = {one.system: since_us or systems[one.system].decided_us or 0 for one in standings if one.decided.closed}
    names = {one.system: one.name for one in standings}
    if not closed:
        raise UsageError(
            "nothing is restricted or blocked\n  bartizan usage register decide SERVICE --status blocked …"
        )
    how, read, files = How(as_), list[Told](), Sources(sources)
    observing.format_of(how)

    def seen() -> Iterator[tuple[str, Observation]]:
        parts = joining.arranged(files, how)
        alone = (observing.tell(source, how, wanted) for source in parts.others)
        for told in chain(joining.read(parts.together, how, wanted), alone):
            format_ids = max(told.formats, key=lambda id_: told.formats[id_], default="")
            yield from ((format_ids, one) for one in told.observations)
            told.observations.clear()
            read.append(told)

    def system_of(host: str, app: str) -> str | None:
        listed = wanted[host.encode() if host else APP + app.lower().encode()]
        return listed.service.id if listed is not None and listed.service is not None else None

    found = verified(seen(), closed, system_of)
    if format_ == "json":
        click.echo(orjson.dumps(_json(found, read), option=orjson.OPT_INDENT_2).decode())
    else:
        _tell(found, names, since)
    for told in read:
        if not told.whole:
            click.echo(f"bartizan: {told.name} could not be read as a whole", err=True)
    for words in files.left_out():
        click.echo(words, err=True)
    return 1 if found.through else 3 if any(not told.whole for told in read) else 0


def _day_us(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000
    except ValueError:
        raise UsageError(f"--since: {text[:40]!r} is no date\n  --since 2026-11-01") from None


def _when(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if us else ""


def _json(found: Verified, read: list[Told]) -> dict[str, object]:
    return {
        "schema": "bartizan.use-verified/1",
        "holds": found.holds,
        "through": [
            {
                "system": row.system, "actor": row.actor, "evidence": row.evidence.word, "visits": row.visits,
                "bytes_up": row.bytes_up, "first": _when(row.first_us) or None, "last": _when(row.last_us) or None,
                "hosts": sorted(row.hosts), "ways": sorted(way.name.lower() for way in row.ways),
            }
            for row in found.through
        ],
        "stopped": found.stopped,
        "resolved": found.resolved,
        "around": found.around,
        "unseen": found.unseen,
        "sources": [{"file": told.name, "lines": told.lines, "whole": told.whole} for told in read],
    }  # fmt: skip


def _tell(found: Verified, names: dict[str, str], since: str | None) -> None:
    rows = [
        (names.get(row.system, row.system), row.actor or "-", row.evidence.word, row.visits, _when(row.last_us) or "-")
        for row in found.through
    ]
    if rows:
        click.echo(table(("gets through", "who", "at least", "visits", "last"), rows), nl=False)
        for way in Way:
            count = sum(way in row.ways for row in found.through)
            if count:
                click.echo(f"{count} of {len(rows)}: {way.value}")
    else:
        click.echo("Nothing that is restricted or blocked was seen to get through.")
    for title, counts in (("denied", found.stopped), ("only resolved, which is no connection", found.resolved)):
        if counts:
            told = ", ".join(f"{names.get(id_, id_)} {count}" for id_, count in sorted(counts.items()))
            click.echo(f"{title}: {told}")
    if found.around:
        click.echo(f"{len(found.around)} others use ways around a list, resolvers or tunnels: --format json has them")
    if found.unseen:
        unseen = ", ".join(names.get(id_, id_) for id_ in found.unseen)
        hint = "" if since else " (--since DATE looks at what was before)"
        click.echo(f"not seen since {since or 'the decision'}: {unseen}{hint}")
