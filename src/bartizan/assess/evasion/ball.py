"""What a changed row may be: within a distance of the row, within the range of its values, in numbers it can hold.

A bound that is kept in real numbers is broken by one unit in the last place once the row is float32. The bounds here
are float32 themselves, and lie inside for anybody who subtracts in float64 or in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

NORMS = ("linf", "l2", "l0")
WITHIN = 1 - 2e-6  # of an L2 radius: float32 rounds each value by 6e-8 of its size
CHANGED = 1e-7  # of a value, and of 1: less is no change, for L0


@dataclass(frozen=True, slots=True)
class Ball:
    """`eps` under `norm` around a row; every value within [`low`, `high`], or unbounded where they are infinite."""

    norm: str
    eps: float
    low: float = -np.inf
    high: float = np.inf

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise UsageError(f"the norm is one of {', '.join(NORMS)}, not {self.norm!r}")
        if not np.isfinite(self.eps) or self.eps < 0:
            raise UsageError(f"eps is a distance of 0 or more, not {self.eps}")

    def wider(self, eps: float) -> Ball:
        """The same with another radius."""
        return Ball(self.norm, eps, self.low, self.high)

    def box(self, x: Array, eps: Array | None = None) -> tuple[Array, Array]:
        """The lowest and highest value each place may take, float32. Around L2 and L0 that is the range alone.

        Args:
            x: Rows, of any precision: what comes out is within for theirs.
            eps: (n,) a radius of its own for each row; without it, the ball's.
        """
        single = x.astype(np.float32)  # A row that begins outside the range may stay there.
        low, high = np.minimum(single, np.float32(self.low)), np.maximum(single, np.float32(self.high))
        if self.norm != "linf":
            return low, high
        each = np.full(len(x), self.eps) if eps is None else np.asarray(eps, np.float64)
        each = each.reshape(-1, *[1] * (x.ndim - 1))
        return np.maximum(low, _reach(x, each, -1)), np.minimum(high, _reach(x, each, 1))

    def project(self, rows: Array, x: Array, eps: Array | None = None) -> Array:
        """The nearest rows within the ball, float32."""
        low, high = self.box(x, eps)
        inside = np.clip(rows.astype(np.float32), low, high)
        if self.norm == "linf":
            return inside
        each = np.full(len(x), self.eps) if eps is None else np.asarray(eps, np.float64)
        change = (inside.astype(np.float64) - x).reshape(len(x), -1)
        if self.norm == "l2":
            norm = np.linalg.norm(change, axis=1)
            share = np.minimum(1.0, WITHIN * each / np.maximum(norm, 1e-30))
            return np.asarray((x + (change * share[:, None]).reshape(x.shape)).astype(np.float32)).clip(low, high)
        return np.where(largest(np.abs(change), each).reshape(x.shape), inside, x.astype(np.float32))

    def distance(self, rows: Array, x: Array) -> Array:
        """(n,) how far each row is, float64."""
        if not x.size:
            return np.zeros(len(x))
        change = np.abs(rows.astype(np.float64) - x.astype(np.float64)).reshape(len(x), -1)
        if self.norm == "linf":
            return np.asarray(change.max(axis=1))
        return np.asarray(
            np.linalg.norm(change, axis=1) if self.norm == "l2" else (change > _least(x)).sum(axis=1) * 1.0
        )

    def holds(self, rows: Array, x: Array) -> Array:
        """(n,) whether a row is within: finite, in range, and not farther than eps by either precision."""
        if not x.size:
            return np.ones(len(x), bool)
        flat = rows.reshape(len(rows), -1)
        single = x.astype(np.float32)
        low, high = np.minimum(single, np.float32(self.low)), np.maximum(single, np.float32(self.high))
        ranged = ((rows >= low) & (rows <= high)).reshape(len(rows), -1).all(axis=1)
        apart = np.abs(rows.astype(np.float32) - single).reshape(len(x), -1)
        near = self.distance(rows, x) <= self.eps
        if self.norm == "linf":
            near &= apart.max(axis=1, initial=0).astype(np.float64) <= self.eps
        return np.asarray(np.isfinite(flat).all(axis=1) & ranged & near)


def _least(x: Array) -> Array:
    """What counts as a change of each value: more than the rounding to float32."""
    return np.asarray(CHANGED * np.maximum(1.0, np.abs(x.astype(np.float64)))).reshape(len(x), -1)


def _reach(x: Array, eps: Array, sign: int) -> Array:
    """The farthest float32 on one side that is within eps, whoever subtracts."""
    end = (x.astype(np.float64) + sign * eps).astype(np.float32)
    toward = np.full_like(end, -sign * np.inf)
    # Near zero float32 is finer than a difference that is about eps: steps of its own would never get there.
    back = (-sign * np.spacing(eps.astype(np.float32))).astype(np.float32)
    for _ in range(4):
        over = np.abs(end.astype(np.float64) - x) > eps
        over |= np.abs(end - x.astype(np.float32)).astype(np.float64) > eps
        if not over.any():
            break
        end = np.where(over, np.nextafter(end + back, toward), end)
    # Far from zero a float32 may be coarser than eps: then the value stays as it is.
    over = np.abs(end - x.astype(np.float32)).astype(np.float64) > eps
    return np.where(over, x.astype(np.float32), end)


def largest(size: Array, count: Array) -> Array:
    """Marks the `count` (n,) largest values of each row of `size` (n, d)."""
    order = np.argsort(-size, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(size.shape[1])[None, :], axis=1)
    return np.asarray(rank < np.floor(count)[:, None])
