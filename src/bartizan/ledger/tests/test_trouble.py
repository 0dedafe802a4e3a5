"""Disks that are full, lie, or come back from yesterday."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bartizan.core.errors import StoreError, StoreFull
from bartizan.ledger.read import records
from bartizan.ledger.reserve import NAME as RESERVE
from bartizan.store.logfile import LogFile, logs

if TYPE_CHECKING:
    from conftest import Place


class Disk:
    """A file layer that can be told to fail: what sqlite3 would raise, at the moment it would."""

    def __init__(self) -> None:
        self.fails_on = ""  # the beginning of a statement
        self.code = sqlite3.SQLITE_IOERR_FSYNC
        self.message = "disk I/O error"
        self.only: Path | None = None  # fail while this file exists
        self.times = 1_000_000

    def fails(self, sql: str) -> bool:
        """Whether this statement fails; counts it if so."""
        wanted = bool(self.fails_on) and sql.startswith(self.fails_on) and self.times > 0
        if not wanted or (self.only is not None and not self.only.exists()):
            return False
        self.times -= 1
        return True

    def error(self) -> sqlite3.OperationalError:
        error = sqlite3.OperationalError(self.message)
        error.sqlite_errorcode = self.code
        return error

    def factory(self) -> type[sqlite3.Connection]:
        disk = self

        class Faulty(sqlite3.Connection):
            def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # Any: as the standard library has it
                if disk.fails(sql):
                    raise disk.error()
                return super().execute(sql, *args)

        return Faulty


def exchanges(place: Place) -> list[str]:
    return [record["exchange"] for record in records(place.path) if "event" not in record]


def test_a_failed_flush_moves_to_a_new_log_that_names_the_old_ones_last_checkpoint(place: Place) -> None:
    disk = Disk()
    writer = place.writer(factory=disk.factory())
    for number in range(10):
        writer.wait(writer.append(place.entry(number)))
    disk.fails_on, disk.times = "COMMIT", 1
    tickets = [writer.append(place.entry(number), [("request", b"text")]) for number in range(10, 20)]
    for ticket in tickets:
        writer.wait(ticket)
    assert writer.log == "gateway-0.2"
    writer.close()
    assert exchanges(place) == [f"X{number:05}" for number in range(20)]
    assert [path.name for path in logs(place.path)] == ["log-gateway-0.1.sqlite", "log-gateway-0.2.sqlite"]
    report = place.verify()
    assert report.faults == []
    with LogFile.reading(place.log("gateway-0.2")) as file:
        (opened,) = file.by_event("opened")
    assert b'"after":{"checkpoint":"bartizan-' in opened.entry
    assert b'"log":"gateway-0.1","size":11' in opened.entry
    assert len(place.alarms) == 1
    place.change("UPDATE record SET entry = replace(entry, 'allow', 'block') WHERE seq = 3")
    assert place.verify().faults


def test_records_that_a_failed_flush_left_in_the_old_file_are_read_once(place: Place) -> None:
    """After a failed fsync the old file may hold the batch or not; the new log has it either way."""
    disk = Disk()

    class AfterAll(disk.factory()):  # type: ignore[misc]  # a class made by a function
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:  # Any: as above
            if sql == "COMMIT" and disk.fails_on == "after COMMIT" and disk.times:
                disk.times -= 1
                super().execute(sql, *args)
                raise disk.error()
            return super().execute(sql, *args)

    writer = place.writer(factory=AfterAll)
    writer.wait(writer.append(place.entry(0)))
    disk.fails_on, disk.times = "after COMMIT", 1
    writer.wait(writer.append(place.entry(1)))
    writer.wait(writer.append(place.entry(2)))
    writer.close()
    with LogFile.reading(place.log()) as file:
        assert file.size() == 3
    assert exchanges(place) == ["X00000", "X00001", "X00002"]
    assert place.verify().faults == []


def test_a_disk_that_takes_no_flush_at_all_fails_every_ticket_and_litters_nothing(place: Place) -> None:
    disk = Disk()
    writer = place.writer(factory=disk.factory())
    writer.wait(writer.append(place.entry(0)))
    disk.fails_on = "COMMIT"
    for number in range(1, 30):
        with pytest.raises(StoreError, match="disk I/O error"):
            writer.wait(writer.append(place.entry(number)))
    assert [path.name for path in logs(place.path)] == ["log-gateway-0.1.sqlite"]
    disk.fails_on = ""
    deadline = time.monotonic() + 10
    while True:
        try:
            writer.wait(writer.append(place.entry(30)))
            break
        except StoreError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    writer.close()
    assert exchanges(place) == ["X00000", "X00030"]
    assert place.verify().faults == []


def test_a_lost_lock_moves_to_a_new_log(place: Place) -> None:
    writer = place.writer()
    writer.wait(writer.append(place.entry(0)))
    place.log().with_suffix(".lock").unlink()
    writer.wait(writer.append(place.entry(1)))
    assert writer.log == "gateway-0.2"
    writer.close()
    assert exchanges(place) == ["X00000", "X00001"]
    assert place.verify().faults == []
    assert "the lock was taken away" in place.alarms[0]


def test_a_full_disk_gets_the_reserve_and_keeps_records_without_bodies(place: Place) -> None:
    disk = Disk()
    disk.code, disk.message = sqlite3.SQLITE_FULL, "database or disk is full"
    disk.only = place.path / RESERVE
    writer = place.writer(factory=disk.factory())
    assert disk.only.exists()
    writer.wait(writer.append(place.entry(0), [("request", b"kept")]))
    disk.fails_on = "COMMIT"
    writer.wait(writer.append(place.entry(1), [("request", b"not kept")]))
    assert not disk.only.exists()
    disk.fails_on = ""
    found = [record for record in records(place.path) if "event" not in record]
    assert [("bodies" in record, record.get("unkept")) for record in found] == [(True, None), (False, "disk-full")]
    assert "the disk is full" in place.alarms[0]
    deadline = time.monotonic() + 10
    while not disk.only.exists():  # there is room again: within a second or two bodies are kept
        assert time.monotonic() < deadline
        time.sleep(0.02)
    until = time.monotonic() + 10
    while len(place.alarms) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    writer.wait(writer.append(place.entry(2), [("request", b"kept again")]))
    writer.close()
    assert "bodies" in [record for record in records(place.path) if "event" not in record][-1]
    assert len(logs(place.path)) == 1
    assert place.verify().faults == []


def test_a_disk_without_any_room_says_so_to_everyone_who_waits(place: Place) -> None:
    """Real SQLite, real SQLITE_FULL: the file may not grow beyond a few pages more."""
    holds: list[sqlite3.Connection] = []

    class Small(sqlite3.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as above
            super().__init__(*args, **kwargs)
            holds.append(self)

    writer = place.writer(factory=Small)
    (pages,) = holds[-1].execute("PRAGMA page_count").fetchone()

    class Told(Small):
        def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as above
            super().__init__(*args, **kwargs)
            self.execute(f"PRAGMA max_page_count={pages + 20}")

    writer._factory = Told
    holds[-1].execute(f"PRAGMA max_page_count={pages + 20}")
    kept = 0
    with pytest.raises(StoreFull, match="full"):
        for number in range(10_000):
            writer.wait(writer.append({**place.entry(number), "filler": "x" * 500}))
            kept += 1
    with pytest.raises(StoreFull):
        writer.wait(writer.append({**place.entry(0), "filler": "x" * 50_000}))
    writer._factory = sqlite3.Connection
    holds[-1].execute("PRAGMA max_page_count=1000000")
    writer.wait(writer.append(place.entry(kept)))
    writer.close()
    assert exchanges(place) == [f"X{number:05}" for number in range(kept + 1)]
    assert place.verify().faults == []
    assert len(place.alarms) >= 1


def test_a_log_that_was_changed_while_nobody_looked_is_left_as_evidence(place: Place) -> None:
    place.write(300)
    place.change("DELETE FROM record WHERE seq = 299")
    place.write(2)
    assert [path.name for path in logs(place.path)] == ["log-gateway-0.1.sqlite", "log-gateway-0.2.sqlite"]
    assert "gateway-0.2 goes on in its place" in place.alarms[0]
    assert [str(fault) for fault in place.verify().faults] == ["gateway-0.1: record 299: is missing"]


def test_an_old_copy_is_not_gone_on_with_where_a_newer_checkpoint_is_kept_outside(place: Place, tmp_path: Path) -> None:
    place.write(5, outside=True)
    shutil.copy(place.log(), tmp_path / "old")
    place.write(5, outside=True)
    shutil.copy(tmp_path / "old", place.log())
    place.write(1, outside=True)
    assert "an old copy" in place.alarms[0]
    assert len(logs(place.path)) == 2
    assert any("ends at 6 records" in str(fault) for fault in place.verify(outside=True).faults)


def test_a_file_that_is_no_database_any_more_is_left_as_evidence(place: Place) -> None:
    place.write(5)
    place.log().write_bytes(b"not a database" * 1000)
    place.write(2)
    assert len(logs(place.path)) == 2
    faults = [str(fault) for fault in place.verify().faults]
    assert len(faults) == 1
    assert faults[0].startswith("gateway-0.1: ")


def test_checkpoints_that_cannot_be_kept_outside_are_said_and_stop_nothing(place: Place) -> None:
    place.outside.mkdir()
    place.write(3, outside=True)
    assert "could not be kept outside" in place.alarms[0]
    assert place.verify().faults == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_died_says_so_to_everyone(place: Place) -> None:
    """A callback of the caller's raises: nobody waits for ever, and nothing more is taken."""

    def durable(ticket: int, error: BaseException | None) -> None:
        if ticket > 1:
            raise RuntimeError("a mistake")

    writer = place.writer(on_durable=durable)
    writer.wait(writer.append(place.entry(0)))  # it is on the disk: the callback came after
    with pytest.raises(StoreError, match=r"stopped: RuntimeError|closed"):
        while True:
            writer.wait(writer.append(place.entry(1)), timeout_s=5)
    writer.close()
    assert "is written no more: RuntimeError" in place.alarms[-1]
    assert place.verify().faults == []
    place.write(1)
    assert place.verify().faults == []
