"""Alarms: merged while they repeat, told apart by what they are about, and never anybody's burden."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bartizan.core.errors import StoreError
from bartizan.home.alarms import KEPT_US, MAX_WAITING, MERGED_US, SAYS, Alarm, Bell, alarms, raise_alarm, seen
from bartizan.report.logline import ALARMS, Log
from bartizan.store.state import State

NOW = 1_763_879_881_000_000


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def test_the_same_alarm_within_an_hour_is_one(state: State) -> None:
    first = raise_alarm(state, "ledger-failed", "gateway-0", {"why": "full"}, NOW)
    assert raise_alarm(state, "ledger-failed", "gateway-0", {"why": "fuller"}, NOW + 10, times=3) == first
    assert raise_alarm(state, "ledger-failed", "gateway-0", {"why": "x"}, NOW + MERGED_US) != first
    later, one = alarms(state, NOW)
    assert one == Alarm(first, "ledger-failed", "gateway-0", {"why": "fuller"}, NOW, NOW + 10, 4, None)
    assert later.times == 1


@pytest.mark.parametrize(
    ("name", "process", "facts"),
    [
        ("upstream-up", "", {"upstream": "a", "why": ""}),
        ("upstream-down", "gateway-1", {"upstream": "a", "why": ""}),
        ("upstream-down", "", {"upstream": "b", "why": ""}),
    ],
)
def test_another_alarm_is_another_one(state: State, name: str, process: str, facts: dict[str, str]) -> None:
    raise_alarm(state, "upstream-down", "", {"upstream": "a", "why": ""}, NOW)
    raise_alarm(state, name, process, facts, NOW)
    assert len(alarms(state, 0)) == 2


def test_what_somebody_has_seen_and_comes_back_is_new(state: State) -> None:
    first = raise_alarm(state, "ledger-failed", "gateway-0", {}, NOW)
    assert seen(state, first, NOW + 1) and not seen(state, first, NOW + 2) and not seen(state, 99, NOW)
    again = raise_alarm(state, "ledger-failed", "gateway-0", {}, NOW + 3)
    assert [(one.id, one.seen_us) for one in alarms(state, 0)] == [(again, None), (first, NOW + 1)]


def test_a_clock_that_goes_back_loses_none(state: State) -> None:
    first = raise_alarm(state, "ledger-failed", "gateway-0", {}, NOW)
    assert raise_alarm(state, "ledger-failed", "gateway-0", {}, NOW - MERGED_US * 5) == first
    assert alarms(state, NOW)[0].last_us == NOW


def test_old_ones_are_dropped_and_long_facts_cut(state: State) -> None:
    raise_alarm(state, "ledger-failed", "gateway-0", {}, NOW)
    raise_alarm(state, "ledger-failed", "gateway-0", {"why": "x" * 5000}, NOW + KEPT_US + 1)
    (one,) = alarms(state, 0)
    assert one.facts == {"why": "x" * 300}


def test_every_alarm_has_words(state: State) -> None:
    assert set(SAYS) >= ALARMS
    for name in SAYS:
        raise_alarm(state, name, "p", {}, NOW)
    assert all(len(one.says) > 20 for one in alarms(state, 0))
    raise_alarm(state, "upstream-down", "", {"upstream": "{house}", "why": ""}, NOW)
    assert alarms(state, 0)[0].says == "The upstream {house} does not answer."


def test_a_bell_brings_the_alarms_of_a_log_to_the_table(tmp_path: Path) -> None:
    state, now_s = State.open(tmp_path), [1000.0]
    bell = Bell(tmp_path, "gateway-0", lambda: NOW)
    log = Log(lambda _: None, now_s=lambda: now_s[0], told=bell.ring)
    for _ in range(50):
        log.alarm("ledger-failed", why="full")
    now_s[0] += 100
    log.alarm("ledger-failed", why="full")
    log.event("upstream-down", upstream="house", why="refused")
    log.event("upstream-up", upstream="house")
    log.alarm("slow-loop", stalled_ms=900)
    bell.close()
    log.close()
    assert {(a.name, a.process, a.times) for a in alarms(state, 0)} == {
        ("ledger-failed", "gateway-0", 51),
        ("upstream-down", "", 1),
    }


def test_ringing_waits_for_nobody_and_what_cannot_be_written_waits_its_turn(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    bell = Bell(tmp_path, "gateway-0", lambda: NOW)
    with state.transaction():  # Nobody else can write now.
        began = time.monotonic()
        for number in range(MAX_WAITING * 2):
            bell.ring("upstream-down", {"upstream": str(number), "why": ""})
        took_s = time.monotonic() - began
    assert took_s < 4  # The database waits five seconds for its turn.
    bell.close()
    found = alarms(state, 0)
    down = [one for one in found if one.name == "upstream-down"]
    (dropped,) = [one for one in found if one.name == "alarms-dropped"]
    assert len(down) + dropped.times == MAX_WAITING * 2 and len(down) >= MAX_WAITING
    assert dropped.says == f"{dropped.times} more alarms at once than could be written down."


def test_what_was_dropped_before_and_after_is_counted_together(tmp_path: Path) -> None:
    state = State.open(tmp_path)
    bell = Bell(tmp_path, "gateway-0", lambda: NOW)

    def dropped() -> int:
        return sum(one.times for one in alarms(state, 0) if one.name == "alarms-dropped")

    for more in (10, 30):
        with state.transaction():  # The thread has one in hand already, or none.
            for number in range(MAX_WAITING + more):
                bell.ring("upstream-down", {"upstream": f"{more}-{number}", "why": ""})
        until(lambda more=more: dropped() >= more - 1)
    bell.close()
    wanted = 2 * MAX_WAITING + 40
    assert len([one for one in alarms(state, 0) if one.name == "upstream-down"]) + dropped() == wanted


def test_without_a_state_an_alarm_waits_for_one(tmp_path: Path) -> None:
    bell = Bell(tmp_path, "supervisor", lambda: NOW)
    bell.ring("process-ended", {"process": "gateway-1", "pid": 1, "code": -9})
    state = State.open(tmp_path)
    until(lambda: bool(alarms(state, 0)))
    bell.close()
    assert alarms(state, 0)[0].says == "The process gateway-1 ended (code -9) and is started again."


def test_a_state_that_cannot_be_opened_ends_nobody(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database" * 100)
    bell = Bell(tmp_path, "gateway-0")
    bell.ring("ledger-failed", {"why": "full"})
    bell.close()
    with pytest.raises(StoreError):
        State.open(tmp_path)
