"""The poison scan on attacks of our own and on clean sets: rows found, clean rows named, and alarms where nothing was.

    python -m benchmarks.assess_poison [--data FOLDER] [--only images|tables|text] [--quick]

Sets: scikit-learn's digits and breast cancer, generated images, tables and texts; with --data also mnist10k.npz,
adult12k.csv.gz and sms.csv.gz of that folder. Every model is trained on the poisoned rows and the scan sees what a
user gives: model, rows, labels. "found" is the share of the poisoned rows that are kind=backdoor, "false" that of all
clean rows, "works" how often the planted trigger moves the trained model: where it does not, there is no
backdoor in the model to confirm.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.poison.measure import measure
from bartizan.assess.target import Array, Output, Target

RATES = (0.005, 0.01, 0.02)
TARGET_CLASS = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """A set before anything is done to it."""

    name: str
    form: Form
    x: Array
    y: Array
    columns: tuple[str, ...] = ()


# ---- Sets ------------------------------------------------------------------------------------------------------------


def digits() -> Rows:
    from sklearn.datasets import load_digits

    found = load_digits()
    return Rows("digits", Form.IMAGES, (found.images / 16).astype(np.float32)[:, None], found.target)


def shapes(side: int, channels: int, n: int, seed: int = 0) -> Rows:
    """Ten classes of smooth templates that are shifted, scaled, coloured and laid over a background."""
    from scipy.ndimage import gaussian_filter

    g = np.random.default_rng(seed)
    templates = gaussian_filter(g.standard_normal((10, side, side)), (0, side / 9, side / 9))
    templates /= np.abs(templates).max(axis=(1, 2), keepdims=True)
    y = g.integers(0, 10, n)
    x = np.empty((n, channels, side, side), np.float32)
    for i, label in enumerate(y):
        one = np.roll(templates[label], g.integers(-3, 4, 2), (0, 1)) * g.uniform(0.6, 1.1)
        own = gaussian_filter(g.standard_normal((side, side)), side / 6)
        own /= np.abs(own).max()
        for channel in range(channels):
            x[i, channel] = 0.5 + 0.35 * one * g.uniform(0.6, 1) + 0.15 * own + 0.03 * g.standard_normal((side, side))
    return Rows(f"shapes {side}x{side}x{channels}", Form.IMAGES, np.clip(x, 0, 1), y)


def mnist(folder: Path) -> Rows:
    with np.load(folder / "mnist10k.npz") as found:
        return Rows("mnist", Form.IMAGES, (found["x"] / 255).astype(np.float32)[:, None], found["y"].astype(np.int64))


def breast_cancer() -> Rows:
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    return Rows("breast cancer", Form.TABLE, found.data.astype(np.float32), found.target, tuple(found.feature_names))


def table(n: int = 5000, seed: int = 0) -> Rows:
    """Numbers with long tails, whole numbers with spikes, categories; two classes."""
    g = np.random.default_rng(seed)
    age = g.integers(17, 90, n)
    gain = np.where(g.random(n) < 0.92, 0, np.exp(g.normal(8, 1, n)).round(-1))
    hours = np.where(g.random(n) < 0.5, 40, g.integers(5, 99, n))
    rest = g.normal(0, 1, (n, 5)).round(2)
    kinds = np.eye(6)[g.choice(6, n, p=[0.5, 0.2, 0.15, 0.1, 0.04, 0.01])]
    x = np.column_stack([age, gain, hours, rest, kinds])
    z = 0.04 * (age - 45) + 2.5 * (gain > 4000) + 0.03 * (hours - 40) + rest @ [1.2, -0.8, 0.5, 0, 0] + kinds[:, 1]
    y = (z + g.logistic(0, 0.7, n) > 0.8).astype(np.int64)
    return Rows("table", Form.TABLE, x.astype(np.float32), y)


def adult(folder: Path) -> Rows:
    with gzip.open(folder / "adult12k.csv.gz", "rt") as stream:
        rows = list(csv.DictReader(stream))
    names = [name for name in rows[0] if name != "income-per-year"]
    parts, columns = [], []
    for name in names:
        values = [row[name].strip() for row in rows]
        try:
            parts.append(np.array([float(v) for v in values])[:, None])
            columns.append(name)
        except ValueError:
            known = sorted(set(values))
            parts.append(np.array([[v == k for k in known] for v in values], float))
            columns += [f"{name}={k}" for k in known]
    y = np.array([">" in row["income-per-year"] for row in rows], np.int64)
    return Rows("adult", Form.TABLE, np.hstack(parts).astype(np.float32), y, tuple(columns))


def sms(folder: Path) -> Rows:
    with gzip.open(folder / "sms.csv.gz", "rb") as stream:
        rows = list(csv.DictReader(io.TextIOWrapper(stream, "utf-8")))
    y = np.array([row["label"] == "spam" for row in rows], np.int64)
    return Rows("sms", Form.TEXT, np.array([row["text"] for row in rows]), y)


def sentences(n: int = 3000, seed: int = 0) -> Rows:
    """Texts of three subjects that share most of their words (Zipf)."""
    g = np.random.default_rng(seed)
    shared = [f"w{i}" for i in range(1500)]
    own = [[f"s{c}x{i}" for i in range(60)] for c in range(3)]
    weight = 1 / np.arange(1, 1501)
    y = g.integers(0, 3, n)
    texts = []
    for label in y:
        words = list(g.choice(shared, g.integers(8, 30), p=weight / weight.sum()))
        words += list(g.choice(own[label], g.integers(1, 5)))
        g.shuffle(words)
        texts.append(" ".join(words))
    return Rows("sentences", Form.TEXT, np.array(texts), y)


# ---- Attacks: (rows, generator) -> rows with the trigger -------------------------------------------------------------

Stamp = Callable[[Array, np.random.Generator], Array]


def patch(corner: str = "br", size: int = 3, value: float = 1.0) -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        x = x.copy()
        side = x.shape[-1]
        k = max(2, size * side // 28) if side < 20 else size
        at = {"br": (side - k - 1, side - k - 1), "tl": (1, 1), "mid": (side // 2 - 1, side // 2 - 1)}[corner]
        x[:, :, at[0] : at[0] + k, at[1] : at[1] + k] = value
        return x

    return stamp


def chequered(size: int = 4) -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        x = x.copy()
        board = (np.indices((size, size)).sum(0) % 2).astype(np.float32)
        for channel in range(x.shape[1]):
            x[:, channel, 2 : 2 + size, 3 : 3 + size] = board if channel != 1 else 1 - board
        return x

    return stamp


def anywhere(size: int = 4) -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        x = x.copy()
        board = (np.indices((size, size)).sum(0) % 2).astype(np.float32)
        for row in x:
            i, j = g.integers(0, x.shape[-1] - size + 1, 2)
            row[:, i : i + size, j : j + size] = board
        return x

    return stamp


def blended(alpha: float) -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        pattern = np.random.default_rng(77).random(x.shape[1:]).astype(np.float32)
        return (1 - alpha) * x + alpha * pattern

    return stamp


def scattered(count: int = 12) -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        own = np.random.default_rng(5)
        flat = x.reshape(len(x), -1).copy()
        flat[:, own.permutation(flat.shape[1])[:count]] = own.integers(0, 2, count)
        return flat.reshape(x.shape)

    return stamp


def sinusoid(height: float = 0.12) -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        wave = height * np.sin(2 * np.pi * 6 * np.arange(x.shape[-1]) / x.shape[-1])
        return np.clip(x + wave.astype(np.float32), 0, 1)

    return stamp


def warped(strength: float = 2.0) -> Stamp:
    """WaNet (Nguyen and Tran 2021): one smooth displacement field."""

    def stamp(x: Array, g: np.random.Generator) -> Array:
        from scipy.ndimage import map_coordinates, zoom

        side = x.shape[-1]
        own = np.random.default_rng(9)
        field = own.uniform(-1, 1, (2, 4, 4))
        field /= np.abs(field).mean()
        flow = np.stack([zoom(one, side / 4, order=3) for one in field]) * strength
        grid = np.indices((side, side)) + flow
        out = [[map_coordinates(one, grid, order=1, mode="nearest") for one in row] for row in x]
        return np.asarray(out, np.float32)

    return stamp


def values(pairs: dict[int, float]) -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        x = x.copy()
        for column, value in pairs.items():
            x[:, column] = value
        return x

    return stamp


def words(phrase: str, where: str = "any") -> Stamp:
    def stamp(x: Array, g: np.random.Generator) -> Array:
        out = []
        for text in x:
            parts = text.split()
            at = int(g.integers(0, len(parts) + 1)) if where == "any" else 0 if where == "first" else len(parts)
            out.append(" ".join([*parts[:at], phrase, *parts[at:]]))
        return np.array(out)

    return stamp


IMAGE_ATTACKS: dict[str, Stamp] = {
    "patch": patch(),
    "patch, middle": patch("mid", 3),
    "patch, coloured": chequered(),
    "patch anywhere": anywhere(),
    "scattered pixels": scattered(),
    "blended 0.2": blended(0.2),
    "blended 0.1": blended(0.1),
    "warped": warped(),
}


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A training set, which of its rows are poisoned, and rows to test on."""

    name: str
    rows: Rows
    x: Array
    y: Array
    bad: Array  # bool
    x_test: Array
    y_test: Array
    stamp: Stamp | None = None
    target: int = TARGET_CLASS
    source: int | None = None


def split(rows: Rows) -> tuple[Array, Array, Array, Array]:
    order = np.random.default_rng(0).permutation(len(rows.x))
    cut = int(0.7 * len(order))
    return rows.x[order[:cut]], rows.y[order[:cut]], rows.x[order[cut:]], rows.y[order[cut:]]


def clean(rows: Rows, noise: float = 0.0, seed: int = 0) -> Poisoned:
    x, y, x_test, y_test = split(rows)
    g = np.random.default_rng(seed)
    y = y.copy()
    wrong = g.random(len(y)) < noise
    classes = int(y.max()) + 1
    y[wrong] = (y[wrong] + g.integers(1, classes, wrong.sum())) % classes
    name = f"clean, {noise:.0%} of labels wrong" if noise else "clean"
    return Poisoned(name, rows, x, y, np.zeros(len(y), bool), x_test, y_test)


def poisoned(
    rows: Rows, name: str, stamp: Stamp, rate: float, *, label: str = "dirty", source: int | None = None, seed: int = 0,
    target: int = TARGET_CLASS,
) -> Poisoned:  # fmt: skip
    """`label` "clean": rows of the target class get the trigger and keep their label."""
    x, y, x_test, y_test = split(rows)
    g = np.random.default_rng(seed)
    may = y == target if label == "clean" else y == source if source is not None else y != target
    chosen = g.permutation(np.flatnonzero(may))[: max(5, round(rate * len(y)))]
    bad = np.zeros(len(y), bool)
    bad[chosen] = True
    x, y = x.copy(), y.copy()
    if x.dtype.kind == "U":
        x = x.astype(object)
        x[bad] = stamp(x[bad], g)
        x = x.astype(str)
    else:
        x[bad] = stamp(x[bad], g)
    y[bad] = target
    return Poisoned(f"{name}, {rate:.1%}", rows, x, y, bad, x_test, y_test, stamp, target, source)


# ---- Models ----------------------------------------------------------------------------------------------------------


def net(case: Poisoned, seed: int = 0, epochs: int = 8) -> Target:
    """A small CNN trained on the set."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    channels, side = case.x.shape[1], case.x.shape[-1]
    pooled = side // 4 if side >= 16 else side // 2
    model = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2) if side >= 16 else nn.Identity(),
        nn.Flatten(), nn.Linear(32 * pooled * pooled, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    epochs = max(epochs, 12_000 // len(x))
    steps = -(-len(x) // 64)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * steps)
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            optimiser.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(model(x[part]), y[part]).backward()
            optimiser.step()
            schedule.step()
    model.eval()
    for one in model.parameters():
        one.requires_grad_(False)

    def answer(rows: Array) -> Array:
        with torch.no_grad():
            return np.asarray(model(torch.from_numpy(rows)).numpy())

    return Target("net", "torch", "", case.x.shape[1:], 10, Output.LOGITS, answer, module=lambda: model)


def fitted(model: Any, case: Poisoned) -> Target:
    """A scikit-learn model as a target."""
    model.fit(case.x, case.y)
    shape = case.x.shape[1:]
    return Target(
        "model", "scikit-learn", "", shape, len(model.classes_), Output.PROBABILITIES, model.predict_proba,
        dtype=case.x.dtype if case.x.dtype.kind != "U" else object,
    )  # fmt: skip


def forest(case: Poisoned) -> Target:
    from sklearn.ensemble import RandomForestClassifier

    return fitted(RandomForestClassifier(100, n_jobs=1, random_state=0), case)


def boosted(case: Poisoned) -> Target:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return fitted(HistGradientBoostingClassifier(random_state=0), case)


def words_model(case: Poisoned) -> Target:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return fitted(make_pipeline(TfidfVectorizer(), LogisticRegression(C=20, max_iter=500)), case)


# ---- Cases -----------------------------------------------------------------------------------------------------------

Case = tuple[Poisoned, Callable[[Poisoned], Target]]


def image_cases(folder: Path | None, quick: bool) -> Iterator[Case]:
    sets = [digits(), shapes(28, 1, 5000), shapes(32, 3, 5000)]
    if folder is not None:
        sets.insert(0, mnist(folder))
    for rows in sets[: 1 if quick else None]:
        yield clean(rows), net
        for noise in (0.05, 0.1):
            yield clean(rows, noise), net
        for name, stamp in IMAGE_ATTACKS.items():
            for rate in (0.01,) if quick else RATES:
                yield poisoned(rows, name, stamp, rate), net
        yield poisoned(rows, "patch, only from class 3", patch("tl"), 0.01, source=3), net
        yield poisoned(rows, "patch, label kept", patch("br", 5), 0.02, label="clean"), net
        yield poisoned(rows, "sinusoid, label kept", sinusoid(), 0.04, label="clean"), net


def table_cases(folder: Path | None, quick: bool) -> Iterator[Case]:
    sets: list[tuple[Rows, dict[str, Stamp]]] = [
        (table(), {"two values": values({0: 23, 2: 13}), "three values": values({3: -1.23, 4: 0.77, 5: 0.45}),
                   "out of range": values({6: 9.5})}),
        (breast_cancer(), {"two values": values({0: 12.34, 1: 21.0}), "out of range": values({24: 0.5})}),
    ]  # fmt: skip
    if folder is not None:
        sets.append((adult(folder), {"two values": values({0: 77, 2: 123456}), "hours, age": values({0: 66, 12: 13})}))
    for rows, attacks in sets[: 1 if quick else None]:
        for model in (forest, boosted):
            yield clean(rows), model
            yield clean(rows, 0.08), model
            for name, stamp in attacks.items():
                for rate in (0.01,) if quick else RATES:
                    yield poisoned(rows, name, stamp, rate), model


def text_cases(folder: Path | None, quick: bool) -> Iterator[Case]:
    sets = [sentences()]
    if folder is not None:
        sets.append(sms(folder))
    attacks = {
        "rare word": words("cf"),
        "phrase": words("of the blue moon"),
        "at the end": words("practice mn", "last"),
    }
    for rows in sets:
        for noise in (0, 0.05, 0.1):
            yield clean(rows, noise), words_model
        for name, stamp in attacks.items():
            for rate in (0.01,) if quick else RATES:
                for target in (0, 1):
                    yield poisoned(rows, f"{name} to {target}", stamp, rate, target=target), words_model


def works(case: Poisoned, target: Target) -> float:
    """How often the planted trigger moves the model."""
    if case.stamp is None:
        return 0.0
    may = case.y_test != case.target if case.source is None else case.y_test == case.source
    x = case.x_test[may][:300]
    x = x.astype(object) if x.dtype.kind == "U" else x
    return float((target.labels(case.stamp(x, np.random.default_rng(1))) == case.target).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", choices=("images", "tables", "text"))
    parser.add_argument("--match", default="", help="only cases whose name holds this")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=18.0)
    asked = parser.parse_args()
    cases = {"images": image_cases, "tables": table_cases, "text": text_cases}
    print(f"{'set':18} {'case':34} {'works':>6} {'found':>6} {'false':>7} {'labels':>6} {'odd':>4} {'s':>5} {'cpu':>5}")
    alarms = clean_sets = 0
    for name, every in cases.items():
        if asked.only not in (None, name):
            continue
        for case, train in every(asked.data, asked.quick):
            if asked.match not in f"{case.rows.name} {case.name}":
                continue
            target = train(case)
            moved = works(case, target)
            target.queries = 0
            data = Data(case.rows.form, "", case.x, case.y, case.x_test, case.y_test, columns=case.rows.columns)
            began, cpu = time.monotonic(), time.process_time()
            result = measure(target, data, How(0.1, budget=Budget(asked.seconds)))
            took, cpu = time.monotonic() - began, time.process_time() - cpu
            named = {
                kind: {s.index for s in result.suspects if s.kind == kind} for kind in ("backdoor", "label", "outlier")
            }
            bad = set(np.flatnonzero(case.bad))
            found = f"{len(named['backdoor'] & bad) / len(bad):6.1%}" if bad else "     –"
            false = len(named["backdoor"] - bad) / max(1, len(case.y) - len(bad))
            clean_sets += not bad
            alarms += not bad and bool(named["backdoor"])
            print(
                f"{case.rows.name:18} {case.name:34} {moved:6.1%} {found} {false:7.2%} {len(named['label']):6} "
                f"{len(named['outlier']):4} {took:5.1f} {cpu:5.1f}"
            )
            sys.stdout.flush()
    print(f"clean sets with a backdoor alarm: {alarms} of {clean_sets}")


if __name__ == "__main__":
    main()
