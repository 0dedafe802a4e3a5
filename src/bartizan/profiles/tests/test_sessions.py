"""Sessions are bounded, judged at their lengths however the queries come, and what was found stands for a day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bartizan.profiles.asking import NUMBERS, Asking, Profile, Usual
from bartizan.profiles.sessions import BEYOND, STANDS_US, Sessions, Space, said

CHANCE = np.random.default_rng(3)
ROWS = CHANCE.normal(size=(100, 3))
LABELS, MARGINS = CHANCE.integers(0, 3, 100), CHANCE.random(100)
CELLS = tuple((float(x), float(y)) for x, y in CHANCE.normal(size=(9, 2)))
US = 1_000_000


def profile(limit: float) -> Profile:
    usual = {length: {name: Usual(0.5, 0.1) for name in NUMBERS} for length in (20, 50)}
    axes = ((1.0, 0.0, 0.5), (0.0, 1.0, 0.0))
    return Profile("m", 3, (0, 1, 2), (0.0, 0.0, 0.0), axes, CELLS, 1.0, 0.3, usual, limit, 1.0)


def taken(sessions: Sessions, *cuts: int) -> list[Asking]:
    """The steps of 100 queries that come in so many pieces."""
    points, out = sessions.space.points(ROWS), []
    for begin, end in zip((0, *cuts), (*cuts, 100), strict=True):
        out += sessions.take("a", 0, points[begin:end], LABELS[begin:end], MARGINS[begin:end])
    return out


@pytest.mark.parametrize("cuts", [(), (1, 2, 3), (20, 50), (49, 51), tuple(range(1, 100))])
def test_however_queries_come_the_same_is_judged(cuts: tuple[int, ...]) -> None:
    """One by one or many at once: two sessions of 50, each judged twice."""
    told, whole = taken(Sessions(profile(99)), *cuts), taken(Sessions(profile(99)))
    assert [one.queries for one in told] == [20, 50, 20, 50]
    for one, other in zip(told, whole, strict=True):
        assert [name for name, _ in one.deviations] == list(NUMBERS)
        assert [z for _, z in one.deviations] == pytest.approx([z for _, z in other.deviations], abs=1e-3)


def test_what_was_found_stands_for_a_day_and_for_this_account() -> None:
    sessions = Sessions(profile(-1e9))
    assert sessions.stands("a", 0) is None
    taken(sessions)
    assert sessions.stands("a", STANDS_US) is not None
    assert sessions.stands("a", STANDS_US + 1) is None
    assert sessions.stands("b", 0) is None
    calm = Sessions(profile(1e9))
    taken(calm)
    assert calm.stands("a", 0) is None


def test_the_session_that_was_quiet_longest_is_let_go() -> None:
    sessions = Sessions(profile(99), most=2)
    for at, account in enumerate("abac"):
        sessions.add(account, at * US, (1.0, 2.0, 3.0), (0.5, 0.5))
    assert (len(sessions), sessions.begun, sessions.forgotten) == (2, 3, 1)
    sessions.add("a", 5 * US, (1.0, 2.0, 3.0), (0.5, 0.5))
    assert sessions.begun == 3


def test_numbers_that_are_none_have_a_place() -> None:
    sessions = Sessions(profile(99))
    points = sessions.space.points(np.array([[np.nan, np.inf, 1e300], [-1e300, 1.0, 2.0]]))
    assert np.isfinite(points).all()
    assert np.abs(points).max() <= BEYOND


def test_numbers_too_large_to_be_summed_are_strange_and_not_nowhere() -> None:
    axes = ((1.5, -2.0, 0.25), (1.5, 2.0, 0.0))
    space = Space(replace(profile(99), projection=axes))
    points = space.points(np.array([[1.7e308, 1.7e308, 1.7e308], [-1.7e308, 1.7e308, 0.0]]))
    assert np.isfinite(points).all()
    assert (np.abs(points).max(axis=1) == BEYOND).all()


def test_a_lesser_finding_takes_a_greater_one_not_back() -> None:
    """An answer under way when an account was held would let it go on."""
    sessions = Sessions(profile(-1e9))
    worst = max(one.largest[1] for one in taken(sessions))
    calm = sessions.space.points(np.tile(ROWS[:1], (20, 1)))
    later = sessions.take("a", STANDS_US // 2, calm, np.zeros(20, np.int64), np.ones(20))
    assert [one.largest[1] < worst for one in later] == [True]
    stands = sessions.stands("a", STANDS_US)
    assert stands is not None
    assert stands.largest[1] == worst


@pytest.mark.parametrize(
    ("scores", "label", "margin"),
    [
        ([0.2, 0.7, 0.1], 1, 0.5),
        ([0.0, 1000.0], 1, 1.0),
        ([float("nan"), 3.0, 3.0], 1, 0.0),
        ([float("inf"), 0.0], 0, 1.0),
        ([3.0], 3, 1.0),
        ([float("nan")], 0, 1.0),
    ],
)
def test_logits_become_probabilities(scores: list[float], label: int, margin: float) -> None:
    assert said(scores) == (label, pytest.approx(margin))


def test_a_profile_that_claims_a_row_of_endless_width_takes_no_room() -> None:
    assert Space(replace(profile(99), features=10**30)).cells.shape == (9, 2)
