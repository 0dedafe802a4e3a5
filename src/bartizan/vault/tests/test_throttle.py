"""Who guesses has to wait."""

from __future__ import annotations

import threading

import pytest

from bartizan.core.errors import SignInDenied
from bartizan.vault.throttle import BURST, FORGET_US, FREE, MAX_NAMES, MAX_WAIT_S, REFILL_S, SECOND_US, Throttle


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_us = 1_795_415_000_000_000

    def __call__(self) -> int:
        return self.now_us


def waits(throttle: Throttle, name: bytes) -> int:
    """Seconds that an attempt has to wait; 0 if it was let through."""
    try:
        throttle.knock(name)
    except SignInDenied as error:
        assert f"wait {error.wait_s} seconds" in str(error)
        return error.wait_s
    return 0


def test_the_wait_doubles_and_ends_at_a_quarter_of_an_hour() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert [waits(throttle, b"anna") for _ in range(FREE)] == [0] * FREE
    found = []
    for _ in range(12):
        found.append(waits(throttle, b"anna"))
        clock.now_us += (found[-1] - 1) * SECOND_US - 1
        assert waits(throttle, b"anna") > 0
        clock.now_us += SECOND_US + 1
        assert waits(throttle, b"anna") == 0
    assert found == [3, 5, 9, 17, 33, 65, 129, 257, 513, 901, 901, 901]
    assert found[-1] == MAX_WAIT_S + 1


def test_being_let_in_begins_anew_and_so_does_a_day() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FREE):
        throttle.knock(b"anna")
    throttle.let_in(b"anna")
    assert waits(throttle, b"anna") == 0
    for _ in range(FREE - 1):
        throttle.knock(b"anna")
    assert waits(throttle, b"anna") > 0
    clock.now_us += FORGET_US + 1
    assert [waits(throttle, b"anna") for _ in range(FREE + 1)][:FREE] == [0] * FREE


def test_a_clock_that_goes_back_frees_nobody_and_holds_nobody_longer() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for _ in range(FREE):
        throttle.knock(b"anna")
    clock.now_us -= FORGET_US
    assert 0 < waits(throttle, b"anna") <= 3


def test_all_names_together_wait_too_and_who_gets_in_is_not_counted() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(BURST * 2):
        throttle.knock(b"right %d" % number)
        throttle.let_in(b"right %d" % number)
    assert [waits(throttle, b"wrong %d" % number) for number in range(BURST)] == [0] * BURST
    assert waits(throttle, b"another") in (2, 3)
    clock.now_us += int(REFILL_S * SECOND_US)
    assert waits(throttle, b"another") == 0
    assert waits(throttle, b"a third") > 0


def test_what_is_kept_is_bounded_and_nobody_is_driven_out_of_it_in_time() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(MAX_NAMES + 100):
        clock.now_us += int(REFILL_S * SECOND_US)
        throttle.knock(b"%d" % number)
        throttle.to_tell(b"%d" % number)
    assert len(throttle._names) == len(throttle._told) == MAX_NAMES
    assert (MAX_NAMES - BURST) * REFILL_S > MAX_WAIT_S


def test_a_hundred_at_once_are_no_more_than_a_hundred_in_a_row() -> None:
    throttle = Throttle(Clock())
    through: list[int] = []
    start = threading.Barrier(20)

    def guess() -> None:
        start.wait()
        through.append(waits(throttle, b"anna"))

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert through.count(0) == FREE


def test_failures_of_a_name_are_told_once_a_minute() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    assert [throttle.to_tell(name) for name in (b"anna", b"anna", b"bob")] == [True, False, True]
    clock.now_us += 60 * SECOND_US
    assert throttle.to_tell(b"anna")
    with pytest.raises(SignInDenied):
        for _ in range(FREE + 1):
            throttle.knock(b"anna")
