"""The rows whose membership is asked, and what is known of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

LEAST = 100
OWN = 5_000  # Rows taken of the training and of the test rows where no pool was given.
POPULATION = 2_000


@dataclass(frozen=True, slots=True)
class Pool:
    """Candidates `x` (n, ...) and `y` (n,). `index` is where they stand in the file's part `name`.

    `base_x`, `base_y` were trained on for certain and are no candidates: every shadow model is trained on them, too.
    `population_x`, `population_y` were not trained on: what others look like. `truth` (n,) bool where it is known.
    """

    form: Form
    x: Array
    y: Array
    index: Array
    name: str
    truth: Array | None
    base_x: Array
    base_y: Array
    population_x: Array
    population_y: Array
    apart: bool  # whether the population is no part of the candidates
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)


def pool_of(data: Data, target: Target, seed: int) -> Pool:
    """The pool of a file, else one made of as many training as test rows.

    Raises:
        UsageError: there are no rows to ask about, or too few.
    """
    chance = np.random.default_rng(seed)
    if data.x_pool is not None and data.y_pool is not None:
        made = _given(data, data.x_pool, np.asarray(data.y_pool, np.int64), chance)
    elif data.x_pool is not None:
        raise UsageError("the candidates of x_pool have no labels: give y_pool")
    else:
        made = _own(data, chance)
    if len(made) < LEAST:
        raise UsageError(f"the privacy check needs at least {LEAST} candidate rows (x_pool, y_pool), not {len(made)}")
    if made.y.min() < 0 or made.y.max() >= target.classes:
        raise UsageError(f"labels of the candidates are not among the model's {target.classes} classes")
    return made


def _given(data: Data, x: Array, y: Array, chance: np.random.Generator) -> Pool:
    notes: list[str] = []
    truth, base_x, base_y = None, x[:0], y[:0]
    if data.x_train is not None and data.y_train is not None and len(data.x_train):
        trained, asked = keys(data.x_train), keys(x)
        known = np.isin(asked, trained)
        if 0.02 < known.mean() < 0.98:
            truth = known
            outside = ~np.isin(trained, asked)
            base_x, base_y = data.x_train[outside], np.asarray(data.y_train, np.int64)[outside]
            notes.append("x_train tells who is a member: it was used to judge the ranking, never to make it")
    index = np.arange(len(x))
    return Pool(
        data.form, x, y, index, "x_pool", truth, base_x, base_y, *_population(data, keys(x), x, y, chance), tuple(notes)
    )


def _own(data: Data, chance: np.random.Generator) -> Pool:
    if data.x_train is None or data.y_train is None or data.x_test is None or data.y_test is None:
        raise UsageError("the privacy check needs candidates: x_pool and y_pool, or training and test rows")
    x_train, y_train = data.x_train, np.asarray(data.y_train, np.int64)
    x_test, y_test = data.x_test, np.asarray(data.y_test, np.int64)
    others = np.flatnonzero(~np.isin(keys(x_test), keys(x_train)))
    count = min(OWN, len(x_train), len(others))
    inside = np.sort(chance.choice(len(x_train), count, replace=False))
    order = chance.permutation(others)
    outside, rest = np.sort(order[:count]), order[count:][:POPULATION]
    if len(rest) < LEAST:
        rest = outside
    base = np.setdiff1d(np.arange(len(x_train)), inside)
    return Pool(
        data.form,
        np.concatenate([x_train[inside], x_test[outside]]),
        np.concatenate([y_train[inside], y_test[outside]]),
        np.concatenate([inside, outside]),
        "x_train",
        np.arange(2 * count) < count,
        x_train[base],
        y_train[base],
        x_test[rest],
        y_test[rest],
        rest is not outside,
        ("no x_pool was given: as many training as test rows were ranked, and no membership.csv was written",),
    )


def _population(data: Data, asked: Array, x: Array, y: Array, chance: np.random.Generator) -> tuple[Array, Array, bool]:
    """Test rows that are no candidates; candidates where there are too few of them."""
    if data.x_test is not None and data.y_test is not None:
        free = np.flatnonzero(~np.isin(keys(data.x_test), asked))
        if len(free) >= LEAST:
            some = np.sort(chance.choice(free, min(POPULATION, len(free)), replace=False))
            return data.x_test[some], np.asarray(data.y_test, np.int64)[some], True
    some = np.sort(chance.choice(len(x), min(POPULATION, len(x)), replace=False))
    return x[some], y[some], False


def keys(x: Array) -> Array:
    """(n,) a digest a row, equal where rows are the same; numbers as float32, which files and models round to."""
    if x.dtype == object or x.dtype.kind in "US":
        rows = ["\0".join(map(str, row)).encode() for row in x.reshape(len(x), -1)]
    else:
        flat = np.ascontiguousarray(x.reshape(len(x), -1), dtype=np.float32) + np.float32(0)  # -0 is 0.
        rows = [row.tobytes() for row in flat]
    return np.array([hashlib.blake2b(row, digest_size=16).hexdigest() for row in rows])
