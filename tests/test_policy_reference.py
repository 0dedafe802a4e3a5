"""docs/reference/policy.md names every field and value there is, and its examples are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bartizan.policy.clause import Then
from bartizan.policy.read import CLAUSE_FIELDS, EXCEPTION_FIELDS, FACTS, POLICY_FIELDS, read
from bartizan.policy.usage import USAGE_FIELDS
from bartizan.policy.when import TIME_FIELDS, WHEN_FIELDS, WHERE_FIELDS, WHO_FIELDS
from bartizan.readers.assessment import MEASURES

PAGE = (Path(__file__).resolve().parent.parent / "docs/reference/policy.md").read_text("utf-8")
HEAD = """policy: p
version: 1
clauses:
  - id: no-secrets-out
    says: x
    when: {risk: secret.*}
    then: warn
"""


def section(title: str) -> str:
    return PAGE.partition(f"# {title}\n")[2].partition("\n#")[0]


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize(
    ("title", "fields"),
    [("The file", POLICY_FIELDS), ("A clause", CLAUSE_FIELDS), ("then", Then), ("when", WHEN_FIELDS)],
)
def test_every_field_has_its_row(title: str, fields: tuple[str, ...]) -> None:
    assert {row[0].strip("`") for row in rows(section(title))} == set(fields)


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("when", (*WHO_FIELDS, *WHERE_FIELDS, *TIME_FIELDS)),
        ("Examples", (*FACTS, *USAGE_FIELDS, *MEASURES)),
        ("Exceptions", EXCEPTION_FIELDS),
    ],
)
def test_every_other_word_is_named(title: str, words: tuple[str, ...]) -> None:
    assert [word for word in words if not re.search(rf"`{word}`|\b{word}:", section(title))] == []


@pytest.mark.parametrize("row", [row for row in rows(section("when")) if len(row) == 3], ids=lambda row: row[0])
def test_every_condition_is_shown_as_it_is_written(row: list[str]) -> None:
    policy = read(f"policy: p\nversion: 1\nclauses: [{{id: a, says: x, when: {{{row[2].strip('`')}}}, then: warn}}]\n")
    assert list(policy.clauses[0].when) == [row[0].strip("`")]


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.S))
def test_every_block_is_read(block: str) -> None:
    indent = "    " if block.startswith("examples:") else ""
    assert read(HEAD + "".join(f"{indent}{line}\n" for line in block.splitlines())).clauses
