"""`bartizan detectors`: what looks, at what, for what."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import click

from bartizan import detectors as package
from bartizan.config import options
from bartizan.core.detector import Detector, Discipline
from bartizan.core.errors import UsageError
from bartizan.report.table import columns
from bartizan.report.table import show as table
from bartizan.rules.risks import catalogue, frameworks

LIST_EXAMPLES = """\b
Examples:
  bartizan detectors list
  bartizan detectors list --discipline ai-use --format json
"""
DESCRIBE_EXAMPLES = """\b
Examples:
  bartizan detectors describe text.secrets
"""


@click.group(epilog="\b\nExamples:\n  bartizan detectors list\n  bartizan detectors describe text.secrets\n")
def detectors() -> None:
    """List and describe what looks."""


@detectors.command("list", epilog=LIST_EXAMPLES)
@click.option("--discipline", type=click.Choice([d.value for d in Discipline]), help="Only what serves this one.")
@options.home
@options.config
@options.format_
def list_(discipline: str | None, home: Path | None, config_file: Path | None, format_: str) -> None:
    """Show all detectors: those that ship, and those of others that the configuration names."""
    found = [one for one in _found(home, config_file) if discipline is None or discipline in one.serves]
    if format_ == "json":
        told = {"schema": "bartizan.detectors/1", "detectors": [_as_json(one) for one in found]}
        click.echo(json.dumps(told, indent=2))
        return
    rows = (
        (
            one.id,
            one.kind,
            ", ".join(sorted(one.serves)),
            len(one.risks),
            one.cost,
            "yes" if one.settled else "at the end",
        )
        for one in found
    )
    if not found:
        click.echo("no detector serves this yet")
        return
    click.echo(table(("detector", "looks at", "serves", "risks", "cost", "in streams"), rows), nl=False)


@detectors.command(epilog=DESCRIBE_EXAMPLES)
@click.argument("id_", metavar="ID")
@options.home
@options.config
@options.format_
def describe(id_: str, home: Path | None, config_file: Path | None, format_: str) -> None:
    """Print one detector's card, with its risks and where the frameworks speak of them."""
    found = {one.id: one for one in _found(home, config_file)}
    if id_ not in found:
        near = difflib.get_close_matches(id_, found, 1)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        raise UsageError(f'no detector is called "{id_}".{meant} `bartizan detectors list` shows all of them.')
    one = found[id_]
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.detector/1", **_as_json(one)}, indent=2))
        return
    stream = (
        f"judged while they run, the longest match {one.reach:,} code points" if one.settled else "judged at the end"
    )
    card = (
        ("detector", one.signature),
        ("looks at", one.kind.value),
        ("looks for", one.summary),
        ("serves", ", ".join(sorted(one.serves))),
        ("severity", f"up to {one.severity.name.lower()}"),
        ("cost", one.cost.value),
        ("streams", stream),
        ("source", one.source),
    )
    click.echo(columns([list(row) for row in card]))
    known = catalogue()
    rows = ((risk, known[risk].title if risk in known else "") for risk in one.risks)
    click.echo(table(("risk", "what it is"), rows), nl=False)
    places = {place: None for risk in one.risks if risk in known for place in known[risk].places}
    if places:
        click.echo()
        named = ((frameworks()[id_].name, frameworks()[id_].version, ", ".join(ids)) for id_, ids in places)
        click.echo(table(("framework", "version", "there"), named), nl=False)


def _found(home: Path | None, config_file: Path | None) -> tuple[Detector, ...]:
    return package.found(options.settings(home, config_file).detectors)


def _as_json(one: Detector) -> dict[str, object]:
    known = catalogue()
    return {
        "id": one.id,
        "version": one.version,
        "kind": one.kind.value,
        "summary": one.summary,
        "serves": sorted(one.serves),
        "severity": one.severity.name.lower(),
        "cost": one.cost.value,
        "streamed": one.settled is not None,
        "reach": one.reach,
        "source": one.source,
        "risks": [
            {
                "id": risk,
                "title": known[risk].title if risk in known else "",
                "places": {framework: list(ids) for framework, ids in known[risk].places} if risk in known else {},
            }
            for risk in one.risks
        ],
    }
