"""Rows of Pi-hole's long-term database, from a real one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from known_hosts import KNOWN

from bartizan.readers.logs.pihole_ftl import MAGIC, QUERY, visits
from bartizan.readers.logs.visit import Tally


def test_queries_by_their_status(tmp_path: Path) -> None:
    path = tmp_path / "pihole-FTL.db"
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE queries (id INTEGER PRIMARY KEY, timestamp INTEGER, type INTEGER, status INTEGER,"
            " domain TEXT, client TEXT, forward TEXT)"
        )
        database.executemany(
            "INSERT INTO queries (timestamp, status, domain, client) VALUES (?, ?, ?, ?)",
            [
                (1767607200, 2, "chatgpt.com", "10.0.0.7"), (1767607201.5, 1, "claude.ai", "10.0.0.8"),
                (1767607202, 12, "claude.ai", "10.0.0.8"), (1767607203, 3, "www.bbc.co.uk", "10.0.0.9"),
                (1767607204, 17, "api.openai.com", "fd00::9"), (1767607205, 3, b"\xff", None),
            ],
        )  # fmt: skip
    database.close()
    database = sqlite3.connect(path)
    tally = Tally()
    found = [
        (visit.time_us, visit.actor, visit.host, visit.denied)
        for visit in visits(database.execute(QUERY), KNOWN, tally)
    ]
    database.close()
    assert path.read_bytes().startswith(MAGIC)
    assert tally.junk == 1
    assert found == [
        (1_767_607_200_000_000, "10.0.0.7", b"chatgpt.com", False),
        (1_767_607_201_500_000, "10.0.0.8", b"claude.ai", True),
        (1_767_607_204_000_000, "fd00::9", b"api.openai.com", False),
    ]


VALUES = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=9), st.just("claude.ai")
)


@given(st.lists(st.lists(VALUES, max_size=5).map(tuple), max_size=5))
def test_any_row_at_all(rows: list[tuple[object, ...]]) -> None:
    list(visits(rows, KNOWN, Tally()))
