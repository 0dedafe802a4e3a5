"""What is done when the evaluation failed a test of its own: other gradients, none at all, gradients of a copy.

Each failing test says that some attack looks where nothing is to be seen. The candidates are tried on a few rows; the
one that gets nearest to a fall attacks all that stands. Then random search goes on for as long as it finds something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.evasion.chain import Chain
from bartizan.assess.evasion.routes import FOUND, copied, gradients, search

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.evasion.view import View

TRIED = 12  # rows that candidates are tried on
STEPS = 6
CLEARLY = 0.2  # of the rows, on which another view has to do better
FEW = 0.05  # of the rows: fewer that stand need no other attack


def few(chain: Chain) -> bool:
    """Whether hardly anything stands any more."""
    return len(chain.rows.standing) <= FEW * len(chain.rows.x)


def switched(chain: Chain, view: View, data: Data) -> tuple[View, list[str]]:
    """Attacks what stands by other means. The gradients that served best, and what was done, in words."""
    done: list[str] = []
    best = view
    if not few(chain):
        from bartizan.assess.evasion.view import blurred, softened

        ball, size = chain.rows.ball, chain.rows.x[0].size
        reach = ball.eps if ball.norm == "linf" else ball.eps / size**0.5
        soft = softened(view)
        candidates = [view, soft, blurred(view, reach / 2), blurred(soft, reach / 2)]
        best = _best(chain, candidates)
        if best is not view:
            fell = gradients(chain, best, patient=True)
            done.append(f"{best.name} ({fell} more fell)")
    if not few(chain):
        done += search(chain)
    if not few(chain):
        before = len(chain.rows.standing)
        done += copied(chain, data)
        if before - len(chain.rows.standing) > FOUND * before:
            done += search(chain)
    return best, done


def _best(chain: Chain, candidates: list[View]) -> View:
    """The view whose short climb brings most rows down, or nearest to it, by its own scores."""
    from bartizan.assess.evasion.climb import Slopes, climb
    from bartizan.assess.evasion.losses import odds

    rows = chain.rows
    index = rows.standing
    index = index[np.linspace(0, len(index) - 1, min(TRIED, len(index))).astype(int)]
    low, high = rows.ball.box(rows.x[index])
    leads = np.stack([
        climb(view, rows.x[index], rows.y[index], low, high, Slopes(odds, STEPS), norm=rows.ball.norm,
              radius=np.full(len(index), rows.ball.eps), need=np.full(len(index), np.inf), over=chain.over).lead
        for view in candidates
    ])  # fmt: skip
    # The first is what was used until now; of what is clearly better the first is the cheapest.
    gain = leads - leads[0]
    wins = (gain > 0.05 * np.abs(leads[0]) + 1e-6).mean(axis=1) + (leads > 0).mean(axis=1)
    if wins.max() <= wins[0] + CLEARLY:
        return candidates[0]
    return next(view for view, won in zip(candidates, wins, strict=True) if won >= wins.max() - CLEARLY / 2)
