"""Which attacks, in which order: by gradients, with few changed values, by scores alone, by labels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.evasion import hopskipjump, rays, sparse
from bartizan.assess.evasion.ball import WITHIN
from bartizan.assess.evasion.chain import Chain
from bartizan.assess.evasion.rows import CLEAN, misled
from bartizan.assess.target import Array, Output

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.evasion.view import View

FIRMER = 0.2  # of eps that a row may lack to be led further in
# What a row may lack of the way that is left, in each climb: of 3,400 that fell none lacked more than half of it.
HOPES = (0.5, 0.03, 0.02, 0.15)
LEAST = 8  # rows that a climb takes at least
SEARCHES = (200, 600, 1500, 3000)  # queries of random search, each part only where the one before found something
FOUND = 0.02  # of the rows that stand
RAYS = 1500  # queries of a row by labels alone under Linf
HOPS = 20  # rounds by labels alone under L2: about 2,500 queries of a row
OTHERS = 1000  # rows among which a start for them is looked for


def gradients(chain: Chain, view: View, *, patient: bool = False) -> int:
    """The climbs: a short one of everything, then what is near falling by other losses, aims and starts.

    How near is told by the slope where a row stands. Of networks that were tried, 97 of 100 rows that fell to a hundred
    times the passes lacked less than 0.15 of eps after the first climb, and most of those that never fell lacked more.

    Args:
        patient: All that stands is climbed each time, for a view whose slopes are not to be relied on.

    Returns how many rows fell.
    """
    from bartizan.assess.evasion.climb import Slopes
    from bartizan.assess.evasion.losses import margin, odds

    rows, name = chain.rows, view.name
    before = len(rows.standing)

    def near(share: float) -> Array:
        index = rows.standing
        lacking = rows.short[index] < share * rows.ball.eps
        return index[: max(LEAST, int(lacking.sum()))] if not patient else index

    first, firm, sharp, aimed = (np.inf,) * 4 if patient else HOPES
    chain.climbs(view, Slopes(odds, 20 if patient else 8, hope=first), name, rows.standing)
    index = near(0.2)
    chain.climbs(view, Slopes(margin, 16, 0.5, hope=firm), f"{name}, margin", index, start=rows.at[index])
    if not patient:
        chain.climbs(view, Slopes(odds, 24, 2.0, 2.0, hope=sharp), f"{name}, sharp", near(0.12))
    # Five steps bring down what a hundred do, if the aim is right; which one is right is not told by the scores.
    for number in range(1, min(chain.target.classes - 1, 9)):
        index = near(0.4 if number < 4 else 0.15)
        if not len(index) or chain.over():
            break
        rival = rivals_of(view, rows.x[index], rows.y[index])[:, number]
        way = Slopes(margin, 20 if patient else 5, hope=aimed)
        fell = chain.climbs(view, way, f"{name}, aimed", index, rival=rival)
        if patient and not fell:
            break
    index = near(0.06)
    chain.climbs(view, Slopes(margin, 12, 0.5, hope=firm), f"{name}, margin", index, start=rows.at[index])
    return before - len(rows.standing)


def firmer(chain: Chain, view: View) -> None:
    """Of a model that answers at random: what is near to falling, and what does not fall at every look, led further in.

    First without noise, then by means over it (EOT): the one is exact for noise on scores, the other needed for noise
    on rows.
    """
    from bartizan.assess.evasion.climb import Slopes, climb
    from bartizan.assess.evasion.losses import margin, odds
    from bartizan.assess.evasion.view import averaged

    rows, ball = chain.rows, chain.rows.ball
    changed = np.array([name != CLEAN for name in rows.attack], bool)
    mean = averaged(view)
    for through, name, way in (
        (view, "further in", Slopes(margin, 12, 0.5)),
        (mean, mean.name, Slopes(odds, 16, 1.0)),
    ):
        near = rows.shaky | (rows.short < FIRMER * ball.eps)
        index = np.flatnonzero(changed & np.where(rows.fallen, rows.falls < rows.looks, near))
        if rows.looks == 1 or ball.norm == "l0" or not len(index) or chain.over():
            return
        x, y = rows.x[index], rows.y[index]
        low, high = ball.box(x)
        fallen = rows.fallen[index]
        start = np.where(fallen.reshape(-1, *[1] * (x.ndim - 1)), rows.found[index], rows.at[index])
        found = climb(
            through, x, y, low, high, way, radius=np.full(len(x), ball.eps * WITHIN), norm=ball.norm, start=start,
            need=np.full(len(x), np.inf), over=chain.over,
        )  # fmt: skip
        chain.tried(index[~fallen], found.x[~fallen], name)
        rows.firmer(chain.target, index[fallen], found.x[fallen])


def sparsely(chain: Chain, view: View | None) -> None:
    """L0: few values, then a patch, then random search; at last what was not needed is given back."""
    rows = chain.rows
    nothing = np.full(len(rows.x), np.inf)

    def free(name: str, *, patch: bool) -> None:
        assert view is not None
        index = rows.standing
        need = rows.need[index] if rows.looks == 1 else nothing[index]
        chain.stage(
            name, index,
            lambda: (
                *sparse.freed(view, rows.x[index], rows.y[index], rows.ball, need, chain.over, patch=patch),
                nothing[index],
            ),
        )  # fmt: skip

    if view is not None:
        free("few values", patch=False)
        free("patch", patch=True)
    chain.sparse_search(rows.standing, 100 if view is not None else 1000)
    index = np.flatnonzero(rows.fallen & np.array([name != CLEAN for name in rows.attack], bool))
    if len(index) and rows.looks == 1:

        def falls(changed: Array, at: Array) -> Array:
            return misled(chain.target.scores(changed), rows.y[index][at])

        rows.nearer(chain.target, index, sparse.given_back(falls, rows.x[index], rows.found[index]))


def rivals_of(view: View, x: Array, y: Array) -> Array:
    """(n, classes - 1) the other classes at these points, nearest first."""
    import torch

    from bartizan.assess.evasion.losses import rivals

    found: Array = rivals(view.scores(torch.from_numpy(x)), torch.from_numpy(y)).numpy()
    return found


def by_answers(chain: Chain, data: Data) -> list[str]:
    """Without gradients: changes made for a copy, then random search, or walks by labels where there are no scores."""
    done = copied(chain, data)
    if chain.target.output is Output.LABELS:
        return [*done, hops(chain, data)]
    return [*done, *search(chain)]


def search(chain: Chain) -> list[str]:
    """Random search for as long as it finds something; what was done, in words."""
    total, fell, planned = 0, 0, sum(SEARCHES)
    for queries in SEARCHES:
        index = chain.rows.standing
        if not len(index) or chain.over():
            break
        found = chain.squares(index, queries, "long search", planned)
        total, fell = total + queries, fell + found
        if found <= max(1, FOUND * len(index)):
            break
    return [f"random search with {total:,} queries a row ({fell} more fell)"] if total else []


def hops(chain: Chain, data: Data) -> str:
    """Walks and rays to the boundary by labels alone; what was done, in words."""
    rows, target = chain.rows, chain.target
    index = rows.standing
    others = data.x_train if data.x_train is not None else data.x_test
    if not len(index) or others is None or rows.ball.norm == "l0":
        return ""

    def falls(changed: Array, at: Array) -> Array:
        return np.asarray(target.labels(changed) != rows.y[index][at])

    def run() -> tuple[Array, Array, Array]:
        x, y = rows.x[index], rows.y[index]
        known = np.ascontiguousarray(others[:OTHERS], dtype=np.float32)
        start = _nearest_other(known, target.labels(known), x, y)
        if rows.ball.norm == "linf":
            way = start - x if chain.hints is None else chain.hints[index] - x
            at, far = rays.ray(falls, x, rows.ball, RAYS, way, chain.over)
        else:
            at = hopskipjump.hop(falls, x, start, rows.ball, HOPS, chain.rng, chain.over)
            far = rows.ball.distance(at, x)
        return at, np.where(far <= rows.ball.eps, 1.0, -1.0), np.full(len(index), np.inf)

    fell = chain.stage("labels alone", index, run, own=False)
    return f"search by labels alone ({fell} more fell)"


def copied(chain: Chain, data: Data) -> list[str]:
    """Changes made for a copy that is trained on the answers, then its gradients with the model's own scores."""
    if not len(chain.rows.standing) or chain.rows.ball.norm == "l0":
        return []
    try:
        from bartizan.assess.evasion.student import led, taught
    except ImportError:
        return []
    from bartizan.assess.evasion.climb import Slopes
    from bartizan.assess.evasion.losses import margin

    chain.how.progress("a copy is trained on the answers")
    copy = taught(chain.target, data, chain.rows.ball.eps, chain.how.seed, chain.over)
    if copy is None:
        return []
    fell = chain.transfers(copy, Slopes(margin, 25), chain.rows.standing)
    if chain.target.output is not Output.LABELS:
        fell += gradients(chain, led(copy, chain.target, chain.rows.x[:64]), patient=True)
    return [f"gradients of a copy ({fell} more fell)"]


def _nearest_other(known: Array, labels: Array, x: Array, y: Array) -> Array:
    """For each row the nearest known one that the model gives another label; the row itself where there is none."""
    flat, out = known.reshape(len(known), -1).astype(np.float64), x.copy()
    for at, row in enumerate(x.reshape(len(x), -1)):
        far = np.where(labels == y[at], np.inf, ((flat - row) ** 2).sum(axis=1))
        if np.isfinite(far.min(initial=np.inf)):
            out[at] = known[int(np.argmin(far))]
    return out
