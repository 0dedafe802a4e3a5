"""The stacked attack: what tells members from others is learned from shadow models, of which the truth is known.

Each shadow model in turn plays the target. What it says of a row is set beside what the others say, with and without
the row, and a small boosted model learns who was a member from all of that together: log-odds and their differences,
RMIA's and LiRA's values, how it goes with rows like it, the marks that trees leave. No distribution is assumed, and no
threshold is set by hand. The other model of a pair never helps to judge: it was trained on exactly the other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bartizan.assess.privacy.attacks import lira, means, rmia
from bartizan.assess.privacy.likeness import NEAREST
from bartizan.assess.privacy.signals import Signals
from bartizan.assess.target import Array

ROWS = 30_000  # Pairs of a row and a shadow that are learned from.
PAIRS_LEFT_OUT = 4
TINY = 1e-6
LARGEST = 1e4
Judge = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Table:
    """The shadows' values as arrays: by name (k, n), and the population's (k, m)."""

    values: dict[str, Array]
    sure: Array
    population: Array
    inside: Array
    near: Array | None = None  # (n, several) rows like each row, nearest first

    @property
    def pairs(self) -> int:
        """Of shadows."""
        return len(self.inside) // 2


def table_of(signals: Sequence[Signals], inside: Array, near: Array | None = None) -> Table:
    """All shadows' signals, by name."""
    values = {"odds": np.stack([one.odds for one in signals])}
    shared = [name for name in signals[0].more if all(name in one.more for one in signals)]
    values |= {name: np.stack([one.more[name] for one in signals]) for name in shared}
    return Table(
        values, np.stack([one.sure for one in signals]), np.stack([one.population for one in signals]), inside, near
    )


def columns(table: Table, target: Signals, others: Array) -> Array:
    """(n, columns) for a model beside the shadows with the numbers `others`; its own values where there are none."""
    if not len(others):
        plain = [target.more[name] for name in table.values if name != "odds"]
        return np.stack([target.odds, target.sure, *plain], axis=1).astype(np.float32)
    inside = table.inside[others]
    found: list[Array] = []
    for name, every in table.values.items():
        all_of, shadows = target.odds if name == "odds" else target.more[name], every[others]
        with_it, without = means(shadows, inside)
        found += [all_of, all_of - with_it, all_of - without, with_it - without]
        if name == "odds":
            lowest = np.where(inside, shadows, np.inf).min(axis=0)
            highest = np.where(inside, -np.inf, shadows).max(axis=0)
            spread_in = np.sqrt(means((shadows - with_it) ** 2, inside)[0])
            spread_out = np.sqrt(means((shadows - without) ** 2, inside)[1])
            found += [with_it, without, all_of - lowest, all_of - highest, spread_in, spread_out]
            found.append(lira(all_of, shadows, inside))
            if table.near is not None:
                rest = all_of - (with_it + without) / 2
                rest = np.clip(rest, *np.quantile(rest, [0.01, 0.99]))
                found += [rest[table.near[:, :count]].mean(axis=1) for count in NEAREST]
    sure, apart = table.sure[others], table.population[others]
    with_it, without = means(np.exp(sure), inside)
    own = np.maximum(np.exp(target.sure), TINY)
    found += [with_it, without, own - without, np.log(own) - np.log(np.maximum((with_it + without) / 2, TINY))]
    found += [
        np.log(own) - np.log(np.maximum(without, TINY)),
        rmia(target.sure, sure, inside, target.population, apart),
    ]
    return np.clip(np.nan_to_num(np.stack(found, axis=1)), -LARGEST, LARGEST).astype(np.float32)


def shadow(table: Table, signals: Sequence[Signals], at: int) -> Array:
    """The columns of a shadow beside all pairs but its own."""
    others = np.array([one for one in range(len(signals)) if one // 2 != at // 2])
    return columns(table, signals[at], others)


def beside(table: Table, target: Signals) -> list[Array]:
    """The target's columns, as often as pairs are left out: beside as many shadows as there are in learning."""
    count = len(table.inside)
    left_out = np.unique(np.linspace(0, table.pairs - 1, min(PAIRS_LEFT_OUT, table.pairs)).round().astype(int))
    return [columns(table, target, np.array([one for one in range(count) if one // 2 != at])) for at in left_out]


def learned(rows: Sequence[Array], members: Sequence[Array], seed: int) -> Judge:
    """What judges columns, higher is a member: the mean of boosted trees and of a smooth model of the same columns."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer, SplineTransformer

    x, y = np.concatenate(rows), np.concatenate(members)
    chance = np.random.default_rng(seed)
    if len(x) > ROWS:
        some = chance.choice(len(x), ROWS, replace=False)
        x, y = x[some], y[some]
    kept = x.std(axis=0) > 1e-9
    trees = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.07, max_leaf_nodes=15, min_samples_leaf=max(5, min(60, len(x) // 50)),
        l2_regularization=5.0, early_stopping=False, random_state=seed,
    ).fit(x[:, kept], y)  # fmt: skip
    smooth = make_pipeline(
        QuantileTransformer(n_quantiles=200, output_distribution="normal", subsample=ROWS, random_state=seed),
        SplineTransformer(5, degree=2),
        LogisticRegression(C=0.1, max_iter=200),
    ).fit(x[:, kept], y)

    def judge(of: Array) -> Array:
        return np.asarray(trees.decision_function(of[:, kept]) + smooth.decision_function(of[:, kept])) / 2

    return judge
