"""Trees, exactly: for every row either a changed row within the ball, or the proof that there is none.

Kantchelian, Tygar, Joseph (ICML 2016); Chen, Zhang, Si, Li, Boning, Hsieh (NeurIPS 2019). Intervals are of numbers a
row can hold (float32 or float64), so nothing is lost between a threshold and the next number; a NaN stays a NaN and a
category stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bartizan.assess.evasion.clique import Company, Spent, bound_of, cliques
from bartizan.assess.forest import Forest, Tree
from bartizan.assess.target import Array

TIES = 64  # cliques within rounding of a tie that are tried on the model
# Of the largest leaf: nearer than this to a tie, the model itself is asked. XGBoost, which is strict, adds in float32.
ROUNDING = {False: 1e-9, True: 1e-5}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`row`: one that the model itself gives another label, or None; without a row, `proven` says there is none.

    `bound`: the rival's lead is at most this (model's margin, negative = not reached).
    """

    row: Array | None
    proven: bool
    bound: float


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


def ball(x: Array, radius: float, low: float, high: float) -> tuple[Array, Array]:
    """The smallest and largest numbers of x's type within `radius` of each value and within [low, high]."""
    at = x.astype(np.float64)
    bottom, top = np.maximum(at - radius, low), np.minimum(at + radius, high)
    down, up = bottom.astype(x.dtype), top.astype(x.dtype)
    # Rounded into the ball, not to the nearest: whoever subtracts in float64 finds no more than the radius.
    down = np.where(at - down.astype(np.float64) > radius, np.nextafter(down, x.dtype.type(np.inf)), down)
    up = np.where(up.astype(np.float64) - at > radius, np.nextafter(up, x.dtype.type(-np.inf)), up)
    return np.minimum(down, x), np.maximum(up, x)


def attacked(
    leaves: Leaves,
    forest: Forest,
    x: Array,
    label: int,
    low: Array,
    high: Array,
    falls: Callable[[Array], bool],
    spent: Callable[[], bool],
) -> Verdict:
    """Whether a row in the box [low, high] around `x` (features,) gets another label than `label`.

    `falls` asks the model about one row; `spent` ends the search, which then says neither yes nor no.
    """
    names, meets = _within(leaves, x, low, high)
    close = ROUNDING[forest.strict] * max(1.0, float(np.abs(leaves.value).max(initial=0.0)))
    open_: list[tuple[float, float, Company]] = []
    for weight, start in _rivals(leaves, forest, label):
        company, base = _company(leaves, names, meets, weight)
        open_.append((bound_of(company) + base + start, base + start, company))
    open_.sort(key=lambda rival: -rival[0])
    best = max((bound for bound, _, _ in open_ if bound <= -close), default=-np.inf)
    unknown = -np.inf
    for bound, base, company in open_:
        if bound <= -close:
            continue
        tries = 0
        try:
            for found in cliques(company, -base - close, spent):
                row = _row(leaves, found, x, low, high)
                if falls(row):
                    return Verdict(row, False, np.inf)
                tries += 1
                if tries >= TIES:
                    raise Spent(bound)
            best = max(best, 0.0 if tries else -close)
        except Spent as over:
            unknown = max(unknown, min(bound, over.bound + base))
    if unknown > -np.inf:
        return Verdict(None, False, unknown)
    return Verdict(None, True, best)


def _rivals(leaves: Leaves, forest: Forest, label: int) -> list[tuple[Array, float]]:
    """Of each other class, its lead over `label` a leaf adds, and what it starts with; the likeliest first is later."""
    if forest.outputs == 1:
        sign = 1.0 if label == 0 else -1.0
        return [(sign * leaves.value[:, 0], sign * float(forest.base[0]))]
    return [
        (leaves.value[:, c] - leaves.value[:, label], float(forest.base[c] - forest.base[label]))
        for c in range(forest.outputs)
        if c != label
    ]


def _within(leaves: Leaves, x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """The leaves that the box reaches, and which of them meet within it."""
    names = np.flatnonzero(_reached(leaves, x, low, high))
    return names, _meets(leaves, names, low, high)


def _company(leaves: Leaves, names: Array, meets: Array, weight: Array) -> tuple[Company, float]:
    """The trees in which the box still decides something, and what the others add."""
    trees = np.searchsorted(leaves.starts, names, side="right") - 1
    starts = np.flatnonzero(np.diff(trees, prepend=-1))
    value = weight[names]
    top, bottom = np.maximum.reduceat(value, starts), np.minimum.reduceat(value, starts)
    base = float(top[top == bottom].sum())
    kept = np.flatnonzero(np.repeat(top > bottom, np.diff(np.append(starts, len(value)))))
    own = np.flatnonzero(np.diff(trees[kept], prepend=-1))
    return Company(value[kept], meets[np.ix_(kept, kept)], own, names[kept][:, None]), base


def _reached(leaves: Leaves, x: Array, low: Array, high: Array) -> Array:
    """(leaves,) bool: a row of the box ends in this leaf."""
    at = leaves.feature
    used = at >= 0
    missing = np.isnan(x)[at] & used
    fits = (leaves.high >= low[at]) & (leaves.low <= high[at])
    reach = np.asarray((fits | ~used | missing).all(axis=1))
    fixed = missing.any(axis=1) & reach
    listed = [
        i for i in np.flatnonzero(reach) if fixed[i] or any(_categorical(t, n) for t, n, _ in leaves.conditions[i])
    ]
    for leaf in listed:
        reach[leaf] = all(
            _goes(tree, node, x) is side for tree, node, side in leaves.conditions[leaf] if _is_fixed(tree, node, x)
        )
    return reach


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
        return not np.isnan(value) and value >= 0 and int(value) in left
    return bool(tree.default_left[node])


def _meets(leaves: Leaves, names: Array, low: Array, high: Array) -> Array:
    """(n, n) bool: two leaves share a row of the box."""
    n = len(names)
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
    return meets


def _row(leaves: Leaves, chosen: Array, x: Array, low: Array, high: Array) -> Array:
    """The row of the box nearest to `x` that ends in all the chosen leaves."""
    bottom, top = low.astype(np.float64), high.astype(np.float64)
    for leaf in chosen:
        used = leaves.feature[leaf] >= 0
        at = leaves.feature[leaf][used]
        bottom[at] = np.maximum(bottom[at], leaves.low[leaf][used])
        top[at] = np.minimum(top[at], leaves.high[leaf][used])
    row = np.clip(x.astype(np.float64), bottom, top)
    return np.where(np.isnan(x), x, row).astype(x.dtype)
