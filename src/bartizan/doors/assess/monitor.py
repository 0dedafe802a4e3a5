"""`bartizan assess monitor`: looks through a log of predictions for accounts that copy the model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from bartizan.config import options as everywhere

if TYPE_CHECKING:
    from bartizan.core.subject import Subject
    from bartizan.profiles.asking import Profile
    from bartizan.report.decision import Json

EXAMPLES = """\b
Examples:
  bartizan assess monitor report/theft-monitor.json predictions.jsonl
  tail -n +1 -F predictions.jsonl | bartizan assess monitor report/theft-monitor.json -
  bartizan assess monitor report/theft-monitor.json predictions.jsonl --format json

\b
A line of the log: {"account": "a-17", "time": 1763900000.5, "vector": [0.1, …], "scores": [0.9, 0.1]}
"""
SAID = 5  # Lines that could not be read and are told one by one.


@click.command(epilog=EXAMPLES)
@click.argument("profile", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("log", type=click.File("rb"))
@click.option(
    "--fail-on",
    type=click.Choice(["info", "low", "medium", "high", "critical", "never"]),
    default="high",
    show_default=True,
    help="Exit with 1 for a finding at least this severe.",
)
@everywhere.home
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)
def monitor(profile: Path, log: IO[bytes], fail_on: str, home: Path | None, format_: str) -> int:
    """Look through a log of predictions for accounts that ask as somebody does who copies the model.

    PROFILE is the theft-monitor.json that `bartizan assess --checks theft` calibrated; LOG has one prediction a line,
    in the order of time. Sessions are judged by the policy while the log is read.
    """
    from bartizan.config import options
    from bartizan.config.policy import policy_text
    from bartizan.core.finding import Failure, Finding, Severity
    from bartizan.home import monitors
    from bartizan.loop import under
    from bartizan.report.exits import exit_code, worse

    known = monitors.profile(profile)
    config = options.settings(home)
    loop = under(*policy_text(config), config.detectors)
    least = None if fail_on == "never" else Severity[fail_on.upper()]
    read, found, failed, code = _Read(), 0, 0, 0
    for account, subject in _asked(known, log, read):
        decision = loop.judge(subject)
        findings = [one.item for one in decision.seen if isinstance(one.item, Finding)]
        found += bool(findings)
        failed += any(isinstance(one.item, Failure) for one in decision.seen)
        code = worse(code, exit_code([(decision, subject)], loop.policy, least))
        for finding in findings:
            _say(
                format_,
                {
                    "account": account,
                    "severity": finding.severity.name.lower(),
                    "risk": finding.risk,
                    "confidence": finding.confidence,
                    "because": finding.because,
                    "measures": dict(finding.measures),
                    "action": decision.outcome,
                },
            )
    click.echo(f"{read.lines:,} predictions of {read.sessions:,} sessions, {found:,} findings", err=True)
    if failed:
        click.echo(f"times a session could not be looked at: {failed:,}", err=True)
    if read.broken:
        click.echo(f"lines that could not be read, and were not looked at: {read.broken:,}", err=True)
    return code or (2 if read.broken and not read.lines else 0)


class _Read:
    """What was read so far."""

    def __init__(self) -> None:
        self.lines = self.broken = self.sessions = 0


def _asked(profile: Profile, log: IO[bytes], read: _Read) -> Iterator[tuple[str, Subject]]:
    """Sessions, each time they reach a length that is judged, until one of them passes the limit."""
    from bartizan.core.errors import InputError
    from bartizan.core.subject import Context, Kind, Subject
    from bartizan.profiles.sessions import Sessions
    from bartizan.readers.predictions import MAX_LINE_BYTES, prediction

    sessions = Sessions(profile)
    number = 0
    while line := log.readline(MAX_LINE_BYTES + 1):
        number += 1
        if not line.strip():
            continue
        try:
            one = prediction(line)
            asking = sessions.add(one.account, one.time_us, one.row, one.scores, is_point=one.is_point)
        except InputError as error:
            read.broken += 1
            if read.broken <= SAID:
                click.echo(f"{log.name}:{number}: {error}", err=True)
            while line and not line.endswith(b"\n"):
                line = log.readline(MAX_LINE_BYTES)
            continue
        read.lines += 1
        read.sessions = sessions.begun
        if asking is not None:
            yield (
                one.account,
                Subject(Kind.LOG, "", asking, context=Context(model=profile.model[:16], when_us=one.time_us)),
            )


def _say(format_: str, value: Json) -> None:
    import orjson

    if format_ == "json":
        sys.stdout.buffer.write(orjson.dumps(value) + b"\n")
        sys.stdout.flush()
        return
    name = "".join(mark if mark.isprintable() else "�" for mark in str(value["account"])[:80])
    click.echo(f"{name}  {value['severity']}  {value['action']}  {value['because']}")
