"""The chain of attacks: cheapest first, only on what stands, the nearest to falling first, none of it done twice.

Each attack takes the rows where the last one left them. A row leaves when it fell and a fresh look agreed; a row whose
best point is far from falling waits until nearer ones were tried. Stages go on as long as they find something.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.errors import Spent
from bartizan.assess.evasion import square
from bartizan.assess.evasion.ball import WITHIN
from bartizan.assess.evasion.rows import Rows, leads
from bartizan.assess.target import Array, Target

if TYPE_CHECKING:
    from bartizan.assess.evasion.climb import Slopes
    from bartizan.assess.evasion.view import View
    from bartizan.assess.how import How

ALIVE = 0.004  # of the rows that a stage has to fell for the next of its kind to begin


@dataclass(slots=True)
class Attack:
    """One attack, for the report. `passes`: rows through the torch copy; `queries`: rows asked of the model."""

    attack: str
    tried: int = 0
    fell: int = 0
    queries: int = 0
    passes: int = 0
    seconds: float = 0.0

    def as_json(self) -> dict[str, object]:
        """As a row of the report's table."""
        return {
            "attack": self.attack, "tried": self.tried, "fell": self.fell, "queries": self.queries,
            "passes": self.passes, "seconds": round(self.seconds, 3),
        }  # fmt: skip


@dataclass(slots=True)
class Chain:
    """Attacks on the rows of one target. What each did is kept in `attacks`."""

    target: Target
    rows: Rows
    how: How
    rng: np.random.Generator
    attacks: dict[str, Attack] = field(default_factory=dict)
    flat: Array | None = None  # whether the first climb did not raise the loss, by row

    def over(self) -> bool:
        """Time is up."""
        return self.how.budget.spent

    def climbs(
        self,
        view: View,
        way: Slopes,
        name: str,
        index: Array,
        *,
        start: Array | None = None,
        rival: Array | None = None,
    ) -> int:
        """One climb of the rows at `index`; how many fell."""
        from bartizan.assess.evasion.climb import climb

        rows = self.rows
        x, ball = rows.x[index], rows.ball

        def run() -> tuple[Array, Array, Array]:
            low, high = ball.box(x)
            radius = np.full(len(x), ball.eps * (1.0 if ball.norm == "linf" else WITHIN))
            need = rows.need[index] if rows.looks == 1 else np.full(len(x), np.inf)
            found = climb(
                view, x, rows.y[index], low, high, way, radius=radius, norm=ball.norm, start=start, rival=rival,
                need=need, over=self.over,
            )  # fmt: skip
            if self.flat is None:
                self.flat = np.zeros(len(rows.x), bool)
                self.flat[index] = ~found.rose & (found.lead <= 0)
            return found.x, found.lead, found.short

        before = view.tally[0]
        fell = self.stage(name, index, run)
        if name in self.attacks:  # Not begun where the time was over.
            self.attacks[name].passes += view.tally[0] - before
        return fell

    def squares(
        self, index: Array, queries: int, name: str = "square", planned: int | None = None, done: int = 0
    ) -> int:
        """Random search with `queries` of each row; it begins anew, or where an earlier one ended (`done`)."""
        rows = self.rows

        def run() -> tuple[Array, Array, Array]:
            at, lead = square.search(
                self.ask, rows.x[index], rows.y[index], rows.ball, queries, self.rng,
                start=rows.at[index] if done else None, planned=planned, done=done, over=self.over,
            )  # fmt: skip
            return at, lead, np.full(len(index), np.inf)

        return self.stage(name, index, run)

    def ask(self, x: Array, y: Array) -> Array:
        """(n,) the model's own lead over the label, by logarithms where it gives probabilities."""
        return leads(self.target.log_probabilities(x), y)

    def stage(self, name: str, index: Array, run: Callable[[], tuple[Array, Array, Array]]) -> int:
        """Does one attack on rows and takes what fell; how many did."""
        if not len(index) or self.over():
            return 0
        rows, kept = self.rows, self.attacks.setdefault(name, Attack(name))
        self.how.progress(f"{name}: {len(rows.standing)} of {len(rows.x)} stand")
        began, asked = time.monotonic(), self.target.queries
        try:
            at, lead, short = run()
            rows.near(index, at, lead, short)
            told = lead > 0
            counts = rows.fell(self.target, index[told], at[told], name)
            rows.reject(index[told][~counts])
            fell = int(counts.sum())
        except Spent:
            fell = 0
        kept.tried, kept.fell = kept.tried + len(index), kept.fell + fell
        kept.queries += self.target.queries - asked
        kept.seconds += time.monotonic() - began
        return fell


def nearest(index: Array, share: float, least: int = 24) -> Array:
    """The first part of indices that come nearest first."""
    return index[: max(least, int(np.ceil(len(index) * share)))]


def gradients(chain: Chain, view: View) -> None:
    """The climbs: everything once, then what is near falling by other losses, aims and starts."""
    from bartizan.assess.evasion.climb import Slopes
    from bartizan.assess.evasion.losses import margin, odds

    rows = chain.rows
    alive = max(1, round(ALIVE * len(rows.x)))
    chain.climbs(view, Slopes(odds, 20), "gradient", rows.standing)
    index = nearest(rows.standing, 0.6)
    chain.climbs(view, Slopes(margin, 16, 0.5), "margin", index, start=rows.at[index])
    chain.climbs(view, Slopes(odds, 40, 2.0, 2.0), "sharp gradient", nearest(rows.standing, 0.4))
    for number in range(1, min(chain.target.classes, 10)):
        index = nearest(rows.standing, 0.25)
        if not len(index) or chain.over():
            break
        rival = rivals_of(view, rows.x[index], rows.y[index])[:, (number - 1) % (chain.target.classes - 1)]
        fell = chain.climbs(view, Slopes(margin, 30), "aimed", index, rival=rival)
        if fell < alive and number > 1:
            break


def rivals_of(view: View, x: Array, y: Array) -> Array:
    """(n, classes - 1) the other classes at these points, nearest first."""
    import torch

    from bartizan.assess.evasion.losses import rivals

    found: Array = rivals(view.scores(torch.from_numpy(x)), torch.from_numpy(y)).numpy()
    return found
