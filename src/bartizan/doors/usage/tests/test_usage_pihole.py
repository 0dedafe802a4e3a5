"""`bartizan usage logs` on the database that Pi-hole keeps."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bartizan.doors.usage.logs import logs
from bartizan.home.logs import pihole

# As Pi-hole 6 makes them: names and clients by number, and a view that puts them together.
SCHEMA = """
CREATE TABLE query_storage (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, type INTEGER NOT NULL,
    status INTEGER NOT NULL, domain INTEGER NOT NULL, client INTEGER NOT NULL, forward INTEGER);
CREATE TABLE domain_by_id (id INTEGER PRIMARY KEY, domain TEXT NOT NULL);
CREATE TABLE client_by_id (id INTEGER PRIMARY KEY, ip TEXT NOT NULL, name TEXT);
CREATE VIEW queries AS SELECT id, timestamp, type, status,
    CASE typeof(domain) WHEN 'integer' THEN (SELECT domain FROM domain_by_id d WHERE d.id = q.domain) 
    ELSE domain END domain,
    CASE typeof(client) WHEN 'integer' THEN (SELECT ip FROM client_by_id c WHERE c.id = q.client) 
    ELSE client END client
    FROM query_storage q;
INSERT INTO domain_by_id VALUES (1, 'chatgpt.com'), (2, 'www.bbc.co.uk'), (3, 'claude.ai');
INSERT INTO client_by_id VALUES (1, '10.0.0.7', 'laptop'), (2, 'fd00::9', NULL);
"""
ROWS = [(1767607200, 1, 2, 1, 1), (1767607201, 1, 3, 1, 1), (1767607202, 1, 1, 3, 2), (1767607203, 1, 2, 2, 1)]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARTIZAN_HOME", str(tmp_path / "home"))
    path = tmp_path / "pihole-FTL.db"
    made = sqlite3.connect(path)
    made.executescript(SCHEMA)
    made.executemany("INSERT INTO query_storage (timestamp, type, status, domain, client) VALUES (?, ?, ?, ?, ?)", ROWS)
    made.commit()
    made.close()
    return path


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(logs, [str(one) for one in arguments], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def test_it_is_listed_asked_for_and_previewed(database: Path, tmp_path: Path) -> None:
    assert "pihole-ftl" in [one["id"] for one in json.loads(run("--formats", "--format", "json").stdout)["formats"]]
    assert "its columns are known" in run("--preview", database).stderr
    assert run("--as", "pihole-ftl", database).stdout == run(database).stdout
    (tmp_path / "letter").write_text("Dear all,\n")
    assert "no database of Pi-hole" in run("--as", "pihole-ftl", tmp_path / "letter").stderr


def test_its_queries_are_visits(database: Path) -> None:
    before = database.read_bytes()
    done = run("--observations", "--format", "json", database)
    made = json.loads(done.stdout)
    keys = ("actor", "host", "evidence", "count", "denied", "first")
    assert [tuple(one[key] for key in keys) for one in made["observations"]] == [
        ("10.0.0.7", "chatgpt.com", "resolved", 2, 0, "2026-01-05T10:00:00Z"),
        ("fd00::9", "claude.ai", "resolved", 1, 1, "2026-01-05T10:00:02Z"),
    ]
    (source,) = made["sources"]
    assert (source["formats"], source["lines"], source["whole"]) == ({"pihole-ftl": 4}, 4, True)
    assert done.return_value == 0 and database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir() if path.name.startswith("pihole")] == [database.name]


def test_it_feeds_the_register(database: Path) -> None:
    assert "2 new" in run("--record", database).stderr
    assert "read before" in run("--record", database).stderr


def test_another_database_is_said(tmp_path: Path, database: Path) -> None:
    other = tmp_path / "other.db"
    made = sqlite3.connect(other)
    made.execute("CREATE TABLE t (a)")
    made.commit()
    made.close()
    done = run(other, database)
    assert done.return_value == 3 and "ChatGPT" in done.stdout
    assert f"{other}: not read to its end: not a database of the shape that was expected" in done.stderr


def test_a_broken_one_tells_what_it_can(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:5000])
    assert run(database).return_value == 3


def test_too_many_rows_are_said(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pihole, "MAX_ROWS", 1)
    done = run(database)
    assert f"{database}: {pihole.FULL}" in done.stderr and done.return_value == 3
