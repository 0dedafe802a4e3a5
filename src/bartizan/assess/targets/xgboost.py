"""XGBoost's JSON and UBJSON models: margins by XGBoost, the trees as tables, refits with what the file tells.

XGBoost goes left where `x < t` in float32; a categorical value that is in a node's set goes right, which the tables
turn round (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html and categorical.html).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.forest import Forest, Tree
from bartizan.assess.target import Array, Linear, Output, Target
from bartizan.assess.targets import ubjson
from bartizan.assess.targets.boosters import sound
from bartizan.assess.targets.tables import labels_of, margins, row_shape
from bartizan.core.errors import UsageError

MAX_BYTES = 1024**3
BINARY = {"binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"}
SEVERAL = {"multi:softmax", "multi:softprob"}
DEFAULT_RATE = 0.3


def open_xgboost(path: Path, rows: Array | None) -> Target:
    """The target of a model file.

    Raises:
        UsageError: not such a model, not a classifier, or rows of another width. Missing: XGBoost is not installed.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path.name} has more than {MAX_BYTES:,} bytes")
    try:
        import xgboost
    except ImportError:
        raise Missing("xgboost-cpu", "an XGBoost model") from None
    raw = path.read_bytes()
    try:
        content = sound(json.loads(raw) if path.suffix == ".json" else ubjson.loads(raw))
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise UsageError(f"{path.name} is not an XGBoost model that holds together") from None
    booster = xgboost.Booster({"nthread": 1, "verbosity": 0})
    try:
        booster.load_model(bytearray(json.dumps(content).encode()))
    except xgboost.core.XGBoostError:
        raise UsageError(f"{path.name} is not a model that XGBoost can read") from None
    return of_booster(booster, path.name, hashlib.sha256(raw).hexdigest(), rows)


def of_booster(booster: Any, name: str, digest: str, rows: Array | None) -> Target:
    """The target of a booster in memory."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    if objective not in BINARY | SEVERAL:
        raise UsageError(f"{name} has the objective {objective[:40]!r}, which is no classification")
    classes = max(int(learner["learner_model_param"]["num_class"]), 2)
    width = booster.num_features()
    shape = row_shape(name, width, rows)
    answer = _answer(booster)
    target = Target(
        name=name, kind="xgboost", digest=digest, shape=shape, classes=classes, output=Output.LOGITS, answer=answer,
        takes_nan=True,
    )  # fmt: skip
    booster_of = learner["gradient_booster"]
    outputs = 1 if classes == 2 and objective in BINARY else classes
    zero = answer(np.zeros((1, width), np.float32))[0]
    zero = zero[1:] if outputs == 1 else zero
    if booster_of["name"] == "gblinear":
        linear = _linear(booster_of["model"]["weights"], width, outputs, zero)
        target.linear = lambda: linear
    else:
        trees = _trees(booster_of, outputs)
        if trees is None:
            target.notes.append("the trees have several values a leaf: no exact answers")
        else:
            bare = Forest(trees, np.zeros(outputs), outputs, width, strict=True, single=True)
            base = zero - bare.sums(np.zeros((1, width)))[0]
            link = "logistic" if outputs == 1 else "softmax"
            forest = Forest(trees, base, outputs, width, strict=True, single=True, link=link)
            target.forest = lambda: forest
    target.refit = XGBoostRefit(target, objective, classes, _grown(booster_of, outputs), booster.feature_types)
    return target


def _answer(booster: Any) -> Any:
    import xgboost

    kinds = booster.feature_types

    def answer(x: Array) -> Array:
        flat = np.ascontiguousarray(x.reshape(len(x), -1), dtype=np.float32)
        rows = xgboost.DMatrix(
            flat, nthread=1, feature_names=booster.feature_names, feature_types=kinds, enable_categorical=bool(kinds)
        )
        return margins(booster.predict(rows, output_margin=True))

    return answer


# -------------------------------------------------------------------------------------------------------------- tables


def _trees(booster: dict[str, Any], outputs: int) -> tuple[Tree, ...] | None:
    """All trees, each adding to its class; a dropped one of DART with its weight."""
    weights = booster.get("weight_drop")
    model = booster["gbtree"]["model"] if "gbtree" in booster else booster["model"]
    made = []
    for at, (tree, group) in enumerate(zip(model["trees"], model["tree_info"], strict=True)):
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            return None
        made.append(_tree(tree, group, outputs, weights[at] if weights else 1.0))
    return tuple(made)


def _tree(tree: dict[str, Any], group: int, outputs: int, weight: float) -> Tree:
    left, right = (np.array(tree[f"{side}_children"], np.int64) for side in ("left", "right"))
    condition = np.array(tree["split_conditions"], np.float32).astype(np.float64)
    leaf = left < 0
    default = np.array(tree["default_left"]).astype(bool)
    value = np.zeros((len(left), outputs))
    value[leaf, group] = condition[leaf] * weight
    categories: list[frozenset[int] | None] = [None] * len(left)
    listed = tree["categories"]
    parts = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    for node, begin, size in parts:
        categories[node] = frozenset(listed[begin : begin + size])
        left[node], right[node], default[node] = right[node], left[node], not default[node]
    return Tree(
        feature=np.where(leaf, -1, np.array(tree["split_indices"], np.int64)),
        threshold=np.where(leaf, 0.0, condition), left=np.where(leaf, 0, left), right=np.where(leaf, 0, right),
        default_left=default & ~leaf, value=value,
        categories=tuple(categories) if any(one is not None for one in categories) else None,
    )  # fmt: skip


def _linear(weights: list[float], width: int, outputs: int, zero: Array) -> Linear:
    """The weights of gblinear, feature by feature; of two classes the first has none."""
    table = np.array(weights, np.float64).reshape(width + 1, outputs)[:-1]
    if outputs == 1:
        return Linear(np.hstack([np.zeros_like(table), table]), np.array([0.0, float(zero[0])]))
    return Linear(table, np.asarray(zero, np.float64))


# ------------------------------------------------------------------------------------------------------------- refits


@dataclass(frozen=True, slots=True)
class Grown:
    """What trees show of how they were grown."""

    booster: str
    rounds: int
    depth: int
    rate: float | None  # None: cannot be told


def _grown(booster: dict[str, Any], outputs: int) -> Grown:
    if booster["name"] == "gblinear":
        return Grown("gblinear", int(booster["model"].get("boosted_rounds", 10)), 0, None)
    trees = (booster["gbtree"]["model"] if "gbtree" in booster else booster["model"])["trees"]
    depth, rates = 1, []
    for tree in trees:
        depths = [0] * len(tree["left_children"])
        for node, (left, right) in enumerate(zip(tree["left_children"], tree["right_children"], strict=True)):
            if left >= 0:
                depths[left] = depths[right] = depths[node] + 1
                if tree["left_children"][left] < 0 and tree["left_children"][right] < 0:
                    rates.append(_rate(tree, node, left, right))
        depth = max(depth, *depths)
    sound = [one for one in rates if 1e-4 < one < 1.5]
    rate = float(f"{np.median(sound):.2g}") if len(sound) > len(rates) / 2 else None
    return Grown(booster["name"], max(1, len(trees) // outputs), depth, rate)


def _rate(tree: dict[str, Any], node: int, left: int, right: int) -> float:
    """The learning rate: leaves are shrunk by it, the node above them is not (with the default lambda of 1)."""
    weight, hessian = tree["base_weights"], tree["sum_hessian"]
    whole = weight[node] * (hessian[node] + 1)
    parts = sum(tree["split_conditions"][one] * (hessian[one] + 1) for one in (left, right))
    return float(parts / whole) if abs(whole) > 1e-3 else 0.0


@dataclass(frozen=True, slots=True)
class XGBoostRefit:
    """Grows as many rounds to the same depth; the file keeps no other parameters."""

    like: Target
    objective: str
    classes: int
    grown: Grown
    kinds: Any  # of features: c is a category
    recipe: str = field(init=False)

    def __post_init__(self) -> None:
        rate = f"a learning rate of {self.grown.rate:g} (by the leaves)" if self.grown.rate else "learning rate 0.3"
        object.__setattr__(
            self, "recipe",
            f"XGBoost ({self.grown.booster}), {self.grown.rounds} rounds, depth {self.grown.depth}, {rate}, otherwise "
            "its defaults (the model file keeps no parameters); soft labels by their largest",
        )  # fmt: skip

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        import xgboost

        told: dict[str, Any] = {
            "objective": self.objective, "booster": self.grown.booster, "nthread": 1, "seed": seed, "verbosity": 0,
            "eta": self.grown.rate or DEFAULT_RATE,
        }  # fmt: skip
        if self.grown.booster != "gblinear":
            told["max_depth"] = self.grown.depth
        if self.objective in SEVERAL:
            told["num_class"] = self.classes
        flat = np.asarray(x, np.float32).reshape(len(x), -1)
        rows = xgboost.DMatrix(
            flat, labels_of(y), feature_types=self.kinds, enable_categorical=bool(self.kinds), nthread=1
        )
        booster = xgboost.train(told, rows, self.grown.rounds)
        made = of_booster(booster, f"{self.like.name} (refitted)", "", x)
        made.refit, made.saved = self, lambda: (".json", bytes(booster.save_raw("json")))
        return made
