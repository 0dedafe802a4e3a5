"""Models that can be solved: trees and linear models, row by row, with a proof on one side and a row on the other.

First every row is decided at the strength that was asked for; in the time that is left, intervals for the smallest
change that flips each are halved: `below` is proven, `above` was found and judged by the model itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Spent
from bartizan.assess.evasion.leaves import Leaves, Space, compiled
from bartizan.assess.evasion.linear import attacked_linear
from bartizan.assess.evasion.trees import Verdict, attacked, ball

if TYPE_CHECKING:
    from bartizan.assess.evasion.clique import Clock
    from bartizan.assess.how import How
    from bartizan.assess.target import Array, Target

FINE = 1 / 32  # of the strength: how narrow an interval for the smallest change is made
LEAST_S = 0.5  # a row is searched so long, even where many are waiting
CURVE_S = 2.0  # the intervals may take so many times the seconds that the decisions took


@dataclass(slots=True)
class Answer:
    """One test row. No change of at most `below` flips it: proven. `row` flips it, at a distance of `above`.

    `looked`: it was asked about at least once.
    """

    index: int
    right: bool
    below: float = -1.0
    above: float = np.inf
    row: Array | None = None
    looked: bool = False


@dataclass(frozen=True, slots=True)
class Solver:
    """Decides a radius around a row. `name` is how the evidence calls it."""

    name: str
    decide: Callable[[Array, int, float, Clock], Verdict]
    distance: Callable[[Array, Array], float]


def solver(target: Target, data: Data, norm: str) -> Solver | None:
    """How to solve this model; None where it is neither a forest nor linear."""
    low, high = _range(data)

    def space(x: Array, radius: float) -> Space:
        flat = x.reshape(-1)
        dtype = _dtype(flat, radius)
        near, far = ball(flat, np.inf if norm == "l0" else radius, low, high, dtype)
        return Space(flat, near, far, norm, radius)

    def falls(label: int) -> Callable[[Array], bool]:
        return lambda row: bool(target.labels(row.reshape(1, *target.shape))[0] != label)

    def distance(x: Array, row: Array) -> float:
        return Space(x.reshape(-1), x.reshape(-1), x.reshape(-1), norm, 0.0).distance(row.reshape(-1))

    if target.linear is not None:
        linear = target.linear()
        return Solver(
            "linear, exact", lambda x, y, r, spent: attacked_linear(linear, space(x, r), y, falls(y)), distance
        )
    if target.forest is None:
        return None
    forest = target.forest()
    kinds: dict[type[np.floating], Leaves] = {}

    def decide(x: Array, label: int, radius: float, spent: Clock) -> Verdict:
        around = space(x, radius)
        dtype = around.low.dtype.type
        if dtype not in kinds:
            kinds[dtype] = compiled(forest, dtype)
        return attacked(kinds[dtype], forest, around, label, falls(label), spent)

    return Solver("trees, exact", decide, distance)


def _range(data: Data) -> tuple[Array | float, Array | float]:
    """What a value may be: of pictures 0 to 1; of tables anything."""
    return (0.0, 1.0) if data.form is Form.IMAGES else (-np.inf, np.inf)


def _dtype(x: Array, radius: float) -> type[np.floating]:
    """float32, as evidence is kept, unless its numbers lie too far apart for these values."""
    known = x[~np.isnan(x)].astype(np.float64)
    rounding = np.abs(known.astype(np.float32).astype(np.float64) - known)
    return np.float32 if (rounding <= radius).all() else np.float64


def answers(solve: Solver, target: Target, data: Data, how: How) -> list[Answer]:
    """What is known of every row at the strength that was asked for, and of smaller ones as far as time allows."""
    assert data.x_test is not None
    assert data.y_test is not None
    x, y = data.x_test[: how.rows], data.y_test[: how.rows]
    right = target.labels(x) == y
    found = [Answer(at, bool(right[at])) for at in range(len(x))]
    with suppress(Spent):  # Who stops answering leaves what was found.
        _decide(solve, [one for one in found if one.right], x, y, how)
    return found


def _decide(solve: Solver, waiting: list[Answer], x: Array, y: Array, how: How) -> None:
    """Each at the strength that was asked for, then again with what time is left, then at smaller ones."""
    first = Budget(how.budget.left)
    for done, one in enumerate(waiting):
        if not how.budget.left:
            break
        how.progress(f"{solve.name}: row {done + 1} of {len(waiting)}")
        each = Budget(min(how.budget.left, max(LEAST_S, 3 * how.budget.left / (len(waiting) - done))))
        _ask(solve, one, x[one.index], int(y[one.index]), how.eps, each)
    late = [one for one in waiting if one.below < how.eps < one.above]
    for done, one in enumerate(late):  # Once more, with all of the time that the others left.
        if how.budget.left:
            each = how.budget.part(1 / (len(late) - done))
            _ask(solve, one, x[one.index], int(y[one.index]), how.eps, each)
    stuck: set[int] = set()
    curve = Budget(min(how.budget.left / 2, CURVE_S * (first.seconds - first.left) + LEAST_S))
    fine = 1.0 if how.norm == "l0" else how.eps * FINE
    while waiting and not curve.spent:
        waiting = [
            one
            for one in waiting
            if one.above < np.inf and one.above - max(one.below, 0.0) > fine and one.index not in stuck
        ]
        for one in waiting:
            if not curve.left:
                break
            middle = (max(one.below, 0.0) + one.above) / 2
            if how.norm == "l0":
                middle = float(int(middle))
            before = (one.below, one.above)
            _ask(solve, one, x[one.index], int(y[one.index]), middle, curve.part(0.2))
            if (one.below, one.above) == before:
                stuck.add(one.index)
        how.progress(f"{solve.name}: smallest changes, {len(waiting)} rows to go")


def _ask(solve: Solver, one: Answer, x: Array, label: int, radius: float, budget: Budget) -> None:
    """Decides one radius, and keeps what that says."""
    verdict = solve.decide(x, label, radius, lambda: budget.spent)
    one.looked = True
    if verdict.row is not None:
        distance = solve.distance(x, verdict.row)
        if distance < one.above:
            one.row, one.above = verdict.row.reshape(x.shape), distance
    elif verdict.proven:
        one.below = max(one.below, radius)
