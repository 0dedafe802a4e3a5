"""The four parts of the page: what each check measured, drawn where a drawing says more, and all numbers below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bartizan.report.assessment.gauges import Report
from bartizan.report.assessment.markup import everything, table, text

if TYPE_CHECKING:
    from bartizan.assess.examples import Example

Section = Mapping[str, Any]
Part = Callable[[Report, "Sequence[Example]"], Iterator[str]]


def evasion(report: Report, examples: Sequence[Example]) -> Iterator[str]:
    """How accuracy falls with the strength, the rows that fell first, and whether the evaluation can be trusted."""
    section = report["evasion"]
    yield _all(section)


def privacy(report: Report, examples: Sequence[Example]) -> Iterator[str]:
    """Who can be told, at which price in false alarms."""
    yield _all(report["privacy"])


def theft(report: Report, examples: Sequence[Example]) -> Iterator[str]:
    """What a copy costs, and what makes it dearer."""
    yield _all(report["theft"])


def poison(report: Report, examples: Sequence[Example]) -> Iterator[str]:
    """What was found in the training data, and what would not have been."""
    yield _all(report["poison"])


PARTS: dict[str, Part] = {"evasion": evasion, "privacy": privacy, "theft": theft, "poison": poison}


def warnings(section: Section) -> Iterator[str]:
    """The failing tests of an evaluation: what, what that means, what to do."""
    found = section.get("warnings", [])
    rows = [
        [f"<code>{text(one.get('check', ''))}</code>", text(one.get("effect", "")), text(one.get("fix", ""))]
        for one in found
    ]
    yield table(("test", "what it does to the number", "what to do"), rows)


def advice(report: Report) -> list[str]:
    """What to do, most pressing first; each is markup."""
    return []


def _all(section: Section, skip: Sequence[str] = ()) -> str:
    inner = everything(section, skip)
    return f'<details class="card"><summary>All numbers</summary>{inner}</details>' if inner else ""
