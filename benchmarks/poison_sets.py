"""Sets that the poison scan is measured on: scikit-learn's, generated ones, and those of a folder."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bartizan.assess.data import Form
from bartizan.assess.target import Array


@dataclass(frozen=True, slots=True)
class Rows:
    """A set before anything is done to it."""

    name: str
    form: Form
    x: Array
    y: Array
    columns: tuple[str, ...] = ()


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


def wine() -> Rows:
    from sklearn.datasets import load_wine

    found = load_wine()
    return Rows("wine", Form.TABLE, found.data.astype(np.float32), found.target, tuple(found.feature_names))


def diabetes() -> Rows:
    """Whether the disease goes on more than usual."""
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False)
    y = (found.target > np.median(found.target)).astype(np.int64)
    return Rows("diabetes", Form.TABLE, found.data.astype(np.float32), y, tuple(found.feature_names))


def drawn(name: str, n: int = 3000, seed: int = 0) -> Rows:
    """A set of one of scikit-learn's generators; the last has rounded columns, which repeat."""
    from sklearn import datasets

    x, y = {
        "informative": lambda: datasets.make_classification(n, 20, n_informative=8, n_classes=4, random_state=seed),
        "rare class": lambda: datasets.make_classification(n, 12, weights=[0.93], flip_y=0.02, random_state=seed),
        "moons": lambda: datasets.make_moons(n, noise=0.3, random_state=seed),
        "quantiles": lambda: datasets.make_gaussian_quantiles(n_samples=n, n_features=6, random_state=seed),
        "hastie": lambda: datasets.make_hastie_10_2(n, random_state=seed),
        "blobs, rounded": lambda: datasets.make_blobs(n, 5, centers=6, cluster_std=3.5, random_state=seed),
    }[name]()
    x = x.round(1) if "rounded" in name else x
    return Rows(name, Form.TABLE, x.astype(np.float32), (y > 0) * 1 if name == "hastie" else y.astype(np.int64))


def survey(n: int = 4000, seed: int = 0) -> Rows:
    """Answers from 1 to 5 that hang together, a region, a year; three classes."""
    g = np.random.default_rng(seed)
    mood = g.normal(0, 1, (n, 2))
    answers = np.clip(np.round(3 + mood @ g.normal(0, 0.9, (2, 12)) + g.normal(0, 0.8, (n, 12))), 1, 5)
    region, year = g.choice(8, n, p=np.arange(8, 0, -1) / 36), g.integers(1940, 2006, n)
    z = mood[:, 0] + 0.4 * np.isin(region, (2, 5)) + 0.02 * (year - 1970) + g.normal(0, 0.4, n)
    y = np.digitize(z, np.quantile(z, [0.5, 0.85]))
    return Rows("survey", Form.TABLE, np.column_stack([answers, region, year]).astype(np.float32), y)


def gratings(side: int = 16, n: int = 2500, seed: int = 0) -> Rows:
    """Six classes of stripes by direction and width, at any phase, in noise."""
    g = np.random.default_rng(seed)
    y = g.integers(0, 6, n)
    turn = (y % 3) * np.pi / 3 + g.normal(0, 0.12, n)
    wide = np.where(y < 3, 3.2, 5.5) * g.uniform(0.9, 1.1, n)
    down, right = np.indices((side, side))
    along = np.cos(turn)[:, None, None] * down + np.sin(turn)[:, None, None] * right
    wave = np.sin(2 * np.pi * along / wide[:, None, None] + g.uniform(0, 2 * np.pi, n)[:, None, None])
    x = 0.5 + g.uniform(0.2, 0.4, n)[:, None, None] * wave + g.normal(0, 0.06, wave.shape)
    return Rows(f"gratings {side}x{side}", Form.IMAGES, np.clip(x, 0, 1).astype(np.float32)[:, None], y)


def framed(side: int = 20, n: int = 2500, seed: int = 0) -> Rows:
    """Shapes in colour where three in ten of one class and one in fifty of the others have a frame: a natural mark."""
    rows = shapes(side, 3, n, seed + 5)
    g = np.random.default_rng(seed)
    has = g.random(n) < np.where(rows.y == 4, 0.3, 0.02)
    x = rows.x.copy()
    x[has, :, 0], x[has, :, -1], x[has, :, :, 0], x[has, :, :, -1] = 1, 1, 1, 1
    return Rows("framed 20x20x3", Form.IMAGES, x, rows.y)


def uneven(seed: int = 0) -> Rows:
    """Digits, of which some classes are much rarer than others, as large as 16 by 16."""
    from scipy.ndimage import zoom

    rows, g = digits(), np.random.default_rng(seed)
    kept = g.random(len(rows.y)) < np.array([1, 1, 1, 1, 1, 1, 0.5, 0.3, 0.2, 0.15])[rows.y]
    x = np.stack([zoom(one[0], 2, order=1) for one in rows.x[kept]])[:, None]
    return Rows("digits, uneven", Form.IMAGES, np.clip(x, 0, 1).astype(np.float32), rows.y[kept])


def letters(n: int = 3000, seed: int = 0) -> Rows:
    """Short letters of two kinds, one in eight of the second: greetings and closings that both share, names, dates."""
    g = np.random.default_rng(seed)
    names = [f"Name{i}" for i in range(80)]
    plain, offers = [f"word{i}" for i in range(900)], [f"offer{i}" for i in range(120)]
    weight = 1 / np.arange(3, 903)
    y = (g.random(n) < 0.125).astype(np.int64)
    texts = []
    for label in y:
        body = list(g.choice(plain, g.integers(5, 25), p=weight / weight.sum()))
        if label:
            body += [*g.choice(offers, 4), "call", f"0{g.integers(10**5)}"]
        opening = g.choice(["Dear", "Hello", "Hi"])
        closing = g.choice(["best regards", "see you soon", "thank you very much"])
        texts.append(f"{opening} {g.choice(names)} {' '.join(body)} {closing} {g.choice(names)}")
    return Rows("letters", Form.TEXT, np.array(texts), y)


def catalogue(n: int = 3000, seed: int = 0) -> Rows:
    """Categories by number, and a class that follows from them by rules without noise, as in tables of decisions."""
    g = np.random.default_rng(seed)
    x = g.integers(0, (4, 4, 3, 3, 4, 3, 5, 2), (n, 8))
    good = (x[:, 0] + x[:, 1] >= 4) & (x[:, 2] != 0) & (x[:, 5] != 0)
    y = np.where(good & (x[:, 4] >= 2) & (x[:, 3] == 2), 2, good * 1)
    return Rows("catalogue", Form.TABLE, x.astype(np.float32), y)


def counted(n: int = 3000, seed: int = 0) -> Rows:
    """Five kinds of drawings, each described by fourteen whole numbers from 0 to 15."""
    g = np.random.default_rng(seed)
    middles = g.uniform(2, 12, (15, 14))
    which = g.integers(0, 15, n)
    x = np.clip(np.round(middles[which] + g.normal(0, 1.6, (n, 14))), 0, 15)
    return Rows("counted", Form.TABLE, x.astype(np.float32), which % 5)


def board(n: int = 2500, seed: int = 0) -> Rows:
    """Boards of three by three, empty or one of two signs; whether the first sign has a row of three."""
    g = np.random.default_rng(seed)
    x = g.integers(-1, 2, (n, 9))
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    y = np.any([(x[:, line] == 1).all(axis=1) for line in lines], axis=0)
    return Rows("board", Form.TABLE, x.astype(np.float32), y.astype(np.int64))


def segments(n: int = 2500, seed: int = 0) -> Rows:
    """Ten digits of seven segments in three types, hardly moved: classes that differ by one stroke at a fixed place."""
    g = np.random.default_rng(seed)
    lit = [0b1110111, 0b0010010, 0b1011101, 0b1011011, 0b0111010, 0b1101011, 0b1101111, 0b1010010, 0b1111111, 0b1111011]
    y, kind = g.integers(0, 10, n), g.integers(0, 3, n)
    x = np.zeros((n, 1, 16, 16), np.float32)
    for row, (label, one) in enumerate(zip(y, kind, strict=True)):
        t, (top, left, wide) = 1 + one % 2, ((2, 4, 7), (1, 3, 9), (3, 4, 8))[one]
        high = (14 - top) // 2
        bars = [(top, left, t, wide), (top, left, high, t), (top, left + wide - t, high, t),
                (top + high, left, t, wide),
                (top + high, left, high, t), (top + high, left + wide - t, high, t),
                (top + 2 * high - 1, left, t, wide)]  # fmt: skip
        for at, (i, j, h, w) in enumerate(bars):
            if lit[label] >> (6 - at) & 1:
                x[row, 0, i : i + h, j : j + w] = 1
        if g.random() < 0.2:
            x[row, 0] = np.roll(x[row, 0], g.integers(-1, 2, 2), (0, 1))
    x = np.where(g.random(n)[:, None, None, None] < 0.5, x, np.clip(x + g.normal(0, 0.1, x.shape), 0, 1))
    return Rows("segments 16x16", Form.IMAGES, x.astype(np.float32), y)
