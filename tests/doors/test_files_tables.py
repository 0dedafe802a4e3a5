"""Files of rows, as a scan sees them: a text and a table of training rows; Parquet within its bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bartizan.core.finding import Failure
from bartizan.core.subject import Kind, Subject
from bartizan.doors.files.judging import How, subjects
from bartizan.readers.table import Table

HOW = How("", "test")


def seen(path: Path) -> list[Subject]:
    [(_, subject)] = subjects(os.fsencode(path), HOW)
    return list(subject.walk())


def test_a_file_of_comma_separated_values_is_a_text_and_a_table(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "a b c,1\n" * 30)
    text, table = seen(path)
    assert text.kind is Kind.TEXT and table.kind is Kind.DATA
    assert isinstance(table.content, Table) and len(table.content.rows) == 30


def test_the_same_text_by_another_name_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("text,label\n" + "a b c,1\n" * 30)
    assert [one.kind for one in seen(path)] == [Kind.TEXT]


def test_parquet_is_read_as_lines_and_as_a_table(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"text": [f"row {i}" for i in range(40)], "label": [i % 2 for i in range(40)]}), path)
    text, table = seen(path)
    assert isinstance(text.content, str) and '"row 7"' in text.content
    assert isinstance(table.content, Table) and table.content.columns == ("text", "label")


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"x" * 500 + b"PAR1"])
def test_damaged_parquet_is_said_to_be_unexamined(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(content)
    [subject] = seen(path)
    assert isinstance(subject.content, Failure) and "Parquet" in subject.content.why
