"""Projected gradient ascent within a ball, the step falling to nothing; a row leaves the moment it falls.

Madry et al. 2018 with the step length on half a cosine. Measured beside Auto-PGD (Croce and Hein 2020) on networks with
and without adversarial training, at 10, 20 and 40 passes a row: as many rows fall in about half the passes. Every row
has its own radius and keeps its own best point, so that a later climb goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, inf, pi

import numpy as np
import torch

from bartizan.assess.evasion.losses import Loss, Tensor, lead
from bartizan.assess.evasion.view import View
from bartizan.assess.target import Array


@dataclass(frozen=True, slots=True)
class Climb:
    """What came of it, for each row.

    `x`: the best point; `lead` there: of the best other class over the label, above 0 where the row fell. `short`: the
    radius that is missing, were the model linear from there on; below 0 what was too much. `rose`: whether any step
    raised the loss.
    """

    x: Array
    lead: Array
    short: Array
    rose: Array


@dataclass(frozen=True, slots=True)
class Slopes:
    """One way up: a loss, how many steps, the first of them in radii. `sharp` makes the nearest rivals count more.

    `hope`: a row that lacks more than this share of the way that is left to go leaves, for it will not fall.
    """

    loss: Loss
    steps: int
    first: float = 1.0
    sharp: float = 1.0
    hope: float = inf

    def length(self, number: int) -> float:
        """The step of this number, in radii."""
        return self.first * (1 + cos(pi * number / self.steps)) / 2


def climb(
    view: View,
    x: Array,
    y: Array,
    low: Array,
    high: Array,
    way: Slopes,
    *,
    radius: Array,
    norm: str = "linf",
    start: Array | None = None,
    rival: Array | None = None,
    need: Array | None = None,
    over: Callable[[], bool] = lambda: False,
) -> Climb:
    """Climbs from `start` (without it, from `x`) within [`low`, `high`], and for L2 within `radius` of `x`.

    Args:
        x: The rows, float32, with labels `y`.
        radius: (n,) of each row's ball.
        rival: (n,) the class each row shall become, for losses that aim.
        need: (n,) the lead above which a row leaves; infinite: it stays to the end. Without it, 0.
        over: Says that time is up; what was found until then counts.
    """
    n, view = len(x), view.sharper(way.sharp)
    around, at, label = (torch.from_numpy(np.ascontiguousarray(one)) for one in (x, x if start is None else start, y))
    lows, highs, radii = torch.from_numpy(low), torch.from_numpy(high), torch.from_numpy(radius.astype(np.float32))
    aim = None if rival is None else torch.from_numpy(rival)
    leaves = torch.zeros(n) if need is None else torch.from_numpy(need.astype(np.float32)) / way.sharp
    best, ahead = at.clone(), torch.full((n,), -torch.inf)
    steep, rose, first = torch.zeros(n), torch.zeros(n, dtype=torch.bool), torch.full((n,), torch.inf)
    row, ahead_of = torch.arange(n), sum(way.length(number) for number in range(way.steps))
    for number in range(way.steps + 1):
        scores, value, slope = view.slope(at, label, way.loss, aim)
        leading = lead(scores, label)
        better = leading > ahead[row]
        ahead[row[better]], best[row[better]] = leading[better], at[better]
        steep[row[better]] = _dual(slope[better], norm)
        if number == 0:
            first = value.clone()
        else:
            rose[row] |= value > first[row]
        stays = leading <= leaves
        if number and way.hope < inf:
            lacks = -leading / _dual(slope, norm).clamp_min(1e-30)
            stays &= lacks <= way.hope * ahead_of * radii
        if not stays.all():
            row, around, at, label, lows, highs, radii, leaves, slope = (
                one[stays] for one in (row, around, at, label, lows, highs, radii, leaves, slope)
            )
            aim = None if aim is None else aim[stays]
        if not len(row) or over():
            break
        at = _step(at, slope, radii * way.length(number), around, lows, highs, radii, norm)
        ahead_of -= way.length(number)
    missing = -ahead / steep.clamp_min(1e-30)
    return Climb(best.numpy(), ahead.numpy().astype(np.float64) * way.sharp, missing.numpy(), rose.numpy())


def _step(
    at: Tensor, slope: Tensor, length: Tensor, around: Tensor, low: Tensor, high: Tensor, radii: Tensor, norm: str
) -> Tensor:
    """The next point: along the steepest direction of the norm, and back into ball and box."""
    each = (len(at), *[1] * (at.dim() - 1))
    if norm == "linf":
        return torch.minimum(torch.maximum(at + length.view(each) * slope.sign(), low), high)
    size = slope.flatten(1).norm(dim=1).clamp_min(1e-30)
    rows = torch.minimum(torch.maximum(at + slope * (length / size).view(each), low), high)
    change = rows - around
    share = (radii / change.flatten(1).norm(dim=1).clamp_min(1e-30)).clamp_max(1.0)
    return around + change * share.view(each)


def _dual(slope: Tensor, norm: str) -> Tensor:
    return slope.flatten(1).abs().sum(dim=1) if norm == "linf" else slope.flatten(1).norm(dim=1)
