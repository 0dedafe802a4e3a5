"""Rows of one class that have something in common that the class does not explain: candidates for a trigger.

Rows are whitened by the spread inside the classes (Hayase et al. 2021, SPECTRE), in which a common pattern stands out
however weak it is, and a group is grown from many beginnings: the mean of a group is the direction its members must lie
in, each judged by the mean of the others alone, so that chance does not hold a group together.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from bartizan.assess.target import Array

WIDEST = 1024  # features up to which all directions are kept
KEPT = 400  # principal directions of wider rows
LEAST = 4  # rows of a group
MOST = 0.65  # share of a class that a group may be
CLEAR = 3.5  # standard deviations between the members of a group and the other rows
ROUNDS = 12
RANDOM_GROUPS = 100


@dataclass(frozen=True, slots=True)
class Group:
    """`rows` of the data, all of class `label`; `score` of each, and how clearly they stand apart.

    `p` is the chance that a random group of the class agrees as well between its halves (not corrected).
    """

    label: int
    rows: Array
    score: Array
    clear: float
    p: float


def whitened(x: Array, middle: Array, floor: float, seed: int) -> Array:
    """(n, at most `WIDEST`) rows of spread one: `x` less each row's `middle`, by the covariance's inverse root.

    `floor` is the variance that is added to every direction: what is nearly constant does not count as surprising.
    """
    generator = np.random.default_rng(seed)
    rest = np.asarray(x - middle, np.float32)
    some = rest if len(rest) <= 8000 else rest[generator.permutation(len(rest))[:8000]]
    if rest.shape[1] > WIDEST:
        from bartizan.assess.poison.neighbours import randomised

        basis = randomised(some, min(KEPT, *some.shape), generator)
        rest, some = rest @ basis, some @ basis
    values, vectors = np.linalg.eigh(some.T @ some / len(some))
    return np.asarray(rest @ (vectors / np.sqrt(np.maximum(values, 0) + floor)), np.float32)


def groups(white: Array, rows: Array, label: int, suspects: Array, seed: int, most: int = 6) -> list[Group]:
    """Groups among the rows of one class, the clearest first.

    Args:
        white: Whitened rows of the whole data, (n, features).
        rows: The rows of the class.
        suspects: Those of them to begin at, beside the leading directions.
    """
    if len(rows) < 2 * LEAST:
        return []
    generator = np.random.default_rng(seed)
    here = white[rows]
    here = here - np.median(here, axis=0)
    found: list[tuple[float, Array, Array]] = []
    for start in _starts(here, np.isin(rows, suspects), generator):
        grown = _grown(here, start)
        if grown is None:
            continue
        clear, inside, score = grown
        if any((inside & other).sum() > 0.6 * (inside | other).sum() for _, other, _ in found):
            continue
        found.append((clear, inside, score))
    found.sort(key=lambda one: -one[0])
    return [
        Group(label, rows[inside], score[inside], clear, _chance(here, inside, generator))
        for clear, inside, score in found[:most]
    ]


def _starts(here: Array, suspect: Array, generator: np.random.Generator) -> list[Array]:
    """Directions: the suspects together and one by one, the leading directions either way, the farthest rows."""
    starts = []
    if suspect.any():
        starts.append(here[suspect].mean(axis=0))
        starts += list(here[generator.permutation(np.flatnonzero(suspect))[:16]])
    inside = here.T @ here if here.shape[1] <= len(here) else here @ here.T
    _, vectors = np.linalg.eigh(inside)
    leading = vectors[:, -5:].T if here.shape[1] <= len(here) else (here.T @ vectors[:, -5:]).T
    for one in leading[::-1]:
        starts += [one, -one]
    far = np.argsort(-np.einsum("ij,ij->i", here, here))[:6]
    return starts + list(here[far]) + list(here[generator.permutation(len(here))[:6]])


def _grown(here: Array, start: Array) -> tuple[float, Array, Array] | None:
    score = here @ (start / max(float(np.linalg.norm(start)), 1e-9))
    inside = score > np.sort(score)[-5:].mean() / 2
    for _ in range(ROUNDS):
        count = int(inside.sum())
        if not LEAST <= count <= MOST * len(here):
            return None
        score = _left_out(here, inside)
        now = score > np.median(score[inside]) / 2
        if (now == inside).all():
            break
        inside = now
    if not LEAST <= int(inside.sum()) <= MOST * len(here):
        return None
    outside = score[~inside]
    spread = max(float(np.median(np.abs(outside - np.median(outside)))) * 1.4826, 1e-6)
    clear = float((np.median(score[inside]) - np.median(outside)) / (spread + score[inside].std()) * 2)
    return (clear, inside, score) if clear >= CLEAR else None


def _left_out(here: Array, inside: Array) -> Array:
    """Each row along the mean of the group's other rows, less the mean of the rest, in standard deviations."""
    count = int(inside.sum())
    middle, rest = here[inside].mean(axis=0), here[~inside].mean(axis=0)
    toward = middle - rest
    score = (here - rest) @ toward / max(float(np.linalg.norm(toward)), 1e-9)
    own = here[inside]
    others = (count * middle - own) / (count - 1) - rest
    score[inside] = np.einsum("ij,ij->i", own - rest, others) / np.maximum(np.linalg.norm(others, axis=1), 1e-9)
    return np.asarray(score)


def _chance(here: Array, inside: Array, generator: np.random.Generator) -> float:
    """How rarely a random group of that size agrees as well between its halves: a normal tail over random groups."""
    count = min(int(inside.sum()), len(here) // 2) // 2 * 2
    chosen = [generator.permutation(np.flatnonzero(inside))[:count]]
    chosen += [generator.permutation(len(here))[:count] for _ in range(RANDOM_GROUPS)]
    halves = np.zeros((2, len(chosen), len(here)), np.float32)
    for at, rows in enumerate(chosen):
        halves[0, at, rows[: count // 2]] = halves[1, at, rows[count // 2 :]] = 2 / count
    agreement = np.einsum("ij,ij->i", halves[0] @ here, halves[1] @ here)
    null = agreement[1:]
    return max(NormalDist().cdf(-float((agreement[0] - null.mean()) / max(float(null.std()), 1e-9))), 1e-12)
