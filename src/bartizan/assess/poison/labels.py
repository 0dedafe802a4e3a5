"""Wrong labels and rows that belong nowhere: suspects for a person to look at, the surest first.

Confident learning (Northcutt et al. 2021): a row is doubted where an out-of-fold opinion is as sure of another class as
it usually is of that class, and its neighbours agree; outliers lie farther from theirs than the rest's spread allows.
"""

from __future__ import annotations

import numpy as np

from bartizan.assess.poison.looked import Looked
from bartizan.assess.target import Array

AGREED = 0.6  # of the neighbours
FAR = 6.0  # robust standard deviations of the log-distance
MOST_OUTLIERS = 0.01  # of the rows


def mislabelled(looked: Looked, said: Array | None) -> tuple[Array, Array, Array]:
    """Rows, their score (0 to 1) and the class they look like, best first.

    Args:
        said: The model's classes of the rows; one that gives a doubted label itself learnt it by heart or knows better.
    """
    n = np.arange(len(looked.labels))
    ours = 0.5 * (looked.opinion + looked.expected)
    sure = np.array([ours[looked.labels == c, c].mean() if (looked.labels == c).any() else 1.0
                     for c in range(looked.classes)])  # fmt: skip
    ahead = np.where(ours >= 0.8 * sure, ours, -1.0)
    ahead[n, looked.labels] = -1.0
    other = ahead.argmax(axis=1)
    lead = ours[n, other] - ours[n, looked.labels]
    doubted = (ahead[n, other] > 0) & (looked.opinion[n, other] >= AGREED) & (looked.expected.argmax(axis=1) == other)
    score = np.clip(0.5 + lead / 2, 0, 1)
    if said is not None:
        score = np.where(said == looked.labels, score * 0.75, score)
    doubted &= score >= 0.6
    rows = np.flatnonzero(doubted)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    return rows, score[rows], other[rows]


def outliers(looked: Looked) -> tuple[Array, Array]:
    """Rows and their score (robust standard deviations), the farthest first; at most one in a hundred."""
    distance = np.log(looked.near.distance.mean(axis=1) + 1e-9)
    middle = np.median(distance)
    upper = distance[distance >= middle] - middle
    spread = max(float(np.median(upper)) * 1.4826, 1e-6)
    score = (distance - middle) / spread
    rows = np.flatnonzero((score > FAR) & (distance > np.quantile(distance, 0.99)))
    rows = rows[np.argsort(-score[rows], kind="stable")][: int(MOST_OUTLIERS * len(distance))]
    return rows, score[rows]
