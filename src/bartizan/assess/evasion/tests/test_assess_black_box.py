"""Models that give answers and nothing else."""

import numpy as np
import pytest

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Gone, Spent
from bartizan.assess.evasion import hopskipjump, rays, sparse, square
from bartizan.assess.evasion.ball import Ball
from bartizan.assess.evasion.corruptions import corrupted
from bartizan.assess.evasion.measure import measure
from bartizan.assess.evasion.result import Evasion
from bartizan.assess.how import How
from bartizan.assess.target import Array, Output, Target

CHANCE = np.random.default_rng(7)
WEIGHTS = CHANCE.normal(size=(36, 3))
X = CHANCE.random((220, 1, 6, 6)).astype(np.float32)
MIDDLE = X.reshape(220, 36).mean(axis=0)


def scores(x: Array) -> Array:
    return np.asarray((x.reshape(len(x), 36).astype(np.float64) - MIDDLE) @ WEIGHTS)


Y = scores(X).argmax(axis=1)
DATA = Data(Form.IMAGES, "", x_train=X[:160], y_train=Y[:160], x_test=X[160:], y_test=Y[160:])
ROWS, LABELS = X[160:200], Y[160:200]


def ask(x: Array, y: Array) -> Array:
    told = scores(x)
    own = told[np.arange(len(x)), y]
    told[np.arange(len(x)), y] = -np.inf
    return np.asarray(told.max(axis=1) - own)


def falls(x: Array, at: Array) -> Array:
    return np.asarray(scores(x).argmax(axis=1) != LABELS[at])


def exact(eps: float) -> int:
    """How many of the rows can fall at all under Linf: the model is linear."""
    fell = np.zeros(len(ROWS), bool)
    for rival in range(3):
        way = np.sign(WEIGHTS[:, rival, None] - WEIGHTS[:, LABELS]).T.reshape(ROWS.shape)
        moved = np.clip(ROWS + eps * way, 0, 1)
        fell |= falls(moved.astype(np.float32), np.arange(len(ROWS)))
    return int(fell.sum())


def black(output: Output = Output.LOGITS, cap: int | None = None) -> Target:
    def answer(x: Array) -> Array:
        told = scores(x)
        return np.eye(3)[told.argmax(axis=1)] if output is Output.LABELS else told

    return Target("black box", "callable", "", (1, 6, 6), 3, output, answer, cap=cap)


def test_squares_fell_nearly_all_that_can_fall() -> None:
    ball = Ball("linf", 0.08, 0, 1)
    at, lead = square.search(ask, ROWS, LABELS, ball, 300, np.random.default_rng(0))
    assert ball.holds(ball.project(at, ROWS), ROWS).all()
    assert np.allclose(at, ball.project(at, ROWS))
    assert np.allclose(ask(at, LABELS), lead)
    assert 0.8 * exact(0.08) <= (lead > 0).sum() <= exact(0.08)


def test_a_search_goes_on_where_it_ended() -> None:
    ball, rng = Ball("linf", 0.05, 0, 1), np.random.default_rng(0)
    first, before = square.search(ask, ROWS, LABELS, ball, 40, rng, planned=200)
    _, after = square.search(ask, ROWS, LABELS, ball, 160, rng, planned=200, start=first, done=40)
    assert (after >= before).all()
    assert after.sum() > before.sum()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_rows_that_are_no_images_are_searched_too(norm: str) -> None:
    flat = ROWS.reshape(len(ROWS), 36)
    ball = Ball(norm, 0.1 if norm == "linf" else 0.6)
    at, lead = square.search(ask, flat, LABELS, ball, 150, np.random.default_rng(0))
    assert (ball.distance(at, flat) <= ball.eps * (1 + 1e-6)).all()
    assert (lead > 0).sum() > len(ROWS) / 4


def test_rays_come_near_the_exact_answer_by_labels_alone() -> None:
    ball = Ball("linf", 0.08, 0, 1)
    at, far = rays.ray(falls, ROWS, ball, 500, np.ones_like(ROWS))
    fell = far <= ball.eps
    assert falls(at[fell], np.flatnonzero(fell)).all()
    assert (ball.distance(at, ROWS)[fell] <= far[fell] + 1e-6).all()
    assert 0.7 * exact(0.08) <= fell.sum() <= exact(0.08)


def test_walks_by_labels_get_nearer_under_l2() -> None:
    ball = Ball("l2", 1e-9, 0, 1)
    start = np.stack([X[:160][Y[:160] != label][0] for label in LABELS])
    at = hopskipjump.hop(falls, ROWS, start, ball, 6, np.random.default_rng(0))
    assert falls(at, np.arange(len(ROWS))).all()
    assert ball.distance(at, ROWS).mean() < 0.4 * ball.distance(start, ROWS).mean()


def test_few_values_are_found_and_given_back() -> None:
    ball = Ball("l0", 8, 0, 1)
    at, lead = sparse.searched(ask, ROWS, LABELS, ball, 150, np.random.default_rng(0), lambda: False)
    fell = np.flatnonzero(lead > 0)
    assert len(fell) > len(ROWS) / 3
    assert (ball.distance(at, ROWS) <= 8).all()
    less = sparse.given_back(lambda x, y: falls(x, fell[y]), ROWS[fell], at[fell])
    assert falls(less, fell).all()
    assert ball.distance(less, ROWS[fell]).mean() < ball.distance(at[fell], ROWS[fell]).mean()


@pytest.mark.parametrize(("output", "share"), [(Output.LOGITS, 0.9), (Output.LABELS, 0.7)])
def test_a_black_box_comes_near_the_exact_answer(output: Output, share: float) -> None:
    result = measure(black(output), DATA, How(eps=0.08, rows=40))
    assert isinstance(result, Evasion)
    assert share * exact(0.08) <= 40 - result.robust.hits <= exact(0.08)
    assert result.trusted
    rates = [rate.hits for _, rate in result.curve]
    assert rates == sorted(rates, reverse=True)
    assert rates[2] > rates[4]


def test_a_cap_on_queries_holds_and_what_was_found_counts() -> None:
    target = black(cap=3000)
    result = measure(target, DATA, How(eps=0.08, rows=40))
    assert isinstance(result, Evasion)
    assert target.queries <= 3000
    assert result.rows.fallen.sum() > 0
    assert (scores(result.rows.found[result.rows.fallen]).argmax(axis=1) != LABELS[result.rows.fallen]).all()


@pytest.mark.parametrize(("asked", "rows", "found"), [(30, 24, 0), (700, 40, 1), (2500, 40, 3)])
def test_who_stops_answering_leaves_what_was_found(asked: int, rows: int, found: int) -> None:
    target = black()
    answers, target.batch = target.answer, 8

    def answer(x: Array) -> Array:
        if target.queries + len(x) > asked:
            target.gone = "it went away"
            raise Gone(target.gone)
        return answers(x)

    target.answer = answer
    result = measure(target, DATA, How(eps=0.08, rows=40))
    assert isinstance(result, Evasion)
    fell = result.rows.fallen
    assert len(fell) == rows
    assert found <= fell.sum() <= exact(0.08)
    assert (scores(result.rows.found[fell]).argmax(axis=1) != LABELS[:rows][fell]).all()
    assert not result.finished
    assert "unfinished" in result.sentence()


def test_who_never_answers_is_not_measured() -> None:
    target = black()
    target.until = Budget(0)
    with pytest.raises(Spent, match="time to ask"):
        measure(target, DATA, How(eps=0.08, rows=40))


def test_natural_changes_are_rates_of_their_own() -> None:
    told = dict(corrupted(black(), X, Y, np.random.default_rng(0)))
    worst = told.pop("the worst of these")
    assert len(told) >= 8
    assert worst.hits <= min(rate.hits for rate in told.values())
    assert corrupted(black(), X.reshape(220, 36), Y, np.random.default_rng(0)) == ()


def test_rows_that_nothing_was_tried_on_make_no_claim() -> None:
    found = measure(black(), DATA, How(0.1, budget=Budget(0.0), rows=40))
    assert isinstance(found, Evasion)
    assert found.robust.share == 1.0 and not found.trusted and "not trusted" in found.sentence()
    assert [test.check for test in found.tests if not test.passed] == ["time"]
    assert found.measures() == {"accuracy": 1.0}


def test_a_model_of_which_nothing_stands_is_measured_as_well() -> None:
    found = measure(black(), DATA, How(9.0, norm="l2", rows=40))
    assert isinstance(found, Evasion)
    assert found.robust.hits == 0 and found.trusted
