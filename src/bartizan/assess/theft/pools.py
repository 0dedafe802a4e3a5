"""What a thief asks with: rows like the model's own without labels, rows that only look alike, or noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

AT_MOST = 6000
LEAST = 100


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows without labels. `name` is what the curve calls it, `words` what the report says of it."""

    rows: Array
    name: str
    words: str


def own(data: Data, seed: int) -> Pool:
    """Rows of the model's own kind: those of `x_pool` or `x_train`, whichever are more; a seeded part of many.

    Raises UsageError where there are too few.
    """
    known = {"x_pool": data.x_pool, "x_train": data.x_train}
    parts = {name: rows for name, rows in known.items() if rows is not None}
    name = max(parts, key=lambda one: len(parts[one]), default="")
    if not name or len(parts[name]) < LEAST:
        raise UsageError(
            f"theft needs at least {LEAST} rows that a thief could ask with (x_pool or x_train); "
            "x_test is kept for judging the copy"
        )
    rows = parts[name]
    if len(rows) > AT_MOST:
        rows = rows[np.sort(np.random.default_rng(seed).choice(len(rows), AT_MOST, replace=False))]
    return Pool(rows, "own", f"{len(rows):,} rows of {name}, without their labels")


def alike(pool: Pool, form: Form, seed: int) -> Pool:
    """Rows that look like the model's but are none of its kind.

    Pictures: every quarter from another row, mirrored by chance. Tables: every column from another row. Texts: words
    drawn from all texts.
    """
    draw, rows = np.random.default_rng(seed), pool.rows
    n = len(rows)
    if form is Form.TEXT:
        words = np.array(" ".join(str(one) for one in rows[:2000]).split() or [""])
        lengths = [max(1, len(str(one).split())) for one in rows]
        made = np.array([" ".join(draw.choice(words, size)) for size in lengths], dtype=object)
        return Pool(made, "look-alike", "words of the same kind of text in any order")
    if form is Form.IMAGES:
        return Pool(_patchwork(rows, draw), "look-alike", "pictures put together from quarters of others, mirrored")
    made = np.stack([rows[draw.permutation(n), at] for at in range(rows.shape[1])], axis=1)
    return Pool(made.astype(rows.dtype), "look-alike", "every column drawn from another row")


def _patchwork(rows: Array, draw: np.random.Generator) -> Array:
    last = rows.ndim == 4 and rows.shape[-1] in (1, 3, 4) and rows.shape[1] not in (1, 3, 4)
    height, width = (1, 2) if rows.ndim == 3 or last else (2, 3)
    made = np.empty_like(rows)
    for top in (0, 1):
        for left in (0, 1):
            place: list[slice] = [slice(None)] * rows.ndim
            for axis, second in ((height, top), (width, left)):
                half = rows.shape[axis] // 2
                place[axis] = slice(half, None) if second else slice(0, half)
            made[tuple(place)] = rows[draw.permutation(len(rows))][tuple(place)]
    mirrored = draw.random(len(rows)) < 0.5
    made[mirrored] = np.flip(made[mirrored], axis=width)
    return made


def noise(pool: Pool, form: Form, seed: int) -> Pool | None:
    """Rows drawn evenly between the least and the largest value of each number; there is no such thing for texts."""
    if form is Form.TEXT:
        return None
    draw, rows = np.random.default_rng(seed), np.asarray(pool.rows, np.float64)
    least, most = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    made = least + draw.random(rows.shape) * (most - least)
    return Pool(made.astype(pool.rows.dtype), "random", "every number drawn evenly between its least and its largest")
