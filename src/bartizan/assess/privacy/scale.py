"""Models on one scale: some are surer of everything, which says nothing about one row.

A value is replaced by the one that shadow models have on average at its rank among the candidates. Half of these are
members for each shadow, and about half for the target; where recipes are the same this changes next to nothing (TPR at
1 % within 0.3 points on six kinds of models), and where they are not it is what makes models comparable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bartizan.assess.privacy.signals import Signals
from bartizan.assess.target import Array

APART = 2.0  # Times what shadows differ among themselves: from there on the target is not like them.


@dataclass(frozen=True, slots=True)
class Scale:
    """The values that shadows have at each rank, ascending, (n,)."""

    odds: Array
    sure: Array

    def of(self, one: Signals) -> Signals:
        """A model's signals on this scale."""
        return replace(
            one,
            odds=_ranked(one.odds, one.odds, self.odds),
            sure=_ranked(one.sure, one.sure, self.sure),
            population=_ranked(one.population, one.sure, self.sure),
        )

    def apart(self, target: Signals, shadows: Sequence[Signals]) -> bool:
        """Whether the target's certainty is spread otherwise than that of any shadow."""
        among = max(float(np.abs(np.sort(one.odds) - self.odds).mean()) for one in shadows)
        return float(np.abs(np.sort(target.odds) - self.odds).mean()) > APART * among + 0.02 * float(self.odds.std())


def scale_of(shadows: Sequence[Signals]) -> Scale:
    """The mean over shadow models, rank by rank."""
    return Scale(
        np.mean([np.sort(one.odds) for one in shadows], axis=0),
        np.mean([np.sort(one.sure) for one in shadows], axis=0),
    )


def _ranked(values: Array, own: Array, like: Array) -> Array:
    """Values where they stand among `own`, on the scale; equal ones stay equal, in the middle of their ranks."""
    distinct, times = np.unique(own, return_counts=True)
    ends = np.cumsum(times)
    sums = np.concatenate([[0.0], np.cumsum(like)])
    middles = (sums[ends] - sums[ends - times]) / times
    return np.interp(values, distinct, middles)
