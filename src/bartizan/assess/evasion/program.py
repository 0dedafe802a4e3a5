"""Linear models under a schema, exactly: the possible row in which a rival leads by most is an integer program.

One for each rival (HiGHS): ranges, directions, steps and costs bound the columns, groups and relations join them, and
under l0 what changes is counted. A relation that is not linear, a value missing or off its own steps, and l2 beside
relations or steps leave the row to the search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.evasion.trees import Verdict
from bartizan.assess.target import Array, Linear

if TYPE_CHECKING:
    from bartizan.assess.evasion.leaves import Space
    from bartizan.assess.evasion.schema import Schema

SECONDS = 5.0  # of one program
ANY = 1e9  # stands for no bound


def attacked_under(
    schema: Schema, model: Linear, space: Space, label: int, falls: Callable[[Array], bool]
) -> Verdict | None:
    """Whether a possible row of the space gets another label than `label`; None where that is no integer program."""
    x = space.x.astype(np.float64)
    if np.isnan(x).any() or space.norm == "l2" or any(one.linear is None for one in schema.relations):
        return None
    leads = x @ model.weights + model.bias
    best, close = -np.inf, 0.0
    for rival in np.argsort(-leads, kind="stable"):
        if rival == label:
            continue
        slope = model.weights[:, rival] - model.weights[:, label]
        found = _furthest(schema, space, slope)
        if found is None:
            return None
        row, most = found
        lead = most + float(model.bias[rival] - model.bias[label])
        size = float(np.abs(row.astype(np.float64)) @ np.abs(slope)) + abs(lead)
        rounding = 1e-6 * size + 1e-12  # As of models of float32: what is nearer to a tie the model decides.
        if lead > -rounding and space.distance(row) <= space.radius + 1e-9 and falls(row):
            return Verdict(row, False, np.inf)
        if lead > best:
            best, close = lead, rounding
    return Verdict(None, best <= -close, best)


def _furthest(schema: Schema, space: Space, slope: Array) -> tuple[Array, float] | None:
    """The possible row with the largest `slope @ row`, and a bound of that; None where there is none, or no time."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    x, low, high = (one.astype(np.float64) for one in (space.x, space.low, space.high))
    free = low < high
    step = np.array([one.step if here else 0.0 for one, here in zip(schema.columns, free, strict=True)])
    origin = np.array([one.low if one.step and np.isfinite(one.low) else 0.0 for one in schema.columns])
    unit = np.where(step > 0, step, 1.0)
    origin = np.where(step > 0, origin, 0.0)
    units = (x - origin) / unit
    if (np.abs(units - np.round(units))[step > 0] > 1e-4).any():
        return None
    low, high = np.maximum(low, np.minimum(x, -ANY)), np.minimum(high, np.maximum(x, ANY))
    width, counted = len(x), space.norm == "l0"
    cells: list[tuple[int, int, float]] = []
    ends: list[tuple[float, float]] = []

    def line(parts: dict[int, float], least: float, most: float) -> None:
        cells.extend((len(ends), at, value) for at, value in parts.items())
        ends.append((least, most))

    for one in schema.relations:
        assert one.linear is not None
        held = {at: factor * unit[at] for at, factor in one.linear.items() if at >= 0}
        constant = one.linear.get(-1, 0.0) + sum(factor * origin[at] for at, factor in one.linear.items() if at >= 0)
        strict = 1e-5 * max(1.0, abs(constant)) if one.sign in ("<", ">") else 0.0
        least = -constant + strict if one.sign in ("==", ">=", ">") else -np.inf
        line(held, least, -constant - strict if one.sign in ("==", "<=", "<") else np.inf)
    for group in schema.groups:
        line({at: float(unit[at]) for at in group}, *(2 * [1.0 - float(origin[list(group)].sum())]))
    moved = np.flatnonzero(free) if counted else np.zeros(0, np.int64)
    for number, at in enumerate(moved.tolist()):  # A column that changes counts, however much.
        switch = width + number
        line({at: unit[at], switch: x[at] - high[at]}, -np.inf, x[at] - origin[at])
        line({at: unit[at], switch: x[at] - low[at]}, x[at] - origin[at], np.inf)
    if counted:
        weight = np.broadcast_to(space.weight, x.shape)
        line({width + number: float(weight[at]) for number, at in enumerate(moved.tolist())}, -np.inf, space.radius)
    where, columns, values = zip(*cells, strict=True) if cells else ((), (), ())
    matrix = coo_array((values, (where, columns)), shape=(len(ends), width + len(moved))).tocsr()
    answer = milp(
        -np.concatenate([slope * unit, np.zeros(len(moved))]),
        constraints=LinearConstraint(matrix, *np.array(ends).T) if ends else None,
        integrality=np.concatenate([step > 0, np.ones(len(moved), bool)]).astype(int),
        bounds=Bounds(
            np.concatenate([(low - origin) / unit - np.where(step > 0, 1e-9, 0.0), np.zeros(len(moved))]),
            np.concatenate([(high - origin) / unit + np.where(step > 0, 1e-9, 0.0), np.ones(len(moved))]),
        ),
        options={"time_limit": SECONDS},
    )
    if answer.x is None:
        return None
    chosen = answer.x[:width]
    value = np.clip(origin + unit * np.where(step > 0, np.round(chosen), chosen), low, high)
    value = np.where(np.abs(value - x) <= 1e-9 * np.maximum(1.0, np.abs(x)), x, value)
    bound = -answer.mip_dual_bound if answer.mip_dual_bound is not None else -answer.fun
    return value.astype(space.low.dtype), float(bound + slope @ origin)
