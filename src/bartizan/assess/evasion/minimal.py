"""How far each row is from falling: a nearer change of rows that fell, the nearest beyond eps of rows that stand.

Pintor et al. 2021, "Fast Minimum-Norm Adversarial Attacks through Adaptive Norm Constraints": the radius of each row
follows the boundary while the point climbs. It shrinks while the row is fallen; else it becomes what the slope says is
lacking. Five steps from the changes that the chain found come within three points of a curve of which every point was
attacked by itself. The distances are upper bounds, so the curve that is counted from them can never rise.
"""

from __future__ import annotations

from math import cos, pi
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.evasion.ball import Ball
from bartizan.assess.evasion.chain import Chain
from bartizan.assess.evasion.rows import CLEAN, misled
from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Array

if TYPE_CHECKING:
    from bartizan.assess.evasion.view import View

STEPS = 5
HALVINGS = 6
BEGIN = 0.8  # of the known change
SHRINK = (0.2, 0.01)  # of the radius at each step on which the row is fallen, from first to last
LEAST = 0.5  # of it, where the slope promises that less will do
PAST = 1.1  # times what the slope says is lacking: models bend
LENGTH = (0.5, 0.05)  # of a step, in radii, from first to last
GRID = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # times eps
NAME = "minimum norm"


def distances(chain: Chain, view: View) -> Array:
    """(n,) the distance at which each row falls, as far as it is known; infinite where it is not.

    Rows that fell get the nearest change that counts; one that stood until now may fall here.
    """
    rows, ball = chain.rows, chain.rows.ball
    index = np.flatnonzero([name != CLEAN for name in rows.attack])
    if ball.norm == "l0" or rows.looks > 1 or not len(index) or chain.over():
        return rows.distance
    x, fallen = rows.x[index], rows.fallen[index]
    start = np.where(fallen.reshape(-1, *[1] * (x.ndim - 1)), rows.found[index], rows.at[index])
    known = np.where(fallen, ball.distance(start, x), np.inf)
    best, reach = descended(view, x, rows.y[index], ball, start, known, rows.need[index], rows.short[index])
    standing = np.flatnonzero(~fallen & (reach <= ball.eps))
    chain.tried(index[standing], best[standing], NAME)
    rows.nearer(chain.target, index[fallen], best[fallen])
    told = rows.distance
    far = np.flatnonzero(~rows.fallen[index] & np.isfinite(reach))
    if len(far):
        seen = far[misled(chain.target.scores(best[far]), rows.y[index[far]])]
        told[index[seen]] = np.maximum(reach[seen], np.nextafter(ball.eps, np.inf))
    return told


def along(chain: Chain) -> Array:
    """The same without gradients: nearer along the line to each change that is known, by labels alone."""
    rows, ball = chain.rows, chain.rows.ball
    index = np.flatnonzero(rows.fallen & np.array([name != CLEAN for name in rows.attack], bool))
    if ball.norm == "l0" or rows.looks > 1 or not len(index) or chain.over():
        return rows.distance
    x, y, best = rows.x[index], rows.y[index], rows.found[index].copy()
    change = best - x
    each = (len(x), *[1] * (x.ndim - 1))
    low, high = np.zeros(len(x)), np.ones(len(x))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = (x + change * middle.reshape(each)).astype(np.float32)
        fell = misled(chain.target.scores(tried), y)
        best[fell] = tried[fell]
        low, high = np.where(fell, low, middle), np.where(fell, middle, high)
        if chain.over():
            break
    rows.nearer(chain.target, index, best)
    return rows.distance


def descended(
    view: View, x: Array, y: Array, ball: Ball, start: Array, known: Array, need: Array, short: Array
) -> tuple[Array, Array]:
    """The nearest fallen point of each row and its distance, from `start` on; `known`: of a start that fell."""
    import torch

    from bartizan.assess.evasion.losses import lead, margin

    each = (len(x), *[1] * (x.ndim - 1))
    around, label, wanted = torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(need.astype(np.float32))
    low, high = (torch.from_numpy(one) for one in ball.wider(0.0 if ball.norm != "linf" else 1e9).box(x))
    nearest = torch.from_numpy(known.astype(np.float32))
    far = torch.from_numpy(ball.distance(start, x).astype(np.float32))
    lacking = torch.from_numpy(np.nan_to_num(short, posinf=0.0, neginf=0.0).clip(0, ball.eps).astype(np.float32))
    fell = torch.isfinite(nearest)
    radius = torch.where(fell, nearest * BEGIN, far + lacking).clamp_min(1e-12)
    best = torch.from_numpy(start).clone()
    at = around + (best - around) * torch.where(fell, BEGIN, 1.0).view(each)
    for number in range(STEPS + 1):
        scores, _, slope = view.slope(at, label, margin)
        ahead, change = lead(scores, label), (at - around).flatten(1)
        linf = ball.norm == "linf"
        size = change.abs().amax(dim=1) if linf else change.norm(dim=1)
        # What stands at an end of its range can give no more.
        slope = torch.where(((at <= low) & (slope < 0)) | ((at >= high) & (slope > 0)), 0.0, slope)
        steep = slope.flatten(1).abs().sum(dim=1) if linf else slope.flatten(1).norm(dim=1)
        fell = ahead > wanted
        better = fell & (size < nearest)
        nearest[better], best[better] = size[better], at[better]
        part = (1 + cos(pi * number / STEPS)) / 2
        shrink, length = (end + (begin - end) * part for begin, end in (SHRINK, LENGTH))
        lacks = size + torch.where(fell, 1.0, PAST) * (wanted - ahead) / steep.clamp_min(1e-30)
        less = torch.maximum(torch.minimum(lacks, nearest * (1 - shrink)), nearest * LEAST)
        radius = torch.where(fell, less, torch.minimum(lacks, nearest * (1 - SHRINK[1]))).clamp(1e-12, 8 * ball.eps)
        if linf:
            at = at + (length * radius).view(each) * slope.sign()
            at = torch.minimum(torch.maximum(at, around - radius.view(each)), around + radius.view(each))
        else:
            at = at + slope * (length * radius / steep.clamp_min(1e-30)).view(each)
            change = at - around
            share = (radius / change.flatten(1).norm(dim=1).clamp_min(1e-30)).clamp_max(1.0)
            at = around + change * share.view(each)
        at = torch.minimum(torch.maximum(at, low), high)
    return best.numpy(), nearest.numpy().astype(np.float64)


def curve(reach: Array, eps: float) -> tuple[tuple[float, Rate], ...]:
    """Robust accuracy at multiples of eps, from each row's distance."""
    return tuple((float(f"{eps * times:.6g}"), wilson(int((reach > eps * times).sum()), len(reach))) for times in GRID)
