"""The training rows as every part of the scan sees them: flat, short, with their neighbours' opinion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.poison.neighbours import Neighbours, neighbours, out_of_fold, principal, votes
from bartizan.assess.target import Array

DOUBTED = 0.4  # share of the neighbours that agree with a suspect's label, at most


@dataclass(frozen=True, slots=True)
class Looked:
    """Training rows `x` with `labels`, as given and as vectors.

    `flat` (n, features); `short` (n, 40) principal components; `near` neighbours in `short`; `opinion` (n, classes) of
    neighbours, `expected` of an out-of-fold machine; `looks_like`: the class that most neighbours have; `other_like`:
    the one that most neighbours of other classes have; `suspects`: rows whose neighbours have another label.
    """

    x: Array
    labels: Array
    classes: int
    flat: Array
    short: Array
    near: Neighbours
    opinion: Array
    expected: Array
    looks_like: Array
    other_like: Array
    suspects: Array
    low: float
    high: float

    @property
    def span(self) -> float:
        """Between the lowest and the highest value."""
        return max(self.high - self.low, 1e-9)


def look(x: Array, flat: Array, labels: Array, classes: int, form: Form, seed: int) -> Looked:
    """Rows with everything that is known of them without the model."""
    short = principal(flat, 300 if form is Form.TEXT else 40, seed)
    near = neighbours(short, seed)
    opinion = votes(near, labels, classes)
    expected = out_of_fold(short, labels, classes, seed)
    own = np.take_along_axis(opinion, labels[:, None], axis=1)[:, 0]
    others = opinion.copy()
    np.put_along_axis(others, labels[:, None], -1.0, axis=1)
    others += 1e-3 * expected
    return Looked(
        x, labels, classes, flat, short, near, opinion, expected,
        np.asarray((opinion + 1e-3 * expected).argmax(axis=1)), np.asarray(others.argmax(axis=1)),
        np.flatnonzero(own <= DOUBTED), float(flat.min()), float(flat.max()),
    )  # fmt: skip


def flattened(data: Data, rows: Array) -> tuple[Array, list[str]]:
    """(n, features) float32 of rows, with what had to be changed for it."""
    if data.form is Form.TEXT:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        weighed = TfidfVectorizer(sublinear_tf=True, lowercase=False, min_df=2, max_features=30_000, analyzer=str.split)
        try:
            table = weighed.fit_transform(rows)
        except ValueError:  # no word appears twice
            return np.zeros((len(rows), 1), np.float32), ["texts that share no word"]
        width = max(1, min(100, table.shape[1] - 1))
        return TruncatedSVD(width, random_state=0).fit_transform(table).astype(np.float32), []
    flat, notes = rows.reshape(len(rows), -1).astype(np.float32), []
    if not np.isfinite(flat).all():
        middle = np.nanmedian(np.where(np.isfinite(flat), flat, np.nan), axis=0)
        flat = np.where(np.isfinite(flat), flat, np.nan_to_num(middle))
        notes.append("missing values were taken as their column's median")
    if data.form is Form.TABLE:
        flat = (flat - flat.mean(axis=0)) / np.maximum(flat.std(axis=0), 1e-9)
        flat = np.clip(flat, -8, 8).astype(np.float32)
    return flat, notes
