"""Linear models, exactly: the most a rival can lead by within a ball is a formula, and so is the row where it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bartizan.assess.evasion.leaves import Space
from bartizan.assess.evasion.trees import Verdict
from bartizan.assess.target import Array, Linear

HALVINGS = 100  # of the multiplier that an L2 ball cut by a box needs; float64 has no more to say


@dataclass(frozen=True, slots=True)
class Slope:
    """Of one rival: what one unit of each feature adds to its lead, and its lead at x."""

    weight: Array
    lead: float


def attacked_linear(model: Linear, space: Space, label: int, falls: Callable[[Array], bool]) -> Verdict:
    """Whether a row of the space gets another label than `label`.

    Neither a row nor proven where the best row is within rounding of a tie and the model itself keeps its label.
    """
    x = space.x.astype(np.float64)
    leads = x @ model.weights + model.bias
    best, close = -np.inf, 0.0
    for rival in np.argsort(-leads, kind="stable"):
        if rival == label:
            continue
        slope = Slope(model.weights[:, rival] - model.weights[:, label], float(leads[rival] - leads[label]))
        row = furthest(slope, space)
        real = float(row.astype(np.float64) @ slope.weight + slope.lead - x @ slope.weight)
        size = float(np.abs(row.astype(np.float64)) @ np.abs(slope.weight)) + abs(slope.lead)
        # A model of float32 adds up to within some units of the sum of the sizes; a tie is decided by the model.
        rounding = 1e-6 * size + 1e-12
        if real > -rounding and space.distance(row) <= space.radius and falls(row):
            return Verdict(row, False, np.inf)
        if real > best:
            best, close = real, rounding
    return Verdict(None, best <= -close, best)


def furthest(slope: Slope, space: Space) -> Array:
    """The row of the space in which the rival leads by most."""
    x = space.x.astype(np.float64)
    down, up = space.low.astype(np.float64) - x, space.high.astype(np.float64) - x
    weight = np.broadcast_to(space.weight, x.shape).astype(np.float64)
    whole = np.where(slope.weight > 0, up, np.where(slope.weight < 0, down, 0.0))
    if space.norm == "l0":
        change = _dearest(slope.weight * whole, weight, space.radius) * whole
    elif space.norm == "l2":
        change = _steepest(slope.weight, weight, whole, space.radius)
    else:
        change = whole
    row = (x + change).astype(space.low.dtype)
    return np.where(change == 0, space.x, np.clip(row, space.low, space.high)).astype(space.low.dtype)


def _dearest(gain: Array, weight: Array, radius: float) -> Array:
    """(features,) bool: the changes that gain most for their cost; exact where all cost the same."""
    order = np.argsort(-gain / np.maximum(weight, 1e-12), kind="stable")
    taken = np.zeros(len(gain), bool)
    left = radius
    for at in order:
        if gain[at] > 0 and weight[at] <= left + 1e-12:
            taken[at], left = True, left - weight[at]
    return taken


def _steepest(slope: Array, weight: Array, whole: Array, radius: float) -> Array:
    """The change of the largest gain whose weighted L2 norm is within the radius, and that no feature ends before."""
    direction = slope / weight**2
    most = np.abs(whole)

    def change(times: float) -> Array:
        return np.clip(times * direction, -most, most)

    inside = radius * (1 - 1e-6)  # float32 rounds every value of the row
    low, high = 0.0, 1.0
    while float(np.linalg.norm(change(high) * weight)) < inside and (np.abs(high * direction) < most).any():
        high *= 2
        if high > 1e300:
            break
    if float(np.linalg.norm(change(high) * weight)) <= inside:
        return change(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float(np.linalg.norm(change(middle) * weight)) <= inside:
            low = middle
        else:
            high = middle
    return change(low)
