"""What is usual, said so that a few strange days do not change it: median and median absolute deviation.

Sizes spread by factors, not by sums: who sends 1 MB on one day sends 3 MB on another without anything being the matter.
So spreads of sizes are measured on their logarithms, in octaves (1 octave: twice or half as much).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2
from statistics import median

MAD_TO_SIGMA = 1.4826  # Makes the median absolute deviation of a normal distribution its standard deviation.


@dataclass(frozen=True, slots=True)
class Spread:
    """What is usual of a size: `count` of values, their median, and their median absolute deviation in octaves."""

    count: int
    median: float
    mad_octaves: float

    def z(self, value: float, floor_octaves: float) -> float:
        """How many standard deviations above usual a size is; below it is negative.

        Args:
            value: A size above 0.
            floor_octaves: The least standard deviation, for those who do exactly the same every day.
        """
        if value <= 0 or self.median <= 0:
            return 0.0
        return (log2(value) - log2(self.median)) / max(MAD_TO_SIGMA * self.mad_octaves, floor_octaves)


def spread(sizes: Iterable[float]) -> Spread:
    """The spread of sizes; those that are 0 or less are no sizes."""
    logs = sorted(log2(size) for size in sizes if size > 0)
    if not logs:
        return Spread(0, 0.0, 0.0)
    middle = median(logs)
    return Spread(len(logs), 2.0**middle, median(abs(one - middle) for one in logs))


def first_seen(first_day: int, day: int, window_days: int) -> bool:
    """Whether something that was first seen on `first_day` is new on `day`: within a window that begins there."""
    return 0 <= day - first_day < window_days


def last_days(days: Sequence[tuple[int, float]], day: int, count: int) -> list[float]:
    """The values of the `count` days before a day, out of (day, value)."""
    return [value for when, value in days if day - count <= when < day]
