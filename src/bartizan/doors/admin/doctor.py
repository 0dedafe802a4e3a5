"""`bartizan doctor`: what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from bartizan.config import options
from bartizan.core.errors import ConfigError
from bartizan.home.checks import CHECKS, Answer, Level, fail

EXAMPLES = """\b
Examples:
  bartizan doctor
  bartizan doctor --home /srv/bartizan --format json

\b
Exit codes:
  0 no fault (warnings are risks to know of)   1 a fault
"""
SHAPES = {Level.OK: ("✓", "green"), Level.WARN: ("▲", "yellow"), Level.FAIL: ("✗", "red")}


@click.command(epilog=EXAMPLES)
@options.home
@options.config
@options.format_
def doctor(home: Path | None, config_file: Path | None, format_: str) -> int:
    """Say what is missing or risky here, and what to do about it."""
    found: list[tuple[str, Answer]] = []
    try:
        config = options.settings(home, config_file)
    except ConfigError as error:
        found.append(("configuration", fail(str(error).partition("\n")[0], "bartizan config check")))
    else:
        for name, check in CHECKS.items():
            found += ((name, answer) for answer in check(config, os.environ))
    if format_ == "json":
        told = [{"check": n, "level": a.level.value, "says": a.says, "do": a.do} for n, a in found]
        click.echo(json.dumps({"schema": "bartizan.doctor/1", "checks": told}, indent=2))
    else:
        _print(found)
    return 1 if any(answer.level is Level.FAIL for _, answer in found) else 0


def _print(found: list[tuple[str, Answer]]) -> None:
    width = max(len(name) for name, _ in found)
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for name, answer in found:
        shape, tint = SHAPES[answer.level]
        level = click.style(f"{shape} {answer.level.value:4}", fg=tint) if colour else f"{shape} {answer.level.value:4}"
        click.echo(f"{level}  {name:{width}}  {answer.says}")
        if answer.do:
            click.echo(f"{'':{width + 10}}{answer.do}")
    faults = sum(answer.level is Level.FAIL for _, answer in found)
    risks = sum(answer.level is Level.WARN for _, answer in found)
    click.echo(f"{faults or 'no'} fault{'' if faults == 1 else 's'}, {risks} to know of", err=True)
