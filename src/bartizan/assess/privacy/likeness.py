"""Which candidates are like each other: rows as a few numbers, and the nearest of the same class.

A model that was trained anew is surer or less sure of a whole region for no reason but chance. That is no membership,
and it shows in the rows around: what a row has beyond its neighbours is its own (TPR at 1 % up by a sixth on nets).
"""

from __future__ import annotations

import numpy as np

from bartizan.assess.data import Form
from bartizan.assess.privacy.pool import Pool
from bartizan.assess.target import Array

COMPONENTS = 20
WORDS = 2**12
NEAREST = (5, 15, 50)


def near(pool: Pool, seed: int) -> Array | None:
    """(n, 50) the candidates of a row's class that are nearest to it, nearest first; None where classes are small."""
    from scipy.spatial import cKDTree

    rows = numbers(pool, seed)[0]
    rows = (rows - rows.mean(axis=0)) / (rows.std() if rows.shape[1] == COMPONENTS else rows.std(axis=0) + 1e-9)
    found = np.zeros((len(pool), NEAREST[-1]), np.int64)
    for label in np.unique(pool.y):
        own = np.flatnonzero(pool.y == label)
        if len(own) < 3:
            return None
        count = min(NEAREST[-1] + 1, len(own))
        nearest = cKDTree(rows[own]).query(rows[own], count)[1][:, 1:]
        found[own] = own[np.take(nearest, np.arange(NEAREST[-1]) % nearest.shape[1], axis=1)]
    return found


def numbers(pool: Pool, seed: int) -> tuple[Array, Array]:
    """Candidates and population as numbers, at most `COMPONENTS` columns."""
    from sklearn.decomposition import PCA, TruncatedSVD

    if pool.form is Form.TEXT:
        from sklearn.feature_extraction.text import HashingVectorizer

        words = HashingVectorizer(n_features=WORDS)
        counted = words.transform([str(one) for one in pool.x.reshape(-1)])
        shape = TruncatedSVD(min(COMPONENTS, WORDS - 1), random_state=seed).fit(counted)
        return (
            shape.transform(counted),
            shape.transform(words.transform([str(one) for one in pool.population_x.reshape(-1)])),
        )
    rows = np.nan_to_num(pool.x.reshape(len(pool), -1).astype(np.float64))
    apart = np.nan_to_num(pool.population_x.reshape(len(pool.population_y), -1).astype(np.float64))
    spread = rows.std(axis=0)
    rows, apart = (rows - rows.mean(axis=0)) / (spread + 1e-9), (apart - rows.mean(axis=0)) / (spread + 1e-9)
    if rows.shape[1] <= COMPONENTS:
        return rows, apart
    shape = PCA(COMPONENTS, random_state=seed).fit(rows)
    return shape.transform(rows), shape.transform(apart)
