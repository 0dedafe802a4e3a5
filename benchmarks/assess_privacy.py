"""Membership of training rows: our attack beside RMIA, on models whose truth is known.

    python -m benchmarks.assess_privacy [--data FOLDER] [--match TEXT] [--targets N] [--seconds S]

Each target is trained on a random half of its pool. Ours sees what a user gives: the model as a file or an estimator,
the pool, test rows; nets go through ONNX, and their shadow models are trained by our own recipe, which is not that of
the target. RMIA (Zarifzadeh et al. 2024, online, population of test rows) is given what nobody has: 8 shadow models
of the target's very recipe. "told" is the rate that ours claims without knowing the truth. TPR in per cent at 1 % and
0.1 % false positives, mean over the targets.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.privacy.attacks import rmia
from bartizan.assess.privacy.curve import Curve, curve
from bartizan.assess.privacy.measure import measure
from bartizan.assess.privacy.shadows import halves
from bartizan.assess.privacy.signals import of_label
from bartizan.assess.target import Array, Target
from benchmarks.poison_sets import Rows

SHADOWS = 8
Fitted = tuple[Any, Callable[[Array], Array]]  # a model, and its log-probabilities of rows


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of model on a set: how it is trained, and how a user would hand it over.

    `pool` rows are candidates, the rest test rows.
    """

    rows: Rows
    pool: int
    model: str
    fit: Callable[[Array, Array, int], Fitted]
    target: Callable[[Any, Rows, Path], Target]


# ---- Sets ------------------------------------------------------------------------------------------------------------


def digits() -> Rows:
    from sklearn.datasets import load_digits

    found = load_digits()
    return Rows("digits", Form.TABLE, (found.data / 16).astype(np.float32), found.target.astype(np.int64))


def breast_cancer() -> Rows:
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    return Rows("breast cancer", Form.TABLE, found.data.astype(np.float32), found.target.astype(np.int64))


def generated() -> Rows:
    from sklearn.datasets import make_classification

    x, y = make_classification(
        8000, 20, n_informative=8, n_classes=5, n_clusters_per_class=2, flip_y=0.1, random_state=3
    )
    return Rows("generated", Form.TABLE, x.astype(np.float32), y.astype(np.int64))


def counted() -> Rows:
    """The same in whole numbers from 0 to 15: places of trees name nobody."""
    rows = generated()
    edges = np.quantile(rows.x, np.linspace(0, 1, 17)[1:-1])
    return Rows("generated, whole", Form.TABLE, np.searchsorted(edges, rows.x).astype(np.float32), rows.y)


def shapes() -> Rows:
    from benchmarks.poison_sets import shapes as made

    found = made(16, 1, 4000)
    chance = np.random.default_rng(1)
    y = np.where(chance.random(len(found.y)) < 0.05, chance.integers(0, 10, len(found.y)), found.y)
    return Rows("shapes 16x16", Form.IMAGES, found.x, y.astype(np.int64))


def adult(folder: Path) -> tuple[Rows, Rows]:
    """Census rows as numbers and codes, and the same with columns for categories, standardised."""
    with gzip.open(folder / "adult12k.csv.gz", "rt") as stream:
        lines = list(csv.reader(stream))[1:]
    columns = list(zip(*lines, strict=True))
    y = np.unique(columns[-1], return_inverse=True)[1].astype(np.int64)
    coded, wide = [], []
    for column in columns[:-1]:
        try:
            values = np.array(column, float)
            coded.append(values)
            wide.append(values[:, None])
        except ValueError:
            names, codes = np.unique(column, return_inverse=True)
            coded.append(codes.astype(float))
            wide.append(np.eye(len(names))[codes])
    flat = np.hstack(wide)
    flat = (flat - flat.mean(axis=0)) / (flat.std(axis=0) + 1e-6)
    return (
        Rows("adult", Form.TABLE, np.stack(coded, axis=1).astype(np.float32), y),
        Rows("adult", Form.TABLE, flat.astype(np.float32), y),
    )


def mnist(folder: Path) -> Rows:
    with np.load(folder / "mnist10k.npz") as found:
        x, y = (found["x"] / 255).astype(np.float32)[:, None], found["y"].astype(np.int64)
    return Rows("mnist", Form.IMAGES, x, y)


# ---- Models ----------------------------------------------------------------------------------------------------------


def _shares(model: Any) -> Callable[[Array], Array]:
    return lambda x: np.log(np.clip(model.predict_proba(x), 1e-12, None))


def forest(x: Array, y: Array, seed: int) -> Fitted:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(100, random_state=seed).fit(x, y)
    return model, _shares(model)


def boosted(x: Array, y: Array, seed: int) -> Fitted:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=100, verbose=-1, random_state=seed, n_jobs=1).fit(x, y)
    return model, _shares(model)


def net(kind: str, epochs: int) -> Callable[[Array, Array, int], Fitted]:
    def fit(x: Array, y: Array, seed: int) -> Fitted:
        import torch
        from torch import nn

        torch.manual_seed(seed)
        classes, size = int(y.max()) + 1, int(np.prod(x.shape[1:]))
        if kind == "cnn":
            side = x.shape[-1] // 4
            layers = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1)]
            layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * side**2, 64), nn.ReLU()]
            model = nn.Sequential(*layers, nn.Linear(64, classes))
        else:
            model = nn.Sequential(
                nn.Flatten(), nn.Linear(size, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, classes)
            )
        inputs, wanted = torch.from_numpy(x), torch.from_numpy(y)
        optimiser = torch.optim.Adam(model.parameters(), 1e-3)
        for _ in range(epochs):
            for part in torch.randperm(len(inputs)).split(64):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(inputs[part]), wanted[part]).backward()
                optimiser.step()
        model.eval()

        def said(rows: Array) -> Array:
            with torch.no_grad():
                return np.asarray(torch.log_softmax(model(torch.from_numpy(rows)).double(), 1).numpy())

        return model, said

    return fit


def as_estimator(model: Any, rows: Rows, folder: Path) -> Target:
    from bartizan.assess.targets.scikit import of_estimator

    return of_estimator(model, "estimator", "", rows.x[:50])


def as_lightgbm(model: Any, rows: Rows, folder: Path) -> Target:
    from bartizan.assess.targets.opening import open_target

    model.booster_.save_model(str(folder / "model.txt"))
    return open_target(str(folder / "model.txt"), data=Data(rows.form, "", x_test=rows.x[:50]))


def as_onnx(model: Any, rows: Rows, folder: Path) -> Target:
    import torch

    from bartizan.assess.targets.opening import open_target

    path = folder / "model.onnx"
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, torch.from_numpy(rows.x[:2]), held, dynamo=False, dynamic_axes={"x": {0: "n"}}, input_names=["x"]
        )
    path.write_bytes(held.getvalue())
    return open_target(str(path), data=Data(rows.form, "", x_test=rows.x[:50], y_test=rows.y[:50]))


def cases(folder: Path | None) -> Iterator[Case]:
    """Every kind of model on sets that suit it."""
    yield Case(breast_cancer(), 450, "forest", forest, as_estimator)
    yield Case(generated(), 6000, "forest", forest, as_estimator)
    yield Case(counted(), 6000, "forest", forest, as_estimator)
    yield Case(generated(), 6000, "LightGBM", boosted, as_lightgbm)
    yield Case(counted(), 6000, "LightGBM", boosted, as_lightgbm)
    yield Case(generated(), 6000, "MLP", net("mlp", 40), as_onnx)
    yield Case(digits(), 1400, "MLP", net("mlp", 60), as_onnx)
    yield Case(shapes(), 3000, "CNN", net("cnn", 30), as_onnx)
    if folder is not None:
        coded, wide = adult(folder)
        yield Case(coded, 8000, "forest", forest, as_estimator)
        yield Case(coded, 8000, "LightGBM", boosted, as_lightgbm)
        yield Case(wide, 8000, "MLP", net("mlp", 30), as_onnx)
        yield Case(mnist(folder), 4000, "CNN", net("cnn", 25), as_onnx)


# ---- Both attacks on one target --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What both found of one target."""

    ours: Curve
    theirs: Curve
    told: float
    attack: str
    shadows: int
    seconds: float


def both(case: Case, seed: int, seconds: float) -> Outcome:
    """Ours and RMIA on one target."""
    rows, chance = case.rows, np.random.default_rng(seed)
    order = chance.permutation(len(rows.y))
    pool, test = order[: case.pool], order[case.pool :]
    x, y = np.ascontiguousarray(rows.x[pool]), rows.y[pool]
    x_test, y_test = np.ascontiguousarray(rows.x[test]), rows.y[test]
    member = halves(len(y), 1, seed + 31)[0]
    model, said = case.fit(x[member], y[member], 1000 + seed)
    with TemporaryDirectory() as folder:
        target = case.target(model, rows, Path(folder))
        data = Data(rows.form, "", x_test=x_test, y_test=y_test, x_pool=x, y_pool=y)
        began = time.monotonic()
        result = measure(target, data, How(0.1, seed=seed, budget=Budget(seconds)))
        took = time.monotonic() - began
    inside = halves(len(y), SHADOWS // 2, seed + 77)
    shadows = [case.fit(x[one], y[one], 5000 + at)[1] for at, one in enumerate(inside)]
    theirs = rmia(
        of_label(said(x), y)[0],
        np.stack([of_label(one(x), y)[0] for one in shadows]),
        inside,
        of_label(said(x_test), y_test)[0],
        np.stack([of_label(one(x_test), y_test)[0] for one in shadows]),
    )
    told = float("nan") if result.curve is None else result.curve.share_at(0.01)
    return Outcome(curve(result.scores, member), curve(theirs, member), told, result.attack, result.shadows, took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--match", default="", help="only cases whose name holds this")
    parser.add_argument("--targets", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=45.0)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(f"{'set':18} {'model':9} {'ours 1%':>8} {'.1%':>6} {'told':>6}   {'RMIA 1%':>8} {'.1%':>6} {'ratio':>6} "
          f"{'shadows':>8} {'s':>4}  attack")  # fmt: skip
    for case in cases(asked.data):
        if asked.match not in f"{case.rows.name} {case.model}":
            continue
        found = [both(case, seed, asked.seconds) for seed in range(1, asked.targets + 1)]

        def mean(of: Callable[[Outcome], float], found: list[Outcome] = found) -> float:
            return 100 * float(np.mean([of(one) for one in found]))

        ours, theirs = mean(lambda one: one.ours.share_at(0.01)), mean(lambda one: one.theirs.share_at(0.01))
        print(
            f"{case.rows.name:18} {case.model:9} {ours:8.1f} {mean(lambda one: one.ours.share_at(0.001)):6.1f} "
            f"{mean(lambda one: one.told):6.1f}   {theirs:8.1f} {mean(lambda one: one.theirs.share_at(0.001)):6.1f} "
            f"{ours / max(theirs, 0.1):6.2f} {mean(lambda one: one.shadows) / 100:8.0f} "
            f"{mean(lambda one: one.seconds) / 100:4.0f}  {found[0].attack}"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
