"""What models of tables share: the width of rows, and margins as one column a class."""

from __future__ import annotations

import numpy as np

from bartizan.assess.target import Array
from bartizan.core.errors import UsageError


def row_shape(name: str, features: int, rows: Array | None) -> tuple[int, ...]:
    """The shape of a row: the data's, where it has as many numbers as the model has features."""
    if rows is None:
        return (features,)
    shape = tuple(rows.shape[1:])
    if int(np.prod(shape, dtype=np.int64)) != features:
        raise UsageError(f"{name} takes rows of {features} columns, but the data has rows of shape {shape}")
    return shape


def margins(raw: Array) -> Array:
    """(n, classes) of margins: one column becomes [0, margin], whose softmax is the logistic function."""
    raw = np.asarray(raw, np.float64)
    if raw.ndim == 1 or raw.shape[1] == 1:
        raw = raw.reshape(-1, 1)
        return np.hstack([np.zeros_like(raw), raw])
    return raw


def labels_of(y: Array) -> Array:
    """(n,) ints of labels or of soft labels, of which the largest counts."""
    return np.argmax(y, axis=1) if np.ndim(y) == 2 else np.asarray(y).astype(np.int64)
