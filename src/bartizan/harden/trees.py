"""Hardening trees: grown again on rows that were changed within the ball, so that no split hangs on less than that.

Two ways are tried, each beside the given model on rows held back, decided exactly where time allows:

    corners   each row also with its values moved to the ends of the ball at random: a split that a change can cross
              gains nothing (what robust split finding computes, Chen et al. 2019, by sampling)
    rounds    the model grown so far is attacked, what fell is added, and it is grown again (Kantchelian et al. 2016)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.exact import answers, solver
from bartizan.assess.how import How
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError
from bartizan.harden.choosing import FREE, Tried
from bartizan.harden.hardening import Made
from bartizan.harden.writing import written

COPIES = (4, 12)  # of each row, at the corners of its ball
ROUNDS = 3
HELD, MOST_HELD = 0.15, 120  # of the rows, to choose on
MOST_ROWS = 60_000  # after copying
BLOCKS = 48  # groups of columns that an attack moves one after the other
ATTACKED = 1500  # rows in a round


@dataclass(frozen=True, slots=True)
class Room:
    """Which columns may move (bool), how far, and within what."""

    moves: Array
    eps: float
    low: float
    high: float

    def corners(self, x: Array, chance: np.random.Generator) -> Array:
        """Rows (n, columns) with each value at either end of the ball, or as it is, at random."""
        step = chance.choice([-1.0, 0.0, 1.0], size=x.shape, p=[0.4, 0.2, 0.4])
        return np.clip(x + step * self.eps * self.moves, self.low, self.high)


def harden_trees(
    target: Target, data: Data, how: How, seconds: float, stopped: Callable[[], bool] = lambda: False
) -> Made:
    """The same trees' library and parameters, grown on changed rows; the best of what was tried.

    Raises UsageError where the model cannot be grown again or kept in a file.
    """
    refit = target.refit
    if refit is None:
        raise UsageError(f"{target.name} cannot be grown again: {'; '.join(target.notes) or target.kind}")
    if how.norm != "linf":
        raise UsageError(f"trees are hardened under linf, not {how.norm}")
    assert data.x_train is not None and data.y_train is not None
    until = time.monotonic() + seconds
    chance = np.random.default_rng(how.seed)
    order = chance.permutation(len(data.x_train))
    held = max(1, min(MOST_HELD, int(HELD * len(order))))
    rest = order[held:]
    x, y = data.x_train.reshape(len(data.x_train), -1).astype(np.float64), data.y_train
    choosing = replace(data, x_test=data.x_train[order[:held]], y_test=y[order[:held]])
    room = _room(data, how.eps, x.shape[1])
    each = seconds / (2 * (len(COPIES) + ROUNDS + 1))

    def judge(name: str, model: Target) -> Tried:
        one = _tried(name, model, choosing, replace(how, budget=Budget(each), progress=lambda text: None))
        how.progress(f"{name}: {one.clean:.1%} right, {one.robust:.1%} stand on held-out rows")
        return one

    def grown(rows: Array, labels: Array) -> Target:
        return refit(rows.reshape(-1, *target.shape), labels, how.seed)

    before = judge("as given", target)
    free, tried = before.clean - FREE, [before]
    best: Target | None = None
    chosen = before
    base_x, base_y = x[rest], y[rest]
    for copies in COPIES:
        if best is not None and (time.monotonic() > until or stopped()):
            break
        rows, labels = _copied(base_x, base_y, copies, room, chance)
        model = grown(rows, labels)
        one = judge(f"grown on {copies} corners of each row", model)
        tried.append(one)
        if best is None or one.better_than(chosen, free):
            best, chosen, kept = model, one, (rows, labels)
    assert best is not None
    rows, labels = kept
    model = best
    for done in range(ROUNDS):
        if time.monotonic() > until or stopped() or len(rows) > 2 * MOST_ROWS:
            break
        some = chance.choice(len(base_x), min(ATTACKED, len(base_x)), replace=False)
        hard = _attacked(model, base_x[some], base_y[some], room, chance, until)
        rows, labels = np.concatenate([rows, hard]), np.concatenate([labels, base_y[some]])
        model = grown(rows, labels)
        one = judge(f"{done + 1} rounds of attacked rows added", model)
        tried.append(one)
        if one.better_than(chosen, free):
            best, chosen = model, one
    name, content, opened = written(best, data)
    details: dict[str, object] = {
        "held_out": [{"name": one.name, "accuracy": one.clean, "stand": one.robust} for one in tried],
        "rows": len(rest),
        "recipe": refit.recipe,
    }
    return Made({name: content}, opened, f"trees {chosen.name}", details, [f"the trees were {chosen.name}"])


def _room(data: Data, eps: float, columns: int) -> Room:
    moves = np.ones(columns)
    for at, name in enumerate(data.columns[:columns]):
        if name in data.categories:
            moves[at] = 0.0
    images = data.form is Form.IMAGES
    return Room(moves, eps, 0.0 if images else -np.inf, 1.0 if images else np.inf)


def _tried(name: str, model: Target, data: Data, how: How) -> Tried:
    """Right, and not known to fall, on the held-out rows; exactly where the time suffices."""
    assert data.x_test is not None and data.y_test is not None
    right = model.labels(data.x_test) == data.y_test
    solve = solver(model, data, how.norm)
    if solve is None:
        raise UsageError(f"{model.name} gives no tables of its trees")
    found = answers(solve, model, data, replace(how, rows=len(right)))
    stands = sum(one.right and one.above > how.eps for one in found)
    return Tried(name, float(right.mean()), stands / len(right))


def _copied(x: Array, y: Array, copies: int, room: Room, chance: np.random.Generator) -> tuple[Array, Array]:
    copies = max(1, min(copies, MOST_ROWS // max(1, len(x))))
    return np.concatenate([x, *(room.corners(x, chance) for _ in range(copies))]), np.tile(y, copies + 1)


def _attacked(model: Target, x: Array, y: Array, room: Room, chance: np.random.Generator, until: float) -> Array:
    """Rows moved, a block of columns at a time, to whichever end lowers the right class most; all rows at once."""
    rows = room.corners(x, chance)
    each = np.arange(len(x))

    def lead(some: Array) -> Array:
        scores = model.log_probabilities(some.reshape(-1, *model.shape))
        right = scores[each, y].copy()
        scores[each, y] = -np.inf
        return np.asarray(right - scores.max(axis=1))

    worst = lead(rows)
    columns = chance.permutation(x.shape[1])
    for block in np.array_split(columns, min(BLOCKS, len(columns))):
        if time.monotonic() > until:
            break
        for sign in (-1.0, 1.0):
            moved = rows.copy()
            moved[:, block] = np.clip(x[:, block] + sign * room.eps * room.moves[block], room.low, room.high)
            now = lead(moved)
            better = now < worst
            rows[better], worst[better] = moved[better], now[better]
    return rows
