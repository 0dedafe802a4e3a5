"""Randomised smoothing: a radius around a row within which the majority of noisy copies provably keeps its label.

What is certified is the smoothed model (the label most noisy copies get), not the model alone; the radius is in L2.
A row is asked 50 times which label it may have, then in growing lots until its radius is proven, or cannot be with
the most queries; where that fails the certificate abstains. Every look costs its share of alpha, so that stopping
early stays honest.

Source: Cohen, Rosenfeld and Kolter 2019, "Certified Adversarial Robustness via Randomized Smoothing".
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.target import Array, Target

FIRST = 50
LOTS = (100, 400, 1_500, 6_000)  # copies, together, at each look; 400 of 400 prove two standard deviations
ALPHA = 0.001
ABSTAINED = -1


@dataclass(frozen=True, slots=True)
class Smoothed:
    """(n,) the majority's label, -1 where it abstains, and the L2 radius it is proven for; `asked` rows it took.

    The first `looked` rows were asked about before the time was spent; it abstains on the others.
    """

    label: Array
    radius: Array
    sigma: float
    asked: int
    looked: int


def smooth(target: Target, x: Array, sigma: float, wanted: float, seed: int, budget: Budget) -> Smoothed:
    """Certifies rows; stops asking about one as soon as `wanted` is proven, or out of reach of what may be asked."""
    chance = np.random.default_rng(seed)
    label, radius = np.full(len(x), ABSTAINED), np.zeros(len(x))
    began, looked = target.queries, 0
    for at, row in enumerate(x):
        if budget.spent:
            break
        looked += 1
        label[at], radius[at] = _one(target, row, sigma, wanted, chance, budget)
    return Smoothed(label, radius, sigma, target.queries - began, looked)


def _one(
    target: Target, row: Array, sigma: float, wanted: float, chance: np.random.Generator, budget: Budget
) -> tuple[int, float]:
    normal = NormalDist()
    label = int(np.argmax(_votes(target, row, sigma, FIRST, chance)))
    hits, asked, best = 0, 0, 0.0
    reachable = sigma * normal.inv_cdf(lower(LOTS[-1], LOTS[-1], ALPHA / len(LOTS))) >= wanted
    for lot in LOTS:
        hits += int(_votes(target, row, sigma, lot - asked, chance)[label])
        asked = lot
        sure = lower(hits, asked, ALPHA / len(LOTS))
        best = max(best, sigma * normal.inv_cdf(sure) if sure > 0.5 else 0.0)
        if (best >= wanted > 0) or budget.spent or (reachable and _never(hits, asked, wanted / sigma)):
            break
    return (label, best) if best > 0 else (ABSTAINED, 0.0)


def _never(hits: int, asked: int, height: float) -> bool:
    """Whether the share is far below what the radius needs: five standard deviations."""
    needed = NormalDist().cdf(height)
    spread = (needed * (1 - needed) / asked) ** 0.5
    return hits / asked < needed - 5 * spread


def _votes(target: Target, row: Array, sigma: float, count: int, chance: np.random.Generator) -> Array:
    noisy = row[None] + sigma * chance.standard_normal((count, *row.shape), dtype=np.float32)
    return np.bincount(target.labels(noisy), minlength=target.classes)


def lower(hits: int, of: int, alpha: float) -> float:
    """The one-sided Clopper–Pearson bound: the share is below it in at most `alpha` of all cases."""
    from scipy.stats import beta

    return float(beta.ppf(alpha, hits, of - hits + 1)) if hits else 0.0
