"""A lower bound on epsilon from one training run, where differential privacy is claimed.

Source: Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training Run", theorem 5.2. The candidates were
included or not by independent fair coins; the auditor guesses the membership of some and abstains from the rest. Under
(epsilon, delta)-DP the number of right guesses is dominated by a binomial with p = e^eps / (1 + e^eps), but for a term
in delta. What contradicts that with 95 % confidence bounds epsilon from below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array

CONFIDENCE = 0.95
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # Of the candidates that are guessed.
MOST = 30.0


@dataclass(frozen=True, slots=True)
class Audit:
    """`epsilon` is at least `least`, by `right` of `guesses` guesses among `candidates`; `claimed` is what was said."""

    claimed: float
    delta: float
    least: float
    right: int
    guesses: int
    candidates: int

    @property
    def refuted(self) -> bool:
        """Whether the claim is wrong, with 95 % confidence."""
        return self.least > self.claimed

    def as_json(self) -> dict[str, object]:
        """Its part of the report."""
        return {
            "claimed": self.claimed,
            "delta": self.delta,
            "epsilon_at_least": round(self.least, 3),
            "confidence": CONFIDENCE,
            "right": self.right,
            "guesses": self.guesses,
            "candidates": self.candidates,
            "refuted": self.refuted,
        }


def p_value(right: int, guesses: int, candidates: int, epsilon: float, delta: float) -> float:
    """The chance of so many right guesses, or more, under (epsilon, delta)-DP."""
    from scipy.stats import binom

    p = 1 / (1 + np.exp(-epsilon))
    tail = float(binom.sf(right - 1, guesses, p))
    if delta <= 0:
        return tail
    steps = np.arange(1, right + 1)
    between = binom.cdf(right - 1, guesses, p) - binom.cdf(right - steps - 1, guesses, p)
    return float(min(1.0, tail + 2 * candidates * delta * max(0.0, float(np.max(between / steps, initial=0.0)))))


def least_epsilon(right: int, guesses: int, candidates: int, delta: float, confidence: float = CONFIDENCE) -> float:
    """The largest epsilon that so many right guesses contradict; 0.0 where they contradict none."""
    low, high = 0.0, MOST
    if not guesses or p_value(right, guesses, candidates, 0.0, delta) > 1 - confidence:
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if p_value(right, guesses, candidates, middle, delta) < 1 - confidence:
            low = middle
        else:
            high = middle
    return low


def audit(scores: Array, member: Array, claimed: float, delta: float) -> Audit:
    """Guesses the highest as members and the lowest as others, of so many candidates as bound epsilon best.

    How many is tried in `SHARES`; the confidence is divided by their number, so that trying costs nothing in truth.
    """
    order = np.argsort(-scores, kind="stable")
    each = 1 - (1 - CONFIDENCE) / len(SHARES)
    best = Audit(claimed, delta, 0.0, 0, 0, len(scores))
    for share in SHARES:
        half = max(1, int(len(scores) * share / 2))
        right = int(member[order[:half]].sum() + (~member[order[-half:]]).sum())
        least = least_epsilon(right, 2 * half, len(scores), delta, each)
        if least > best.least or not best.guesses:
            best = Audit(claimed, delta, least, right, 2 * half, len(scores))
    return best
