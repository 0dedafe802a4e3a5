"""Square: random search with squares of changed values, by scores alone.

Andriushchenko et al. 2020, "Square Attack: a query-efficient black-box adversarial attack via random search", for Linf
and L2. It needs no gradient, so it cannot be misled by one: a few queries tell when the gradients lie, thousands of
them are an attack of its own. Rows that fall leave; `queries` done are kept, so that a later call goes on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bartizan.assess.evasion.ball import Ball
from bartizan.assess.target import Array

Ask = Callable[[Array, Array], Array]  # rows, labels -> (n,) lead of the best other class
SHARE = 0.8  # of an image that the first square covers; falls with the queries
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # shares of the search at which that is halved


def search(
    ask: Ask,
    x: Array,
    y: Array,
    ball: Ball,
    queries: int,
    rng: np.random.Generator,
    *,
    start: Array | None = None,
    need: Array | None = None,
    planned: int | None = None,
    done: int = 0,
    over: Callable[[], bool] = lambda: False,
) -> tuple[Array, Array]:
    """Changed rows within the ball, and their lead: above `need` (without it, 0) the row fell.

    Args:
        start: Points to go on from; without them stripes, as the paper has it.
        planned: How long the whole search is to be, with the `done` before: it says how large squares are.
    """
    planes = _planes(x.shape[1:])
    around = x.reshape(len(x), *planes)
    low, high = (one.reshape(around.shape) for one in ball.box(x))
    wanted = np.zeros(len(x)) if need is None else need
    at = x if start is None else start
    lead = ask(at, y)
    best = at.reshape(around.shape).copy()
    if start is None:
        striped = _striped(around, ball, low, high, rng)
        ahead = ask(striped.reshape(x.shape), y)
        better = ahead > lead
        best[better], lead[better] = striped[better], ahead[better]
    row = np.flatnonzero(lead <= wanted)
    for number in range(queries):
        if not len(row) or over():
            break
        share = SHARE / 2 ** sum((done + number) / (planned or done + queries) > part for part in HALVED)
        tried = _changed(best[row], around[row], low[row], high[row], ball, share, rng)
        ahead = ask(tried.reshape(len(row), *x.shape[1:]), y[row])
        better = ahead > lead[row]
        best[row[better]], lead[row[better]] = tried[better], ahead[better]
        row = row[lead[row] <= wanted[row]]
    return best.reshape(x.shape), lead


def _planes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Rows as (planes, height, width); what is no image is a column of values."""
    if len(shape) == 3:
        return (shape[0], shape[1], shape[2]) if shape[0] <= 4 or shape[2] > 4 else (1, shape[0], shape[1] * shape[2])
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    return 1, int(np.prod(shape)), 1


def _striped(x: Array, ball: Ball, low: Array, high: Array, rng: np.random.Generator) -> Array:
    n, planes, _, width = x.shape
    signs = rng.choice((-1.0, 1.0), size=(n, planes, 1, width) if width > 1 else x.shape).astype(np.float32)
    if ball.norm == "linf":
        return np.clip(x + signs * np.float32(ball.eps), low, high)
    return ball.project(np.clip(x + signs * np.float32(ball.eps / np.sqrt(x[0].size)), low, high), x)


def _changed(
    best: Array, x: Array, low: Array, high: Array, ball: Ball, share: float, rng: np.random.Generator
) -> Array:
    """One square of each row anew."""
    n, planes, height, width = x.shape
    if width == 1:  # No image: values anywhere instead of a square.
        mask = rng.random(x.shape) < max(share, 1 / height)
    else:
        side = min(max(round(np.sqrt(share * height * width)), 1), height, width)
        tops, lefts = rng.integers(0, height - side + 1, n), rng.integers(0, width - side + 1, n)
        down, across = np.arange(height)[None, :] - tops[:, None], np.arange(width)[None, :] - lefts[:, None]
        mask = (((down >= 0) & (down < side))[:, :, None] & ((across >= 0) & (across < side))[:, None, :])[:, None]
    signs = rng.choice((-1.0, 1.0), size=(n, planes, 1, 1) if width > 1 else x.shape).astype(np.float32)
    if ball.norm == "linf":
        return np.where(mask, np.clip(x + signs * np.float32(ball.eps), low, high), best)
    # What the square held is spent anew on it, and a little of the rest with it.
    change = best - x
    energy = np.sqrt((np.where(mask, change, 0) ** 2).sum(axis=(1, 2, 3), keepdims=True) + (0.1 * ball.eps) ** 2)
    count = np.maximum(np.broadcast_to(mask, x.shape).sum(axis=(1, 2, 3), keepdims=True), 1)
    fresh = np.where(mask, x + signs * (energy / np.sqrt(count)).astype(np.float32), best)
    return ball.project(np.clip(fresh, low, high), x)
