"""Databases whose author wants the reader to wait, or to hold more than it can."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from bartizan.core.errors import InputError
from bartizan.store.foreign import rows


def test_a_value_that_a_view_makes_up_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "state.vscdb"
    connection = sqlite3.connect(path)
    connection.execute("CREATE VIEW ItemTable AS SELECT 'key' AS key, zeroblob(500000000) AS value")
    connection.close()
    with pytest.raises(InputError):
        list(rows(path, "SELECT key, CAST(value AS TEXT) FROM ItemTable"))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "History")
    with pytest.raises(InputError):
        list(rows(tmp_path / "History", "SELECT url FROM urls"))
