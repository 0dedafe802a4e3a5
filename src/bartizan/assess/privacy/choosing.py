"""Which attack is best, tried on shadow models: the target's own truth never takes part.

Each shadow model plays the target for all others. The stacked attack is learned on some pairs and tried on the rest, in
turn, so that what is said of it was never learned from. Attacks are learned and chosen on shadows as they are, which
ranks a target better even where it is rougher than they are. Where their recipe is not the target's own, what was
learned of shadows is partly of that recipe: the usual attack, a formula, gives way only to a far better one (on nets a
learned attack that was a tenth better on shadows found a sixth fewer members of targets of other recipes). How well the
chosen one does is then told of shadows that were made as rough as the target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.privacy.attacks import beyond, lira, lira_offline, rmia, rmia_offline
from bartizan.assess.privacy.curve import Curve, curve
from bartizan.assess.privacy.signals import Signals
from bartizan.assess.privacy.stacking import Judge, Table, beside, learned, shadow
from bartizan.assess.target import Array

AROUND = "RMIA beside rows like it"
FPRS = (0.003, 0.01, 0.03)  # What is compared: around 1 %, where a few rows decide less.
LEARNING_S = 1.5  # What the stacked attack takes at least.
BETTER = 1.15  # Times the usual attack, from which on another is taken where shadows are of another recipe.
OFFSETS = (0.0, 0.3, 0.6, 0.9)  # RMIA's a.
Attack = Callable[[Signals, Array], Array]  # a model, and the numbers of the shadows beside it


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best attack by its name; what it says of the target (n,); how it did on shadows, and how all others did.

    `tried` holds its scores (k, n) on the shadows as they play the target, of which `inside` is the truth.
    """

    name: str
    scores: Array
    tried: Array
    inside: Array
    others: tuple[tuple[str, Curve], ...]

    @property
    def curve(self) -> Curve:
        """Over all shadows."""
        return curve(self.tried.reshape(-1), self.inside.reshape(-1))


def plain(table: Table) -> dict[str, Attack]:
    """The attacks that are formulas. With one pair alone there is nothing beside a shadow but its complement."""
    if table.pairs < 2:
        return {"confidence": lambda one, at: one.odds}
    odds, sure, population, inside = table.values["odds"], table.sure, table.population, table.inside

    def offline(a: float) -> Attack:
        return lambda one, at: rmia_offline(one.sure, sure[at], inside[at], one.population, population[at], a)

    near = table.near
    around: dict[str, Attack] = {}
    if near is not None:
        around[AROUND] = lambda one, at: beyond(one.sure, sure[at], inside[at], near)
    return around | {
        "confidence": lambda one, at: one.odds,
        "LiRA": lambda one, at: lira(one.odds, odds[at], inside[at]),
        "offline LiRA": lambda one, at: lira_offline(one.odds, odds[at], inside[at]),
        "RMIA": lambda one, at: rmia(one.sure, sure[at], inside[at], one.population, population[at]),
        **{f"offline RMIA (a = {a:g})": offline(a) for a in OFFSETS},
    }


def choose(
    table: Table, shadows: Sequence[Signals], target: Signals, seed: int, budget: Budget,
    playing: Sequence[Signals] | None = None, own_recipe: bool = True,
) -> Chosen:  # fmt: skip
    """Tries all attacks on the shadows, each beside those in the table; the best on the target, and on those `playing`
    it where they are others. `own_recipe`: the shadows were trained as the target was.
    """
    count = len(shadows)
    every = np.arange(count)
    beside_it = [every[every // 2 != at // 2] for at in range(count)]

    def tried_on(attack: Attack, ones: Sequence[Signals]) -> Array:
        return np.stack([attack(one, beside_it[at]) for at, one in enumerate(ones)])

    tried = {name: tried_on(attack, shadows) for name, attack in plain(table).items()}
    stacked = _stacked(table, shadows, shadows if playing is None else playing, seed, budget)
    if stacked is not None:
        tried["stacked"] = stacked[0]
    curves = {name: curve(scores.reshape(-1), table.inside.reshape(-1)) for name, scores in tried.items()}
    worth = {name: sum(one.share_at(fpr) for fpr in FPRS) for name, one in curves.items()}
    best = max(worth, key=lambda name: worth[name])
    if not own_recipe and worth[best] < BETTER * worth.get(AROUND, 0):
        best = AROUND
    if best == "stacked" and stacked is not None:
        said, told = np.mean([stacked[2](one) for one in beside(table, target)], axis=0), stacked[1]
    else:
        attack = plain(table)[best]
        said, told = attack(target, every), tried[best] if playing is None else tried_on(attack, playing)
    return Chosen(best, said, told, table.inside, tuple(curves.items()))


def _stacked(
    table: Table, shadows: Sequence[Signals], playing: Sequence[Signals], seed: int, budget: Budget
) -> tuple[Array, Array, Judge] | None:
    """What the stacked attack says (k, n) of shadows it was not learned from, and of those playing the target in their
    place, and what is learned from all of them.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return None
    if budget.left < LEARNING_S:
        return None
    rows = [shadow(table, shadows, at) for at in range(len(shadows))]
    fold = np.arange(len(rows)) // (2 if table.pairs > 1 else 1) % 2
    said = np.zeros(table.inside.shape)
    told = said if playing is shadows else said.copy()
    for part in (0, 1):
        learn, asked = np.flatnonzero(fold != part), np.flatnonzero(fold == part)
        judge = learned([rows[at] for at in learn], [table.inside[at] for at in learn], seed)
        for at in asked:
            said[at] = judge(rows[at])
            if told is not said:
                told[at] = judge(shadow(table, playing, int(at)))
    return said, told, learned(rows, list(table.inside), seed)
