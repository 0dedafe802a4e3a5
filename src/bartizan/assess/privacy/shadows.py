"""Shadow models: the target's architecture, trained anew on halves of the pool whose other halves train another.

Each row is in the training set of exactly one model of a pair, so after k models it was trained on k/2 times. The first
pair tells how long a model takes, and with that how many there will be.

A recipe that is not the one the target was trained with gives shadows that remember more or less than it does. Where
the recipe has a length (epochs), that is set so that a shadow is as much surer of its pool than of the population as
the target is. What remains is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.privacy.forks import results
from bartizan.assess.privacy.pool import Pool
from bartizan.assess.privacy.signals import Asking, Signals
from bartizan.assess.target import Array, Refit, Target

MOST = 64
LONGEST, SHORTEST = 6.0, 0.25  # Times the epochs of the recipe.
SEARCH = 0.25  # Of the time.


@dataclass(frozen=True, slots=True)
class Shadows:
    """`signals` of k models, an even number in pairs, and `inside` (k, n) bool: what each was trained on."""

    signals: tuple[Signals, ...]
    inside: Array
    seconds: float  # that one took
    recipe: str
    failed: int = 0

    def __len__(self) -> int:
        return len(self.signals)


def halves(count: int, pairs: int, seed: int) -> Array:
    """(2 pairs, count) bool: rows 2i and 2i+1 are each other's complement."""
    chance = np.random.default_rng(seed)
    made = np.zeros((2 * pairs, count), bool)
    for at in range(pairs):
        made[2 * at, chance.permutation(count)[: count // 2]] = True
        made[2 * at + 1] = ~made[2 * at]
    return made


def train(pool: Pool, asking: Asking, refit: Refit, seed: int, budget: Budget, say: Callable[[str], None]) -> Shadows:
    """As many shadow models as there is time for, up to `MOST`."""
    inside = halves(len(pool), MOST // 2, seed)
    found: dict[int, tuple[Signals, float]] = {}
    tried = 0

    def job(number: int) -> Callable[[], Signals] | None:
        nonlocal tried
        if number >= MOST:
            return None
        tried = max(tried, number + 1)
        return lambda: asking.ask(_fitted(pool, refit, inside[number], seed + 1 + number))

    for number, signals, seconds in results(job, budget):
        found[number] = (signals, seconds)
        say(f"{len(found)} shadow models")
    whole = [
        at for pair in range(MOST // 2) for at in (2 * pair, 2 * pair + 1) if {2 * pair, 2 * pair + 1} <= set(found)
    ]
    return Shadows(
        tuple(found[at][0] for at in whole),
        inside[whole],
        float(np.mean([found[at][1] for at in whole])) if whole else 0.0,
        refit.recipe,
        tried - len(found),
    )


def _fitted(pool: Pool, refit: Refit, inside: Array, seed: int) -> Target:
    """Trained on a half and on what the target was trained on for certain."""
    x, y = pool.x[inside], pool.y[inside]
    if len(pool.base_y):
        x, y = np.concatenate([pool.base_x, x]), np.concatenate([pool.base_y, y])
    return refit(x, y, seed)


# ---------------------------------------------------------------------------------------------- the recipe's length


def surer(signals: Signals) -> float:
    """How much surer a model is of its pool than of rows it never saw: of half of it, it should be."""
    return float(np.maximum(signals.sure, -8).mean() - np.maximum(signals.population, -8).mean())


def matched(
    pool: Pool, asking: Asking, target: Signals, refit: Refit, seed: int, budget: Budget, say: Callable[[str], None]
) -> Refit:
    """The recipe with the length at which a shadow is as much surer as the target; as given where it has no length."""
    longer: Any = getattr(refit, "longer", None)
    if longer is None:
        return refit
    from bartizan.assess.targets.training import epochs_for

    rows = len(pool) // 2 + len(pool.base_y)
    plain = epochs_for(rows)
    wanted = surer(target)
    inside = halves(len(pool), 1, seed + 977)[0]
    tried: dict[int, float] = {}
    time = Budget(budget.seconds * SEARCH)
    lengths = [plain, 3 * plain]
    while lengths and not time.spent:
        now = [one for one in lengths if one not in tried]

        def job(number: int, now: list[int] = now) -> Callable[[], float] | None:
            if number >= len(now):
                return None
            return lambda: surer(_plainly(asking, _fitted(pool, longer(now[number]), inside, seed + 977)))

        before = len(tried)
        for number, value, _ in results(job, time, together=1):
            tried[now[number]] = value
        say(f"a recipe of {_nearest(tried, wanted, plain)} epochs")
        if len(tried) == before:
            break
        best = _between(tried, wanted, plain)
        lengths = [] if any(0.8 <= best / one <= 1.25 for one in tried) or len(tried) > 4 else [best]
    best = _between(tried, wanted, plain) if len(tried) > 1 else plain
    return refit if 0.8 <= best / plain <= 1.25 else longer(best)


def _plainly(asking: Asking, model: Target) -> Signals:
    return replace(asking, around=asking.around if asking.labels_only else 0, marks=None).ask(model)


def _nearest(tried: dict[int, float], wanted: float, plain: int) -> int:
    return min(tried, key=lambda one: abs(tried[one] - wanted)) if tried else plain


def _between(tried: dict[int, float], wanted: float, plain: int) -> int:
    """Epochs for the wanted value, along a line over the logarithm of the epochs, within bounds."""
    if len(tried) < 2:
        best = float(plain)
    else:
        near = sorted(sorted(tried, key=lambda one: abs(tried[one] - wanted))[:2])
        low, high = near
        slope = (tried[high] - tried[low]) / np.log(high / low)
        if slope <= 1e-6:
            best = float(_nearest(tried, wanted, plain))
        else:
            best = float(low * np.exp(np.clip((wanted - tried[low]) / slope, -3, 3)))
    return round(min(max(best, plain * SHORTEST, 1), plain * LONGEST))
