"""A changed row is within the ball by anybody's arithmetic."""

import numpy as np
import pytest

from bartizan.assess.evasion.ball import Ball, largest
from bartizan.core.errors import UsageError


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).random((40, 1, 6, 7)).astype(np.float32)


@pytest.mark.parametrize("eps", [0.1, 8 / 255, 0.3, 1e-3, 0.0])
def test_a_corner_of_the_ball_is_inside_in_both_precisions(rows: np.ndarray, eps: float) -> None:
    ball = Ball("linf", eps, 0, 1)
    for end in ball.box(rows):
        assert (np.abs(end.astype(np.float64) - rows) <= eps).all()
        assert (np.abs(end - rows).astype(np.float64) <= eps).all()
        assert ball.holds(end, rows).all()
        assert np.abs(np.abs(end.astype(np.float64) - rows)).max() > eps * 0.999 - 1e-12


@pytest.mark.parametrize("eps", [0.1, 8 / 255, 0.3])
def test_no_value_is_held_still_not_even_where_the_end_is_close_to_zero(eps: float) -> None:
    values = np.concatenate([np.arange(65) / 64, eps * np.linspace(0.9, 1.2, 200), [np.nextafter(np.float32(eps), 1)]])
    rows = np.stack([values, -values]).astype(np.float32)
    ball = Ball("linf", eps)
    for end in ball.box(rows):
        assert ball.holds(end, rows).all()
        assert (np.abs(end - rows) > eps * 0.9999).all()


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 1.3), ("l0", 5)])
def test_projecting_anything_gives_a_row_of_the_ball(rows: np.ndarray, norm: str, eps: float) -> None:
    ball = Ball(norm, eps, 0, 1)
    far = rows + np.random.default_rng(1).normal(0, 3, rows.shape).astype(np.float32)
    made = ball.project(far, rows)
    assert ball.holds(made, rows).all()
    assert made.dtype == np.float32
    assert (ball.distance(made, rows) > eps * 0.9).all()
    assert np.array_equal(ball.project(rows, rows), rows)


def test_each_row_may_have_a_radius_of_its_own(rows: np.ndarray) -> None:
    each = np.linspace(0.01, 0.2, len(rows))
    far = 1 - rows
    assert (Ball("linf", 1, 0, 1).distance(Ball("linf", 1, 0, 1).project(far, rows, each), rows) <= each).all()
    assert (Ball("l2", 1, 0, 1).distance(Ball("l2", 1, 0, 1).project(far, rows, each), rows) <= each).all()


def test_large_numbers_that_are_coarser_than_eps_stay_inside() -> None:
    rows = np.array([[1e9, -3e7, 5.0]], np.float32)
    ball = Ball("linf", 0.01)
    assert ball.holds(ball.project(rows + 1, rows), rows).all()


def test_what_is_outside_or_no_number_is_not_held(rows: np.ndarray) -> None:
    ball = Ball("linf", 0.1, 0, 1)
    broken = rows.copy()
    broken[0, 0, 0, 0] = np.nan
    broken[1, 0, 0, 0] += 0.11
    broken[2] = 1.05
    assert list(np.flatnonzero(~ball.holds(broken, rows))) == [0, 1, 2]


def test_marks_the_largest_of_each_row() -> None:
    marked = largest(np.array([[3.0, 1, 2], [5, 5, 5]]), np.array([2, 1]))
    assert marked.tolist() == [[True, False, True], [True, False, False]]


@pytest.mark.parametrize(("norm", "eps"), [("l3", 1.0), ("linf", -1.0), ("linf", float("nan"))])
def test_a_ball_that_makes_no_sense_is_refused(norm: str, eps: float) -> None:
    with pytest.raises(UsageError):
        Ball(norm, eps)
