"""Whether model and data belong together, before anything is claimed about either: else one sentence, and a stop."""

from __future__ import annotations

import time
from math import sqrt

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.target import Array, Output, Target
from bartizan.core.errors import UsageError

MIN_ROWS = 50
LOOKED_AT = 500  # Rows the accuracy is taken over; 3 standard deviations of a coin are 7 % there.
TWICE = 16  # Rows asked twice, and one by one.
LOOKING = 0.05  # Of the budget.
EDGE = 1e-6  # Rounding of pixels.


def check(data: Data, target: Target, seed: int = 0, budget: Budget | None = None) -> None:
    """Notes what the report must say about both; asks a slow model no more rows than a small part of the budget allows.

    Raises:
        UsageError: NaN, infinities, another shape, labels the model does not have, one class, fewer than 50 rows,
            pixels outside [0, 1], and a model that answers no numbers, always the same, no better than chance, or so
            slowly that the budget is over before anything is known.
    """
    parts = {"training": (data.x_train, data.y_train), "test": (data.x_test, data.y_test),
             "pool": (data.x_pool, data.y_pool)}  # fmt: skip
    given = {name: (x, y) for name, (x, y) in parts.items() if x is not None and y is not None}
    if not {"training", "test"} & given.keys():
        raise UsageError("the data has neither training nor test rows")
    for name, (x, y) in given.items():
        _check_part(name, x, y, data, target)
    if (data.classes and len(data.classes) > target.classes) or target.classes < 2:
        raise UsageError(f"{target.name} knows {target.classes} classes, but the data has {len(data.classes)}")
    x, y = given.get("test") or given["training"]
    most = LOOKED_AT if target.cap is None else min(LOOKED_AT, max(MIN_ROWS, (target.cap - target.queries) // 4))
    if target.cap is not None and target.cap - target.queries < 2 * MIN_ROWS:
        raise UsageError(
            f"{target.name} may be asked {target.cap:,} rows, which says nothing: allow {2 * MIN_ROWS + target.queries}"
        )
    chosen = np.random.default_rng(seed).permutation(len(x))[:most]
    scores = _scores(x[chosen], target, budget)
    chosen = chosen[: len(scores)]
    _check_model(x[chosen], y[chosen], scores, target, data)


def _scores(x: Array, target: Target, budget: Budget | None) -> Array:
    """Of some rows, and then of as many as there is time for."""
    began = time.monotonic()
    first = target.scores(x[:TWICE])
    each = (time.monotonic() - began) / TWICE
    rows = len(x)
    if budget is not None and each > 0:
        if MIN_ROWS * each > budget.seconds:
            raise UsageError(
                f"{target.name} takes {each:.2g} seconds a row: the budget of {budget.seconds:g} seconds is over after "
                f"{int(budget.seconds / each)} rows, which say nothing; give at least {10 * MIN_ROWS * each:.0f}"
            )
        rows = min(rows, max(MIN_ROWS, int(LOOKING * budget.seconds / each)))
    return np.concatenate([first, target.scores(x[TWICE:rows])])


def _check_part(name: str, x: Array, y: Array, data: Data, target: Target) -> None:
    if len(x) < MIN_ROWS:
        raise UsageError(f"there are {len(x)} {name} rows; fewer than {MIN_ROWS} say nothing")
    if x.shape[1:] != target.shape:
        raise UsageError(f"{target.name} takes rows of shape {target.shape}, but {name} rows have {x.shape[1:]}")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= target.classes:
        wrong = low if low < 0 else high
        raise UsageError(
            f"a {name} row has the label {wrong}, but {target.name} knows the labels 0 to {target.classes - 1}"
        )
    if name != "pool" and low == high:
        raise UsageError(f"all {name} rows have the label {low}: there is nothing to tell apart")
    if name == "test" and (np.diff(y) >= 0).all():
        _note(data, "the test rows lie in the order of their labels, and the first ones are attacked: shuffle them")
    if data.form is not Form.TEXT:
        _check_numbers(name, x, data, target)


def _check_numbers(name: str, x: Array, data: Data, target: Target) -> None:
    bad = ~np.isfinite(x)
    if bad.any():
        rows = int(bad.reshape(len(x), -1).any(axis=1).sum())
        if np.isinf(x).any():
            raise UsageError(f"{rows:,} of {len(x):,} {name} rows hold infinity: repair or leave them out")
        if not target.takes_nan:
            raise UsageError(f"{rows:,} of {len(x):,} {name} rows hold NaN (no number): fill or leave them out")
        _note(data, f"{rows:,} of {len(x):,} {name} rows have missing values")
    if data.form is Form.IMAGES:
        low, high = float(np.nanmin(x)), float(np.nanmax(x))
        if low < -EDGE or high > 1 + EDGE:
            hint = "divide by 255" if low >= 0 and high <= 255 else "put the normalisation into the model"
            raise UsageError(f"pixels of {name} rows lie between {low:.4g} and {high:.4g}, not in [0, 1]: {hint}")


def _note(holder: Data | Target, text: str) -> None:
    if text not in holder.notes:
        holder.notes.append(text)


def _check_model(x: Array, y: Array, scores: Array, target: Target, data: Data) -> None:
    if not np.isfinite(scores).all():
        raise UsageError(f"{target.name} answers NaN or infinity for {int((~np.isfinite(scores)).any(1).sum()):,} rows")
    labels = scores.argmax(axis=1)
    if (labels == labels[0]).all():
        raise UsageError(
            f"{target.name} gives every row the label {labels[0]}: assessing a broken model says nothing"
            f"{_hint(x, y, labels, target, data)}"
        )
    hits, chance, spread = agreement(labels, y, target.classes)
    if hits <= chance + 3 * spread:
        raise UsageError(
            f"{target.name} is right on {hits:.1%} of {len(y)} rows, guessing on {chance:.1%} ± {spread:.1%}: "
            f"assessing a broken model says nothing{_hint(x, y, labels, target, data)}"
        )
    if target.output is Output.PROBABILITIES and target.kind in ("onnx", "torch", "callable"):
        _note(target, "the model answers probabilities, not logits: what it rounds away is hidden from attacks")
    if target.output is Output.LABELS:
        _note(target, "the model answers labels alone")
    if target.kind != "http":
        _check_repeats(x[:TWICE], target)


def _check_repeats(x: Array, target: Target) -> None:
    """Same rows, same answers? And by themselves?"""
    scores = target.scores(x)
    close = 1e-4 * max(1.0, float(np.abs(scores).max()))
    if float(np.abs(target.scores(x) - scores).max()) > close:
        again = int((target.labels(x) != scores.argmax(axis=1)).sum())
        _note(target, f"the same rows twice give different scores (labels of {again} of {len(x)}): the model is random")
        return
    alone = np.concatenate([target.scores(x[at : at + 1]) for at in range(len(x))])
    if float(np.abs(alone - scores).max()) > 10 * close:
        _note(target, "a row's scores depend on the rows beside it: it normalises or quantises by the batch")


def agreement(labels: Array, y: Array, classes: int) -> tuple[float, float, float]:
    """The share of rows that are right; its mean and standard deviation if labels were dealt out anew at random.

    Source: Hoeffding 1951, "A combinatorial central limit theorem": the variance of a permuted sum.
    """
    n = len(y)
    ours = np.bincount(labels, minlength=classes)[:classes].astype(float)
    true = np.bincount(y, minlength=classes)[:classes].astype(float)
    mean = float(ours @ true) / n**2
    centred = np.eye(classes) - true[:, None] / n - ours[None, :] / n + mean  # [given, true]: rows carry ours
    variance = float((np.outer(ours, true) * centred**2).sum()) / max(n - 1, 1)
    return float((labels == y).mean()), mean, sqrt(max(variance, 0.0)) / n


def _hint(x: Array, y: Array, labels: Array, target: Target, data: Data) -> str:
    """The usual mistakes, tried."""
    for shift, said in ((1, "labels count from 1"), (-1, "labels are one too small")):
        hits, chance, spread = agreement(labels, np.clip(y - shift, 0, target.classes - 1), target.classes)
        if hits > chance + 3 * spread and hits > 0.5:
            return f" (it looks as if {said})"
    if data.form is Form.IMAGES and target.kind != "http":
        hits, chance, spread = agreement(target.labels(x * 255), y, target.classes)
        if hits > chance + 3 * spread and hits > 0.5:
            return " (it wants pixels of 0 to 255: put the division into the model)"
    return ""
