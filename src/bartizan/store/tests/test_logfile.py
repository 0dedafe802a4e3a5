"""A log comes into its place whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bartizan.core.errors import StoreError
from bartizan.store.logfile import LogFile, logs


def test_whoever_reads_while_a_log_is_begun_sees_it_whole_or_not_at_all(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    class Watched(sqlite3.Connection):
        def execute(self, *statement: Any) -> sqlite3.Cursor:
            for path in logs(tmp_path):
                with LogFile.reading(path) as file:
                    seen.append(file.meta())
            return super().execute(*statement)

    LogFile.create(tmp_path / "log-gateway-0.1.sqlite", {"origin": "here"}, Watched).close()
    assert seen and all(told == {"origin": "here"} for told in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["log-gateway-0.1.sqlite"]


def test_what_a_killed_process_began_is_no_log_and_in_nobodys_way(tmp_path: Path) -> None:
    class Killed(sqlite3.Connection):
        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                raise KeyboardInterrupt
            return super().execute(sql, *rest)

    path = tmp_path / "log-gateway-0.1.sqlite"
    with pytest.raises(KeyboardInterrupt):
        LogFile.create(path, {"origin": "first"}, Killed)
    path.with_suffix(".begun").write_bytes(b"half of one")  # As a process that could not even clean up leaves it.
    assert logs(tmp_path) == []
    LogFile.create(path, {"origin": "second"}, sqlite3.Connection).close()
    with LogFile.reading(path) as file:
        assert file.meta() == {"origin": "second"}


def test_a_place_that_is_taken_by_a_folder_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log-gateway-0.1.sqlite"
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be begun"):
        LogFile.create(path, {"origin": "here"}, sqlite3.Connection)
