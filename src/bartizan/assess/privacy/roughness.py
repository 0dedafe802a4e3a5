"""A target that is rougher than its shadow models: trained by another recipe, it errs more from row to row.

What is measured on smooth models would be too good for it. So shadows that play the target are made rougher: noise is
added to their log-odds, of a quarter of the variance that would put them as far from what the other shadows expect as
the target is, for rows as hard. Membership is part of that distance, too, so that a target whose members stand out more
seems rough: with all of it rates came out a third below the truth, with none from a fifth below to a third above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bartizan.assess.privacy.attacks import means
from bartizan.assess.privacy.signals import Signals
from bartizan.assess.privacy.stacking import Table
from bartizan.assess.target import Array

BINS = 10
PART = 0.25
FROM = 1.1  # Times the variance of the roughest shadow.


@dataclass(frozen=True, slots=True)
class Roughness:
    """`extra` variance of log-odds by how certain shadows are, at `places`, ascending; none where it is all zero."""

    places: Array
    extra: Array

    @property
    def any(self) -> bool:
        """Whether the target is rougher."""
        return bool((self.extra > 0).any())

    def on(self, one: Signals, expected: Array, expected_population: Array, seed: int) -> Signals:
        """A shadow made as rough as the target; `expected` log-odds of the candidates and of the population."""
        chance = np.random.default_rng(seed)
        odds = one.odds + self._spread(expected) * chance.normal(size=len(expected))
        apart = to_odds(one.population) + self._spread(expected_population) * chance.normal(size=len(one.population))
        return replace(one, odds=odds, sure=-np.logaddexp(0, -odds), population=-np.logaddexp(0, -apart))

    def _spread(self, expected: Array) -> Array:
        return np.sqrt(np.interp(expected, self.places, self.extra))


def played(rough: Roughness, shadows: Sequence[Signals], table: Table, seed: int) -> list[Signals]:
    """The shadows as they play the target: as rough as it is."""
    candidates = np.add(*means(table.values["odds"], table.inside)) / 2
    population = np.mean([to_odds(one) for one in table.population], axis=0)
    return [rough.on(one, candidates, population, seed + at) for at, one in enumerate(shadows)]


def to_odds(sure: Array) -> Array:
    """log p as log p/(1-p), bounded at p = 1 - 1e-9."""
    return sure - np.log(-np.expm1(np.minimum(sure, -1e-9)))


def roughness(target: Signals, shadows: Sequence[Signals], inside: Array) -> Roughness:
    """How much rougher the target is than the shadows are, all on one scale; each beside all pairs but one."""
    count = len(shadows)
    if count < 4:
        return Roughness(np.zeros(1), np.zeros(1))
    odds = np.stack([one.odds for one in shadows])
    every = np.arange(count)

    def apart(one: Array, pair: int) -> Array:
        others = every[every // 2 != pair]
        with_it, without = means(odds[others], inside[others])
        return np.asarray((one - (with_it + without) / 2) ** 2)

    middle = np.add(*means(odds, inside)) / 2
    edges = np.quantile(middle, np.linspace(0, 1, BINS + 1))
    bins = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, BINS - 1)
    places = np.array([middle[bins == at].mean() if (bins == at).any() else edges[at] for at in range(BINS)])
    own = np.mean([apart(target.odds, pair) for pair in range(count // 2)], axis=0)
    theirs = np.stack([apart(odds[at], at // 2) for at in range(count)])
    if own.mean() <= FROM * theirs.mean(axis=1).max():
        return Roughness(places, np.zeros(BINS))
    extra = np.array([
        PART * max(0.0, float(own[bins == at].mean() - theirs[:, bins == at].mean())) if (bins == at).any() else 0.0
        for at in range(BINS)
    ])  # fmt: skip
    return Roughness(places, extra)
