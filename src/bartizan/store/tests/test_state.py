"""The shared state: its schema, its transactions, its errors."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from bartizan.core.errors import StoreBroken, StoreError
from bartizan.store.migrate import upgrade
from bartizan.store.schema import METADATA
from bartizan.store.state import NAME, NEWEST, SCHEMA, State, log_names


def made(path: Path) -> list[str]:
    """The statements that make what a file is, in their order."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        ((step,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return [*(sql for (sql,) in tables), f"INSERT INTO alembic_version VALUES ('{step}')"]


@pytest.mark.golden
def test_a_new_file_is_what_the_steps_lead_to(tmp_path: Path) -> None:
    upgrade(tmp_path / "steps.sqlite", SCHEMA)
    if os.environ.get("BARTIZAN_GOLDEN") == "rewrite":
        NEWEST.write_text(";\n".join(made(tmp_path / "steps.sqlite")) + ";\n")
    State.open(tmp_path).close()
    assert made(tmp_path / NAME) == made(tmp_path / "steps.sqlite")


@pytest.mark.parametrize("step", range(1, SCHEMA))
def test_an_older_file_is_brought_up_to_the_newest_with_what_it_holds(tmp_path: Path, step: int) -> None:
    upgrade(tmp_path / NAME, step)
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        connection.execute("INSERT INTO meta VALUES ('a', x'00')")
        connection.commit()
    state = State.open(tmp_path)
    assert state.query("SELECT * FROM meta") == [("a", b"\0")]
    state.close()
    upgrade(tmp_path / "steps.sqlite", SCHEMA)
    assert sorted(made(tmp_path / NAME)) == sorted(made(tmp_path / "steps.sqlite"))


def test_the_steps_lead_to_the_schema(tmp_path: Path) -> None:
    upgrade(tmp_path / NAME, SCHEMA)
    engine = create_engine(f"sqlite:///{tmp_path / NAME}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        assert connection.exec_driver_sql("PRAGMA user_version").scalar() == SCHEMA
    engine.dispose()


def test_the_newest_schema_is_the_number_of_steps() -> None:
    import bartizan.store.migrations.versions as versions

    assert versions.__file__
    steps = sorted(path.stem for path in Path(versions.__file__).parent.glob("m*.py"))
    assert len(steps) == SCHEMA
    assert [step[1:5] for step in steps] == [f"{n:04}" for n in range(1, SCHEMA + 1)]


def test_a_start_imports_no_schema_tools(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bartizan.store.state import State; "
        "State.open(Path(sys.argv[1])); print([m for m in ('sqlalchemy', 'alembic') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_several_processes_may_be_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bartizan.store.state import State; "
        "State.open(Path(sys.argv[1])).change(\"INSERT INTO meta VALUES (?, x'00')\", (sys.argv[2],))"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(n)]) for n in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert len(State.open(tmp_path).query("SELECT * FROM meta")) == 3


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    State.open(tmp_path).change(f"PRAGMA user_version={SCHEMA + 1}")
    with pytest.raises(StoreError, match="newer Bartizan"):
        State.open(tmp_path)


def test_everything_in_a_transaction_or_nothing(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    with pytest.raises(RuntimeError), state.transaction() as tx:
        tx.change("INSERT INTO meta VALUES ('a', x'00')")
        raise RuntimeError
    assert state.query("SELECT * FROM meta") == []
    with pytest.raises(StoreError), state.transaction() as tx:
        tx.change("INSERT INTO meta VALUES ('a', x'00')")
        tx.change("INSERT INTO nothing VALUES (1)")
    assert state.query("SELECT * FROM meta") == []


def test_the_version_changes_with_every_change_of_anybody(tmp_path: Path) -> None:
    ours, theirs = State.open(tmp_path), State.open(tmp_path)
    seen = [ours.version()]
    for number, state in enumerate((theirs, ours, theirs, ours, ours)):
        state.change("INSERT INTO meta VALUES (?, x'00')", (str(number),))
        seen.append(ours.version())
    assert len(set(seen)) == len(seen)
    assert ours.version() == ours.version()


def test_threads_and_processes_wait_for_each_other(tmp_path: Path) -> None:
    states = [State.open(tmp_path) for _ in range(3)]
    states[0].change("INSERT INTO meta VALUES ('n', 0)")

    def add(state: State) -> None:
        for _ in range(20):
            with state.transaction() as tx:
                ((n,),) = tx.query("SELECT value FROM meta WHERE key = 'n'")
                tx.change("UPDATE meta SET value = ? WHERE key = 'n'", (n + 1,))

    threads = [threading.Thread(target=add, args=(state,)) for state in states for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states[1].query("SELECT value FROM meta WHERE key = 'n'") == [(120,)]


def test_a_damaged_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    State.open(tmp_path).close()
    (tmp_path / NAME).write_bytes(b"x" * 8192)
    with pytest.raises(StoreBroken, match="restore a copy"):
        State.open(tmp_path)


def test_the_home_and_its_files_are_the_owners_alone(tmp_path: Path) -> None:
    State.open(tmp_path / "home").change("INSERT INTO meta VALUES ('a', x'00')")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "home").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_scrubbing_leaves_no_trace_of_what_was_deleted(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    marker = b"a marker that was deleted"
    state.change("INSERT INTO meta VALUES ('a', ?)", (marker,))
    assert marker in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    state.change("DELETE FROM meta")
    state.scrub()
    assert marker not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_names_of_logs_are_read_without_the_rest(tmp_path: Path) -> None:
    assert log_names(tmp_path) == []
    state = State.open(tmp_path)
    state.change("INSERT INTO writer VALUES ('gateway-0.1', 'o', x'00', 0, NULL, NULL)")
    assert log_names(tmp_path) == ["gateway-0.1"]


def test_an_error_never_shows_a_value(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    state.change("INSERT INTO api_key VALUES ('k', 'n', x'00', 'p', '[]', '', 0, NULL)")
    with pytest.raises(StoreError) as raised:
        state.change("INSERT INTO api_key VALUES ('secret-id', 'secret-name', x'00', 'p', '[]', '', 0, NULL)")
    assert "secret" not in str(raised.value)
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute("INSERT INTO meta VALUES (CAST(x'ff736563726574' AS TEXT), x'00')")
    connection.commit()
    connection.close()
    with pytest.raises(StoreBroken) as undecoded:
        state.query("SELECT key FROM meta")
    assert "secret" not in str(undecoded.value)
