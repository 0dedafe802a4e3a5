"""Which rows a thief asks for: first what the pool is made of, then what the copies so far cannot tell apart.

The first rows are those nearest to the centres of as many clusters (Sener and Savarese 2018, core sets). Later ones
have the smallest margin between the two likeliest classes, spread over clusters so that no two ask the same.
"""

from __future__ import annotations

import warnings

import numpy as np

from bartizan.assess.data import Form
from bartizan.assess.target import Array

DIMENSIONS = 30
ROUNDS = 10
CANDIDATES = 4  # Uncertain rows for one that is asked.
AT_MOST = 400  # Clusters: more rows than that are taken from within clusters.


def embedding(rows: Array, form: Form, seed: int) -> Array:
    """(n, at most 30) float32: numbers brought to one spread, then their main directions; of texts those of words."""
    if form is Form.TEXT:
        from bartizan.assess.theft.texts import directions

        return directions(rows, DIMENSIONS, seed)
    from sklearn.decomposition import PCA

    flat = np.nan_to_num(np.asarray(rows, np.float32).reshape(len(rows), -1))
    if flat.shape[1] <= 64:  # Columns with units of their own.
        flat = (flat - flat.mean(axis=0)) / np.maximum(flat.std(axis=0), 1e-6)
    most = min(DIMENSIONS, flat.shape[1], len(flat) - 1)
    if flat.shape[1] <= most:
        return flat
    return np.asarray(PCA(most, svd_solver="randomized", random_state=seed).fit_transform(flat), np.float32)


def spread_out(points: Array, count: int, seed: int, weight: Array | None = None) -> Array:
    """(at most count,) rows near the centres of clusters, the rest by chance."""
    from sklearn.cluster import KMeans

    if count >= len(points):
        return np.arange(len(points))
    draw = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Fewer distinct rows than clusters: then there are fewer.
        found = KMeans(min(count, AT_MOST), n_init=1, max_iter=ROUNDS, random_state=seed).fit(
            points, sample_weight=weight
        )
    far = ((points - found.cluster_centers_[found.labels_]) ** 2).sum(axis=1)
    order = np.lexsort((far, found.labels_))
    first = order[np.r_[True, np.diff(found.labels_[order]) != 0]]
    rest = np.setdiff1d(np.arange(len(points)), first)
    more = draw.choice(rest, max(0, count - len(first)), replace=False)
    return np.concatenate([first, more])[:count]


def uncertain(points: Array, guess: Array, asked: Array, count: int, seed: int) -> Array:
    """(count,) rows that were not asked yet and whose two likeliest classes are closest, spread out."""
    ordered = np.sort(guess, axis=1)
    doubt = 1 - (ordered[:, -1] - ordered[:, -2])
    doubt[asked] = -1
    free = int((doubt >= 0).sum())
    candidates = np.argsort(-doubt, kind="stable")[: min(free, CANDIDATES * count)]
    return np.asarray(candidates[spread_out(points[candidates], count, seed, doubt[candidates] + 1e-3)])
