"""Tables under a schema: only rows that are possible count, and the cheapest change that flips each is told in words.

Forests and linear models are solved exactly where the schema allows: ranges, steps, directions and costs are boxes;
one-hot groups and linear relations are a small integer program for each box (HiGHS), and of a linear model one for
each rival (see `program`). Everything else is searched through the model, which proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.evasion.leaves import Leaves, Space, compiled
from bartizan.assess.evasion.program import attacked_under
from bartizan.assess.evasion.schema import Kind, Schema
from bartizan.assess.evasion.trees import Verdict, attacked, ball
from bartizan.assess.target import Array

if TYPE_CHECKING:
    from bartizan.assess.evasion.clique import Clock
    from bartizan.assess.forest import Forest
    from bartizan.assess.target import Linear, Target

VALUES = 12  # of a column that are tried in a search
BEAM = 6
STEPS = 4  # changes that are combined in a search
ANY = 1e9  # stands for no bound, in the integer program


@dataclass(slots=True)
class Possible:
    """The rows that a schema lets a row become, under one norm. `dropped` counts found rows that were not possible."""

    schema: Schema
    norm: str
    dropped: int = 0
    weight: Array = field(init=False)
    jumps: Array = field(init=False)

    def __post_init__(self) -> None:
        columns = self.schema.columns
        self.jumps = np.array([one.kind in (Kind.CATEGORY, Kind.ONE_HOT) for one in columns])
        # Another colour changes two columns of its group, and is one change.
        half = {"l0": 0.5, "l2": 0.5**0.5}.get(self.norm, 1.0)
        self.weight = np.array([one.cost * (half if one.kind is Kind.ONE_HOT else 1.0) for one in columns])

    @property
    def plain(self) -> bool:
        """Every row of a box is possible."""
        return not self.schema.relations and not self.schema.groups

    @property
    def solvable(self) -> bool:
        """Whether a row can be possible is an integer program."""
        linear = all(one.linear is not None for one in self.schema.relations)
        return linear and (self.norm != "l2" or self.plain)

    def space(self, x: Array, radius: float) -> Space:
        """What is within a radius of a row (columns,); the relations aside."""
        low, high, reach = np.full(len(x), -np.inf), np.full(len(x), np.inf), np.zeros(len(x))
        for at, one in enumerate(self.schema.columns):
            if one.mutable and not np.isnan(x[at]):
                counts = self.jumps[at] or self.norm == "l0"
                reach[at] = (np.inf if self.weight[at] <= radius + 1e-12 else 0.0) if counts else radius / one.cost
            low[at] = max(one.low, x[at] if one.direction == "up" else -np.inf)
            high[at] = min(one.high, x[at] if one.direction == "down" else np.inf)
        down, up = ball(x, reach, low, high, np.float32)
        for at, one in enumerate(self.schema.columns):
            if one.step:
                down[at], up[at] = (
                    min(_up(float(down[at]), one.step, one.low), x[at]),
                    max(_down(float(up[at]), one.step, one.low), x[at]),
                )
        return Space(x, down, up, self.norm, radius, self.weight, self.jumps)

    def leaves(self, forest: Forest) -> Leaves:
        """The forest's leaves, with ends that a column with steps can have."""
        found = compiled(forest, np.float32)
        low, high = found.low.copy(), found.high.copy()
        for at, one in enumerate(self.schema.columns):
            if one.step:
                here = found.feature == at
                low[here] = [_up(value, one.step, one.low) for value in low[here]]
                high[here] = [_down(value, one.step, one.low) for value in high[here]]
        return replace(found, low=low, high=high)

    def repaired(self, space: Space) -> Callable[[Array, Array], Array | None]:
        """The nearest possible row between two others."""
        return lambda low, high: _solved(self.schema, space, low, high)


def _up(value: float, step: float, low: float) -> float:
    origin = low if np.isfinite(low) else 0.0
    return float(origin + np.ceil((value - origin) / step - 1e-7) * step) if np.isfinite(value) else value


def _down(value: float, step: float, low: float) -> float:
    origin = low if np.isfinite(low) else 0.0
    return float(origin + np.floor((value - origin) / step + 1e-7) * step) if np.isfinite(value) else value


def _solved(schema: Schema, space: Space, low: Array, high: Array) -> Array | None:
    """An integer program over the columns that relations and groups join; every other goes as near as it may."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    x = space.x.astype(np.float64)
    row = np.where(np.isnan(x), x, np.clip(x, low, high))
    joined = sorted({at for one in schema.relations for at in one.columns} | {at for g in schema.groups for at in g})
    if not joined:
        return np.asarray(row.astype(space.low.dtype))
    count, place = len(joined), {at: number for number, at in enumerate(joined)}
    whole = np.array([schema.columns[at].step for at in joined])
    step = np.where(whole > 0, whole, 1.0)
    origin = np.array([schema.columns[at].low if schema.columns[at].step else 0.0 for at in joined])
    origin = np.where(np.isfinite(origin), origin, 0.0)
    here = x[joined]
    if np.isnan(here).any():
        return None
    bottom, top = np.maximum(low[joined], -ANY), np.minimum(high[joined], ANY)
    # Values are origin + step * u; `far` is how far each is, or, where changes are counted, whether it changed.
    counted = space.norm == "l0"
    reach = np.where(counted, np.maximum(np.maximum(top - here, here - bottom), 1.0), 1.0)
    rows: list[Array] = []
    ends: list[tuple[float, float]] = []
    for number in range(count):
        for sign in (1.0, -1.0):
            line = np.zeros(2 * count)
            line[number], line[count + number] = sign * step[number], -reach[number]
            rows.append(line)
            ends.append((-np.inf, sign * (here[number] - origin[number])))
    for one in schema.relations:
        assert one.linear is not None
        line, constant = np.zeros(2 * count), one.linear.get(-1, 0.0)
        for at, factor in one.linear.items():
            if at >= 0:
                line[place[at]] += factor * step[place[at]]
                constant += factor * origin[place[at]]
        strict = 1e-5 * max(1.0, abs(constant)) if one.sign in ("<", ">") else 0.0
        rows.append(line)
        ends.append((
            -constant + strict if one.sign in ("==", ">=", ">") else -np.inf,
            -constant - strict if one.sign in ("==", "<=", "<") else np.inf,
        ))  # fmt: skip
    for group in schema.groups:
        line = np.zeros(2 * count)
        line[[place[at] for at in group]] = 1.0
        rows.append(line)
        ends.append((1.0, 1.0))
    answer = milp(
        np.concatenate([np.zeros(count), np.broadcast_to(space.weight, x.shape)[joined]]),
        constraints=LinearConstraint(np.array(rows), *np.array(ends).T),
        integrality=np.concatenate([whole > 0, np.full(count, counted)]).astype(int),
        bounds=Bounds(
            np.concatenate([(bottom - origin) / step - 1e-9, np.zeros(count)]),
            np.concatenate([(top - origin) / step + 1e-9, np.full(count, 1.0 if counted else np.inf)]),
        ),
    )
    if answer.x is None:
        return None
    units = np.where(whole > 0, np.round(answer.x[:count]), answer.x[:count])
    value = np.clip(origin + step * units, low[joined], high[joined])
    # What did not have to move stays to the last digit.
    row[joined] = np.where(np.abs(value - here) <= 1e-9 * np.maximum(1.0, np.abs(here)), here, value)
    return np.asarray(row.astype(space.low.dtype))


# ---- Everything that cannot be solved --------------------------------------------------------------------------------


def values_to_try(schema: Schema, rows: Array) -> list[Array]:
    """Of each column, values that rows (n, columns) have: all of a few, else spread evenly over them."""
    found = []
    for at, one in enumerate(schema.columns):
        known = np.unique(rows[:, at][~np.isnan(rows[:, at].astype(np.float64))])
        if one.kind in (Kind.CATEGORY, Kind.ONE_HOT):
            found.append(np.arange(one.low, min(one.high, one.low + 64) + 1))
        elif len(known) > VALUES:
            found.append(known[np.linspace(0, len(known) - 1, VALUES).astype(int)])
        else:
            found.append(known)
    return found


def searched(
    target: Target, possible: Possible, space: Space, label: int, tries: Sequence[Array], spent: Clock
) -> Verdict:
    """Changes of one column after another, the most promising first, each repaired to a possible row."""
    x = space.x.astype(np.float64)
    states = [x]
    for _ in range(STEPS):
        wider = [row for state in states for row in _moves(possible.schema, space, state, tries)]
        if not wider or spent():
            break
        rows = np.unique(np.array(wider, np.float32), axis=0)
        near = np.array([space.distance(row) <= space.radius for row in rows])
        rows = rows[near & possible.schema.possible(rows, space.x)]
        if not len(rows):
            break
        scores = target.scores(rows.reshape(-1, *target.shape))
        rivals = np.where(np.arange(scores.shape[1]) == label, -np.inf, scores).max(axis=1)
        fell = np.flatnonzero(np.argmax(scores, axis=1) != label)
        if len(fell):
            cheapest = min(fell, key=lambda at: space.distance(rows[at]))
            return Verdict(rows[int(cheapest)], False, np.inf)
        order = np.argsort(scores[:, label] - rivals, kind="stable")[:BEAM]
        states = [rows[at].astype(np.float64) for at in order]
    return Verdict(None, False, np.inf)


def _moves(schema: Schema, space: Space, state: Array, tries: Sequence[Array]) -> list[Array]:
    found = []
    group_of = {at: group for group in schema.groups for at in group}
    for at, one in enumerate(schema.columns):
        if space.low[at] >= space.high[at]:
            continue
        ends = [float(space.low[at]), float(space.high[at])]
        for value in {*tries[at].tolist(), *(end for end in ends if np.isfinite(end))}:
            if not space.low[at] <= value <= space.high[at] or value == state[at]:
                continue
            row = state.copy()
            if one.kind is Kind.ONE_HOT:
                if value != 1:
                    continue
                row[list(group_of[at])] = 0.0
            row[at] = value
            found.append(_follow(schema, row))
    return found


def _follow(schema: Schema, row: Array) -> Array:
    """Columns that follow from others, by `column == …`."""
    for one in schema.relations:
        if one.given >= 0:
            row[one.given] = one.right(row[None])[0]
    return row


def decided(
    target: Target,
    possible: Possible,
    x: Array,
    label: int,
    radius: float,
    forest: tuple[Forest, Leaves] | None,
    linear: Linear | None,
    tries: Sequence[Array],
    spent: Clock,
) -> Verdict:
    """Whether a possible row within the radius gets another label."""
    space = possible.space(x, radius)

    def falls(row: Array) -> bool:
        if int(target.labels(row.reshape(1, *target.shape))[0]) == label:
            return False
        if bool(possible.schema.possible(row[None], x)[0]):
            return True
        possible.dropped += 1
        return False

    if forest is not None and possible.solvable:
        found = attacked(
            forest[1], forest[0], space, label, falls, spent, None if possible.plain else possible.repaired(space)
        )
        if found.row is not None or found.proven:
            return found
    if linear is not None:
        under = attacked_under(possible.schema, linear, space, label, falls)
        if under is not None and (under.row is not None or under.proven):
            return under
    return searched(target, possible, space, label, tries, spent)
