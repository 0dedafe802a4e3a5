"""How an account asks a model, against how honest accounts ask it: what gives a thief away while it asks.

A thief asks for what it does not know yet. Over the queries of one session that shows in five numbers:

    doubt      the share of answers in which the two likeliest classes are close: near the borders between classes
    strange    the share of rows farther from all known kinds of rows than honest rows are
    coverage   how many kinds of rows it asked about (cells of the model's own data)
    growth     how far each row is from all earlier ones: rows that repeat little tell much
    order      how normally the distances to the nearest earlier row with the same label are spread: rows made on
               purpose have other distances than rows that come by (Juuti et al. 2019, "PRADA"; Shapiro, Francia 1972)

Each is compared with honest sessions of the same length, in the spread that those have: a standard deviation, or a
quarter of how far any of them went. The largest is compared with the largest that honest sessions reached. A thief that
asks honest rows in an honest order is not told apart by this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from operator import mul
from typing import NamedTuple

from bartizan.core.errors import InputError, LimitError

SCHEMA = "bartizan.theft-monitor/1"
NUMBERS = ("doubt", "strange", "coverage", "growth", "order")
MAX_COLUMNS, MAX_CELLS, MAX_DIMENSIONS, MAX_LENGTH = 4096, 256, 32, 1000


class Query(NamedTuple):
    """One query as the profile sees it."""

    cell: int
    strange: bool
    doubtful: bool
    near: float  # to the nearest earlier row of the session; inf for the first
    near_same: float  # … with the same label


@dataclass(frozen=True, slots=True)
class Usual:
    """One number of honest sessions of one length."""

    mean: float
    spread: float

    def z(self, value: float) -> float:
        """How many spreads above usual."""
        return (value - self.mean) / max(self.spread, 1e-6)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is usual for one model: how rows become points, the cells of its data, and honest sessions.

    `columns` of the flattened row, less `shift`, times `projection` (columns × dimensions), give a point.
    """

    model: str  # sha256, hex
    features: int
    columns: tuple[int, ...]
    shift: tuple[float, ...]
    projection: tuple[tuple[float, ...], ...]
    cells: tuple[tuple[float, ...], ...]
    far: float  # from the nearest cell, that few honest rows are
    close: float  # margin between the two likeliest classes, that few honest answers are below
    usual: Mapping[int, Mapping[str, Usual]]  # by the length of a session
    limit: float
    false_alarms: float  # of 1,000 honest sessions that were not calibrated with

    @property
    def longest(self) -> int:
        """Queries of a session, after which another begins."""
        return max(self.usual)


@dataclass(frozen=True, slots=True)
class Asking:
    """How an account asked, against honest ones: each number's spreads above usual, and the limit."""

    model: str
    queries: int
    deviations: tuple[tuple[str, float], ...]
    limit: float
    false_alarms: float  # of 1,000 honest sessions

    @property
    def largest(self) -> tuple[str, float]:
        """What stands out most."""
        return max(self.deviations, key=lambda one: one[1])

    @property
    def beyond(self) -> bool:
        """Whether that is more than honest sessions reach."""
        return bool(self.deviations) and self.largest[1] > self.limit


def judged(profile: Profile, queries: Sequence[Query]) -> Asking:
    """A session of one of the measured lengths against honest ones of that length."""
    usual = profile.usual[len(queries)]
    found = numbers(queries)
    deviations = tuple((name, usual[name].z(found[name])) for name in NUMBERS)
    return Asking(profile.model, len(queries), deviations, profile.limit, profile.false_alarms)


def numbers(queries: Sequence[Query]) -> dict[str, float]:
    """The five numbers of a session; larger is more like a thief."""
    count = len(queries)
    near = [one.near for one in queries if one.near < inf]
    return {
        "doubt": sum(one.doubtful for one in queries) / count,
        "strange": sum(one.strange for one in queries) / count,
        "coverage": float(len({one.cell for one in queries})),
        "growth": sum(near) / len(near) if near else 0.0,
        "order": 1 - normality([one.near_same for one in queries if one.near_same < inf]),
    }


_SCORES: dict[int, tuple[tuple[float, ...], float]] = {}  # normal scores, and the sum of their squares


def normality(values: Sequence[float]) -> float:
    """W' of Shapiro and Francia: the squared correlation of sorted values with normal ones; 1 is normal."""
    count = len(values)
    if count < 8:
        return 1.0
    if count not in _SCORES:
        if len(_SCORES) > 2000:
            _SCORES.clear()
        from statistics import NormalDist  # Here, since it takes ten milliseconds, and whoever reads a policy comes by.

        normal = NormalDist()
        made = tuple(normal.inv_cdf((at + 1 - 0.375) / (count + 0.25)) for at in range(count))
        _SCORES[count] = made, sum(map(mul, made, made))
    scores, of_scores = _SCORES[count]
    mean = sum(values) / count
    apart = [one - mean for one in sorted(values)]
    square: float = sum(map(mul, apart, apart))
    if square <= 0:
        return 0.0  # Always the same distance: nothing that happens by itself.
    both: float = sum(map(mul, scores, apart))
    return both * both / (square * of_scores)


# ---- As a file -------------------------------------------------------------------------------------------------------


def as_json(profile: Profile) -> dict[str, object]:
    """`theft-monitor.json`."""
    return {
        "schema": SCHEMA,
        "model": profile.model,
        "features": profile.features,
        "columns": list(profile.columns),
        "shift": list(profile.shift),
        "projection": [list(axis) for axis in profile.projection],
        "cells": [list(cell) for cell in profile.cells],
        "far": profile.far,
        "close": profile.close,
        "usual": [
            {"queries": length, **{name: [one.mean, one.spread] for name, one in usual.items()}}
            for length, usual in profile.usual.items()
        ],
        "limit": profile.limit,
        "false_alarms_per_1000_sessions": profile.false_alarms,
    }


def from_json(value: object) -> Profile:
    """The profile in a file. Raises InputError for anything else, LimitError for more than is read."""
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise InputError(f"is no {SCHEMA}", "schema")
    try:
        columns = tuple(int(one) for one in value["columns"])
        projection = tuple(_floats(axis, len(columns)) for axis in value["projection"])
        cells = tuple(_floats(cell, len(projection)) for cell in value["cells"])
        usual = {
            int(row["queries"]): {name: Usual(*_floats(row[name], 2)) for name in NUMBERS} for row in value["usual"]
        }
        names = ("far", "close", "limit", "false_alarms_per_1000_sessions")
        far, close, limit, false_alarms = _floats([value[name] for name in names], len(names))
        made = Profile(
            str(value["model"])[:64], int(value["features"]), columns, _floats(value["shift"], len(columns)),
            projection, cells, far, close, usual, limit, false_alarms,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"is damaged ({type(error).__name__})", "profile") from None
    if (
        len(columns) > MAX_COLUMNS
        or len(cells) > MAX_CELLS
        or len(projection) > MAX_DIMENSIONS
        or max(usual, default=0) > MAX_LENGTH
    ):
        raise LimitError("is larger than a profile can be", "profile")
    if not (usual and cells and projection and columns) or any(not 0 <= one < made.features for one in columns):
        raise InputError("is damaged (empty, or columns that are not there)", "profile")
    if min(usual) < 1:  # A session that has room for nothing would never end.
        raise InputError("is damaged (sessions without queries)", "profile")
    return made


def _floats(values: Sequence[object], count: int) -> tuple[float, ...]:
    found = tuple(float(str(one)) for one in values)
    if len(found) != count or not all(isfinite(one) for one in found):
        raise ValueError("numbers")
    return found
