"""Exact answers about trees, held against trying every cell of the ball."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bartizan.assess.evasion import trees
from bartizan.assess.evasion.leaves import Space, compiled
from bartizan.assess.evasion.trees import attacked, ball
from bartizan.assess.forest import Forest, Tree


def grown(rng: np.random.Generator, features: int, depth: int, outputs: int) -> Tree:
    """A random tree with thresholds on a coarse grid, so that boxes share edges."""
    feature, threshold, left, right, value = [], [], [], [], []

    def node(deep: int) -> int:
        at = len(feature)
        feature.append(-1)
        threshold.append(0.0)
        left.append(-1)
        right.append(-1)
        value.append(rng.normal(size=outputs))
        if deep and rng.random() < 0.9:
            feature[at] = int(rng.integers(features))
            threshold[at] = float(rng.integers(1, 10)) / 10
            left[at] = node(deep - 1)
            right[at] = node(deep - 1)
        return at

    node(depth)
    return Tree(
        np.array(feature),
        np.array(threshold),
        np.array(left),
        np.array(right),
        np.ones(len(feature), bool),
        np.array(value),
    )


def scored(forest: Forest, row: np.ndarray) -> np.ndarray:
    """The forest as a person would walk it."""
    total = np.array(forest.base, float)
    for tree in forest.trees:
        at = 0
        while tree.feature[at] >= 0:
            number, edge = float(row[tree.feature[at]]), float(tree.threshold[at])
            goes = number < edge if forest.strict else number <= edge
            at = int((tree.left if goes else tree.right)[at])
        total = total + tree.value[at]
    return total


def label(forest: Forest, row: np.ndarray) -> int:
    """The class of a row: the sign of one score, or the first of the highest."""
    score = scored(forest, row)
    return int(score[0] > 0) if forest.outputs == 1 else int(np.argmax(score))


def cells(forest: Forest, low: np.ndarray, high: np.ndarray, x: np.ndarray) -> list[list[np.floating]]:
    """Of each feature, one number of the ball in every cell: its edges, each threshold and the next numbers to it."""
    found = []
    for at in range(len(x)):
        edges = {
            float(t) for tree in forest.trees for f, t in zip(tree.feature, tree.threshold, strict=True) if f == at
        }
        near = [x.dtype.type(e) for e in edges]
        near += [np.nextafter(e, x.dtype.type(side)) for e in near for side in (-np.inf, np.inf)]
        found.append([low[at], high[at], x[at], *(e for e in near if low[at] <= e <= high[at])])
    return found


@pytest.mark.parametrize(("norm", "radius"), [("l2", 0.25), ("l0", 1.0), ("l0", 2.0)])
def test_so_it_is_for_other_distances(norm: str, radius: float) -> None:
    rng = np.random.default_rng(7)
    fallen = proven = 0
    for _ in range(16):
        forest = Forest(tuple(grown(rng, 3, 3, 2) for _ in range(5)), np.array([0.0, rng.normal()]), 2, 3)
        x = rng.random(3)
        given = label(forest, x)
        low, high = ball(x, radius if norm == "l2" else np.inf, 0.0, 1.0, np.float64)
        space = Space(x, low, high, norm, radius)
        verdict = attacked(
            compiled(forest, np.float64), forest, space, given, lambda r, f=forest, g=given: label(f, r) != g,
            lambda: False,
        )  # fmt: skip
        rows = [np.array(row) for row in product(*cells(forest, low, high, x))]
        falls = any(space.distance(row) <= radius and label(forest, row) != given for row in rows)
        assert (verdict.row is not None) == falls
        assert verdict.proven == (not falls)
        if verdict.row is not None:
            assert space.distance(verdict.row) <= radius
        fallen, proven = fallen + falls, proven + (not falls)
    assert fallen
    assert proven


def test_a_space_of_many_leaves_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    forest = Forest(tuple(grown(rng, 4, 4, 1) for _ in range(8)), np.array([0.2]), 1, 4)
    leaves, answers = compiled(forest, np.float64), []
    for most in (4000, 12):
        monkeypatch.setattr(trees, "MAX_LEAVES", most)
        answers.append([])
        for x in np.random.default_rng(6).random((12, 4)):
            given = label(forest, x)
            space = Space(x, *ball(x, 0.2, 0.0, 1.0, np.float64), "linf", 0.2)
            verdict = attacked(leaves, forest, space, given, lambda r, g=given: label(forest, r) != g, lambda: False)
            answers[-1].append((verdict.row is None, verdict.proven))
    assert answers[0] == answers[1]
    assert len({fell for fell, _ in answers[0]}) == 2


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_answer_is_the_one_of_every_cell(outputs: int, strict: bool, dtype: type) -> None:
    rng = np.random.default_rng(outputs * 10 + strict)
    fallen = proven = 0
    for _ in range(12):
        forest = Forest(
            tuple(grown(rng, 3, 3, outputs) for _ in range(5)), rng.normal(size=outputs) / 4, outputs, 3, strict, strict
        )
        leaves = compiled(forest, dtype)
        x = rng.random(3).astype(dtype)
        given = label(forest, x)
        low, high = ball(x, 0.15, 0.0, 1.0, dtype)
        verdict = attacked(
            leaves,
            forest,
            Space(x, low, high, "linf", 0.15),
            given,
            lambda row, f=forest, g=given: label(f, row) != g,
            lambda: False,
        )
        falls = any(label(forest, np.array(row, dtype)) != given for row in product(*cells(forest, low, high, x)))
        assert (verdict.row is not None) == falls
        assert verdict.proven == (not falls)
        if verdict.row is not None:
            assert np.abs(verdict.row.astype(np.float64) - x.astype(np.float64)).max() <= 0.15
            assert verdict.row.dtype == dtype
            fallen += 1
        else:
            assert verdict.bound <= 0
            proven += 1
    assert fallen, "no forest of the test falls"
    assert proven, "no forest of the test holds"


def test_a_search_that_runs_out_of_time_says_neither() -> None:
    rng = np.random.default_rng(3)
    forest = Forest(tuple(grown(rng, 6, 4, 1) for _ in range(30)), np.array([0.4]), 1, 6)
    x = rng.random(6)
    given = label(forest, x)
    low, high = ball(x, 0.3, 0.0, 1.0, np.float64)
    verdict = attacked(
        compiled(forest, np.float64), forest, Space(x, low, high, "linf", 0.3), given, lambda row: False, lambda: True
    )
    assert verdict.row is None
    assert not verdict.proven
    assert verdict.bound > 0


def test_a_missing_value_and_a_category_stay_what_they_are() -> None:
    either = Tree(
        np.array([0, 1, -1, -1, -1]),
        np.array([0.5, 0.0, 0.0, 0.0, 0.0]),
        np.array([1, 2, -1, -1, -1]),
        np.array([4, 3, -1, -1, -1]),
        np.array([True] * 5),
        np.array([[0.0], [0.0], [-1.0], [1.0], [1.0]]),
        (None, frozenset({2}), None, None, None),
    )
    forest = Forest((either,), np.array([0.0]), 1, 2)
    leaves = compiled(forest, np.float64)
    x = np.array([np.nan, 2.0])  # missing goes left, the category 2 goes left: the leaf of -1, whatever the ball
    low, high = ball(x, 5.0, -np.inf, np.inf, np.float64)
    verdict = attacked(leaves, forest, Space(x, low, high, "linf", 5.0), 0, lambda row: True, lambda: False)
    assert verdict.row is None
    assert verdict.proven
    there = np.array([0.4, 3.0])
    low, high = ball(there, 5.0, -np.inf, np.inf, np.float64)
    assert attacked(leaves, forest, Space(there, low, high, "linf", 5.0), 1, lambda row: True, lambda: False).proven


def test_a_missing_category_goes_where_the_tree_sends_what_is_missing() -> None:
    for default in (True, False):
        either = Tree(
            np.array([0, -1, -1]), np.zeros(3), np.array([1, -1, -1]), np.array([2, -1, -1]),
            np.array([default, False, False]), np.array([[0.0], [-1.0], [1.0]]), (frozenset({2}), None, None),
        )  # fmt: skip
        x, forest = np.array([np.nan]), Forest((either,), np.zeros(1), 1, 1)
        low, high = ball(x, 1.0, -np.inf, np.inf, np.float64)
        right = int(forest.sums(x[None])[0, 0] > 0)
        space, leaves = Space(x, low, high, "linf", 1.0), compiled(forest, np.float64)
        assert right == int(not default)
        assert attacked(leaves, forest, space, right, lambda row: True, lambda: False).proven
        assert attacked(leaves, forest, space, 1 - right, lambda row: True, lambda: False).row is not None
