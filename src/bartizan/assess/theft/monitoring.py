"""The monitor that goes with a model: what honest sessions look like, and how soon it would have seen this thief.

Honest sessions are drawn from test rows, which the model was not trained on: accounts ask about all classes
alike, about some more than about others or about one alone, and some ask rows again. Two thirds of the rows calibrate,
in parts that differ as months do; the last third counts the false alarms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from bartizan.assess.measured import Rate, clopper_pearson
from bartizan.assess.target import Array
from bartizan.profiles.asking import NUMBERS, Profile, Query, Usual, as_json, judged, numbers

DIMENSIONS, CELLS, COLUMNS = 12, 64, 2000
LENGTHS = (50, 100, 200, 300)
SESSIONS = 400  # To calibrate with, and as many to count false alarms.
LEAST = 200  # Honest rows.
FAR, CLOSE = 0.95, 0.2  # Quantiles of honest rows.
ROOM = 1.25  # Above the largest deviation of any honest session: other rows are a little other.
LATER = np.triu(np.full((LENGTHS[-1], LENGTHS[-1]), inf, np.float32))  # No row is near to one that came after it.
BASED = 3000  # Rows that cells are made from.
WIDTHS = (0.1, 0.7, 10.0)  # Concentrations of the classes that accounts ask about: the smaller, the fewer.
AGAIN, MOST_AGAIN = 0.3, 0.6  # The share of accounts that ask some rows again, and of rows they ask again at most.
TAIL = 4.0  # Spreads above the mean at most, of any honest session that calibrates.
PARTS = 8  # Of the rows that calibrate.


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rows that were asked, in order, and what the model said (probabilities)."""

    rows: Array
    said: Array


@dataclass(frozen=True, slots=True)
class Monitor:
    """The calibrated profile, its false alarms, and when each thief of this assessment passes the limit."""

    profile: Profile
    false_alarms: Rate
    seen_at: Mapping[str, int | None]
    longest: int

    def as_json(self) -> dict[str, object]:
        """Its part of the section."""
        return {
            "file": "theft-monitor.json",
            "false_alarms": self.false_alarms.as_json(),
            "false_alarms_per_1000_sessions": round(self.false_alarms.share * 1000, 3),
            "honest": "sessions drawn from test rows; accounts like all classes, some or one, and some ask again",
            "session": self.longest,
            "thieves": [{"thief": name, "alarm_after": at} for name, at in self.seen_at.items()],
        }

    def file(self) -> dict[str, object]:
        """`theft-monitor.json`."""
        return as_json(self.profile)


def monitor(model: str, own: Array, honest: Traffic, thieves: Mapping[str, Traffic], seed: int) -> Monitor | None:
    """Calibrates a monitor; None where there are too few honest rows.

    Args:
        own: Rows of the model's own kind, from which cells are made.
    """
    if len(honest.rows) < LEAST:
        return None
    draw = np.random.default_rng(seed)
    base = _base(model, own, seed)
    order = draw.permutation(len(honest.rows))
    known, other = np.split(order, [2 * len(order) // 3])
    longest = max(length for length in LENGTHS if length <= max(LENGTHS[0], 2 * len(other) // 3))
    lengths = [length for length in LENGTHS if length <= longest]
    points, margins = _points(base, honest.rows), _margins(honest.said)
    far = float(np.quantile(_nearest(points[known], base)[1], FAR))
    drafted = _with(base, far=far, close=float(np.quantile(margins[known], CLOSE)))

    def drawn(rows: Array, count: int) -> list[dict[int, dict[str, float]]]:
        """The numbers of so many honest sessions with these rows, by length."""
        some = points[rows], honest.said[rows]
        made = (_session(drafted, *some, _drawn(some[1], longest, draw)) for _ in range(count))
        return [{length: numbers(one[:length]) for length in lengths} for one in made]

    # Each part is other rows, as another month is: what differs between parts belongs to what is usual.
    parts = [draw.permutation(known)[: len(other)] for _ in range(PARTS)]
    first = [one for rows in parts for one in drawn(rows, SESSIONS // PARTS)]
    usual = {length: _usual([one[length] for one in first]) for length in lengths}
    drafted = _with(drafted, usual=usual)

    def largest(one: dict[int, dict[str, float]]) -> float:
        return max(usual[at][name].z(found[name]) for at, found in one.items() for name in NUMBERS)

    limit = ROOM * max(map(largest, first))
    unseen = [largest(one) for one in drawn(other, SESSIONS)]
    passed = clopper_pearson(sum(one > limit for one in unseen), SESSIONS)
    # Told is what these rows, which nothing was set by, showed; then they count as well: there will be fewer alarms.
    profile = _with(drafted, limit=max(limit, ROOM * max(unseen)), false_alarms=round(passed.share * 1000, 3))
    seen = {name: _alarm(profile, traffic) for name, traffic in thieves.items()}
    return Monitor(profile, passed, seen, longest)


def _base(model: str, own: Array, seed: int) -> Profile:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    draw = np.random.default_rng(seed)
    own = own[np.sort(draw.permutation(len(own))[:BASED])]
    flat = np.nan_to_num(np.asarray(own, np.float64).reshape(len(own), -1))
    columns = np.sort(draw.choice(flat.shape[1], min(COLUMNS, flat.shape[1]), replace=False))
    part = flat[:, columns]
    spread = np.maximum(part.std(axis=0), 1e-6) if len(columns) <= 64 else np.ones(len(columns))
    count = min(DIMENSIONS, len(columns), len(own) - 1)
    found = PCA(count, svd_solver="randomized" if count < min(part.shape) else "full", random_state=seed)
    found.fit((part - part.mean(axis=0)) / spread)
    scale = np.sqrt(np.maximum(found.explained_variance_, 1e-9))[:, None]
    # Directions count by the root of what they spread: all of them are looked at, the large ones more.
    projection = np.round(found.components_ / spread / np.sqrt(scale), 5)
    shift = np.round(part.mean(axis=0), 5)
    points = (part - shift) @ projection.T
    centres = (
        KMeans(min(CELLS, len(points) // 2), n_init=1, max_iter=20, random_state=seed).fit(points).cluster_centers_
    )
    return Profile(
        model, flat.shape[1], tuple(columns.tolist()), tuple(shift.tolist()), _rows(projection),
        _rows(np.round(centres, 5)), 0.0, 0.0, {}, 0.0, 0.0,
    )  # fmt: skip


def _rows(values: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())


def _with(profile: Profile, **changes: object) -> Profile:
    return replace(profile, **changes)  # type: ignore[arg-type]  # by name


def _points(base: Profile, rows: Array) -> Array:
    """As `profiles.sessions.Space.points` does, where no profile is whole yet."""
    flat = np.asarray(rows, np.float64).reshape(len(rows), -1)[:, list(base.columns)]
    shift = np.asarray(base.shift)
    return np.asarray((np.where(np.isfinite(flat), flat, shift) - shift) @ np.asarray(base.projection).T, np.float32)


def _nearest(points: Array, base: Profile) -> tuple[Array, Array]:
    """The cell of each point, and how far it is."""
    far = _distances(points, np.asarray(base.cells, np.float32))
    return far.argmin(axis=1), far.min(axis=1)


def _distances(one: Array, other: Array) -> Array:
    square = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def _margins(said: Array) -> Array:
    ordered = np.sort(said, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def _drawn(said: Array, length: int, draw: np.random.Generator) -> Array:
    """Rows of one honest session: an account's own mixture of classes, from all of them to one; some ask again."""
    label = said.argmax(axis=1)
    liking = draw.dirichlet(np.full(said.shape[1], draw.choice(WIDTHS))) + 0.02 / said.shape[1]
    # Gumbel's maximum: the largest keys are a weighted draw, no row twice while there are others.
    keys = np.log(liking[label]) + draw.gumbel(size=len(label))
    rows = draw.permutation(np.argsort(-keys)[:length])
    if draw.random() < AGAIN:
        for at in np.flatnonzero(draw.random(len(rows)) < draw.uniform(0, MOST_AGAIN)):
            rows[at] = rows[draw.integers(0, at + 1)]
    return np.asarray(rows)


def _session(base: Profile, points: Array, said: Array, rows: Array) -> list[Query]:
    """The queries of a session as the profile sees them."""
    here, label = points[rows], said[rows].argmax(axis=1)
    cell, far = _nearest(here, base)
    close = _margins(said[rows])
    between = _distances(here, here) + LATER[: len(rows), : len(rows)]
    near = between.min(axis=1)
    between[label[:, None] != label[None]] = inf
    columns = (cell.tolist(), (far > base.far).tolist(), (close < base.close).tolist(), near.tolist())
    return [Query(*values) for values in zip(*columns, between.min(axis=1).tolist(), strict=True)]


def _usual(found: list[dict[str, float]]) -> dict[str, Usual]:
    columns = {name: np.array([one[name] for one in found]) for name in NUMBERS}
    # A number with a long tail among honest sessions has a wide spread, so that it does not set the limit for others.
    return {
        name: Usual(float(column.mean()), float(max(column.std(), (column.max() - column.mean()) / TAIL)))
        for name, column in columns.items()
    }


def _alarm(profile: Profile, traffic: Traffic) -> int | None:
    """After how many queries of its first session a thief passes the limit; None: it does not."""
    count = min(profile.longest, len(traffic.rows))
    queries = _session(profile, _points(profile, traffic.rows[:count]), traffic.said[:count], np.arange(count))
    lengths = (length for length in sorted(profile.usual) if length <= count)
    return next((at for at in lengths if judged(profile, queries[:at]).largest[1] > profile.limit), None)
