"""HopSkipJump: along the boundary by labels alone, for models that answer nothing else.

Chen, Jordan and Wainwright 2020, "HopSkipJumpAttack: A Query-Efficient Decision-Based Attack", for Linf and L2, all
rows at once. It starts from real rows that the model gives another label, which are nearer than the noise of the
paper, and a row leaves when its boundary point is within eps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bartizan.assess.evasion.ball import Ball
from bartizan.assess.target import Array

Falls = Callable[[Array, Array], Array]  # rows, indices of the rows they came from -> (m,) whether the label is another
DIRECTIONS = 40  # in the first estimate of the normal; grows with the root of the rounds
HALVINGS = 10  # of a line between what stands and what falls
PIECE = 4096  # rows asked at once
VALUES = 1 << 24  # in them: 128 MB of float64


def hop(
    falls: Falls,
    x: Array,
    start: Array,
    ball: Ball,
    rounds: int,
    rng: np.random.Generator,
    over: Callable[[], bool] = lambda: False,
) -> Array:
    """The nearest fallen points that were found, from `start` (rows that fall, in the model's range) on.

    Args:
        falls: Asked about many rows at once.
        rounds: Each costs about 60 queries of a row, more as it goes on.
    """
    linf = ball.norm == "linf"
    dims = int(np.prod(x.shape[1:]))
    box = ball.wider(0.0 if not linf else 1e9)
    at = _between(falls, x, start, np.arange(len(x)), linf)
    row = np.flatnonzero(ball.distance(at, x) > ball.eps)
    for number in range(1, rounds + 1):
        if not len(row) or over():
            break
        here, goal = at[row], x[row]
        each = (len(row), *[1] * (x.ndim - 1))
        far = np.maximum(ball.distance(here, goal), 1e-9)
        probe = far * (1 / dims if linf else 1 / np.sqrt(dims)) if number > 1 else np.full(len(row), 0.1 * _span(box))
        normal = _normal(falls, here, row, probe, box, int(DIRECTIONS * np.sqrt(number)), linf, rng, goal)
        step, moved, waits = far / np.sqrt(number), here.copy(), np.ones(len(row), bool)
        for _ in range(HALVINGS):
            left = np.flatnonzero(waits)
            if not len(left):
                break
            tried = here[left] + (step[left].reshape(-1, *each[1:]) * normal[left]).astype(np.float32)
            tried = _clip(tried, goal[left], box)
            good = falls(tried, row[left])
            moved[left[good]], waits[left[good]] = tried[good], False
            step[left[~good]] /= 2
        nearer = _between(falls, goal, moved, row, linf)
        better = ball.distance(nearer, goal) < far
        at[row[better]] = nearer[better]
        row = row[ball.distance(at[row], x[row]) > ball.eps]
    return at


def _normal(
    falls: Falls,
    at: Array,
    row: Array,
    probe: Array,
    box: Ball,
    count: int,
    linf: bool,
    rng: np.random.Generator,
    x: Array,
) -> Array:
    """The direction into the fallen side, from the labels around each point."""
    n, shape = len(at), at.shape[1:]
    total, weight, said = np.zeros((n, *shape)), np.zeros((n, *shape)), np.zeros(n)
    done = 0
    while done < count:
        some = min(count - done, max(1, min(PIECE, VALUES // at[0].size) // n))
        noise = rng.normal(size=(n, some, *shape)) if not linf else rng.uniform(-1, 1, size=(n, some, *shape))
        noise /= np.sqrt((noise.reshape(n, some, -1) ** 2).mean(axis=2)).reshape(n, some, *[1] * len(shape)) * (
            1.0 if linf else np.sqrt(np.prod(shape))
        )
        rows = at[:, None] + probe.reshape(-1, *[1] * (len(shape) + 1)) * noise
        rows = _clip(rows.reshape(n * some, *shape).astype(np.float32), np.repeat(x, some, axis=0), box)
        noise = rows.reshape(n, some, *shape) - at[:, None]
        told = np.where(falls(rows, np.repeat(row, some)), 1.0, -1.0).reshape(n, some)
        total += (told.reshape(n, some, *[1] * len(shape)) * noise).sum(axis=1)
        weight += noise.sum(axis=1)
        said += told.sum(axis=1)
        done += some
    mean = (said / count).reshape(-1, *[1] * len(shape))
    way = np.where(np.abs(mean) == 1, total * np.sign(mean), total - mean * weight)
    if linf:
        return np.sign(way)
    return np.asarray(way / np.maximum(np.linalg.norm(way.reshape(n, -1), axis=1), 1e-30).reshape(mean.shape))


def _between(falls: Falls, x: Array, out: Array, row: Array, linf: bool) -> Array:
    """The point next to the boundary between each row and a point that falls, on the fallen side."""
    best = out.copy()
    change = out - x
    each = (len(x), *[1] * (x.ndim - 1))
    reach = np.abs(change).reshape(len(x), -1).max(axis=1) if linf else np.ones(len(x))
    low, high = np.zeros(len(x)), reach.astype(np.float64)
    for _ in range(HALVINGS):
        middle = ((low + high) / 2).astype(np.float32).reshape(each)
        tried = x + (np.clip(change, -middle, middle) if linf else change * middle)
        good = falls(tried.astype(np.float32), row)
        best[good] = tried[good]
        high, low = np.where(good, (low + high) / 2, high), np.where(good, low, (low + high) / 2)
    return best


def _clip(rows: Array, x: Array, box: Ball) -> Array:
    return np.clip(rows, np.minimum(x, box.low), np.maximum(x, box.high)).astype(np.float32)


def _span(box: Ball) -> float:
    return box.high - box.low if np.isfinite(box.high - box.low) else 1.0
