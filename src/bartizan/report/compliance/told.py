"""The answers in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.report.compliance.evidence import Answered, Evidence
from bartizan.report.compliance.framework import Checked, Framework
from bartizan.report.compliance.queries import Result
from bartizan.report.text import plain

SHAPES = {Result.MET: "● met", Result.GAP: "○ gap", Result.PEOPLE: "◌ people"}
ROWS = 8


def lines(evidence: Evidence) -> Iterator[str]:
    """One framework after the other, one line a control and one an answer."""
    for framework, answered in evidence.frameworks:
        yield from _head(framework, answered)
        for one in answered:
            yield from _control(one)
        yield ""
    counts = evidence.counts()
    yield f"{counts['met']} controls met, {counts['gap']} with gaps, {counts['people']} for people"


def _head(framework: Framework, answered: tuple[Answered, ...]) -> Iterator[str]:
    yield f"{framework.title}: {framework.text}"
    yield f"  {framework.version}; the text as of {framework.date}"
    checked = [sum(one.control.checked is how for one in answered) for how in Checked]
    yield f"  wording: {checked[0]} controls checked against the text, {checked[1]} against summaries, {checked[2]} not"
    for one in framework.applies:
        yield f"  {one.day or 'no day'}: {one.what}"


def _control(one: Answered) -> Iterator[str]:
    later = f", from {one.control.applies.day}" if one.applies is False else ""
    yield f"{SHAPES[one.result]:9} {one.control.id}  {one.control.title}{later}"
    for answer in one.answers:
        found = answer.found
        more = f" and {len(found.rows) - ROWS:,} more" if len(found.rows) > ROWS else ""
        rows = f": {', '.join(found.rows[:ROWS])}{more}" if found.rows and found.result is not Result.MET else ""
        yield plain(f"          {SHAPES[found.result].split()[0]} {found.says}{rows}")
    if one.control.attach:
        yield f"          ◌ people attach: {one.control.attach}"
