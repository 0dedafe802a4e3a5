"""The leaves of a forest as boxes: which of them a row can still reach, and which two it can reach at once.

Intervals are of numbers a row can hold (float32 or float64), so nothing is lost between a threshold and the next
number; a NaN stays a NaN and a category stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bartizan.assess.forest import Forest, Tree
from bartizan.assess.target import Array

NORMS = ("linf", "l2", "l0")


@dataclass(frozen=True, slots=True)
class Space:
    """The rows that may be reached from `x` (features,): within [`low`, `high`], at a distance of `radius` at most.

    The distance is the `norm` of the changes times `weight` (features,), l0 the sum of the weights of what changed; any
    change of a feature that `jumps` (bool) is one of 1. Under linf, `low` and `high` already say it all.
    """

    x: Array
    low: Array
    high: Array
    norm: str
    radius: float
    weight: Array = field(default_factory=lambda: np.ones(1))
    jumps: Array = field(default_factory=lambda: np.zeros(1, bool))

    def distance(self, row: Array) -> float:
        """How far a row is away, in float64. A value that was only rounded to the row's type has not changed."""
        change = np.nan_to_num(np.abs(row.astype(np.float64) - self.x.astype(np.float64)))
        if self.norm == "l0" or self.jumps.any():
            change = np.where(row == self.x.astype(row.dtype), 0.0, change)
        change = np.where(self.jumps & (change > 0), 1.0, change)
        return float(measured(change * self.weight, np.broadcast_to(self.weight, change.shape), self.norm))


def measured(changes: Array, weight: Array, norm: str) -> Array:
    """The length of weighted changes (..., features)."""
    if norm == "l2":
        return np.asarray(np.sqrt((changes**2).sum(axis=-1)))
    if norm == "l0":
        return np.asarray(((changes > 0) * weight).sum(axis=-1))
    return np.asarray(changes.max(axis=-1, initial=0.0))


@dataclass(frozen=True, slots=True)
class Leaves:
    """All leaves of a forest as boxes: on the path of leaf i, feature `feature[i, k]` lies in [`low`, `high`][i, k].

    Padded with feature -1. `starts`: of each tree's leaves; `value` (leaves, outputs). `kept` (leaves, depth): the
    condition is one of categories or holds NaN, and is looked up for the row itself.
    """

    feature: Array
    low: Array
    high: Array
    starts: Array
    value: Array
    conditions: tuple[tuple[tuple[Tree, int, bool], ...], ...]


def compiled(forest: Forest, dtype: type[np.floating]) -> Leaves:
    """The leaves of a forest for rows of `dtype`; conditions on one feature along a path are joined."""
    boxes: list[dict[int, tuple[float, float]]] = []
    values: list[Array] = []
    starts: list[int] = []
    kept: list[tuple[tuple[Tree, int, bool], ...]] = []
    for tree in forest.trees:
        starts.append(len(boxes))
        stack: list[tuple[int, dict[int, tuple[float, float]], tuple[tuple[Tree, int, bool], ...]]] = [(0, {}, ())]
        while stack:
            node, box, path = stack.pop()
            feature = int(tree.feature[node])
            if feature < 0:
                boxes.append(box)
                values.append(np.atleast_1d(tree.value[node]))
                kept.append(path)
                continue
            if tree.categories is not None and tree.categories[node] is not None:
                stack.append((int(tree.right[node]), box, (*path, (tree, node, False))))
                stack.append((int(tree.left[node]), box, (*path, (tree, node, True))))
                continue
            low, high = box.get(feature, (-np.inf, np.inf))
            last, first = _sides(float(tree.threshold[node]), forest, dtype)
            stack.append(
                (int(tree.right[node]), {**box, feature: (max(low, first), high)}, (*path, (tree, node, False)))
            )
            stack.append((int(tree.left[node]), {**box, feature: (low, min(high, last))}, (*path, (tree, node, True))))
    depth = max((len(box) for box in boxes), default=0)
    features = np.full((len(boxes), depth), -1, np.int64)
    lows = np.full((len(boxes), depth), -np.inf)
    highs = np.full((len(boxes), depth), np.inf)
    for at, box in enumerate(boxes):
        features[at, : len(box)] = list(box)
        lows[at, : len(box)] = [low for low, _ in box.values()]
        highs[at, : len(box)] = [high for _, high in box.values()]
    return Leaves(features, lows, highs, np.array(starts), np.array(values, np.float64), tuple(kept))


def _sides(threshold: float, forest: Forest, dtype: type[np.floating]) -> tuple[float, float]:
    """The last number of `dtype` that goes left, and the first that goes right."""
    single = np.float32 if forest.single else dtype
    last = _below(threshold, single)
    if forest.strict and last == threshold:
        last = float(np.nextafter(single(last), single(-np.inf)))
    return last, float(np.nextafter(single(last), single(np.inf)))


def _below(number: float, dtype: type[np.floating]) -> float:
    """The largest number of `dtype` that is not above."""
    near = dtype(number)
    return float(near if float(near) <= number else np.nextafter(near, dtype(-np.inf)))


def reached(leaves: Leaves, space: Space) -> Array:
    """The leaves that some row of the space ends in."""
    x, low, high = space.x, space.low, space.high
    at = leaves.feature
    used = at >= 0
    missing = np.isnan(x)[at] & used
    fits = (leaves.high >= low[at]) & (leaves.low <= high[at]) & (leaves.low <= leaves.high)
    reach = np.asarray((fits | ~used | missing).all(axis=1))
    fixed = missing.any(axis=1) & reach
    listed = [
        i for i in np.flatnonzero(reach) if fixed[i] or any(_categorical(t, n) for t, n, _ in leaves.conditions[i])
    ]
    for leaf in listed:
        reach[leaf] = all(
            _goes(tree, node, x) is side for tree, node, side in leaves.conditions[leaf] if _is_fixed(tree, node, x)
        )
    names = np.flatnonzero(reach)
    return (
        names
        if space.norm == "linf"
        else names[_alone(_gaps(leaves, names, space), space) <= space.radius * (1 + 1e-9)]
    )


def _gaps(leaves: Leaves, names: Array, space: Space) -> Array:
    """(n, features) how far a row has to go, feature by feature, to end in each leaf; weighted, for l0 by 0 or 1."""
    at = leaves.feature[names]
    value = space.x.astype(np.float64)[at]
    gap = np.maximum(np.maximum(leaves.low[names] - value, value - leaves.high[names]), 0.0)
    gap = np.where((at >= 0) & ~np.isnan(value), gap, 0.0)
    out = np.zeros((len(names), len(space.x)))
    leaf, path = np.nonzero(gap)
    out[leaf, at[leaf, path]] = gap[leaf, path]
    weight = np.broadcast_to(space.weight, space.x.shape)
    out = np.where(space.jumps & (out > 0), 1.0, out)
    return (out > 0) * weight if space.norm == "l0" else np.asarray(out * weight) ** 2


def _alone(gaps: Array, space: Space) -> Array:
    """What each leaf costs by itself."""
    total = gaps.sum(axis=1)
    return np.asarray(np.sqrt(total) if space.norm == "l2" else total)


def _categorical(tree: Tree, node: int) -> bool:
    return tree.categories is not None and tree.categories[node] is not None


def _is_fixed(tree: Tree, node: int, x: Array) -> bool:
    return _categorical(tree, node) or bool(np.isnan(x[int(tree.feature[node])]))


def _goes(tree: Tree, node: int, x: Array) -> bool:
    """Left (True) or right, at a condition that no change of a number touches."""
    value = x[int(tree.feature[node])]
    if _categorical(tree, node):
        assert tree.categories is not None
        left = tree.categories[node]
        assert left is not None
        return bool(tree.default_left[node]) if np.isnan(value) else int(value) in left
    return bool(tree.default_left[node])


def meeting(leaves: Leaves, names: Array, space: Space) -> Array:
    """(n, n) bool: some row of the space ends in both leaves."""
    n, low, high = len(names), space.low, space.high
    meets = np.ones((n, n), bool)
    if not n:
        return meets
    feature = leaves.feature[names]
    at, path = np.nonzero(feature >= 0)
    which = feature[at, path]
    bottom = np.maximum(leaves.low[names][at, path], low[which])
    top = np.minimum(leaves.high[names][at, path], high[which])
    tight = (bottom > low[which]) | (top < high[which])
    at, which, bottom, top = at[tight], which[tight], bottom[tight], top[tight]
    order = np.argsort(which, kind="stable")
    at, which, bottom, top = at[order], which[order], bottom[order], top[order]
    for group in np.split(np.arange(len(at)), np.flatnonzero(np.diff(which)) + 1):
        leaf = at[group]
        apart = bottom[group][:, None] > top[group][None, :]
        if apart.any():
            first, second = np.nonzero(apart)
            meets[leaf[first], leaf[second]] = False
            meets[leaf[second], leaf[first]] = False
    return meets if space.norm == "linf" else meets & _near(_gaps(leaves, names, space), space)


def _near(gaps: Array, space: Space) -> Array:
    """(n, n) bool: two leaves cost no more than the radius together; of each feature the larger gap counts."""
    total = gaps.sum(axis=1)
    both = total[:, None] + total
    for column in gaps.T[gaps.any(axis=0)]:
        far = np.flatnonzero(column)
        both[np.ix_(far, far)] -= np.minimum(column[far][:, None], column[far])
    # Rounded towards meeting: whether the row itself is near enough is measured in the end.
    return np.asarray((np.sqrt(np.maximum(both, 0.0)) if space.norm == "l2" else both) <= space.radius * (1 + 1e-9))
