"""Trees as tables, whatever library grew them: what exact answers are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree as parallel arrays over its nodes, node 0 the root.

    `feature` is -1 at a leaf. A row goes `left` where `x[feature] <= threshold` (`strict`: `<`), else `right`; NaN goes
    left where `default_left`. `categories` holds, for categorical nodes, the values that go left, else None.
    `value` (nodes, outputs) is what a leaf adds to the scores.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    default_left: Array
    value: Array
    categories: tuple[frozenset[int] | None, ...] | None = None

    def leaves(self, x: Array, *, strict: bool = False) -> Array:
        """(n,) the node each row (n, features) ends in; a number is a category by its whole part."""
        at = np.zeros(len(x), np.int64)
        feature, threshold = np.asarray(self.feature), np.asarray(self.threshold)
        left, right, default = np.asarray(self.left), np.asarray(self.right), np.asarray(self.default_left, bool)
        rows = np.arange(len(x))
        while len(rows):
            node = at[rows]
            rows = rows[feature[node] >= 0]
            node = at[rows]
            value = x[rows, feature[node]]
            goes = (value < threshold[node]) if strict else (value <= threshold[node])
            goes = np.where(np.isnan(value), default[node], goes)
            if self.categories is not None:
                for one in np.unique(node):
                    if (members := self.categories[one]) is not None:
                        here = node == one
                        known = ~np.isnan(value[here])
                        whole = np.where(known, value[here], -1).astype(np.int64)
                        goes[here] = np.where(known, np.isin(whole, list(members)), default[one])
            at[rows] = np.where(goes, left[node], right[node])
        return at


@dataclass(frozen=True, slots=True)
class Forest:
    """scores = base + the sum over trees of their leaves' values; (n, outputs).

    `outputs` is 1 for a binary margin (class 1 where the score is > 0, after `link`), else the number of classes.
    `strict` and `single` say how a library compares: XGBoost `x < t` in float32, LightGBM and scikit-learn `x <= t`
    (scikit-learn casts rows to float32 first). `link` is what turns sums into the model's scores: identity, logistic,
    softmax, or mean (a forest of probabilities: sums of class shares, already divided by the number of trees).
    """

    trees: tuple[Tree, ...]
    base: Array  # (outputs,)
    outputs: int
    features: int
    strict: bool = False
    single: bool = False
    link: str = "identity"

    def sums(self, x: Array) -> Array:
        """(n, outputs) float64: what the trees add up to for rows, before `link`; rows are flattened."""
        rows = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
        if self.single:
            rows = rows.astype(np.float32).astype(np.float64)
        out = np.tile(np.asarray(self.base, np.float64), (len(rows), 1))
        for tree in self.trees:
            out += np.asarray(tree.value, np.float64)[tree.leaves(rows, strict=self.strict)]
        return out
