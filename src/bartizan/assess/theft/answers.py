"""What a thief is told: whole distributions over classes, or what a defence leaves of them."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from bartizan.assess.target import Array

NOISE = 0.1  # Standard deviation of what the noise defence adds to every probability.
FLOOR = 1e-6


class Answers(StrEnum):
    """What of an answer reaches the one who asks."""

    SOFT = "soft"  # every class and its probability
    ROUNDED = "rounded"  # to one decimal
    NOISY = "noise"
    TOP1 = "top1"  # the label and its probability
    LABELS = "labels"

    @property
    def words(self) -> str:
        """The defence, for the report."""
        return {
            Answers.SOFT: "none: whole probabilities",
            Answers.ROUNDED: "probabilities rounded to one decimal",
            Answers.NOISY: f"noise of {NOISE:g} on every probability",
            Answers.TOP1: "label and its probability only",
            Answers.LABELS: "labels only",
        }[self]


def told(probabilities: Array, answers: Answers, seed: int) -> Array:
    """(n, classes) the distribution a thief makes of the answers, and whose largest is the label that is given."""
    p = np.asarray(probabilities, np.float64)
    n, classes = p.shape
    label = p.argmax(axis=1)
    if answers is Answers.ROUNDED:
        p = np.round(p, 1)
        p[np.arange(n), label] += FLOOR * classes  # The first of equals stays the first.
    elif answers is Answers.NOISY:
        p = np.clip(p + np.random.default_rng(seed).normal(0, NOISE, p.shape), 0, None)
    elif answers is Answers.TOP1:
        top = p[np.arange(n), label]
        p = np.repeat(((1 - top) / max(1, classes - 1))[:, None], classes, axis=1)
        p[np.arange(n), label] = np.maximum(top, 1 / classes)
    elif answers is Answers.LABELS:
        p = np.eye(classes)[label]
    p = p + FLOOR
    return np.asarray(p / p.sum(axis=1, keepdims=True))
