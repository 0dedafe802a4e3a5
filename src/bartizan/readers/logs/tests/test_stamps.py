"""Times in every way that a log writes them."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Tally

AT = 1_767_607_200_000_000  # 2026-01-05 10:00 UTC
SAME: list[object] = [
    *("2026-01-05T10:00:00Z", "2026-01-05 10:00:00", "2026/01/05 10:00:00", "2026:01:05-10:00:00"),
    *("2026-01-05T11:00:00+01:00", "2026-01-05T09:30:00.000-0030", "2026-01-05T10:00:00.000000000Z"),
    *("Mon Jan  5 10:00:00 2026", "Jan 05 2026 10:00:00 GMT", "Mon, 05 Jan 2026 10:00:00 +0000"),
    *("5 Jan 2026 10:00:00", "[05/Jan/2026:11:00:00 +0100]", "1767607200", "1767607200.000"),
    *("1767607200000", "1767607200000000", "1767607200000000000", b"1767607200"),
    *(1767607200, 1767607200.0, 1767607200000),
]
NONE: list[object] = [
    *("", "-", "yesterday", "2026-13-05T10:00:00Z", "2026-02-30 10:00:00", "9" * 20),
    *(0, -1, True, None, float("nan"), float("inf"), [], {}),
]


@pytest.mark.parametrize("written", SAME)
def test_one_moment(written: object) -> None:
    assert micros(written, Tally()) == AT


@pytest.mark.parametrize("written", NONE)
def test_no_moment(written: object) -> None:
    assert micros(written, Tally()) == 0


def test_parts_of_a_second_are_kept() -> None:
    assert micros("2026-01-05T10:00:00.1234567Z", Tally()) == AT + 123_456
    assert micros("1767607200.5", Tally()) == AT + 500_000


def test_what_has_no_zone_is_of_the_zone_that_the_operator_gave() -> None:
    east = Tally(zone=timezone(timedelta(hours=2)))
    assert micros("2026-01-05 12:00:00", east) == AT
    assert micros("2026-01-05 10:00:00Z", east) == AT
    assert micros("1767607200", east) == AT


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80), st.integers(), st.floats(), st.none(), st.booleans()))
def test_anything_at_all_is_a_time_or_none(written: object) -> None:
    assert 0 <= micros(written, Tally()) < 2**63
