"""Rows that are of other classes beneath a pattern that all of them carry: a planted pattern that hardly moves others.

In small images a patch is much of what there is: rows with it are each other's neighbours and vouch for each other, and
what honest rows of the class show at its place moves a model as well. So the rows are looked at without the pixels of
the pattern, and without each other: where nearly all of them are of several other classes there, and the model puts
them elsewhere once the pattern is taken off, it is the pattern that holds their label. It still has to move rows that
it was not planted on, more than the same values at other places do.
"""

from __future__ import annotations

import numpy as np

from bartizan.assess.measured import wilson
from bartizan.assess.poison.groups import Group
from bartizan.assess.poison.looked import DOUBTED, Looked
from bartizan.assess.poison.neighbours import NEAREST, nearest
from bartizan.assess.poison.pixels import Pixels
from bartizan.assess.poison.triggers import Backdoor, Held, Stamp, rate, tried
from bartizan.assess.target import Array, Target

LEAST = 5  # rows
BENEATH = 0.8  # of the rows that are of other classes beneath the pattern
TIMES = 4.0  # as many as of the other rows of the class
ONE_CLASS = 0.6  # of them that are of the same: one class may differ from another by so little
PART = 0.5  # of the image that the pattern covers, at most
HANGS = 0.75
SUCCESS = 0.1
LEAD = 0.07
CHANCE = 1e-6
CONTROLS = 8
AMONG = 6000
PAIRS = 100  # rows that are compared with each other
ALIKE = 0.1  # of the pairs, the most alike
MANY = 8  # rows of a pattern that covers the image: in fewer, chance looks like one
APART = 0.3  # of what rows of a class differ by on average: the least of the others
REST = 200


def backdoor(
    target: Target, looked: Looked, held: Held, group: Group, form: Pixels, alike: Array, seed: int
) -> Backdoor | None:
    """The group's pattern, if it holds their label. `alike`: for each row of the group what it would be without."""
    if form.keep > 0 or form.size > PART * len(form.mask) or len(group.rows) < LEAST:
        return None
    label, rows = group.label, group.rows
    hangs = wilson(int((target.labels(form.without(looked.x[rows], alike)) != label).sum()), len(rows))
    if hangs.share < HANGS or rate(target, form, held.of(label), label).share < SUCCESS:
        return None
    if not _beneath(looked, group, form, seed):
        return None
    generator = np.random.default_rng(seed)
    controls: list[Stamp] = [form.shuffled(generator) for _ in range(CONTROLS)]
    trial = tried(target, form, controls, held, label)
    if trial is None or trial.success.share - trial.control.share < LEAD or trial.p > CHANCE:
        return None
    return Backdoor(rows, group.score, form.words, "pixels", trial, hangs, form, "changed",
                    form.picture(looked.x.shape[1:]))  # fmt: skip


def _beneath(looked: Looked, group: Group, form: Pixels, seed: int) -> bool:
    """Whether the rows are of several other classes where the pattern is not."""
    generator = np.random.default_rng(seed)
    mine = np.setdiff1d(np.flatnonzero(looked.labels == group.label), group.rows)
    seen = _seen(looked, group.rows, np.concatenate([group.rows, generator.permutation(mine)[:REST]]), form.mask, seed)
    doubted = (seen == group.label).mean(axis=1) <= DOUBTED
    ours, rest = doubted[: len(group.rows)], doubted[len(group.rows) :]
    if ours.mean() < max(BENEATH, min(1.0, TIMES * float(rest.mean() if len(rest) else 0.0))):
        return False
    counts = np.stack([(seen[: len(ours)][ours] == c).sum(axis=1) for c in range(looked.classes)], axis=1)
    counts[:, group.label] = 0
    return float(np.bincount(counts.argmax(axis=1)).max()) <= ONE_CLASS * int(ours.sum())


def varied(looked: Looked, rows: Array, form: Stamp) -> bool:
    """Whether the rows differ from each other where the pattern is not, as rows on which something was planted do.

    Copies of one image, and images drawn from the same few strokes, have a pattern in common as well: all of it.
    """
    left, scale = np.ones(looked.flat.shape[1], bool), 1.0
    if isinstance(form, Pixels) and form.size <= PART * len(form.mask):
        left = ~form.mask
    elif len(rows) < MANY:
        return False
    elif isinstance(form, Pixels):  # What is blended in leaves less of the rows.
        scale = 0.5
    own = looked.flat[rows[:PAIRS]][:, left]
    squares = (own**2).sum(axis=1)
    apart = (squares[:, None] + squares - 2 * own @ own.T)[np.triu_indices(len(own), 1)] / 2
    spreads = [looked.flat[looked.labels == c][:PAIRS, left].var(axis=0).sum() for c in np.unique(looked.labels)]
    return float(np.quantile(apart, ALIKE)) >= APART * scale * float(np.mean(spreads))


def of_others(looked: Looked, rows: Array, label: int, mask: Array, seed: int = 0) -> Array:
    """(rows) bool: which are like rows of other classes where the mask is not, all of these left out."""
    return np.asarray((_seen(looked, rows, rows, mask, seed) == label).mean(axis=1) <= DOUBTED)


def _seen(looked: Looked, left_out: Array, asked: Array, mask: Array, seed: int) -> Array:
    """(asked, neighbours) labels of the nearest rows by what the mask does not cover."""
    among = np.setdiff1d(np.arange(len(looked.labels)), left_out)
    among = np.random.default_rng(seed).permutation(among)[:AMONG]
    return np.asarray(looked.labels[nearest(looked.flat[:, ~mask], asked, among, NEAREST).index])
