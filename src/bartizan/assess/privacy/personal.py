"""Secrets and personal data among the training rows, by the platform's own detectors: counted, never shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.core.finding import Finding
from bartizan.core.subject import Kind, Subject

FAMILIES = ("secret.", "personal.")
MAX_CHARACTERS = 50_000_000
LONGEST = 100_000  # Code points of one text that are looked at.


@dataclass(frozen=True, slots=True)
class Carried:
    """`rows` with each risk, of `looked` rows; `whole` says whether all were looked at."""

    rows: dict[str, int]
    looked: int
    whole: bool

    def as_json(self) -> dict[str, object]:
        """Its part of the report."""
        return {"rows": dict(sorted(self.rows.items())), "looked_at": self.looked, "all": self.whole}


def carried(data: Data, budget: Budget) -> Carried | None:
    """What texts and named values of the training rows hold; None where there are no words in them."""
    from bartizan.core.detector import Cost
    from bartizan.detectors import found
    from bartizan.loop import Examiner

    x = data.x_train if data.x_train is not None else data.x_pool
    if x is None or (data.form is not Form.TEXT and not data.categories):
        return None
    examiner = Examiner(one for one in found() if one.kind is Kind.TEXT and one.cost is Cost.INLINE)
    rows: Counter[str] = Counter()
    seen, looked, whole = 0, 0, True
    for text, count in _texts(data, x):
        if budget.spent or seen > MAX_CHARACTERS:
            whole = False
            break
        whole = whole and len(text) <= LONGEST
        seen += len(text)
        looked += count if data.form is Form.TEXT else 0
        items = (one.item for one in examiner.examine(Subject(Kind.TEXT, "", text[:LONGEST])))
        for risk in {one.risk for one in items if isinstance(one, Finding) and one.risk.startswith(FAMILIES)}:
            rows[risk] += count
    return Carried(dict(rows), looked if data.form is Form.TEXT else len(x), whole)


def _texts(data: Data, x: np.ndarray) -> Iterator[tuple[str, int]]:
    """Each text, and how many rows have it."""
    if data.form is Form.TEXT:
        for one in x.reshape(-1):
            yield str(one), 1
        return
    for column, names in data.categories.items():
        if column not in data.columns:
            continue
        codes = x.reshape(len(x), -1)[:, data.columns.index(column)]
        for code, count in zip(*np.unique(codes[np.isfinite(codes)], return_counts=True), strict=True):
            if 0 <= int(code) < len(names):
                yield names[int(code)], int(count)
