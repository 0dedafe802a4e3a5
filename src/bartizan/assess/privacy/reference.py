"""A weaker attack where the target cannot be trained anew: a row's surprise, beside what any model finds hard.

Models of another kind are trained on one half of the candidates and asked about the other. What the target says is
explained from what they say and from the row's class, on rows that it never saw where there are such, else on other
candidates; how far it is above that, in the spread of rows as hard, is the score (quantile regression: Bertran et al.
2023, "Scalable Membership Inference Attacks via Quantile Regression"). Nothing here knows how good it is.
"""

from __future__ import annotations

import numpy as np

from bartizan.assess.privacy.likeness import COMPONENTS, numbers
from bartizan.assess.privacy.pool import Pool
from bartizan.assess.privacy.signals import Signals, of_label
from bartizan.assess.target import Array, Output, log_probabilities

ENOUGH = 500  # Rows that are known as others: fewer explain too little.
TREES = 40  # It comes last, when the time is nearly over.


def reference(pool: Pool, target: Signals, seed: int) -> Array:
    """(n,) scores; the plain log-odds where scikit-learn is not installed."""
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
    except ImportError:
        return target.odds
    columns, apart = _columns(pool, seed)
    chance = np.random.default_rng(seed)
    fold = chance.random(len(pool)) < 0.5
    expected, spread = np.zeros(len(pool)), np.ones(len(pool))
    if pool.apart and len(pool.population_y) >= ENOUGH:
        plans = [(apart, target.population, np.ones(len(pool), bool))]
        value = target.sure
    else:
        plans = [(columns[fold], target.odds[fold], ~fold), (columns[~fold], target.odds[~fold], fold)]
        value = target.odds
    for known, wanted, asked in plans:
        size = {"max_iter": 60, "max_leaf_nodes": 8, "min_samples_leaf": 20, "random_state": seed}
        middle = HistGradientBoostingRegressor(loss="absolute_error", **size).fit(known, wanted)
        apart_by = np.abs(wanted - middle.predict(known))
        width = HistGradientBoostingRegressor(**size).fit(known, apart_by)
        expected[asked] = middle.predict(columns[asked])
        spread[asked] = np.maximum(width.predict(columns[asked]), 0.1 * apart_by.mean() + 1e-9)
    return np.asarray((value - expected) / spread)


def _columns(pool: Pool, seed: int) -> tuple[Array, Array]:
    """What a row looks like to models of another kind: of the candidates and of the population."""
    from sklearn.ensemble import RandomForestClassifier

    rows, apart = numbers(pool, seed)
    chance = np.random.default_rng(seed)
    fold = chance.random(len(pool)) < 0.5
    own, others = np.zeros((len(pool), 3)), np.zeros((len(pool.population_y), 3))
    classes = int(max(pool.y.max(), pool.population_y.max())) + 1
    for learn, asked in ((fold, ~fold), (~fold, fold)):
        model = RandomForestClassifier(TREES, min_samples_leaf=2, n_jobs=1, random_state=seed)
        model.fit(rows[learn], pool.y[learn])
        for x, y, into, where in (
            (rows[asked], pool.y[asked], own, asked),
            (apart, pool.population_y, others, np.ones(len(others), bool)),
        ):
            shares = np.zeros((len(x), classes))
            shares[:, model.classes_] = model.predict_proba(x)
            logarithms = log_probabilities(0.98 * shares + 0.02 / classes, Output.PROBABILITIES)
            sure, odds = of_label(logarithms, y)
            part = np.stack([odds, sure, -(np.exp(logarithms) * logarithms).sum(axis=1)], axis=1)
            into[where] = part if into is own else into[where] + part / 2
    return (
        np.column_stack([own, pool.y, rows[:, :COMPONENTS]]),
        np.column_stack([others, pool.population_y, apart[:, :COMPONENTS]]),
    )
