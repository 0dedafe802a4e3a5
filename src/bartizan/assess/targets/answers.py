"""What a model's answers mean: scores, shares or labels, found out from the answers for some rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bartizan.assess.target import Array, Output


@dataclass(frozen=True, slots=True)
class Answers:
    """How an output is read: its name, what it holds, the head that makes a column a class (see `graph.headed`)."""

    name: str
    output: Output
    classes: int
    head: str = ""


def columns(out: Any, answers: Answers) -> Array:
    """(n, classes) of what the output holds."""
    if isinstance(out, list):  # Maps of class to share, as converters of scikit-learn write them.
        return np.array([[row[key] for key in sorted(row)] for row in out], dtype=np.float64)
    values = np.asarray(out)
    if answers.head == "labels":
        return np.eye(answers.classes)[np.clip(values.reshape(-1).astype(np.int64), 0, answers.classes - 1)]
    values = values.astype(np.float64).reshape(len(values), -1)
    if answers.head == "margin":
        return np.hstack([np.zeros_like(values), values])
    if answers.head == "share":
        return np.hstack([1 - values, values])
    return values


def understood(name: str, value: Any, count: int, least: int) -> Answers | None:
    """How to read an output of `count` rows; None where it holds no score per class.

    `least` is the number of classes where it holds labels alone, as far as the data knows.
    """
    if isinstance(value, list):
        if len(value) == count and value and isinstance(value[0], dict):
            return Answers(name, Output.PROBABILITIES, len(value[0]))
        return None
    if not isinstance(value, np.ndarray) or len(value) != count or value.dtype.kind not in "fiub":
        return None
    if sum(size > 1 for size in value.shape[1:]) > 1:
        return None
    flat = value.reshape(count, -1)
    if value.dtype.kind in "iub":
        if flat.shape[1] > 1:  # One-hot or quantised scores.
            return Answers(name, Output.LOGITS, flat.shape[1])
        return Answers(name, Output.LABELS, max(int(flat.max()) + 1, least), "labels")
    if flat.shape[1] == 1:
        share = bool(((flat >= 0) & (flat <= 1)).all())
        return Answers(name, Output.PROBABILITIES if share else Output.LOGITS, 2, "share" if share else "margin")
    shares = bool((flat >= -1e-6).all() and np.allclose(flat.astype(np.float64).sum(1), 1, atol=1e-3))
    one_hot = shares and bool(np.isin(flat, (0, 1)).all())
    return Answers(name, Output.LABELS if one_hot else Output.PROBABILITIES if shares else Output.LOGITS, flat.shape[1])
