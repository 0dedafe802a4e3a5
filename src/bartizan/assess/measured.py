"""Numbers with their uncertainty: every rate that is reported says out of how many, and its interval.

Wilson, E. B. (1927), JASA 22:209; Clopper and Pearson (1934), Biometrika 26:404; McNemar (1947), Psychometrika 12:153.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `of`, as a share with a two-sided 95 % interval; 0 of 0 is a share of 0 in the interval [0, 1]."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.hits / self.of if self.of else 0.0

    def as_json(self) -> dict[str, float | int]:
        """`{"hits", "of", "share", "low", "high"}`."""
        return {
            "hits": self.hits,
            "of": self.of,
            "share": round(self.share, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
        }


def wilson(hits: int, of: int, confidence: float = 0.95) -> Rate:
    """The score interval: right for shares near 0 and 1 too, and what most rates here carry."""
    if not of:
        return Rate(0, 0, 0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, edge = hits / of, z * z / of
    middle, half = share + edge / 2, z * sqrt(share * (1 - share) / of + edge / (4 * of))
    return Rate(hits, of, max(0.0, (middle - half) / (1 + edge)), min(1.0, (middle + half) / (1 + edge)))


def clopper_pearson(hits: int, of: int, confidence: float = 0.95) -> Rate:
    """The exact interval: never narrower than it says, for rare events and for certificates."""
    if not of:
        return Rate(0, 0, 0.0, 1.0)
    from scipy.stats import beta

    rest = (1 - confidence) / 2
    low = float(beta.ppf(rest, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - rest, hits + 1, of - hits)) if hits < of else 1.0
    return Rate(hits, of, low, high)


def mcnemar(only_before: int, only_after: int) -> float:
    """The exact two-sided p-value that two models differ, from the rows that only one of them got right."""
    both = only_before + only_after
    if not both:
        return 1.0
    tail = sum(comb(both, k) for k in range(min(only_before, only_after) + 1))
    return min(1.0, 2 * tail / 2**both)
