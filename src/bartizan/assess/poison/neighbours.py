"""Who looks like whom: rows as short vectors, their nearest neighbours, and what a row's label would be without it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array

SHORT = 40  # principal components
NEAREST = 10
REFERENCE = 12_000  # rows that are compared with; more are drawn from
BLOCK = 1024
FEATURES = 800  # random Fourier features of the out-of-fold vote


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`index` (n, k): rows nearest to each, itself left out; `distance` (n, k), ascending."""

    index: Array
    distance: Array


def principal(x: Array, width: int, seed: int, *, fit: int = 8000) -> Array:
    """(n, at most `width`) principal components of (n, features), fitted on at most `fit` rows."""
    generator = np.random.default_rng(seed)
    some = x if len(x) <= fit else x[generator.permutation(len(x))[:fit]]
    middle = some.mean(axis=0)
    width = min(width, *some.shape)
    centred = np.asarray(some - middle, np.float32)
    if centred.shape[1] <= 1024:
        _, vectors = np.linalg.eigh(centred.T @ centred)
        basis = vectors[:, ::-1][:, :width]
    else:
        basis = randomised(centred, width, generator)
    return np.asarray(((x - middle) @ basis).astype(np.float32))


def randomised(centred: Array, width: int, generator: np.random.Generator) -> Array:
    """The leading right singular vectors (Halko, Martinsson and Tropp 2011), two power iterations."""
    sketch = centred @ generator.standard_normal((centred.shape[1], min(width + 10, *centred.shape))).astype(np.float32)
    for _ in range(2):
        basis, _ = np.linalg.qr(sketch)
        sketch = centred @ (centred.T @ basis)
    basis, _ = np.linalg.qr(sketch)
    _, _, right = np.linalg.svd(basis.T @ centred, full_matrices=False)
    return np.asarray(right[:width].T)


def neighbours(short: Array, seed: int, k: int = NEAREST) -> Neighbours:
    """The `k` nearest of every row by Euclidean distance, among all rows or a sample of them."""
    n = len(short)
    among = np.arange(n)
    if len(among) > REFERENCE:
        among = np.sort(np.random.default_rng(seed).permutation(among)[:REFERENCE])
    return nearest(short, np.arange(n), among, k)


def nearest(short: Array, asked: Array, among: Array, k: int) -> Neighbours:
    """The `k` nearest of the rows `asked` among the rows `among`; none is its own while there are others."""
    k = max(1, min(k, len(among) - 1))
    there = short[among]
    squares = np.einsum("ij,ij->i", there, there)
    index, distance = np.empty((len(asked), k), np.int64), np.empty((len(asked), k), np.float32)
    for at in range(0, len(asked), BLOCK):
        rows = asked[at : at + BLOCK]
        here = short[rows]
        apart = squares - 2 * (here @ there.T) + np.einsum("ij,ij->i", here, here)[:, None]
        apart[rows[:, None] == among[None, :]] = np.inf
        near = np.argpartition(apart, k - 1, axis=1)[:, :k]
        value = np.take_along_axis(apart, near, axis=1)
        order = np.argsort(value, axis=1)
        index[at : at + BLOCK] = among[np.take_along_axis(near, order, axis=1)]
        distance[at : at + BLOCK] = np.sqrt(np.maximum(np.take_along_axis(value, order, axis=1), 0))
    return Neighbours(index, distance)


def votes(near: Neighbours, labels: Array, classes: int) -> Array:
    """(n, classes) share of each class among a row's neighbours."""
    return np.asarray(np.eye(classes, dtype=np.float32)[labels[near.index]].mean(axis=1))


def out_of_fold(short: Array, labels: Array, classes: int, seed: int) -> Array:
    """(n, classes) what a kernel machine would say of each row had it not been trained on it.

    Ridge regression on random Fourier features (Rahimi and Recht 2007), left-one-out in closed form.
    """
    generator = np.random.default_rng(seed)
    n = len(short)
    scaled = short / max(float(np.sqrt((short**2).sum(axis=1).mean())), 1e-9)
    pairs = generator.integers(0, n, (2, 2000))
    width = max(float(np.median(np.linalg.norm(scaled[pairs[0]] - scaled[pairs[1]], axis=1))), 1e-6) * 0.6
    size = min(FEATURES, max(50, n // 3))
    weights = generator.standard_normal((scaled.shape[1], size)).astype(np.float32) / width
    lifted = np.cos(scaled @ weights + generator.uniform(0, 2 * np.pi, size).astype(np.float32))
    lifted = np.hstack([lifted, np.ones((n, 1), np.float32)]).astype(np.float32)
    wanted = np.eye(classes, dtype=np.float32)[labels]
    inside = lifted.T @ lifted
    inverse = np.linalg.inv(inside + np.eye(size + 1, dtype=np.float32) * 1e-2 * np.trace(inside) / (size + 1))
    turned = lifted @ inverse
    leverage = np.minimum(np.einsum("ij,ij->i", turned, lifted), 0.99)[:, None]
    said = turned @ (lifted.T @ wanted)
    return np.clip((said - leverage * wanted) / (1 - leverage), 0, 1)
