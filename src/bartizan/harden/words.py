"""A linear model over words that was fitted for the worst edits, not for the texts as they are.

The worst that editing `k` words does to a linear score is bounded: the k words that speak most for the right class
are exchanged for the k words of the vocabulary that speak most against it. Each step fits the logistic loss of the
texts after that (robust optimisation; Globerson and Roweis 2006, "Nightmare at Test Time", for deletion alone). No
weight may exceed `MOST`, so that no few words decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bartizan.assess.target import Array

STEPS = 400
RATE = 0.03
MOST = 3.0
WEIGHT = 1e-4  # of the squares
LONGEST = 120  # different words of a text that are taken away; the rest stay


@dataclass(frozen=True, slots=True)
class Fitted:
    """score = present @ weights + bias; above 0 is the class 1."""

    weights: Array
    bias: float


def fit(present: Any, sign: Array, allowed: Array, chance: np.random.Generator, steps: int = STEPS) -> Fitted:
    """Fits for the worst edits.

    Args:
        present: (n, words) sparse (CSR), 1 where a text has a word.
        sign: (n,) +1 or -1.
        allowed: (n,) edits an attack may make.
    """
    count, words = present.shape
    width = max(1, min(LONGEST, int(np.diff(present.indptr).max(initial=1))))
    held = np.full((count, width), words, np.int64)  # The last place weighs nothing.
    for row in range(count):
        own = present.indices[present.indptr[row] : present.indptr[row + 1]]
        held[row, : min(width, len(own))] = own[:width]
    weights, bias = np.zeros(words + 1), 0.0
    weights[:words] = chance.standard_normal(words) * 1e-3
    first, second, average = np.zeros(words + 2), np.zeros(words + 2), np.zeros(words + 2)
    most = min(words, int(allowed.max(initial=0)))
    rank = np.arange(max(width, most))
    for step in range(1, steps + 1):
        ramp = np.minimum(allowed, np.ceil(allowed * min(1.0, 2 * step / steps)).astype(np.int64))
        own = weights[held] * sign[:, None]
        order = np.argsort(-own, axis=1)
        sorted_own = np.take_along_axis(own, order, axis=1)
        against = {s: np.argsort(s * weights[:words])[:most] for s in (1, -1)}
        gone = (rank[:width][None] < ramp[:, None]) & (sorted_own > 0)  # The rest an attack leaves where it is.
        added = rank[:most][None] < ramp[:, None]
        left = np.ones_like(own)
        np.put_along_axis(left, order, (~gone).astype(float), axis=1)
        score = (own * left).sum(1) + sign * bias
        for s, names in against.items():
            mine = sign == s
            score[mine] += added[mine] @ (s * weights[names])
        pull = -sign / (1 + np.exp(np.clip(score, -30, 30))) / count
        gradient = np.zeros(words + 2)
        gradient[: words + 1] = np.bincount(held.ravel(), (left * pull[:, None]).ravel(), words + 1)
        for s, names in against.items():
            mine = sign == s
            gradient[names] += (added[mine] * pull[mine][:, None]).sum(0)
        gradient[:words] += 2 * WEIGHT * weights[:words] / count
        gradient[words], gradient[words + 1] = 0.0, pull.sum()
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        change = RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-9)
        weights = np.clip(weights - change[: words + 1], -MOST, MOST)
        weights[words] = 0.0
        bias -= change[words + 1]
        if step > steps // 2:
            average += np.append(weights, bias)
    average /= max(1, steps - steps // 2)
    return Fitted(average[:words], float(average[words + 1]))
