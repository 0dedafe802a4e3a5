"""What is usual, and how far something is from it."""

from __future__ import annotations

from math import isclose, isfinite

from hypothesis import given
from hypothesis import strategies as st

from bartizan.profiles.robust import first_seen, last_days, spread

SIZES = st.lists(st.floats(1, 1e15), min_size=1, max_size=60)


def test_the_middle_of_sizes_is_their_median() -> None:
    usual = spread([1, 2, 4, 8, 16])
    assert (usual.count, usual.median, usual.mad_octaves) == (5, 4.0, 1.0)


def test_twice_as_much_is_one_octave() -> None:
    usual = spread([100] * 10)
    assert isclose(usual.z(200, floor_octaves=0.5), 2.0)
    assert isclose(usual.z(50, floor_octaves=0.5), -2.0)


def test_one_strange_day_changes_nothing_much() -> None:
    calm = spread([100, 110, 90, 105, 95, 100, 102])
    strange = spread([100, 110, 90, 105, 95, 100, 1e12])
    assert abs(calm.median - strange.median) < 5
    assert strange.z(1e12, 0.5) > 50


def test_nothing_has_no_spread() -> None:
    assert spread([]) == spread([0, -1])
    assert spread([]).z(5, 0.5) == 0.0
    assert spread([5]).z(0, 0.5) == 0.0


@given(SIZES)
def test_order_does_not_matter(sizes: list[float]) -> None:
    assert spread(sizes) == spread(sorted(sizes))


@given(SIZES, st.floats(0, 1e18))
def test_any_size_has_a_distance(sizes: list[float], value: float) -> None:
    assert isfinite(spread(sizes).z(value, 0.5))


@given(SIZES, st.floats(1, 1e9), st.floats(1, 1e9))
def test_more_is_never_nearer_to_too_much(sizes: list[float], one: float, other: float) -> None:
    usual = spread(sizes)
    assert usual.z(min(one, other), 0.5) <= usual.z(max(one, other), 0.5)


def test_new_is_within_the_window() -> None:
    assert first_seen(10, 10, 7)
    assert first_seen(10, 16, 7)
    assert not first_seen(10, 17, 7)
    assert not first_seen(10, 9, 7)


def test_the_days_before_do_not_count_the_day_itself() -> None:
    days = [(1, 10.0), (2, 20.0), (3, 30.0)]
    assert last_days(days, 3, 2) == [10.0, 20.0]
    assert last_days(days, 3, 1) == [20.0]
