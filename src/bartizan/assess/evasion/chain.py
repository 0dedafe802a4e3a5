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
from bartizan.assess.evasion import sparse, square
from bartizan.assess.evasion.ball import WITHIN
from bartizan.assess.evasion.rows import Rows, leads
from bartizan.assess.target import Array, Target

if TYPE_CHECKING:
    from bartizan.assess.evasion.climb import Slopes
    from bartizan.assess.evasion.view import View
    from bartizan.assess.how import How

RESERVE = 4  # queries of each row that attacks leave for fresh looks and for tests of the evaluation
LOOKING = 0.2  # of the time, the same, where each question takes long


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
    hints: Array | None = None  # rows as they were changed for a copy
    flat: Array | None = None  # whether the first climb did not raise the loss, by row
    searched: Array | None = None  # where random search stands, by row
    asked: int = 0  # queries of a row that it had until then

    def over(self) -> bool:
        """Time is up, nobody answers, or what is left of time or queries is needed to look at what fell."""
        budget, target = self.how.budget, self.target
        if target.gone or budget.left <= (LOOKING * budget.seconds if target.until is not None else 0.0):
            return True
        return target.cap is not None and target.cap - target.queries < RESERVE * len(self.rows.x)

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
            found = climb(
                view, x, rows.y[index], low, high, way, radius=radius, norm=ball.norm, start=start, rival=rival,
                need=rows.need[index], over=self.over,
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

    def transfers(self, copy: View, way: Slopes, index: Array) -> int:
        """Changes made for a copy, tried on the target; how many rows fell."""
        from bartizan.assess.evasion.climb import climb

        rows = self.rows
        x, y, ball = rows.x[index], rows.y[index], rows.ball

        def run() -> tuple[Array, Array, Array]:
            low, high = ball.box(x)
            found = climb(
                copy, x, y, low, high, way, radius=np.full(len(x), ball.eps * WITHIN), norm=ball.norm,
                need=np.full(len(x), np.inf), over=self.over,
            )  # fmt: skip
            self.hints = rows.x.copy()
            self.hints[index] = found.x
            return found.x, self.ask(found.x, y), np.full(len(x), np.inf)

        return self.stage("transfer", index, run, own=False)

    def tried(self, index: Array, changed: Array, name: str) -> int:
        """Changes that come from elsewhere, tried on the target; how many rows fell."""
        nothing = np.full(len(index), np.inf)
        return self.stage(name, index, lambda: (changed, self.ask(changed, self.rows.y[index]), nothing), own=False)

    def squares(self, index: Array, queries: int, name: str = "square", planned: int | None = None) -> int:
        """Random search with `queries` of each row. With `planned` queries in all it goes on where it ended before."""
        rows = self.rows
        begun = self.searched is not None and planned is not None
        if not begun:
            self.searched, self.asked = rows.x.copy(), 0

        def run() -> tuple[Array, Array, Array]:
            assert self.searched is not None
            at, lead = square.search(
                self.ask, rows.x[index], rows.y[index], rows.ball, queries, self.rng,
                start=self.searched[index] if begun else None, planned=planned, done=self.asked, over=self.over,
            )  # fmt: skip
            self.searched[index] = at
            self.asked += queries
            return at, lead, np.full(len(index), np.inf)

        return self.stage(name, index, run, own=False)

    def sparse_search(self, index: Array, queries: int) -> int:
        """Random search over few values; how many rows fell."""
        rows = self.rows

        def run() -> tuple[Array, Array, Array]:
            found = sparse.searched(self.ask, rows.x[index], rows.y[index], rows.ball, queries, self.rng, self.over)
            return (*found, np.full(len(index), np.inf))

        return self.stage("random values", index, run, own=False)

    def ask(self, x: Array, y: Array) -> Array:
        """(n,) the model's own lead over the label, by logarithms where it gives probabilities."""
        return leads(self.target.log_probabilities(x), y)

    def stage(self, name: str, index: Array, run: Callable[[], tuple[Array, Array, Array]], *, own: bool = True) -> int:
        """Does one attack on rows and takes what fell; how many did. `own`: the lead is that of the view's scores."""
        if not len(index) or self.over():
            return 0
        rows, kept = self.rows, self.attacks.setdefault(name, Attack(name))
        self.how.progress(f"{name}: {len(rows.standing)} of {len(rows.x)} stand")
        began, asked = time.monotonic(), self.target.queries
        try:
            at, lead, short = run()
            told = lead > 0
            counts = rows.fell(self.target, index[told], at[told], name, lead[told] if own else None)
            rows.reject(index[told][~counts])
            if own:
                rows.near(index, at, lead, short)
            fell = int(counts.sum())
        except Spent:
            fell = 0
        kept.tried, kept.fell = kept.tried + len(index), kept.fell + fell
        kept.queries += self.target.queries - asked
        kept.seconds += time.monotonic() - began
        return fell
