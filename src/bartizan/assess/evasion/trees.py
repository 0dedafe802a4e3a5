"""Trees, exactly: for every row either a changed row within the ball, or the proof that there is none.

Kantchelian, Tygar, Joseph (ICML 2016); Chen, Zhang, Si, Li, Boning, Hsieh (NeurIPS 2019). Exact for L∞, L2 and L0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bartizan.assess.evasion.clique import Clock, Company, Spent, bound_of, cliques, everywhere
from bartizan.assess.evasion.leaves import Leaves, Space, meeting, reached
from bartizan.assess.forest import Forest
from bartizan.assess.target import Array

TIES = 64  # cliques within rounding of a tie that are tried on the model
# Of the largest leaf: nearer than this to a tie, the model itself is asked. XGBoost, which is strict, adds in float32.
ROUNDING = {False: 1e-9, True: 1e-5}
MAX_LEAVES = 4000  # at once; a space that reaches more is cut in two

Repair = Callable[[Array, Array], Array | None]  # the smallest and largest values a row may have -> a possible row


@dataclass(frozen=True, slots=True)
class Verdict:
    """`row`: one that the model itself gives another label, or None; without a row, `proven` says there is none.

    `bound`: the rival's lead is at most this (model's margin, negative = not reached).
    """

    row: Array | None
    proven: bool
    bound: float


def ball(
    x: Array, radius: float | Array, low: float | Array, high: float | Array, dtype: type[np.floating]
) -> tuple[Array, Array]:
    """The smallest and largest numbers of `dtype` within `radius` of each value and within [low, high].

    Rounded into the ball: whoever subtracts, in float64 or in `dtype`, finds no more than the radius.
    """
    at, near = x.astype(np.float64), x.astype(dtype)
    ends = []
    for sign, bound in ((-1, low), (1, high)):
        end = np.clip(at + sign * radius, low, high).astype(dtype)
        for _ in range(3):
            over = (np.abs(end.astype(np.float64) - at) > radius) | (np.abs(end - near).astype(np.float64) > radius)
            over |= sign * end.astype(np.float64) > sign * np.asarray(bound, np.float64)
            end = np.where(over, np.nextafter(end, dtype(-sign * np.inf)), end)
        ends.append(end)
    # A value outside the bounds, or between two numbers of the type, may stay.
    return np.minimum(ends[0], near), np.maximum(ends[1], near)


def attacked(
    leaves: Leaves,
    forest: Forest,
    space: Space,
    label: int,
    falls: Callable[[Array], bool],
    spent: Clock,
    repaired: Repair | None = None,
) -> Verdict:
    """Whether a row of the space gets another label than `label`.

    Args:
        falls: Asks the model about one row.
        spent: Ends the search, which then says neither yes nor no.
        repaired: A possible row between two others, or None where there is none; None: every row is possible.
    """
    parts, best, unknown = [space], -np.inf, -np.inf
    while parts:
        part = parts.pop()
        names = reached(leaves, part)
        halves = _halves(leaves, names, part) if len(names) > MAX_LEAVES else ()
        if halves:
            parts.extend(halves)
            if not spent():
                continue
            return Verdict(None, False, np.inf)
        verdict = _decided(leaves, forest, part, names, label, falls, spent, repaired)
        if verdict.row is not None:
            return verdict
        if verdict.proven:
            best = max(best, verdict.bound)
        else:
            unknown = max(unknown, verdict.bound)
            if spent():
                return Verdict(None, False, np.inf if parts else unknown)
    return Verdict(None, unknown == -np.inf, best if unknown == -np.inf else unknown)


def _decided(
    leaves: Leaves,
    forest: Forest,
    space: Space,
    names: Array,
    label: int,
    falls: Callable[[Array], bool],
    spent: Clock,
    repaired: Repair | None,
) -> Verdict:
    """The same for a space with few leaves. Each other class is a rival, the one that may lead by most first."""
    if len(np.unique(np.searchsorted(leaves.starts, names, side="right"))) < len(leaves.starts):
        return Verdict(None, True, -np.inf)  # Some tree has no leaf that a possible row ends in: there is none.
    meets = meeting(leaves, names, space)
    close = ROUNDING[forest.strict] * max(1.0, float(np.abs(leaves.value).max(initial=0.0)))
    rivals: list[tuple[float, float, Company]] = []
    for weight, start in _rivals(leaves, forest, label):
        company, base = _company(leaves, names, meets, weight)
        rivals.append((bound_of(company) + base + start, base + start, company))
    rivals.sort(key=lambda rival: -rival[0])
    best = max((bound for bound, _, _ in rivals if bound <= -close), default=-np.inf)
    unknown = -np.inf

    def row_of(chosen: Array) -> Array | None:
        low, high = _corner(leaves, chosen, space)
        if (low > high).any():
            return None
        row = _nearest(space, low, high) if repaired is None else repaired(low, high)
        return row if row is not None and space.distance(row) <= space.radius else None

    anywhere = space.norm == "linf" and repaired is None
    for bound, base, company in rivals:
        if bound <= -close:
            continue
        tries = 0
        possible = everywhere if anywhere else lambda chosen: row_of(chosen) is not None
        try:
            for found in cliques(company, -base - close, spent, possible):
                row = row_of(found)
                if row is None:
                    continue
                if falls(row):
                    return Verdict(row, False, np.inf)
                tries += 1
                if tries >= TIES:
                    raise Spent(bound)
            best = max(best, 0.0 if tries else -close)
        except Spent as over:
            unknown = max(unknown, min(bound, over.bound + base))
    return Verdict(None, unknown == -np.inf, best if unknown == -np.inf else unknown)


def _halves(leaves: Leaves, names: Array, space: Space) -> tuple[Space, ...]:
    """The space cut in two where that separates most leaves; empty where nothing cuts it."""
    feature, edge = leaves.feature[names], leaves.high[names]
    inside = (feature >= 0) & (edge >= space.low[feature]) & (edge < space.high[feature])
    if not inside.any():
        return ()
    which = int(np.bincount(feature[inside]).argmax())
    edges = np.sort(edge[inside & (feature == which)])
    at = space.low.dtype.type(edges[len(edges) // 2])
    top, bottom = space.high.copy(), space.low.copy()
    top[which], bottom[which] = at, np.nextafter(at, at.dtype.type(np.inf))
    halves = replace(space, high=top), replace(space, low=bottom)
    return halves[::-1] if space.x[which] <= at else halves  # the half with x itself first


def _rivals(leaves: Leaves, forest: Forest, label: int) -> list[tuple[Array, float]]:
    """Of each other class, its lead over `label` a leaf adds, and what it starts with."""
    if forest.outputs == 1:
        sign = 1.0 if label == 0 else -1.0
        return [(sign * leaves.value[:, 0], sign * float(forest.base[0]))]
    return [
        (leaves.value[:, c] - leaves.value[:, label], float(forest.base[c] - forest.base[label]))
        for c in range(forest.outputs)
        if c != label
    ]


def _company(leaves: Leaves, names: Array, meets: Array, weight: Array) -> tuple[Company, float]:
    """The trees in which the box still decides something, and what the others add."""
    trees = np.searchsorted(leaves.starts, names, side="right") - 1
    starts = np.flatnonzero(np.diff(trees, prepend=-1))
    value = weight[names]
    top, bottom = np.maximum.reduceat(value, starts), np.minimum.reduceat(value, starts)
    base = float(top[top == bottom].sum())
    kept = np.flatnonzero(np.repeat(top > bottom, np.diff(np.append(starts, len(value)))))
    own = np.flatnonzero(np.diff(trees[kept], prepend=-1))
    return Company(value[kept], meets[np.ix_(kept, kept)], own, names[kept][:, None]), base


def _corner(leaves: Leaves, chosen: Array, space: Space) -> tuple[Array, Array]:
    """The smallest and the largest row of the space that end in all the chosen leaves."""
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    feature = leaves.feature[chosen]
    used = (feature >= 0) & ~np.isnan(space.x)[feature]
    np.maximum.at(low, feature[used], leaves.low[chosen][used])
    np.minimum.at(high, feature[used], leaves.high[chosen][used])
    return low, high


def _nearest(space: Space, low: Array, high: Array) -> Array:
    """The row between two others that is nearest to x."""
    row = np.clip(space.x.astype(np.float64), low, high)
    return np.where(np.isnan(space.x), space.x, row).astype(space.low.dtype)
