"""LightGBM's text models: scores by LightGBM, the trees as tables, refits with the parameters the file carries.

The text is read here as well, and first: a file that does not hold together never reaches the library. How a node
decides: `Tree::NumericalDecision` and `Tree::CategoricalDecision` in LightGBM's include/LightGBM/tree.h.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.forest import Forest, Tree
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.tables import labels_of, margins, row_shape
from bartizan.core.errors import UsageError

MAX_BYTES = 1024**3
MAX_NODES = 1 << 24
ZERO = float(np.float32(1e-35))  # kZeroThreshold: what is nearer to 0 is 0.
ODD_OBJECTIVES = {"cross_entropy", "cross_entropy_lambda"}
# What changes how trees are grown; the file may carry more, among it names of files, which nobody reads.
LEARNING = {
    "boosting", "objective", "learning_rate", "num_leaves", "tree_learner", "max_depth", "min_data_in_leaf",
    "min_sum_hessian_in_leaf", "bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction", "bagging_freq",
    "feature_fraction", "feature_fraction_bynode", "extra_trees", "max_delta_step", "lambda_l1", "lambda_l2",
    "min_gain_to_split", "drop_rate", "max_drop", "skip_drop", "xgboost_dart_mode", "uniform_drop", "top_rate",
    "other_rate", "min_data_per_group", "max_cat_threshold", "cat_l2", "cat_smooth", "max_cat_to_onehot",
    "monotone_constraints", "monotone_constraints_method", "monotone_penalty", "path_smooth", "max_bin",
    "min_data_in_bin", "is_unbalance", "scale_pos_weight", "sigmoid", "boost_from_average", "use_missing",
    "zero_as_missing", "num_class", "categorical_feature",
}  # fmt: skip
SWITCHES = {
    "extra_trees", "xgboost_dart_mode", "uniform_drop", "is_unbalance", "boost_from_average", "use_missing",
    "zero_as_missing",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Text:
    """A model file, understood: its header, its trees as blocks of key and value, and its parameters."""

    header: dict[str, str]
    trees: tuple[dict[str, str], ...]
    parameters: dict[str, str]

    @property
    def outputs(self) -> int:
        """Scores a row: trees in each round."""
        return int(self.header.get("num_tree_per_iteration", "1"))

    @property
    def features(self) -> int:
        """Columns a row has."""
        return int(self.header["max_feature_idx"]) + 1

    @property
    def objective(self) -> str:
        """The first word of the objective; empty where training had one of its own."""
        return self.header.get("objective", "").split(" ")[0]

    @property
    def sigmoid(self) -> float:
        """What margins are multiplied with before the logistic function."""
        found = re.search(r"sigmoid:([0-9.eE+-]+)", self.header.get("objective", ""))
        return float(found[1]) if found else 1.0

    @property
    def scale(self) -> float:
        """What raw sums are multiplied with: the sigmoid's slope, and a share where the trees' mean counts."""
        slope = 1.0 if self.objective == "multiclass" else self.sigmoid
        return slope * self.outputs / len(self.trees) if "average_output" in self.header else slope


def open_lightgbm(path: Path, rows: Array | None) -> Target:
    """The target of a text model.

    Raises:
        UsageError: not such a model, not a classifier, or rows of another width. Missing: LightGBM is not installed.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"{path.name} has more than {MAX_BYTES:,} bytes")
    raw = path.read_bytes()
    try:
        content = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path.name} is not a LightGBM text model") from None
    return of_text(content, path.name, hashlib.sha256(raw).hexdigest(), rows)


def of_text(content: str, name: str, digest: str, rows: Array | None) -> Target:
    """The target of a model's text."""
    try:
        text = read_text(content)
        trees = [_tree(block, text.features) for block in text.trees]
    except (ValueError, LookupError) as error:
        raise UsageError(f"{name} is not a LightGBM text model that holds together ({error})") from None
    try:
        import lightgbm
    except ImportError:
        raise Missing("lightgbm", "a LightGBM model") from None
    _silence(lightgbm)
    output, classes, notes = _kind(name, text)
    shape = row_shape(name, text.features, rows)
    # Without the sizes the library reads tree by tree instead of jumping to where the file says.
    plain = re.sub(r"^tree_sizes=.*\n", "", content, count=1, flags=re.MULTILINE)
    try:
        booster = lightgbm.Booster(model_str=plain)
    except lightgbm.basic.LightGBMError as error:
        raise UsageError(f"{name} cannot be read by LightGBM: {' '.join(str(error).split())[:160]}") from None
    target = Target(
        name=name, kind="lightgbm", digest=digest, shape=shape, classes=classes, output=output,
        answer=_answer(booster, text), dtype=np.float64, notes=notes, takes_nan=True,
    )  # fmt: skip
    known = [tree for tree in trees if tree is not None]
    if len(known) == len(trees):
        made = _forest(text, known)
        target.forest = lambda: made
    else:
        target.notes.append("linear leaves, or zeros as missing values in too many places: no exact answers")
    target.refit = LightGBMRefit(target, text)
    return target


def _silence(lightgbm: Any) -> None:
    """The library speaks on standard output, where reports go."""
    logger = logging.getLogger("bartizan.lightgbm")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    lightgbm.register_logger(logger)


def _kind(name: str, text: Text) -> tuple[Output, int, list[str]]:
    """Output, classes and notes by the objective."""
    if text.objective in {"binary", "multiclass"} | ODD_OBJECTIVES:
        return Output.LOGITS, max(text.outputs, 2), []
    if text.objective == "multiclassova":
        return Output.PROBABILITIES, text.outputs, []
    if text.objective in ("", "none", "custom"):
        return Output.LOGITS, max(text.outputs, 2), ["the objective is unknown: scores are taken as margins"]
    raise UsageError(f"{name} has the objective {text.objective[:40]!r}, which is no classification")


def _answer(booster: Any, text: Text) -> Any:
    scale = text.scale

    def answer(x: Array) -> Array:
        raw = booster.predict(x.reshape(len(x), -1), raw_score=True, num_threads=1)
        if text.objective == "multiclassova":  # Each class by itself: what LightGBM gives, made to sum to one.
            shares = 1 / (1 + np.exp(-scale * raw))
            return np.asarray(shares / shares.sum(axis=1, keepdims=True))
        return margins(np.asarray(raw) * scale)

    return answer


# ------------------------------------------------------------------------------------------------------------ reading


def read_text(text: str) -> Text:
    """The blocks of a model file.

    Raises:
        ValueError, LookupError: it is not one.
    """
    if not text.startswith("tree\n"):
        raise ValueError("it does not begin with `tree`")
    body, _, rest = text.partition("\nend of trees")
    head, *blocks = re.split(r"\nTree=\d+\n", body)
    header = dict(_pairs(head))
    if not blocks or "max_feature_idx" not in header:
        raise ValueError("it has no trees")
    trees = tuple(dict(_pairs(block)) for block in blocks)
    found = re.search(r"\nparameters:\n(.*?)\nend of parameters", rest, re.DOTALL)
    inside = re.findall(r"^\[(\w+): (.*)\]$", found[1], re.MULTILINE) if found else []
    read = Text(header, trees, dict(inside))
    if read.outputs < 1 or not 0 < read.features <= 1 << 20 or len(trees) % read.outputs:
        raise ValueError("its numbers of trees, classes and features do not agree")
    if any(len(header.get(key, "").split()) != read.features for key in ("feature_names", "feature_infos")):
        raise ValueError("its names of features are not as many as its features")
    return read


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.split("\n"):
        key, _, value = line.partition("=")
        yield key, value


def _numbers(block: dict[str, str], key: str, kind: Any, count: int) -> Array:
    values = np.array(block.get(key, "").split(), dtype=kind)
    if len(values) != count:
        raise ValueError(f"{key} has {len(values)} values instead of {count}")
    return values


def _tree(block: dict[str, str], features: int) -> Tree | None:
    """The tree of a block; None where it is of a kind that tables cannot say exactly."""
    leaves = int(block["num_leaves"])
    inner = leaves - 1
    if not 1 <= leaves <= MAX_NODES:
        raise ValueError("a tree of an impossible size")
    value = _numbers(block, "leaf_value", np.float64, leaves)
    if block.get("is_linear", "0") == "1":
        return None
    if not inner:
        none = np.zeros(1, np.int64)
        return Tree(none - 1, np.zeros(1), none, none, np.zeros(1, bool), value.reshape(1, 1))
    feature = _numbers(block, "split_feature", np.int64, inner)
    threshold = _numbers(block, "threshold", np.float64, inner)
    decision = _numbers(block, "decision_type", np.int64, inner)
    left, right = (_numbers(block, f"{side}_child", np.int64, inner) for side in ("left", "right"))
    children = np.concatenate([left, right])
    inside = children[children >= 0]
    if feature.min() < 0 or feature.max() >= features or children.max() >= inner or children.min() < -leaves:
        raise ValueError("a tree that points outside itself")
    if (inside <= 0).any() or len(np.unique(children)) != len(children):
        raise ValueError("a tree whose nodes have more than one parent")
    grown = _Grown(feature, threshold, decision, left, right, value, _categories(block, decision, threshold))
    return grown.table()


def _categories(block: dict[str, str], decision: Array, threshold: Array) -> dict[int, frozenset[int]]:
    """By node: the categories that go left, from bit sets."""
    count = int(block.get("num_cat", "0"))
    if not count:
        return {}
    bounds = _numbers(block, "cat_boundaries", np.int64, count + 1)
    words = np.array(block["cat_threshold"].split(), dtype=np.uint64)
    found = {}
    for node in np.flatnonzero(decision & 1):
        at = int(threshold[node])
        if not 0 <= at < count or not 0 <= bounds[at] <= bounds[at + 1] <= len(words):
            raise ValueError("a set of categories outside its table")
        part = words[bounds[at] : bounds[at + 1]]
        found[int(node)] = frozenset(
            word * 32 + bit for word, value in enumerate(part.tolist()) for bit in range(32) if value >> bit & 1
        )
    return found


@dataclass(slots=True)
class _Grown:
    """A tree being copied into a table: where zeros count as missing, a node becomes up to three."""

    feature: Array
    threshold: Array
    decision: Array
    left: Array
    right: Array
    value: Array
    categories: dict[int, frozenset[int]]
    rows: list[list[Any]] = field(default_factory=list)  # feature, threshold, left, right, default, value, categories

    def table(self) -> Tree | None:
        """The table; None where copies would make it much larger."""
        limit = 4 * (2 * len(self.value)) + 1000
        waiting = [(0, -1, 0)]  # node of the file, row of the table that waits for it, which side
        while waiting:
            if len(self.rows) > limit:
                return None
            node, parent, side = waiting.pop()
            if parent >= 0:
                self.rows[parent][2 + side] = len(self.rows)
            if node < 0:
                self.rows.append([-1, 0.0, 0, 0, False, self.value[~node], None])
            else:
                waiting.extend(self._split(node))
        columns = list(zip(*self.rows, strict=True))
        sets = tuple(columns[6])
        return Tree(
            feature=np.array(columns[0]), threshold=np.array(columns[1]), left=np.array(columns[2]),
            right=np.array(columns[3]), default_left=np.array(columns[4]), value=np.array(columns[5]).reshape(-1, 1),
            categories=sets if any(one is not None for one in sets) else None,
        )  # fmt: skip

    def _split(self, node: int) -> list[tuple[int, int, int]]:
        """Adds the rows of one node; what waits below them."""
        feature, threshold = int(self.feature[node]), float(self.threshold[node])
        kind, default = int(self.decision[node]), bool(self.decision[node] & 2)
        left, right, row = int(self.left[node]), int(self.right[node]), len(self.rows)
        if kind & 1:
            self.rows.append([feature, 0.0, 0, 0, False, 0.0, self.categories[node]])
            return [(right, row, 1), (left, row, 0)]
        missing = kind >> 2 & 3
        if missing == 0:  # NaN is read as 0.
            default = threshold >= 0
        if missing != 1 or default == (threshold >= 0):
            self.rows.append([feature, threshold, 0, 0, default, 0.0, None])
            return [(right, row, 1), (left, row, 0)]
        below = float(np.nextafter(-ZERO, -np.inf))
        if default:  # The threshold is below 0, yet 0 goes left: x <= t | x < 0 | x is 0 | x > 0
            self.rows += [[feature, threshold, 0, row + 1, True, 0.0, None],
                          [feature, below, 0, row + 2, False, 0.0, None],
                          [feature, ZERO, 0, 0, True, 0.0, None]]  # fmt: skip
            return [(right, row + 2, 1), (left, row + 2, 0), (right, row + 1, 0), (left, row, 0)]
        self.rows += [[feature, below, 0, row + 1, False, 0.0, None], [feature, ZERO, 0, row + 2, False, 0.0, None],
                      [feature, threshold, 0, 0, False, 0.0, None]]  # fmt: skip
        return [(right, row + 2, 1), (left, row + 2, 0), (right, row + 1, 0), (left, row, 0)]


def _forest(text: Text, trees: list[Tree]) -> Forest:
    """All trees, each adding to its class; margins as `_answer` gives them."""
    from dataclasses import replace

    outputs, scale = text.outputs, text.scale
    placed = []
    for at, tree in enumerate(trees):
        value = np.zeros((len(tree.value), outputs))
        value[:, at % outputs] = tree.value[:, 0] * scale
        placed.append(replace(tree, value=value))
    link = "logistic" if outputs == 1 else "softmax" if text.objective == "multiclass" else "identity"
    return Forest(tuple(placed), np.zeros(outputs), outputs, text.features, link=link)


# ------------------------------------------------------------------------------------------------------------- refits


@dataclass(frozen=True, slots=True)
class LightGBMRefit:
    """Grows the same number of trees with the parameters in the file; soft labels count by their largest."""

    like: Target
    text: Text
    recipe: str = field(init=False)

    def __post_init__(self) -> None:
        told = "the parameters in the model file" if self.text.parameters else "LightGBM's default parameters"
        rounds = len(self.text.trees) // self.text.outputs
        object.__setattr__(self, "recipe", f"LightGBM, {rounds} rounds with {told}; soft labels by their largest")

    def parameters(self, seed: int) -> dict[str, Any]:
        """What LightGBM is told."""
        given = {key: value for key, value in self.text.parameters.items() if key in LEARNING and value != ""}
        for key in SWITCHES & given.keys():
            given[key] = "true" if given[key] in ("1", "true") else "false"
        if not self.text.parameters:
            given["num_leaves"] = str(max(2, *(int(block["num_leaves"]) for block in self.text.trees)))
        if self.text.objective in ("", "none", "custom"):
            given["objective"] = "multiclass" if self.text.outputs > 1 else "binary"
        if self.text.outputs > 1:
            given["num_class"] = str(self.text.outputs)
        return given | {"seed": seed, "num_threads": 1, "verbosity": -1, "deterministic": True, "force_col_wise": True}

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        import lightgbm

        from bartizan.assess.targets.nets import replace_target

        told = self.parameters(seed)
        categorical = [int(one) for one in re.findall(r"\d+", str(told.pop("categorical_feature", "")))]
        rows = lightgbm.Dataset(
            np.asarray(x, np.float64).reshape(len(x), -1), labels_of(y), categorical_feature=categorical or "auto",
            params={**told, "feature_pre_filter": False},
        )  # fmt: skip
        booster = lightgbm.train(told, rows, num_boost_round=len(self.text.trees) // self.text.outputs)
        made = replace_target(self.like, _answer(booster, self.text), None, self)

        def forest() -> Forest:
            text = read_text(booster.model_to_string())
            return _forest(text, [tree for block in text.trees if (tree := _tree(block, text.features)) is not None])

        made.forest = None if self.like.forest is None else forest
        made.saved = lambda: (".txt", booster.model_to_string().encode())
        return made
