"""The ledger is checked in a process of its own, one at a time; whatever is wrong is said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bartizan.config import Config
from bartizan.home import Home
from bartizan.home.verifying import Checking, Verifier, check
from bartizan.ledger.faults import Report
from bartizan.store.logfile import logs


def written(home: Home, count: int = 40) -> Path:
    writer = home.writer("gateway-0")
    for number in range(count):
        writer.append({"exchange": f"X{number}", "side": "request", "action": "allow"})
    writer.close()
    return logs(home.path)[-1]


def checked(config: Config) -> Checking:
    verifier = Verifier(config)
    assert verifier.start()
    found = verifier.wait()
    verifier.close()
    return found


def test_a_whole_ledger_holds(opened_home: Home) -> None:
    written(opened_home)
    told: list[tuple[Report, int]] = []
    verifier = Verifier(opened_home.config, lambda report, when_us: told.append((report, when_us)))
    assert verifier.start() and not verifier.start()
    found = verifier.wait()
    assert not found.running and not found.problem and found.of == 41
    assert found.report == check(opened_home.path, None)
    assert found.report is not None and found.report.records == 41 and not found.report.faults
    assert told == [(found.report, found.finished_us)] and found.finished_us >= found.began_us > 0
    assert verifier.start()  # again, once it is done
    verifier.close()
    assert not verifier.start()


def test_a_changed_record_is_named(opened_home: Home) -> None:
    path = written(opened_home)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE record SET entry = replace(entry, 'allow', 'block') WHERE seq = 7")
    connection.commit()
    connection.close()
    found = checked(opened_home.config)
    assert found.report is not None
    assert [(fault.log, fault.record) for fault in found.report.faults] == [("gateway-0.1", 7)]


def test_flipped_bytes_anywhere_are_a_fault_and_no_crash(opened_home: Home) -> None:
    path = written(opened_home, 400)
    raw = path.read_bytes()
    for at in range(0, len(raw), len(raw) // 6):
        path.write_bytes(raw[:at] + bytes(byte ^ 0x5A for byte in raw[at : at + 4096]) + raw[at + 4096 :])
        found = checked(opened_home.config)
        assert found.problem or (found.report is not None and found.report.faults), at


def test_a_ledger_that_is_being_written_is_checked_as_of_one_moment(opened_home: Home) -> None:
    with opened_home.admin() as writer:
        for _ in range(20):
            writer.append({"event": "key-added", "exchange": ""})
        found = checked(opened_home.config)
    assert not found.problem and found.report is not None and not found.report.faults


def test_a_missing_public_key_is_said(opened_home: Home) -> None:
    written(opened_home)
    (opened_home.path / "signing.pub").unlink()
    found = checked(opened_home.config)
    assert found.report is None and "signing.pub" in found.problem and not found.running


def test_closing_cuts_it_off(opened_home: Home) -> None:
    written(opened_home)
    verifier = Verifier(opened_home.config)
    verifier.start()
    verifier.close()
    assert not verifier.now.running
