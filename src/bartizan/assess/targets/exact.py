"""What scikit-learn's estimators are made of, as tables and nets that say exactly the same.

Trees, forests and boosting become a `Forest`; linear models, with the scalers and projections before them, a
`Linear`; a bag of words before one, `Words`; linear models and perceptrons a torch module. What is computed from
tables is compared with the estimator on rows before it is believed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bartizan.assess.forest import Forest, Tree
from bartizan.assess.target import Array, Linear, Output, Target, Words, log_probabilities
from bartizan.assess.targets.tables import margins

CLOSE = 1e-6
MAX_WIDTH = 20_000  # Features beyond which a scaler is not multiplied out.


def give_tables(target: Target, model: Any, probe: Array | None) -> None:
    """Adds to the target what its model can be said as; `probe` are flat rows to compare on, None for texts."""
    steps, last = _steps(model)
    if target.dtype is object:
        words = _words(steps, last)
        if words is not None:
            target.words = lambda: words
        return
    front = _front(steps, _width(model))
    if front is None:
        if steps:
            target.notes.append(f"{type(last).__name__} stands behind steps that are not linear: no exact answers")
        return
    matrix, shift = front
    linear = _linear(last)
    if linear is not None:
        whole = _compose(matrix, shift, linear)
        if probe is None or _same(probe @ whole.weights + whole.bias, target, probe):
            target.linear = lambda: whole
            head = "softmax" if target.output is Output.PROBABILITIES else ""
            if target.output is not Output.LABELS:
                target.module = lambda: _module([(whole.weights, whole.bias)], "identity", head)
    elif hasattr(last, "coefs_"):
        layers = _layers(matrix, shift, last)
        target.module = lambda: _module(layers, last.activation, last.out_activation_)
    elif not steps:
        forest = _forest(last, target, probe)
        if forest is not None:
            target.forest = lambda: forest


def _steps(model: Any) -> tuple[list[Any], Any]:
    if not hasattr(model, "steps"):
        return [], model
    parts = [step for _, step in model.steps if step is not None and step != "passthrough"]
    return parts[:-1], parts[-1]


def _width(model: Any) -> int:
    return int(getattr(model, "n_features_in_", 0))


def _same(values: Array, target: Target, probe: Array) -> bool:
    """The tables' scores are the model's, up to rounding."""
    ours = target.answer(probe.reshape(len(probe), *target.shape))
    if target.output is Output.PROBABILITIES:
        values = np.exp(log_probabilities(values, Output.LOGITS))
    return values.shape == ours.shape and bool(np.allclose(values, ours, atol=CLOSE, rtol=CLOSE))


# ------------------------------------------------------------------------------------------------------------- linear


def _front(steps: list[Any], width: int) -> tuple[Array | None, Array | None] | None:
    """(matrix, shift) of the steps before the model, x @ matrix + shift; (None, None) for nothing; None: not linear."""
    if not steps:
        return None, None
    if not 0 < width <= MAX_WIDTH:
        return None
    matrix, shift = None, np.zeros(width)
    for step in steps:
        one = _affine(step, len(shift))
        if one is None:
            return None
        scale, offset = one
        if scale.ndim == 1:
            matrix = np.diag(scale) if matrix is None else matrix * scale
            shift = shift * scale + offset
        else:
            matrix = scale if matrix is None else matrix @ scale
            shift = shift @ scale + offset
    return matrix, shift


def _affine(step: Any, width: int) -> tuple[Array, Array] | None:
    """(scale, offset): scale (width,) column by column, or (width, new width)."""
    kind, none = type(step).__name__, np.zeros(width)
    if kind in ("StandardScaler", "RobustScaler"):
        middle = getattr(step, "mean_" if kind == "StandardScaler" else "center_", None)
        size = 1 / step.scale_ if step.scale_ is not None else np.ones(width)
        return size, none if middle is None else -middle * size
    if kind == "MinMaxScaler" and not step.clip:
        return step.scale_, step.min_
    if kind == "MaxAbsScaler":
        return 1 / step.scale_, none
    if kind == "PCA":
        matrix = step.components_.T / (np.sqrt(step.explained_variance_) if step.whiten else 1.0)
        return matrix, -(step.mean_ @ matrix)
    if kind == "TruncatedSVD":
        return step.components_.T, np.zeros(len(step.components_))
    if hasattr(step, "get_support"):
        matrix = np.eye(width)[:, step.get_support()]
        return matrix, np.zeros(matrix.shape[1])
    return None


def _linear(last: Any) -> Linear | None:
    """Scores of a linear model: its decision function, or the logarithm of a multinomial model's likelihood."""
    if hasattr(last, "feature_log_prob_") and type(last).__name__ == "MultinomialNB":
        return Linear(last.feature_log_prob_.T.astype(np.float64), last.class_log_prior_.astype(np.float64))
    if not hasattr(last, "coef_") or not hasattr(last, "decision_function"):
        return None
    weights = last.coef_.toarray() if hasattr(last.coef_, "toarray") else np.atleast_2d(last.coef_)
    kernel = getattr(last, "kernel", "linear")
    pairs = len(last.classes_) > 2 and type(last).__name__ in ("SVC", "NuSVC")  # One against one.
    if weights.ndim != 2 or kernel != "linear" or pairs:
        return None
    bias = np.broadcast_to(np.asarray(last.intercept_, np.float64), (len(weights),))
    if len(weights) == 1:
        return Linear(np.hstack([np.zeros_like(weights.T), weights.T]).astype(np.float64), np.array([0.0, bias[0]]))
    return Linear(weights.T.astype(np.float64), bias.copy())


def _compose(matrix: Array | None, shift: Array | None, linear: Linear) -> Linear:
    if matrix is None or shift is None:
        return linear
    return Linear(matrix @ linear.weights, shift @ linear.weights + linear.bias)


def _words(steps: list[Any], last: Any) -> Words | None:
    """A vectorizer, perhaps a TF-IDF transformer, and a linear model."""
    linear = _linear(last)
    if linear is None or not steps or not hasattr(steps[0], "vocabulary_") or len(steps) > 2:
        return None
    counter, tfidf = steps[0], steps[1] if len(steps) == 2 else steps[0]
    if len(steps) == 2 and (type(tfidf).__name__ != "TfidfTransformer" or hasattr(counter, "idf_")):
        return None
    terms = len(linear.weights)
    weighted = hasattr(tfidf, "use_idf")
    factor = np.asarray(tfidf.idf_, np.float64) if weighted and tfidf.use_idf else np.ones(terms)
    return Words(
        counter.build_analyzer(), {str(term): int(at) for term, at in counter.vocabulary_.items()}, factor,
        linear.weights, linear.bias, norm=(tfidf.norm or "") if weighted else "",
        sublinear=bool(weighted and tfidf.sublinear_tf), binary=bool(counter.binary),
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- nets


def _layers(matrix: Array | None, shift: Array | None, last: Any) -> list[tuple[Array, Array]]:
    layers = [(np.asarray(w, np.float64), np.asarray(b, np.float64)) for w, b in
              zip(last.coefs_, last.intercepts_, strict=True)]  # fmt: skip
    if matrix is not None and shift is not None:
        first, bias = layers[0]
        layers[0] = (matrix @ first, shift @ first + bias)
    return layers


def _module(layers: list[tuple[Array, Array]], activation: str, head: str) -> Any:
    """The torch module of dense layers; a head of `logistic` has one column, which becomes two."""
    import torch

    from bartizan.assess.targets.net import Net

    between = {
        "relu": torch.nn.ReLU,
        "tanh": torch.nn.Tanh,
        "logistic": torch.nn.Sigmoid,
        "identity": torch.nn.Identity,
    }
    parts: list[Any] = [torch.nn.Flatten()]
    for at, (weights, bias) in enumerate(layers):
        layer = torch.nn.Linear(*weights.shape)
        layer.weight.data = torch.from_numpy(np.ascontiguousarray(weights.T)).float()
        layer.bias.data = torch.from_numpy(np.ascontiguousarray(bias)).float()
        parts += [layer, between[activation]()] if at < len(layers) - 1 else [layer]
    return Net(
        torch.nn.Sequential(*parts), "margin" if head == "logistic" else "", softmax=head in ("softmax", "logistic")
    )


# -------------------------------------------------------------------------------------------------------------- trees


def _forest(last: Any, target: Target, probe: Array | None) -> Forest | None:
    """Trees of one estimator, a forest or boosting; None for everything else."""
    kind = type(last).__name__
    if kind in ("DecisionTreeClassifier", "ExtraTreeClassifier"):
        grown = [last]
    elif kind in ("RandomForestClassifier", "ExtraTreesClassifier"):
        grown = list(last.estimators_)
    elif kind == "GradientBoostingClassifier":
        return _boosted([_values(one.tree_, last.learning_rate) for one in last.estimators_.reshape(-1)], last, target,
                        probe, single=True)  # fmt: skip
    elif kind == "HistGradientBoostingClassifier":
        if getattr(last, "_preprocessor", None) is not None:
            target.notes.append("categories are coded inside the model: no exact answers")
            return None
        return _boosted([_binned(one, last) for step in last._predictors for one in step], last, target, probe,
                        single=False)  # fmt: skip
    else:
        return None
    trees = []
    for one in grown:
        shares = one.tree_.value[:, 0, :]
        shares = shares / shares.sum(axis=1, keepdims=True) / len(grown)
        trees.append(_tree(one.tree_, np.where(one.tree_.children_left[:, None] < 0, shares, 0.0)))
    classes = len(last.classes_)
    return Forest(tuple(trees), np.zeros(classes), classes, last.n_features_in_, single=True, link="mean")


def _tree(tree: Any, value: Array) -> Tree:
    leaf = tree.children_left < 0
    default = np.asarray(getattr(tree, "missing_go_to_left", np.zeros(len(leaf)))).astype(bool)
    return Tree(
        feature=np.where(leaf, -1, tree.feature).astype(np.int64), threshold=np.where(leaf, 0.0, tree.threshold),
        left=np.where(leaf, 0, tree.children_left).astype(np.int64),
        right=np.where(leaf, 0, tree.children_right).astype(np.int64), default_left=default & ~leaf, value=value,
    )  # fmt: skip


def _values(tree: Any, rate: float) -> Tree:
    leaf = tree.children_left < 0
    return _tree(tree, np.where(leaf[:, None], tree.value[:, 0, :1] * rate, 0.0))


def _binned(predictor: Any, last: Any) -> Tree:
    """A tree of histogram boosting; a category that it never saw goes where missing values go."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    default = nodes["missing_go_to_left"].astype(bool)
    sets: list[frozenset[int] | None] = [None] * len(nodes)
    for at in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
        sets[at] = _bits(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][at]])
    return Tree(
        feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int64),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]), left=np.where(leaf, 0, nodes["left"]).astype(np.int64),
        right=np.where(leaf, 0, nodes["right"]).astype(np.int64), default_left=default & ~leaf,
        value=np.where(leaf, nodes["value"], 0.0)[:, None],
        categories=tuple(sets) if any(one is not None for one in sets) else None,
    )  # fmt: skip


def _bits(words: Array) -> frozenset[int]:
    return frozenset(32 * at + bit for at, word in enumerate(words.tolist()) for bit in range(32) if word >> bit & 1)


def _boosted(trees: list[Tree], last: Any, target: Target, probe: Array | None, *, single: bool) -> Forest | None:
    """Boosted trees behind a start that is the same for every row, which is measured."""
    from dataclasses import replace

    outputs = 1 if len(last.classes_) == 2 else len(last.classes_)
    placed = []
    for at, tree in enumerate(trees):
        value = np.zeros((len(tree.value), outputs))
        value[:, at % outputs] = tree.value[:, 0]
        placed.append(replace(tree, value=value))
    width = last.n_features_in_
    bare = Forest(tuple(placed), np.zeros(outputs), outputs, width, single=single)
    rows = np.zeros((2, width)) if probe is None else probe
    raw = margins(last.decision_function(rows))
    gap = (raw[:, 1:] if outputs == 1 else raw) - bare.sums(rows)
    if not np.allclose(gap, gap[0], atol=CLOSE):
        target.notes.append("boosting starts from a model of its own: no exact answers")
        return None
    link = "identity" if target.output is not Output.LOGITS else "logistic" if outputs == 1 else "softmax"
    return Forest(tuple(placed), gap.mean(axis=0), outputs, width, single=single, link=link)
