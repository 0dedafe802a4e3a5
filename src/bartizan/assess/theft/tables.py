"""Copies of models of tables: trees, a net, a kernel and a line learn its log-odds, and the best mixture is kept.

What is learnt is a number for each class, not a label: near a border that says on which side, and how near. Each kind
of copy answers for the third of the asked rows it was not taught with; those answers choose the mixture (Caruana et al.
2004, "Ensemble selection from libraries of models").
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.target import Array
from bartizan.assess.theft.thieves import loss
from bartizan.assess.theft.writing import Sheet

FOLDS = 3
PICKS = 8  # Of the mixture: how often a kind may be taken.
LEAST = 1e-4  # Smaller shares are taken as this: their logarithm says nothing more.
TREES = 100
BOOSTED, RATE = 80, 0.12
WIDTH = 128
NET, NETS = "a net", 3  # Their mean copies better than one (of a perceptron's answers two points more are the same).


@dataclass(frozen=True, slots=True)
class Scale:
    """What every copy sees of a row: flat, a missing number replaced by the middle one, and brought to one spread."""

    middle: Array
    mean: Array
    spread: Array

    @classmethod
    def of(cls, rows: Array) -> Scale:
        """By a pool."""
        flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # A column that is always missing.
            middle = np.nan_to_num(np.nanmedian(flat, axis=0))
        whole = np.where(np.isnan(flat), middle, flat)
        return cls(middle, whole.mean(axis=0), np.maximum(whole.std(axis=0), 1e-6))

    def flat(self, x: Array) -> Array:
        """(n, columns) float32 without holes."""
        rows = np.asarray(x, np.float32).reshape(len(x), -1)
        return np.where(np.isnan(rows), self.middle.astype(np.float32), rows)

    def even(self, x: Array) -> Array:
        """The same with mean 0 and spread 1."""
        return np.asarray((self.flat(x) - self.mean) / self.spread)


@dataclass(frozen=True, slots=True)
class Grown:
    """One tree of scikit-learn's, what its leaves are multiplied with, and the class it speaks of; None: of all."""

    tree: Any
    factor: float
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of trees and of what is said without any."""

    grown: tuple[Grown, ...]
    base: Array  # (classes,)

    def says(self, flat: Array, even: Array) -> Array:
        out = np.tile(self.base, (len(flat), 1))
        for one in self.grown:
            said = one.tree.predict(flat).reshape(len(flat), -1) * one.factor
            if one.target is None:
                out += said
            else:
                out[:, one.target] += said[:, 0]
        return out

    def draw(self, sheet: Sheet, flat: str, even: str, classes: int) -> str:
        columns: dict[str, Any] = {
            f"nodes_{one}": []
            for one in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
        } | {f"target_{one}": [] for one in ("treeids", "nodeids", "ids", "weights")}
        for number, one in enumerate(self.grown):
            tree = one.tree
            for node in range(tree.node_count):
                leaf = tree.children_left[node] < 0
                # The rows are float32, so that the nearest float32 below a threshold divides them as it does.
                threshold = np.float32(tree.threshold[node])
                if float(threshold) > tree.threshold[node]:
                    threshold = np.nextafter(threshold, np.float32(-np.inf))
                row = (number, node, 0 if leaf else int(tree.feature[node]), 0.0 if leaf else float(threshold),
                       "LEAF" if leaf else "BRANCH_LEQ", 0 if leaf else int(tree.children_left[node]),
                       0 if leaf else int(tree.children_right[node]))  # fmt: skip
                for values, value in zip(list(columns.values())[:7], row, strict=True):
                    values.append(value)
                if leaf:
                    for target, weight in enumerate(tree.value[node].reshape(-1)):
                        to = target if one.target is None else one.target
                        entry = (number, node, to, float(weight) * one.factor)
                        for values, item in zip(list(columns.values())[7:], entry, strict=True):
                            values.append(item)
        grown = sheet.node("TreeEnsembleRegressor", flat, domain="ai.onnx.ml", n_targets=classes, **columns)
        return sheet.node("Add", grown, sheet.constant(self.base))


@dataclass(frozen=True, slots=True)
class Layers:
    """A line, or a net: layers with ReLU between them over even rows."""

    weights: tuple[tuple[Array, Array], ...]

    def says(self, flat: Array, even: Array) -> Array:
        out = even
        for at, (weight, bias) in enumerate(self.weights):
            out = (np.maximum(out, 0) if at else out) @ weight + bias
        return out

    def draw(self, sheet: Sheet, flat: str, even: str, classes: int) -> str:
        out = even
        for at, (weight, bias) in enumerate(self.weights):
            out = sheet.node("Relu", out) if at else out
            out = sheet.node("Gemm", out, sheet.constant(weight), sheet.constant(bias))
        return out


@dataclass(frozen=True, slots=True)
class Kernel:
    """Kernel ridge regression with a Gaussian kernel: a weighted sum of likenesses to the asked rows."""

    rows: Array
    weight: Array
    middle: Array
    gamma: float

    def says(self, flat: Array, even: Array) -> Array:
        far = (even**2).sum(axis=1)[:, None] + (self.rows**2).sum(axis=1) - 2 * even @ self.rows.T
        return np.asarray(np.exp(-self.gamma * far) @ self.weight + self.middle)

    def draw(self, sheet: Sheet, flat: str, even: str, classes: int) -> str:
        own = sheet.node("ReduceSum", sheet.node("Mul", even, even), sheet.constant([1], np.int64), keepdims=1)
        others = sheet.node("Add", own, sheet.constant((self.rows**2).sum(axis=1)[None]))
        both = sheet.node("MatMul", even, sheet.constant(2 * self.rows.T))
        far = sheet.node("Mul", sheet.node("Sub", others, both), sheet.constant(-self.gamma))
        alike = sheet.node("MatMul", sheet.node("Exp", far), sheet.constant(self.weight))
        return sheet.node("Add", alike, sheet.constant(self.middle))


Part = Trees | Layers | Kernel
Fit = Callable[[Array, Array, Array, int], Part]  # flat rows, even rows, log-odds, seed


def _trees(flat: Array, even: Array, wanted: Array, seed: int) -> Part:
    """Extremely randomised trees (Geurts et al. 2006)."""
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(TREES, max_features=0.6, random_state=seed).fit(flat, wanted)
    return Trees(tuple(Grown(one.tree_, 1 / TREES) for one in model.estimators_), np.zeros(wanted.shape[1]))


def _boosted(flat: Array, even: Array, wanted: Array, seed: int) -> Part:
    """Each tree learns what the ones before it left (Friedman 2002); of two classes one mirrors the other."""
    from sklearn.ensemble import GradientBoostingRegressor

    classes = wanted.shape[1]
    grown: list[Grown] = []
    for at in range(1 if classes == 2 else classes):
        model = GradientBoostingRegressor(
            n_estimators=BOOSTED, learning_rate=RATE, subsample=0.7, max_features=0.5, random_state=seed
        ).fit(flat, wanted[:, at] - wanted[:, at].mean())
        # What it says before its first tree is the mean, which is 0.
        grown += [Grown(one.tree_, RATE, at) for one in model.estimators_[:, 0]]
    if classes == 2:
        grown += [Grown(one.tree, -one.factor, 1) for one in grown]
    return Trees(tuple(grown), wanted.mean(axis=0))


def _line(flat: Array, even: Array, wanted: Array, seed: int) -> Part:
    from sklearn.linear_model import Ridge

    model = Ridge(1.0).fit(even, wanted)
    return Layers(((np.atleast_2d(model.coef_).T, np.asarray(model.intercept_)),))


def _net(flat: Array, even: Array, wanted: Array, seed: int) -> Part:
    from sklearn.neural_network import MLPRegressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It stops after so many rounds on purpose.
        model = MLPRegressor(
            hidden_layer_sizes=(WIDTH, WIDTH),
            alpha=1.0,  # Few rows: a stiffer net copies better, of nets as of trees.
            batch_size=48,
            learning_rate_init=4e-3,
            max_iter=80,
            random_state=seed,
        ).fit(even, wanted)
    return Layers(tuple(zip(model.coefs_, model.intercepts_, strict=True)))


def _kernel(flat: Array, even: Array, wanted: Array, seed: int) -> Part:
    from sklearn.kernel_ridge import KernelRidge

    gamma, middle = 0.5 / even.shape[1], wanted.mean(axis=0)
    model = KernelRidge(alpha=0.1, kernel="rbf", gamma=gamma).fit(even, wanted - middle)
    return Kernel(even, np.asarray(model.dual_coef_), middle, gamma)


KINDS: dict[str, Fit] = {
    "a kernel": _kernel,
    "trees": _trees,
    "a line": _line,
    NET: _net,
    "boosted trees": _boosted,
}


@dataclass(frozen=True, slots=True)
class TableCopy:
    """A mixture: parts and their shares."""

    scale: Scale
    parts: tuple[tuple[Part, float], ...]
    classes: int
    shares: dict[str, float]
    taught: float = 1.0

    def logits(self, x: Array) -> Array:
        """(n, classes) of rows as the data has them."""
        flat, even = self.scale.flat(x), self.scale.even(x)
        return np.asarray(sum(share * part.says(flat, even) for part, share in self.parts))

    def lone(self) -> TableCopy:
        """Later copies are made as this one is."""
        return self

    def draw(self, sheet: Sheet, rows: str) -> str:
        """Adds its parts and their weighted sum."""
        flat = sheet.node("Reshape", rows, sheet.constant([-1, len(self.scale.middle)], np.int64))
        flat = sheet.node("Where", sheet.node("IsNaN", flat), sheet.constant(self.scale.middle), flat)
        even = sheet.node(
            "Div", sheet.node("Sub", flat, sheet.constant(self.scale.mean)), sheet.constant(self.scale.spread)
        )
        drawn = [
            sheet.node("Mul", part.draw(sheet, flat, even, self.classes), sheet.constant(share))
            for part, share in self.parts
        ]
        return sheet.node("Sum", *drawn)


@dataclass(frozen=True, slots=True)
class TableThief:
    """Makes copies of a model of numbers; `kinds` are those it may mix."""

    scale: Scale
    classes: int
    shares: dict[str, float] = field(default_factory=dict)  # none: chosen by cross-validation

    @classmethod
    def of(cls, rows: Array, classes: int) -> TableThief:
        """For a pool."""
        return cls(Scale.of(rows), classes)

    @property
    def method(self) -> str:
        """How, in one sentence."""
        return "trees, boosted trees, a line, nets and a kernel taught with log-odds, mixed by cross-validation"

    def quick(self, asked: Array, told: Array, seed: int, budget: Budget) -> list[TableCopy]:
        """A copy good enough to say what to ask next."""
        return [self._mixed(asked, told, {"trees": 0.5, "a kernel": 0.5}, seed)]

    def wiser(self, losses: list[float]) -> TableThief:
        """There is nothing to choose."""
        return self

    def best(self, asked: Array, told: Array, seed: int, budget: Budget) -> TableCopy:
        """The copy that is judged."""
        return self._mixed(asked, told, self.shares or self._shares(asked, told, seed, budget), seed)

    def settled(self, copy: TableCopy, whole: bool = True) -> TableThief:
        """With the mixture of a copy."""
        return replace(self, shares=copy.shares)

    def _mixed(self, asked: Array, told: Array, shares: dict[str, float], seed: int) -> TableCopy:
        flat, even, wanted = self.scale.flat(asked), self.scale.even(asked), log_odds(told)
        parts = [
            (KINDS[kind](flat, even, wanted, seed + number), share / count)
            for kind, share in shares.items()
            for count in (NETS if kind == NET else 1,)
            for number in range(count)
        ]
        return TableCopy(self.scale, tuple(parts), self.classes, shares)

    def _shares(self, asked: Array, told: Array, seed: int, budget: Budget) -> dict[str, float]:
        """How much of each kind, by what each says of rows it was not taught with."""
        flat, even, wanted = self.scale.flat(asked), self.scale.even(asked), log_odds(told)
        fold = np.random.default_rng(seed).permutation(len(asked)) % FOLDS
        said: dict[str, Array] = {}
        for kind, fit in KINDS.items():
            if said and budget.spent:
                break
            said[kind] = np.empty_like(wanted)
            for one in range(FOLDS):
                here = fold == one
                said[kind][here] = fit(flat[~here], even[~here], wanted[~here], seed).says(flat[here], even[here])
        sums, taken = np.zeros_like(wanted), dict.fromkeys(said, 0)
        for pick in range(PICKS):
            best = min(said, key=lambda kind: loss((sums + said[kind]) / (pick + 1), told))
            sums += said[best]
            taken[best] += 1
        return {kind: count / PICKS for kind, count in taken.items() if count}


def log_odds(told: Array) -> Array:
    """(n, classes) logarithms of the shares, each row with mean 0."""
    logs = np.log(np.clip(told, LEAST, None))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))
