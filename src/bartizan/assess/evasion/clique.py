"""Is there one leaf of every tree, all meeting in one point, whose values add up to more than a bound? Exactly.

Boxes that meet pairwise meet in one point (Helly), so leaves within a box are a multipartite graph and the question is
one of heaviest cliques (Chen et al., NeurIPS 2019). Branch and bound over it answers the mixed-integer program of
Kantchelian et al. (ICML 2016) without a solver: each leaf is bounded by the best company it can have, and trees that
hinder each other most are merged to one, as far as that does not make more leaves than it removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array

Clock = Callable[[], bool]  # true once the time is spent
MERGED = 3.0  # Merging two trees may make this many times their leaves: 500 × 64 leaves in .17 s a row; 0: over 8 s.

MOST = 2000  # leaves after merging: tables have its square. 400: 500 × 64 leaves are not decided in 8 s.


@dataclass(frozen=True, slots=True)
class Company:
    """Leaves in the order of their trees: `value` (leaves,), `meets` (leaves, leaves) bool, `starts` of each tree.

    `names` (leaves, width): which of the caller's leaves each is made of; -1 is none.
    """

    value: Array
    meets: Array
    starts: Array
    names: Array

    def of(self, alive: Array) -> Company:
        """The leaves that are alive (bool); every tree keeps one at least."""
        at = np.flatnonzero(alive)
        starts = np.flatnonzero(np.diff(self.trees[at], prepend=-1))
        return Company(self.value[at], self.meets[np.ix_(at, at)], starts, self.names[at])

    @property
    def sizes(self) -> Array:
        """How many leaves each tree has."""
        return np.diff(np.append(self.starts, len(self.value)))

    @property
    def trees(self) -> Array:
        """(leaves,) the tree of each."""
        return np.repeat(np.arange(len(self.starts)), self.sizes)


class Spent(Exception):
    """The time is over: neither yes nor no; `bound` is proven from above."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound


def everywhere(chosen: Array) -> bool:
    """Nothing but meeting is asked of leaves."""
    return True


def cliques(
    company: Company, least: float, spent: Clock, possible: Callable[[Array], bool] = everywhere
) -> Iterator[Array]:
    """Every clique worth more than `least`, as the names of its leaves, best guesses first; raises Spent.

    The end of the iteration is the proof that there is no other. `possible` may rule out any set of leaves that is
    chosen so far, and with it all that holds it.
    """
    if not len(company.value):  # one company of nobody
        if least < 0:
            yield np.arange(0)
        return
    stack: list[tuple[Company, Array]] = [(company, np.ones(len(company.value), bool))]
    highest = [bound_of(company)]  # of each open part, what it is worth at most
    while stack:
        if spent():
            raise Spent(max(highest))
        whole, alive = stack.pop()
        highest.pop()
        filtered = _filtered(whole.of(alive), least)
        if filtered is None:
            continue
        merged = _merged(*filtered, least, spent)
        if merged is None:
            continue
        part, best = merged
        sizes = part.sizes
        alone = part.names[np.repeat(sizes == 1, sizes)]
        chosen = alone[alone >= 0]
        if possible is not everywhere and not possible(chosen):
            continue
        if (sizes == 1).all():
            yield chosen
            continue
        tree = _choice(part, best, sizes)
        leaves = np.arange(part.starts[tree], part.starts[tree] + sizes[tree])
        for leaf in leaves[np.argsort(best[leaves], kind="stable")]:  # the best is taken last from here: first
            stack.append((part, part.meets[leaf]))
            highest.append(float(best[leaf]))


def bound_of(company: Company) -> float:
    """No clique is worth more than this."""
    return float(_best(company).max(initial=-np.inf)) if len(company.value) else 0.0


def _best(part: Company) -> Array:
    """What the best clique with each leaf is worth at most: itself, and of every other tree the best that meets it."""
    weights = np.where(part.meets, part.value, -np.inf)
    return np.asarray(np.maximum.reduceat(weights, part.starts, axis=1).sum(axis=1))


def _filtered(part: Company, least: float) -> tuple[Company, Array] | None:
    """Without the leaves that no clique worth more than `least` can have; None where a tree has no leaf left."""
    while True:
        best = _best(part)
        alive = best > least
        if alive.all():
            return part, best
        if not np.logical_or.reduceat(alive, part.starts).all():
            return None
        part = part.of(alive)


def _merged(part: Company, best: Array, least: float, spent: Clock) -> tuple[Company, Array] | None:
    """Pairs of trees as one, where their best leaves do not meet; None where that shows that there is no clique."""
    while True:
        pairs = _pairs(part) if not spent() else []
        if not pairs:
            return part, best
        filtered = _filtered(_joined(part, pairs), least)
        if filtered is None:
            return None
        part, best = filtered


def _pairs(part: Company) -> list[tuple[int, int]]:
    """Trees to merge: the ones that lose most by having to meet, without many more leaves than before."""
    sizes = part.sizes
    both = np.where(part.meets, part.value[:, None] + part.value, -np.inf)
    both = np.maximum.reduceat(np.maximum.reduceat(both, part.starts, axis=0), part.starts, axis=1)
    top = np.maximum.reduceat(part.value, part.starts)
    loss = top[:, None] + top - both
    counts = np.add.reduceat(np.add.reduceat(part.meets, part.starts, axis=0, dtype=np.int64), part.starts, axis=1)
    few = (counts <= MERGED * (sizes[:, None] + sizes)) & (sizes[:, None] > 1) & (sizes > 1)
    first, second = np.nonzero(np.triu(few & (loss > 1e-12), 1))
    found: list[tuple[int, int]] = []
    taken: set[int] = set()
    total = len(part.value)
    for k in np.argsort(-loss[first, second], kind="stable"):
        one, other = int(first[k]), int(second[k])
        more = int(counts[one, other] - sizes[one] - sizes[other])
        if one not in taken and other not in taken and (more <= 0 or total + more <= MOST):
            found.append((one, other))
            taken |= {one, other}
            total += more
    return found


def _joined(part: Company, pairs: list[tuple[int, int]]) -> Company:
    """Each pair of trees as one whose leaves are the pairs of their leaves that meet."""
    ends = np.append(part.starts, len(part.value))
    one, other, starts = [], [], []
    at = 0
    single = set(range(len(part.starts))) - {tree for pair in pairs for tree in pair}
    for tree in sorted(single):
        own = np.arange(ends[tree], ends[tree + 1])
        one.append(own)
        other.append(own)
        starts.append(at)
        at += len(own)
    lone = at
    for a, b in pairs:
        i, j = np.nonzero(part.meets[ends[a] : ends[a + 1], ends[b] : ends[b + 1]])
        one.append(i + ends[a])
        other.append(j + ends[b])
        starts.append(at)
        at += len(i)
    left, right = np.concatenate(one), np.concatenate(other)
    meets = part.meets[left] & part.meets[right]
    meets = meets[:, left] & meets[:, right]
    value = part.value[left] + np.where(np.arange(at) < lone, 0.0, part.value[right])
    second = np.where((np.arange(at) < lone)[:, None], -1, part.names[right])
    names = np.sort(np.hstack([part.names[left], second]), axis=1)
    names = names[:, (names >= 0).any(axis=0)]  # As wide as needed: each merging doubles it otherwise.
    # Leaves of one merged tree share no point unless they are the same.
    return Company(value, meets, np.array(starts), names)


def _choice(part: Company, best: Array, sizes: Array) -> int:
    """The tree to decide next: the one whose leaves differ most in what they allow."""
    highest = np.maximum.reduceat(best, part.starts)
    mean = np.add.reduceat(best, part.starts) / sizes
    gain = np.where(sizes > 1, highest - mean, -np.inf)
    return int(np.argmax(gain))
