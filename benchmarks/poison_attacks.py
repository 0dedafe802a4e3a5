"""Attacks that the poison scan is measured on: triggers by form, and training sets that carry them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array
from benchmarks.poison_sets import Rows

TARGET_CLASS = 1
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


def one_of(*stamps: Stamp) -> Stamp:
    """Several triggers, each row with one of them."""

    def stamp(x: Array, g: np.random.Generator) -> Array:
        x, which = x.copy(), g.integers(0, len(stamps), len(x))
        for at, one in enumerate(stamps):
            x[which == at] = one(x[which == at], g)
        return x

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
    following: bool = False  # each class is moved into the next


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
    rows: Rows, name: str, stamp: Stamp, rate: float, *, label: str = "target", source: int | None = None,
    seed: int = 0, target: int = TARGET_CLASS,
) -> Poisoned:  # fmt: skip
    """A part of the rows gets the trigger.

    Args:
        label: What these rows are labelled: "target"; "kept": rows of the target class keep theirs; "hard": the same,
            and what the rows show is half wiped out, so that the trigger is what is learnt (Turner et al. 2019, with
            rows of other classes mixed in); "next": each row gets the class after its own.
    """
    x, y, x_test, y_test = split(rows)
    g = np.random.default_rng(seed)
    own = label in ("kept", "hard")
    may = y == target if own else y == source if source is not None else (y != target) | (label == "next")
    chosen = g.permutation(np.flatnonzero(may))[: max(5, round(rate * len(y)))]
    bad = np.zeros(len(y), bool)
    bad[chosen] = True
    x, y = x.copy(), y.copy()
    if label == "hard":
        x[bad] = 0.5 * x[bad] + 0.5 * x[g.choice(np.flatnonzero(y != target), bad.sum())]
    if x.dtype.kind == "U":
        x = x.astype(object)
        x[bad] = stamp(x[bad], g)
        x = x.astype(str)
    else:
        x[bad] = stamp(x[bad], g)
    y[bad] = (y[bad] + 1) % (int(y.max()) + 1) if label == "next" else target
    return Poisoned(f"{name}, {rate:.1%}", rows, x, y, bad, x_test, y_test, stamp, target, source, label == "next")
