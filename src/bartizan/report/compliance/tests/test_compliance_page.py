"""The page that people print: as reviewed, without script, and not to be broken out of."""

from __future__ import annotations

import csv
import io
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evidence_facts import hostile

from bartizan.report.compliance.article30 import activities, sheet
from bartizan.report.compliance.evidence import evidence
from bartizan.report.compliance.framework import IDS, framework
from bartizan.report.compliance.page import page
from bartizan.report.compliance.sheets import Sheet, controls
from bartizan.report.compliance.told import lines

GOLDEN = Path(__file__).with_name("page.html")


def made(*ids: str) -> str:
    found = hostile()
    return page(
        evidence(found, map(framework, ids)), found.systems, activities(found, "Example Ltd", "dpo@example.org")
    )


@pytest.mark.golden
def test_the_page_is_as_reviewed() -> None:
    if os.environ.get("BARTIZAN_GOLDEN") == "rewrite":
        GOLDEN.write_text(made("eu-ai-act", "gdpr"), encoding="utf-8")
    assert made("eu-ai-act", "gdpr") == GOLDEN.read_text("utf-8"), "`make golden` rewrites it; review reads the diff"


class Tags(HTMLParser):
    """Every tag and attribute of a page, and whether tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_hostile_name_is_text_and_nothing_comes_from_outside() -> None:
    tags = Tags()
    tags.feed(made(*IDS))
    assert tags.open == []
    assert tags.tags.isdisjoint({"script", "img", "link", "iframe", "a", "form", "object", "base"})
    assert tags.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "scope"}
    assert "&lt;script&gt;" in made("gdpr") and "\u202e" not in made("gdpr")


def test_a_hostile_cell_is_computed_by_no_spreadsheet() -> None:
    found = hostile()
    for table in (controls(evidence(found, map(framework, IDS))), sheet(activities(found)), TABLE):
        rows = list(csv.reader(io.StringIO(table.as_csv())))
        assert all(len(row) == len(table.columns) for row in rows)
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


TABLE = Sheet("any", ("a", "b"), [{"a": "=1+1", "b": ["@x", "-2"]}, {"a": "\t=1", "b": "a\rb\u2028\u202e"}])


def test_the_record_of_processing_says_what_it_does_not_know() -> None:
    rows = sheet(activities(hostile(), "Example Ltd")).rows
    assert [row["system"] for row in rows] == ["some-chat", "other-chat", "closed-chat", ""]
    assert {row["controller"] for row in rows} == {"Example Ltd"} and {row["dpo"] for row in rows} == {"to be said"}
    assert rows[0]["recipients"] == "the vendor: Some Vendor" and rows[0]["transfers"] == "to be said"
    assert "Bartizan" in str(rows[-1]["name"])


def test_a_terminal_shows_every_control_with_its_gap() -> None:
    told = list(lines(evidence(hostile(), [framework("nist-ai-rmf")])))
    assert any(line.startswith("● met     GOVERN 1.6") for line in told)
    assert any("1 of 3 in use are undecided: other-chat" in line for line in told)
    assert all(line.isprintable() for line in told)
