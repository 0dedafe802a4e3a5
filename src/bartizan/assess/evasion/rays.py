"""RayS: the nearest fall along a ray of signs, by labels alone, under Linf.

Chen and Gu 2020, "RayS: A Ray Searching Method for Hard-label Adversarial Attack". The signs of one block of values
after the other are turned, blocks halve from level to level, and a turn is kept where the row falls nearer on the new
ray. All rows at once; a row leaves when its fall is within eps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bartizan.assess.evasion.ball import Ball
from bartizan.assess.target import Array

Falls = Callable[[Array, Array], Array]  # rows, indices of the rows they came from -> (m,) whether the label is another
HALVINGS = 7
FINE = 1e-3  # of the radius: a turn has to do that much better


def ray(
    falls: Falls, x: Array, ball: Ball, queries: int, way: Array, over: Callable[[], bool] = lambda: False
) -> tuple[Array, Array]:
    """The points where rows fall along the best ray, and how far they are; infinite for rows that no ray felled.

    Args:
        way: (n, …) directions to begin with: their signs count. Half of the rows that nothing is known of fall anyhow.
        queries: Of each row, about.
    """
    n, size = len(x), int(np.prod(x.shape[1:]))
    flat = x.reshape(n, size)
    sign = np.where(way.reshape(n, size) >= 0, 1.0, -1.0).astype(np.float32)
    span = ball.high - ball.low if np.isfinite(ball.high - ball.low) else float(flat.max() - flat.min())
    far = np.full(n, np.inf)

    def at(rows: Array, signs: Array, radius: Array) -> Array:
        made = flat[rows] + signs * radius[:, None].astype(np.float32)
        low, high = np.minimum(flat[rows], ball.low), np.maximum(flat[rows], ball.high)
        return np.clip(made, low, high).reshape(len(rows), *x.shape[1:]).astype(np.float32)

    def closer(rows: Array, signs: Array) -> None:
        """Rows whose new ray may fall nearer than the best known."""
        limit = np.where(np.isfinite(far[rows]), far[rows] * (1 - FINE), span)
        good = falls(at(rows, signs, limit), rows)
        rows, signs, high = rows[good], signs[good], limit[good]
        low = np.zeros(len(rows))
        for _ in range(HALVINGS):
            if not len(rows):
                return
            middle = (low + high) / 2
            fell = falls(at(rows, signs, middle), rows)
            high, low = np.where(fell, middle, high), np.where(fell, low, middle)
        sign[rows], far[rows] = signs, high

    closer(np.arange(n), sign.copy())
    level, block, asked = 0, 0, 0
    while asked < queries:
        row = np.flatnonzero(far > ball.eps)
        if not len(row) or over():
            break
        width = max(1, -(-size // 2**level))
        begin = block * width
        turned = sign[row].copy()
        turned[:, begin : begin + width] *= -1
        before = far[row].copy()
        closer(row, turned)
        asked += 1 + HALVINGS * bool((far[row] < before).mean() > 0.5)
        block += 1
        if block * width >= size:
            level, block = (level + 1 if width > 1 else level), 0
    reach = np.where(np.isfinite(far), far, 0.0)
    return at(np.arange(n), sign, reach), far
