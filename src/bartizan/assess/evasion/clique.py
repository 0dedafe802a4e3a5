"""Is there one leaf of every tree, all meeting in one point, whose values add up to more than a bound? Exactly.

Boxes that meet pairwise meet in one point (Helly), so leaves within a box are a multipartite graph and the question is
one of heaviest cliques (Chen et al., NeurIPS 2019); branch and bound over it, each leaf bounded by the best company it
can have, answers the mixed-integer program of Kantchelian et al. (ICML 2016) without a solver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array

Clock = Callable[[], bool]  # true once the time is spent


@dataclass(frozen=True, slots=True)
class Company:
    """Leaves in the order of their trees: `value` (leaves,), `meets` (leaves, leaves) bool, `starts` of each tree."""

    value: Array
    meets: Array
    starts: Array

    def of(self, alive: Array) -> Company:
        """The leaves that are alive (bool); every tree keeps one at least."""
        trees = np.repeat(np.arange(len(self.starts)), np.diff(np.append(self.starts, len(self.value))))
        at = np.flatnonzero(alive)
        starts = np.flatnonzero(np.diff(trees[at], prepend=-1))
        return Company(self.value[at], self.meets[np.ix_(at, at)], starts)


class Spent(Exception):
    """The time is over: neither yes nor no; `bound` is proven from above."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound


def cliques(company: Company, least: float, spent: Clock) -> Iterator[Array]:
    """Every clique worth more than `least`, as the indices of its leaves, best guesses first; raises Spent.

    The end of the iteration is the proof that there is no other.
    """
    if not len(company.value):  # one company of nobody
        if least < 0:
            yield np.arange(0)
        return
    at = np.arange(len(company.value))
    stack: list[tuple[Company, Array, float]] = [(company, at, least)]
    highest = [np.inf]  # of each open part, what it is worth at most
    while stack:
        part, names, bound = stack.pop()
        highest.pop()
        if spent():
            raise Spent(max([*highest, np.inf]))
        filtered = _filtered(part, names, bound)
        if filtered is None:
            continue
        part, names, best = filtered
        sizes = np.diff(np.append(part.starts, len(part.value)))
        if (sizes == 1).all():
            yield names
            continue
        tree = _choice(part, best, sizes)
        leaves = np.arange(part.starts[tree], part.starts[tree] + sizes[tree])
        for leaf in leaves[np.argsort(best[leaves], kind="stable")]:  # the best is taken last from here: first
            stack.append((part.of(part.meets[leaf]), names[part.meets[leaf]], bound))
            highest.append(float(best[leaf]))


def bound_of(company: Company) -> float:
    """No clique is worth more than this."""
    return float(_best(company).max(initial=-np.inf)) if len(company.value) else 0.0


def _best(part: Company) -> Array:
    """What the best clique with each leaf is worth at most: itself, and of every other tree the best that meets it."""
    weights = np.where(part.meets, part.value, -np.inf)
    return np.asarray(np.maximum.reduceat(weights, part.starts, axis=1).sum(axis=1))


def _filtered(part: Company, names: Array, least: float) -> tuple[Company, Array, Array] | None:
    """Without the leaves that no clique worth more than `least` can have; None where a tree has no leaf left."""
    while True:
        best = _best(part)
        alive = best > least
        if alive.all():
            return part, names, best
        if not np.logical_or.reduceat(alive, part.starts).all():
            return None
        names = names[alive]
        part = part.of(alive)


def _choice(part: Company, best: Array, sizes: Array) -> int:
    """The tree to decide next: the one whose leaves differ most in what they allow."""
    highest = np.maximum.reduceat(best, part.starts)
    mean = np.add.reduceat(best, part.starts) / sizes
    gain = np.where(sizes > 1, highest - mean, -np.inf)
    return int(np.argmax(gain))
