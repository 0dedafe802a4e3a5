"""Text as tables: what is one, what is not, and what is cut."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers import table
from bartizan.readers.table import read_table

LINES = "\n".join(f'{i},"a, quoted ""text""",{i % 2}' for i in range(30))


def test_comma_separated_values() -> None:
    found = read_table("id,text,label\n" + LINES)
    assert found is not None and found.columns == ("id", "text", "label")
    assert found.rows[3] == ("3", 'a, quoted "text"', "1")
    assert not found.cut


def test_json_lines() -> None:
    found = read_table("\n".join(json.dumps({"text": f"row {i}", "label": i % 2}) for i in range(30)))
    assert found is not None and found.columns == ("text", "label")
    assert found.rows[1] == ("row 1", "1")


def test_prose_and_a_few_lines_are_no_table() -> None:
    assert read_table("Dear all,\n" + "we meet at noon\n" * 40) is None
    assert read_table("a,b\n1,2\n") is None
    assert read_table("{not json\n" * 40) is None


def test_more_rows_than_are_kept_are_said() -> None:
    found = read_table("a,b\n" + "1,2\n" * (table.MAX_ROWS + 1))
    assert found is not None and found.cut and len(found.rows) == table.MAX_ROWS


@given(st.text(max_size=400))
def test_any_text_at_all(text: str) -> None:
    read_table(text + "\n" + "x,y\n" * 30)
    read_table("{" + text)
