"""The sessions in which accounts ask a model, as they go on: bounded, and judged at the lengths that were measured.

A session ends after a silence, and at its longest. What was found of an account stands for a day after it was last
seen: else a thief would only have to wait for half an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf
from typing import Any

from bartizan.core.errors import InputError
from bartizan.profiles.asking import Asking, Profile, Query, judged

Array = Any  # numpy's, which is loaded where there is a profile

GAP_US = 30 * 60 * 1_000_000  # So long nobody asks, and the next query begins another session.
STANDS_US = 24 * 60 * 60 * 1_000_000
MAX_ACCOUNTS = 5000  # Sessions held at once, some 30 kB each; beyond, the one that was quiet longest is let go.
MAX_LABEL = 2.0**52
OFF = 0.01  # So much probabilities may miss 1: some servers round them.
MOST = 1e100  # Of one number of a row: sums of such are numbers.
BEYOND = 1e9  # No honest point is so far out, and its square is still a number.


@dataclass(frozen=True, slots=True)
class Found:
    """What an account was found to do, and until when that holds."""

    asking: Asking
    until_us: int


class Session:
    """The queries of one account until a long silence or the longest length."""

    __slots__ = ("_labels", "_numbers", "_points", "_profile", "_space", "count", "last_us")

    def __init__(self, profile: Profile, space: Space) -> None:
        self._profile, self._space = profile, space
        self.count = self.last_us = 0
        self._points, self._labels, self._numbers = space.room()

    def add(self, points: Array, labels: Array, margins: Array) -> list[Asking]:
        """Takes queries in, no more than it has room for; what is to be judged at the lengths that are measured."""
        import numpy as np

        begin, end = self.count, self.count + len(points)
        while len(self._points) < end:
            wider = self._space.room(min(self._profile.longest, 2 * len(self._points)))
            for old, new in zip((self._points, self._labels, self._numbers), wider, strict=True):
                new[:begin] = old[:begin]
            self._points, self._labels, self._numbers = wider
        self._points[begin:end], self._labels[begin:end] = points, labels
        to_cells = _distances(points, self._space.cells)
        between = _distances(points, self._points[:end])
        if len(points) == 1:
            between[0, begin] = inf
        else:  # No row is near to itself, or to one that came after it.
            between[np.arange(end) >= np.arange(begin, end)[:, None]] = inf
        found = self._numbers[begin:end]
        found[:, 0] = to_cells.argmin(axis=1)
        found[:, 1] = to_cells.min(axis=1) > self._profile.far
        found[:, 2] = margins < self._profile.close
        found[:, 3] = between.min(axis=1)
        between[self._labels[:end] != labels[:, None]] = inf
        found[:, 4] = between.min(axis=1)
        self.count = end
        return [self._judged(length) for length in sorted(self._profile.usual) if begin < length <= end]

    def _judged(self, length: int) -> Asking:
        rows = self._numbers[:length].tolist()
        return judged(self._profile, [Query(int(row[0]), bool(row[1]), bool(row[2]), row[3], row[4]) for row in rows])


class Space:
    """Where the rows of a profile lie, as arrays."""

    def __init__(self, profile: Profile) -> None:
        import numpy as np

        self._columns = np.asarray(profile.columns)
        self._all = len(profile.columns) == profile.features and profile.columns == tuple(range(len(profile.columns)))
        self._shift = np.asarray(profile.shift)
        self._axes = np.asarray(profile.projection).T
        self.cells = np.asarray(profile.cells, np.float32)
        self._first = min(64, profile.longest)

    def points(self, rows: Array) -> Array:
        """Where rows (n × features) lie (n × dimensions); what is no number is as usual."""
        import numpy as np

        part = rows if self._all else rows[:, self._columns]
        # Bounded before it is summed, too: two numbers of 1e308 would make a point that is nowhere, so never strange.
        moved = np.clip(np.nan_to_num(part - self._shift), -MOST, MOST)
        return np.clip(moved @ self._axes, -BEYOND, BEYOND).astype(np.float32)

    def room(self, length: int = 0) -> tuple[Array, Array, Array]:
        """For the points, labels and numbers of so many queries."""
        import numpy as np

        length = length or self._first
        return np.empty((length, self._axes.shape[1]), np.float32), np.empty(length, np.int64), np.empty((length, 5))


def _distances(one: Array, other: Array) -> Array:
    import numpy as np

    apart = one[:, None] - other
    return np.sqrt(np.einsum("ijk,ijk->ij", apart, apart))


class Sessions:
    """The sessions of all accounts with one model."""

    def __init__(self, profile: Profile, most: int = MAX_ACCOUNTS) -> None:
        self.profile, self.space, self._most = profile, Space(profile), most
        self.begun = self.forgotten = 0
        self._open: dict[str, Session] = {}  # the one that was quiet longest first
        self._found: dict[str, Found] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(
        self, account: str, time_us: int, row: Sequence[float], scores: Sequence[float], *, is_point: bool = False
    ) -> Asking | None:
        """Takes one query in; what is to be judged now, if anything. Raises InputError for a row of another width."""
        import numpy as np

        wanted = len(self.profile.projection) if is_point else self.profile.features
        if len(row) != wanted:
            takes = "a point has" if is_point else "the model takes"
            raise InputError(f"has {len(row):,} numbers, {takes} {wanted:,}", "point" if is_point else "vector")
        rows = np.asarray([row], np.float64)
        points = np.clip(rows, -BEYOND, BEYOND).astype(np.float32) if is_point else self.space.points(rows)
        label, margin = answer(scores)
        steps = self.take(account, time_us, points, np.asarray([label]), np.asarray([margin]))
        return steps[-1] if steps else None

    def take(self, account: str, time_us: int, points: Array, labels: Array, margins: Array) -> list[Asking]:
        """Takes the queries of one request in; what is to be judged now, one a length that was reached."""
        steps: list[Asking] = []
        session = self._open.pop(account, None)
        if session is not None and time_us - session.last_us > GAP_US:
            session = None
        at = 0
        while at < len(points):
            if session is None or session.count >= self.profile.longest:
                session = Session(self.profile, self.space)
                self.begun += 1
            to = min(len(points), at + self.profile.longest - session.count)
            steps += session.add(points[at:to], labels[at:to], margins[at:to])
            at = to
        if session is not None:
            session.last_us = max(session.last_us, time_us)
            self._open[account] = session
        if len(self._open) > self._most:
            del self._open[next(iter(self._open))]
            self.forgotten += 1
        if found := [one for one in steps if one.beyond]:
            stands = self.stands(account, time_us)  # What comes after may be less: that takes nothing back.
            self._found.pop(account, None)
            worst = max([*found, *([stands] if stands else [])], key=lambda one: one.largest[1])
            self._found[account] = Found(worst, time_us + STANDS_US)
            if len(self._found) > self._most:
                del self._found[next(iter(self._found))]
        return steps

    def stands(self, account: str, time_us: int) -> Asking | None:
        """What was found of an account and still stands."""
        found = self._found.get(account)
        if found is None or time_us > found.until_us:
            return None
        return found.asking


def said(scores: Sequence[float]) -> tuple[int, float]:
    """Label and margin of one answer, as `answer` gives them, where scores may be logits or no numbers at all."""
    if len(scores) > 1 and not (min(scores) >= 0 and abs(sum(scores) - 1) < OFF):
        bounded = [min(max(one, -MAX_LABEL), MAX_LABEL) if one == one else -MAX_LABEL for one in scores]
        most = max(bounded)
        powers = [exp(one - most) for one in bounded]
        whole = sum(powers)
        scores = [one / whole for one in powers]
    return answer(scores if scores[0] == scores[0] else [0.0])


def answer(scores: Sequence[float]) -> tuple[int, float]:
    """Label, and how far the likeliest class is above the next; a label alone is sure."""
    if len(scores) == 1:
        return int(min(max(scores[0], -MAX_LABEL), MAX_LABEL)), 1.0
    label = max(range(len(scores)), key=scores.__getitem__)
    rest = max(score for at, score in enumerate(scores) if at != label)
    return label, scores[label] - rest
