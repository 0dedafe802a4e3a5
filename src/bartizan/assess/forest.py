"""Trees as tables, whatever library grew them: what exact answers are computed from."""

from __future__ import annotations

from dataclasses import dataclass

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
