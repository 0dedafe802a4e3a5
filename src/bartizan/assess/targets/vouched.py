"""Types of scikit-learn that skops leaves to the reader to judge: known here, and looked into before they are used.

A tree of scikit-learn is an array of nodes that C code follows without asking: a file could lead it out of the array or
round in circles. Trees that scikit-learn grew have children behind their parents and features that rows have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bartizan.core.errors import UsageError

VOUCHED = {
    "sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer", "sklearn.utils._bunch.Bunch",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
}  # fmt: skip
MAX_OBJECTS = 1_000_000


def check_trees(model: Any, name: str) -> None:
    """Raises UsageError where a tree anywhere in the model would be left, or never."""
    for owner in _parts(model, name):
        width = int(getattr(owner, "n_features_in_", 0))
        if type(getattr(owner, "tree_", None)).__name__ == "Tree":
            nodes = owner.tree_.__getstate__()["nodes"]
            _check(nodes["left_child"], nodes["right_child"], nodes["feature"], nodes["left_child"] < 0, width, name)
        for one in (part for step in getattr(owner, "_predictors", ()) for part in step):
            table = one.nodes
            leaf = table["is_leaf"].astype(bool)
            _check(table["left"], table["right"], table["feature_idx"], leaf, width, name)
            sets = table["bitset_idx"][table["is_categorical"].astype(bool) & ~leaf]
            if len(sets) and sets.max() >= min(len(one.raw_left_cat_bitsets), len(one.binned_left_cat_bitsets)):
                raise UsageError(f"{name} holds a tree that does not hold together")


def _check(left: Any, right: Any, feature: Any, leaf: Any, width: int, name: str) -> None:
    inner = np.flatnonzero(~leaf)
    sound = len(leaf) > 0 and all(
        (side[inner].astype(np.int64) > inner).all() and (side[inner].astype(np.int64) < len(leaf)).all()
        for side in (left, right)
    )
    if not sound or (len(inner) and not (feature[inner].min() >= 0 and feature[inner].max() < width)):
        raise UsageError(f"{name} holds a tree that does not hold together")


def _parts(model: Any, name: str) -> Iterator[Any]:
    """The model and everything inside it."""
    waiting, seen = [model], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | bool | None):
            continue
        seen.add(id(one))
        if len(seen) > MAX_OBJECTS:
            raise UsageError(f"{name} holds more than {MAX_OBJECTS:,} objects")
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set) or (isinstance(one, np.ndarray) and one.dtype == object):
            waiting.extend(one)
        elif type(one).__module__.split(".")[0] == "sklearn":
            yield one
            waiting.extend(getattr(one, "__dict__", {}).values())
