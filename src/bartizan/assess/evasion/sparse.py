"""Few values changed by any amount (L0), and patches: a square of the picture that may become anything.

With gradients: the values whose change promises most are freed, climbed within, and chosen again (in the manner of
PGD0, Croce and Hein 2019). Without: random search over which values are changed, and to what (Sparse-RS, Croce et al.
2022). What fell gives back the values it did not need, so that its distance is near the least.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bartizan.assess.evasion.ball import Ball, largest
from bartizan.assess.target import Array

if TYPE_CHECKING:
    from bartizan.assess.evasion.view import View

Ask = Callable[[Array, Array], Array]  # rows, labels -> (n,) lead of the best other class
ROUNDS, STEPS = 5, 10


def freed(
    view: View, x: Array, y: Array, ball: Ball, need: Array, over: Callable[[], bool], *, patch: bool
) -> tuple[Array, Array]:
    """Rows with at most eps values changed (`patch`: those of one square) and the lead of the best other class."""
    from bartizan.assess.evasion.climb import Slopes, climb
    from bartizan.assess.evasion.losses import margin

    low, high = _range(x, ball)
    best, lead = x.copy(), np.full(len(x), -np.inf)
    at, row = x.copy(), np.arange(len(x))
    for number in range(ROUNDS):
        if not len(row) or over():
            break
        gain = _gain(view, at[row], y[row], x[row], low[row], high[row])
        mask = _square(gain, int(ball.eps), number) if patch else _most(gain, at[row] != x[row], ball.eps)
        begin = np.where(mask, at[row], x[row])
        span = (high[row] - low[row]).reshape(len(row), -1).max(axis=1).astype(np.float64)
        found = climb(
            view, x[row], y[row], np.where(mask, low[row], x[row]), np.where(mask, high[row], x[row]),
            Slopes(margin, STEPS, 1.0), radius=span, start=begin, need=need[row], over=over,
        )  # fmt: skip
        better = found.lead > lead[row]
        best[row[better]], lead[row[better]] = found.x[better], found.lead[better]
        at[row] = found.x
        row = row[lead[row] <= need[row]]
    return best, lead


def searched(
    ask: Ask, x: Array, y: Array, ball: Ball, queries: int, rng: np.random.Generator, over: Callable[[], bool]
) -> tuple[Array, Array]:
    """Random search: some of the changed values are given back, as many others are pushed to an end of their range."""
    n, size = len(x), int(np.prod(x.shape[1:]))
    count = min(int(ball.eps), size)
    low, high = (one.reshape(n, size) for one in _range(x, ball))
    flat = x.reshape(n, size)
    if count < 1:
        return x.copy(), ask(x, y)
    chosen = np.argsort(rng.random((n, size)), axis=1)[:, :count]
    value = _ends(low, high, chosen, rng)
    lead = ask(_put(flat, chosen, value).reshape(x.shape), y)
    row = np.flatnonzero(lead <= 0)
    for number in range(queries):
        if not len(row) or over():
            break
        swap = max(1, round(count * 0.3 * (1 - number / queries) ** 2))
        place = np.argsort(rng.random((len(row), count)), axis=1)[:, :swap]
        tried, ends = chosen[row].copy(), value[row].copy()
        fresh = rng.integers(0, size, (len(row), swap))
        taken = (fresh[:, :, None] == tried[:, None, :]).any(axis=2)
        fresh = np.where(taken, np.take_along_axis(tried, place, 1), fresh)
        np.put_along_axis(tried, place, fresh, 1)
        np.put_along_axis(ends, place, _ends(low[row], high[row], fresh, rng), 1)
        ahead = ask(_put(flat[row], tried, ends).reshape(len(row), *x.shape[1:]), y[row])
        better = ahead >= lead[row]
        kept = row[better]
        chosen[kept], value[kept], lead[kept] = tried[better], ends[better], ahead[better]
        row = row[lead[row] <= 0]
    return _put(flat, chosen, value).reshape(x.shape), lead


def given_back(falls: Callable[[Array, Array], Array], x: Array, found: Array) -> Array:
    """Fewer changed values, as long as the row falls: the smallest changes are given back first, by halving."""
    change = np.abs(found - x).reshape(len(x), -1)
    count = (change > 0).sum(axis=1)
    best, low, high = found.copy(), np.zeros(len(x), np.int64), count.copy()
    for _ in range(int(np.ceil(np.log2(max(count.max(initial=1), 2))))):
        middle = (low + high) // 2
        tried = np.where(largest(change, middle).reshape(x.shape), found, x)
        good = falls(tried, np.arange(len(x))) & (middle < high)
        best[good] = tried[good]
        high, low = np.where(good, middle, high), np.where(good, low, middle)
    return best


def _range(x: Array, ball: Ball) -> tuple[Array, Array]:
    low, high = ball.box(x)
    if not np.isfinite(ball.low):  # A table: what its columns hold.
        low = np.broadcast_to(np.minimum(x.min(axis=0), x), x.shape)
    if not np.isfinite(ball.high):
        high = np.broadcast_to(np.maximum(x.max(axis=0), x), x.shape)
    return np.ascontiguousarray(low), np.ascontiguousarray(high)


def _gain(view: View, at: Array, y: Array, x: Array, low: Array, high: Array) -> Array:
    """What each value promises at most, from the row's own value on."""
    import torch

    from bartizan.assess.evasion.losses import odds

    slope: Any = view.slope(torch.from_numpy(at), torch.from_numpy(y), odds)[2].numpy()
    return np.asarray(np.where(slope > 0, slope * (high - x), slope * (low - x)))


def _most(gain: Array, changed: Array, count: float) -> Array:
    """The values that promise most; those that are changed already count a little more, or nothing would settle."""
    flat = (gain * np.where(changed, 1.5, 1.0)).reshape(len(gain), -1)
    return largest(flat, np.full(len(flat), count)).reshape(gain.shape)


def _square(gain: Array, count: int, number: int) -> Array:
    """The square of at most `count` values (over all planes) with the largest sum; later rounds take the next best."""
    planes = gain[:, None] if gain.ndim == 3 else gain if gain.ndim == 4 else gain.reshape(len(gain), 1, 1, -1)
    n, depth, tall, wide = planes.shape
    side = max(1, int(np.sqrt(count / depth))) if tall > 1 else 1
    height, width = min(side, tall), min(side if tall > 1 else count, wide)
    sums = np.pad(planes.sum(axis=1).cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    below, above = sums[:, height:], sums[:, :-height]
    inside = below[:, :, width:] - above[:, :, width:] - below[:, :, :-width] + above[:, :, :-width]
    order = np.argsort(-inside.reshape(n, -1), axis=1)
    place = order[:, min(number * max(1, side // 2), order.shape[1] - 1)]
    top, left = place // inside.shape[2], place % inside.shape[2]
    down, across = np.arange(tall)[None, :] - top[:, None], np.arange(wide)[None, :] - left[:, None]
    mask = ((down >= 0) & (down < height))[:, :, None] & ((across >= 0) & (across < width))[:, None, :]
    if depth * height * width > count:  # Not even one pixel's planes fit.
        mask = np.zeros_like(mask)
    return np.broadcast_to(mask[:, None], planes.shape).reshape(gain.shape)


def _ends(low: Array, high: Array, chosen: Array, rng: np.random.Generator) -> Array:
    up = rng.random(chosen.shape) < 0.5
    return np.where(up, np.take_along_axis(high, chosen, 1), np.take_along_axis(low, chosen, 1)).astype(np.float32)


def _put(flat: Array, chosen: Array, value: Array) -> Array:
    out = flat.copy()
    np.put_along_axis(out, chosen, value, 1)
    return out
