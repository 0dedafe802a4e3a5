"""Membership attacks that need no training of their own: what shadow models say of a row, against what the target says.

All take `target` (n,), the target's value for each row, and `shadows` (k, n) with `inside` (k, n) bool: who of the k
shadow models was trained on which row. Higher scores are members. A row that no shadow was trained on (or all were)
is compared with what there is.

Sources: Carlini et al. 2022, "Membership Inference Attacks From First Principles" (LiRA); Zarifzadeh, Liu and Shokri
2024, "Low-Cost High-Power Membership Inference Attacks" (RMIA).
"""

from __future__ import annotations

import numpy as np

from bartizan.assess.target import Array

EACH = 64  # Shadow models from which on a row's own variance is better than that of all rows (Carlini 2022, VI.C).
AROUND, NEIGHBOURS = 0.3, 15  # What is taken off of the mean over so many rows like it.
TINY = 1e-12


def means(shadows: Array, inside: Array) -> tuple[Array, Array]:
    """(n,), (n,): over the shadows that were trained on a row, and over those that were not."""
    both = shadows.mean(axis=0)
    count_in, count_out = inside.sum(axis=0), (~inside).sum(axis=0)
    with_it = np.where(count_in > 0, (shadows * inside).sum(axis=0) / np.maximum(count_in, 1), both)
    without = np.where(count_out > 0, (shadows * ~inside).sum(axis=0) / np.maximum(count_out, 1), both)
    return with_it, without


def deviations(shadows: Array, inside: Array) -> tuple[Array, Array]:
    """(n,), (n,): the same for standard deviations; below `EACH` shadows those of all rows, as (1,)."""
    with_it, without = means(shadows, inside)
    apart_in, apart_out = (shadows - with_it) ** 2 * inside, (shadows - without) ** 2 * ~inside
    if len(shadows) < EACH:
        pooled = [np.sqrt(one.sum(keepdims=True) / max(int(of.sum()), 1))[0] for one, of in
                  ((apart_in, inside), (apart_out, ~inside))]  # fmt: skip
        return pooled[0] + TINY, pooled[1] + TINY
    return (
        np.sqrt(apart_in.sum(axis=0) / np.maximum(inside.sum(axis=0), 1)) + 1e-3,
        np.sqrt(apart_out.sum(axis=0) / np.maximum((~inside).sum(axis=0), 1)) + 1e-3,
    )


def lira(target: Array, shadows: Array, inside: Array) -> Array:
    """The log-likelihood ratio of two normal distributions of log-odds."""
    with_it, without = means(shadows, inside)
    spread_in, spread_out = deviations(shadows, inside)
    inner = -(((target - with_it) / spread_in) ** 2) / 2 - np.log(spread_in)
    return np.asarray(inner + ((target - without) / spread_out) ** 2 / 2 + np.log(spread_out))


def lira_offline(target: Array, shadows: Array, inside: Array) -> Array:
    """How far above what models without the row say, in standard deviations."""
    return np.asarray((target - means(shadows, inside)[1]) / deviations(shadows, inside)[1])


def rmia(target: Array, shadows: Array, inside: Array, others: Array, shadows_others: Array) -> Array:
    """The share of the population that a row's likelihood ratio is above. All values are log-probabilities.

    Args:
        others: (m,) of the population under the target; shadows_others: (k, m), none of them trained on it.
    """
    with_it, without = means(np.exp(shadows), inside)
    return _above(target, (with_it + without) / 2, others, np.exp(shadows_others).mean(axis=0))


def beyond(target: Array, shadows: Array, inside: Array, near: Array) -> Array:
    """RMIA's ratio, less a part of that of the rows most like it: all of a region is learned better or worse by chance.

    Args:
        near: (n, at least `NEIGHBOURS`) rows like each row, nearest first.
    """
    with_it, without = means(np.exp(shadows), inside)
    ratio = target - np.log((with_it + without) / 2 + TINY)
    held = np.clip(ratio, *np.quantile(ratio, [0.01, 0.99]))
    return np.asarray(ratio - AROUND * held[near[:, :NEIGHBOURS]].mean(axis=1))


def rmia_offline(target: Array, shadows: Array, inside: Array, others: Array, shadows_others: Array, a: float) -> Array:
    """RMIA with models that were not trained on the row: p = ((1 + a) p_out + (1 - a)) / 2."""
    without = means(np.exp(shadows), inside)[1]
    apart = np.exp(shadows_others).mean(axis=0)
    return _above(target, ((1 + a) * without + 1 - a) / 2, others, ((1 + a) * apart + 1 - a) / 2)


def _above(target: Array, expected: Array, others: Array, expected_others: Array) -> Array:
    ratio = target - np.log(expected + TINY)
    population = np.sort(others - np.log(expected_others + TINY))
    share = np.searchsorted(population, ratio, side="right") / max(len(population), 1)
    return np.asarray(share + 1e-6 * np.tanh(ratio))  # Above all of the population, the larger ratio is still surer.
