"""What trees give away by their places: a threshold lies in the middle between two rows it was grown on.

Split search puts a threshold at (a + b) / 2 of two neighbouring values among its training rows. Whoever holds the
model's file and candidates can look for pairs of candidates in whose middle a threshold lies exactly: where there is
one pair only, both were trained on, and every candidate in between was not. Values that are nearly unique (incomes,
measurements) name a row; small whole numbers name none. This needs no shadow models, and no answer of the model.

Two sorts of growing differ in which rows are neighbours. Exact search (scikit-learn's forests) compares the rows of
one node; histograms (LightGBM, XGBoost) are cut once for all rows, at middles or at values themselves. Marks of both
sorts are taken: how much each is worth is learned from shadow models, of which the truth is known.

A leaf, too, was grown for at least one row: a leaf that only one candidate falls into tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.forest import Forest, Tree
from bartizan.assess.target import Array

NEIGHBOURS = 48  # Values looked at on each side of a threshold.
DEEPEST = 512
ENTRIES = 12_000_000  # Rows times nodes on their way, over all trees that are looked at.
SINGLE = 2.0**-23
DOUBLE = 2.0**-50


@dataclass(frozen=True, slots=True)
class Marks:
    """Candidates (n, features) float64 and their labels; `trees` are looked at, evenly chosen."""

    x: Array
    y: Array
    trees: int

    def of(self, forest: Forest) -> dict[str, Array]:
        """(n,) values by name, from the trees alone."""
        x = self.x.astype(np.float32).astype(np.float64) if forest.single else self.x
        count = min(len(forest.trees), self.trees)
        every = [forest.trees[at] for at in np.linspace(0, len(forest.trees) - 1, count).astype(int)]
        found = {name: np.zeros(len(x)) for name in ("pair", "sure_pair", "leaf", "sure_leaf", "kept_out")}
        for tree in every:
            _in_nodes(tree, x, self.y, forest, found)
        for value in found.values():
            value /= len(every)
        return found | _over_all(forest, x)


def marks_of(forest: Forest, x: Array, y: Array) -> Marks | None:
    """How to look at trees for these candidates; None where a table of the trees is of no use."""
    rows = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    if not forest.trees or rows.shape[1] != forest.features:
        return None
    nodes = max(len(tree.feature) for tree in forest.trees)
    depth = 1.5 * np.log2(nodes + 1) + 1
    return Marks(rows, y, max(4, int(ENTRIES / (len(rows) * depth))))


def _closeness(thresholds: Array) -> float:
    """How exact thresholds are, as a share of their size: files of some kinds round them to single precision."""
    numbers = thresholds[np.isfinite(thresholds)]
    return SINGLE if bool((numbers == numbers.astype(np.float32)).all()) else DOUBLE


# -------------------------------------------------------------------------------------------------- within the nodes


def _in_nodes(tree: Tree, x: Array, y: Array, forest: Forest, found: dict[str, Array]) -> None:
    """Adds what one tree tells, when it compared the rows of each node."""
    row, node, leaf = _ways(tree, x, forest.strict)
    count, size = len(x), len(tree.feature)
    value = np.asarray(tree.value, np.float64)
    own = value[leaf, np.minimum(y, value.shape[1] - 1)] > 0 if forest.link == "mean" else np.ones(count, bool)
    fit = np.bincount(leaf[own], minlength=size)
    alone = np.where(own, 1 / np.maximum(fit[leaf], 1), 0.0)
    found["leaf"] += alone
    found["sure_leaf"] += alone == 1
    out = ~own
    if len(row):
        apart = x[row, tree.feature[node]] - tree.threshold[node]
        finite = np.isfinite(apart)
        row, node, apart = row[finite], node[finite], apart[finite]
    if len(row):
        right = apart > 0
        far = np.abs(apart)
        order = np.lexsort((right, far, node))
        row, node, far, right = row[order], node[order], far[order], right[order]
        near = 4 * _closeness(tree.threshold) * np.maximum(np.abs(tree.threshold[node]), far)
        new = np.ones(len(row), bool)
        new[1:] = (node[1:] != node[:-1]) | (far[1:] - far[:-1] > near[1:])
        group = np.cumsum(new) - 1
        groups = int(group[-1]) + 1
        on_right, on_left = np.bincount(group[right], minlength=groups), np.bincount(group[~right], minlength=groups)
        match = (on_right > 0) & (on_left > 0)
        of_node, distance = node[new], far[new]
        pairs = np.bincount(of_node[match], minlength=size)
        weight = match[group] / (np.where(right, on_right[group], on_left[group]) * np.maximum(pairs[node], 1))
        best = np.zeros(count)
        np.maximum.at(best, row, weight)
        found["pair"] += best
        found["sure_pair"] += best == 1
        nearest = np.full(size, np.inf)
        np.minimum.at(nearest, of_node[match], distance[match])
        nearest[np.isinf(nearest)] = -1.0
        out[row[far < nearest[node] - near]] = True
    found["kept_out"] += out


def _ways(tree: Tree, x: Array, strict: bool) -> tuple[Array, Array, Array]:
    """(entries,) row and (entries,) node for every decision, and (n,) the leaves; categories are told by the tree."""
    at = np.zeros(len(x), np.int64)
    rows = np.arange(len(x))
    of_row, of_node = [rows[:0]], [at[:0]]
    for _ in range(DEEPEST):
        node = at[rows]
        inner = tree.feature[node] >= 0
        rows, node = rows[inner], node[inner]
        if not len(rows):
            break
        value = x[rows, tree.feature[node]]
        goes = (value < tree.threshold[node]) if strict else (value <= tree.threshold[node])
        goes = np.where(np.isnan(value), tree.default_left[node], goes)
        if tree.categories is None:
            of_row.append(rows)
            of_node.append(node)
        at[rows] = np.where(goes, tree.left[node], tree.right[node])
    leaf = at if tree.categories is None else tree.leaves(x, strict=strict)
    return np.concatenate(of_row), np.concatenate(of_node), leaf


# ------------------------------------------------------------------------------------------------------ over all rows


def _over_all(forest: Forest, x: Array) -> dict[str, Array]:
    """What all thresholds tell together, when columns were cut once for all rows."""
    feature = np.concatenate([np.asarray(tree.feature) for tree in forest.trees])
    threshold = np.concatenate([np.asarray(tree.threshold, np.float64) for tree in forest.trees])
    usable = (feature >= 0) & np.isfinite(threshold)
    feature, threshold = feature[usable], threshold[usable]
    found = {name: np.zeros(len(x)) for name in ("cut", "sure_cut", "between", "at")}
    for column in np.unique(feature):
        places = np.unique(threshold[feature == column])
        _in_column(places, x[:, column], found)
    return found


def _in_column(places: Array, values: Array, found: dict[str, Array]) -> None:
    known = np.isfinite(values)
    distinct, of, times = np.unique(values[known], return_inverse=True, return_counts=True)
    size = len(distinct)
    if size < 2:
        return
    near = 4 * _closeness(places) * np.maximum(np.abs(places), 1e-30)
    middle = np.searchsorted(distinct, places, side="right")
    back = middle[:, None] - 1 - np.arange(NEIGHBOURS)
    lower = distinct[np.clip(back, 0, size - 1)]
    wanted = 2 * places[:, None] - lower
    partner = np.clip(np.searchsorted(distinct, wanted - near[:, None]), 0, size - 1)
    match = (back >= 0) & (np.abs(distinct[partner] - wanted) <= near[:, None] * 2) & (distinct[partner] > lower)
    weight = match / np.maximum(match.sum(axis=1, keepdims=True), 1)
    cut, sure, between, at = np.zeros(size), np.zeros(size), np.zeros(size + 1), np.zeros(size)
    i, j = np.nonzero(match)
    for side in (back[i, j], partner[i, j]):
        np.add.at(cut, side, weight[i, j] / times[side])
        np.add.at(sure, side, (weight[i, j] == 1) & (times[side] == 1))
    first = np.argmax(match, axis=1)
    some = np.flatnonzero(match.any(axis=1))
    np.add.at(between, back[some, first[some]] + 1, weight.max(axis=1)[some])
    np.add.at(between, partner[some, first[some]], -weight.max(axis=1)[some])
    same = np.clip(np.searchsorted(distinct, places - near), 0, size - 1)
    hit = np.abs(distinct[same] - places) <= near
    np.add.at(at, same[hit], 1.0 / times[same[hit]])
    for name, value in (("cut", cut), ("sure_cut", sure), ("between", np.cumsum(between)[:-1]), ("at", at)):
        found[name][known] += value[of]
