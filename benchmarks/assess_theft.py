"""The thief at 300 queries beside a plain Knockoff: how often each copy gives the model's answer on rows nobody asked.

    python -m benchmarks.assess_theft [--data FOLDER] [--only NAME] [--seconds 30]
    python -m benchmarks.assess_theft --own [--seconds 300]

Sets: scikit-learn's digits and breast cancer and generated tables; with --data also mnist10k.npz, adult12k.csv.gz and
sms.csv.gz of that folder. Models: a convolutional net, a forest, boosted trees, a perceptron, a line over words. Pool:
the model's training rows without labels; judged on its test rows. "knockoff" is the random strategy of Orekondy et al.
2019: rows by chance, soft labels, a convolutional net or a perceptron trained by stochastic gradient descent with
momentum 0.5 for 100 epochs, the rate a tenth after 60. "seconds" is processor time of the whole theft check.

With --own: ownership keys of a convolutional net of digits and of boosted trees of a generated table, how many of them
independent models meet, how many of those would be claimed wrongly, and what copies that were changed still meet.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.theft.measure import measure, probabilities
from bartizan.assess.theft.pools import own

QUERIES = 300


@dataclass(frozen=True, slots=True)
class Victim:
    """A trained model and the rows of its assessment."""

    name: str
    target: Target
    data: Data


def split(name: str, form: Form, x: Array, y: Array, model: Any, flat: bool) -> Victim:
    """A model of scikit-learn's kind, trained on seven tenths."""
    order = np.random.default_rng(0).permutation(len(x))
    train, test = np.split(order, [int(0.7 * len(x))])

    def rows(some: Array) -> Array:
        return some.reshape(len(some), -1) if flat else some

    model.fit(rows(x[train]), y[train])
    dtype = object if form is Form.TEXT else np.float32
    target = Target(
        name, "callable", "", x.shape[1:], int(y.max()) + 1, Output.PROBABILITIES,
        lambda some: model.predict_proba(rows(some)), dtype=dtype,
    )  # fmt: skip
    return Victim(name, target, Data(form, "", x[train], y[train], x[test], y[test]))


class Convolutional:
    """Two convolutions and a hidden layer, trained for five epochs."""

    def __init__(self, classes: int) -> None:
        self.classes, self.net = classes, None

    def fit(self, x: Array, y: Array) -> None:
        """Trains it."""
        import torch
        from torch import nn

        torch.manual_seed(0)
        side = x.shape[-1] // 4
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * side * side, 64), nn.ReLU(), nn.Linear(64, self.classes),
        )  # fmt: skip
        _descend(self.net, x, np.eye(self.classes)[y], epochs=max(5, 60000 // len(x) // 4), adam=True)

    def predict_proba(self, x: Array) -> Array:
        """(n, classes)."""
        return _softmax(self.net, x)


def _descend(net: Any, x: Array, wanted: Array, epochs: int, adam: bool) -> None:
    import torch

    rows, aims = torch.from_numpy(np.asarray(x, np.float32)), torch.from_numpy(np.asarray(wanted, np.float32))
    optimiser = torch.optim.Adam(net.parameters(), 1e-3) if adam else torch.optim.SGD(net.parameters(), 0.01, 0.5)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 60)
    draw = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for part in torch.randperm(len(rows), generator=draw).split(16 if not adam else 64):
            optimiser.zero_grad()
            loss = -(aims[part] * torch.log_softmax(net(rows[part]), 1)).sum(1).mean()
            loss.backward()
            optimiser.step()
        schedule.step()


def _softmax(net: Any, x: Array) -> Array:
    import torch

    with torch.no_grad():
        rows = torch.from_numpy(np.asarray(x, np.float32))
        return np.concatenate([net(part).softmax(1).double().numpy() for part in rows.split(1000)])


def victims(folder: Path | None) -> Iterator[tuple[str, Callable[[], Victim]]]:
    """Names, and how each is made."""
    from sklearn.datasets import load_breast_cancer, load_digits, make_classification
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.neural_network import MLPClassifier

    images, kinds = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    cells, sick = load_breast_cancer(return_X_y=True)
    cells = ((cells - cells.mean(0)) / cells.std(0)).astype(np.float32)
    made, of = make_classification(4000, 20, n_informative=10, n_classes=4, random_state=0)
    made = made.astype(np.float32)
    forest = RandomForestClassifier(100, random_state=0)
    boosted = HistGradientBoostingClassifier(random_state=0)
    perceptron = MLPClassifier((64,), max_iter=60, random_state=0)
    yield "digits, net", lambda: split("digits, net", Form.IMAGES, images, kinds, Convolutional(10), False)
    yield "digits, forest", lambda: split("digits, forest", Form.IMAGES, images, kinds, forest, True)
    yield "cells, boosted", lambda: split("cells, boosted", Form.TABLE, cells, sick, boosted, True)
    yield "made, forest", lambda: split("made, forest", Form.TABLE, made, of, forest, True)
    yield "made, perceptron", lambda: split("made, perceptron", Form.TABLE, made, of, perceptron, True)
    if folder is None:
        return
    with np.load(folder / "mnist10k.npz") as found:
        pictures, names = (found["x"] / 255.0).astype(np.float32)[:, None], found["y"].astype(int)
    yield "mnist, net", lambda: split("mnist, net", Form.IMAGES, pictures, names, Convolutional(10), False)
    people, rich = adult(folder / "adult12k.csv.gz")
    yield "adult, boosted", lambda: split("adult, boosted", Form.TABLE, people, rich, boosted, True)
    with gzip.open(folder / "sms.csv.gz", "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    text = next(name for name in rows[0] if name != "label")
    texts = np.array([row[text] for row in rows], dtype=object)
    spam = np.array([row["label"] == "spam" for row in rows]).astype(int)
    yield "sms, line", lambda: split("sms, line", Form.TEXT, texts, spam, words(), False)


def adult(path: Path) -> tuple[Array, Array]:
    """Numbers as they are, texts as codes in sorted order."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        columns = list(zip(*list(csv.reader(stream))[1:], strict=True))
    coded = []
    for column in columns:
        try:
            coded.append(np.array(column, dtype=np.float64))
        except ValueError:
            coded.append(np.unique(np.array(column), return_inverse=True)[1].astype(np.float64))
    return np.stack(coded[:-1], axis=1).astype(np.float32), coded[-1].astype(int)


def words() -> Any:
    """A spam filter as everybody writes one."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))


def knockoff(victim: Victim) -> Rate:
    """The plain copy."""
    import torch
    from torch import nn

    data, target = victim.data, victim.target
    pool = own(data, 0).rows
    chosen = np.random.default_rng(1).choice(len(pool), QUERIES, replace=False)
    said, true = probabilities(target, pool[chosen]), target.labels(data.x_test)
    asked, test = pool[chosen], data.x_test
    assert test is not None
    if data.form is Form.TEXT:
        from sklearn.feature_extraction.text import TfidfVectorizer

        seen = TfidfVectorizer().fit(asked)
        asked, test = seen.transform(asked).toarray(), seen.transform(test).toarray()
    torch.manual_seed(0)
    if data.form is Form.IMAGES:
        side = asked.shape[-1] // 4
        net: Any = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * side * side, 128), nn.ReLU(), nn.Linear(128, target.classes),
        )  # fmt: skip
    else:
        middle, spread = asked.mean(0), np.maximum(asked.std(0), 1e-6)
        asked, test = (asked - middle) / spread, (test - middle) / spread
        net = nn.Sequential(nn.Linear(asked.shape[1], 128), nn.ReLU(), nn.Linear(128, target.classes))
    _descend(net, asked, said, 100, adam=False)
    return wilson(int((_softmax(net, test).argmax(1) == true).sum()), len(true))


def own_models(folder: Path) -> Iterator[tuple[str, Path, Data]]:
    """Names, files and rows of models that can be trained anew."""
    import lightgbm
    import torch
    from sklearn.datasets import load_digits, make_classification

    images, kinds = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    net = Convolutional(10)
    net.fit(images[:1200], kinds[:1200])
    assert net.net is not None
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        net.net, torch.from_numpy(images[:1]), folder / "digits.onnx", dynamo=False, input_names=["x"],
        output_names=["y"], dynamic_axes=axes,
    )  # fmt: skip
    yield "digits, net", folder / "digits.onnx", Data(Form.IMAGES, "", images[:1200], kinds[:1200], images[1200:])
    made, of = make_classification(4000, 20, n_informative=10, random_state=0)
    made = made.astype(np.float32)
    given = {"objective": "binary", "verbose": -1, "num_threads": 1}
    lightgbm.train(given, lightgbm.Dataset(made[:3000], of[:3000]), 60).save_model(folder / "made.txt")
    yield "made, boosted", folder / "made.txt", Data(Form.TABLE, "", made[:3000], of[:3000], made[3000:])


def owned(seconds: float, only: str) -> None:
    """Prints what keys are worth."""
    from bartizan.assess.opening import target_of
    from bartizan.assess.theft.ownership import keys_for

    with TemporaryDirectory() as folder:
        for name, file, data in own_models(Path(folder)):
            if only not in name:
                continue
            target = target_of(str(file), data, trust=False, weights=None, train=None)
            began = time.process_time()
            keys = keys_for(target, data, How(0.0, budget=Budget(seconds)))
            met = keys.independent
            print(f"{name}: {len(keys.labels)} keys, {time.process_time() - began:.0f} s")
            print(f"  {len(met)} independent models meet {min(met)} to {max(met)}, {keys.false_claims.hits} claimed")
            for done, (count, p) in keys.survives.items():
                print(f"  {done}: {count}, p = {p:.1g}", flush=True)


def main(arguments: list[str]) -> int:
    """Prints a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--own", action="store_true")
    given = parser.parse_args(arguments)
    if given.own:
        owned(given.seconds, given.only)
        return 0
    print(f"{'model':<18} {'ours at 300':>12} {'knockoff':>9} {'queries for 95 %':>17} {'monitor':>8} {'seconds':>8}")
    for name, make in victims(given.data):
        if given.only not in name:
            continue
        victim = make()
        began = time.process_time()
        found = measure(victim.target, victim.data, How(0.1, budget=Budget(given.seconds)))
        seconds = time.process_time() - began
        plain = knockoff(victim)
        at = found.prices()[1]["queries"]
        seen = found.monitor.seen_at["this copy"] if found.monitor is not None else None
        print(
            f"{name:<18} {found.stolen.fidelity.share:>12.1%} {plain.share:>9.1%} {at or '-':>17} {seen or '-':>8} "
            f"{seconds:>8.1f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
