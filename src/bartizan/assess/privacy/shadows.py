"""Shadow models: the target's architecture, trained anew on halves of the pool whose other halves train another.

Each row is in the training set of exactly one model of a pair, so after k models it was trained on k/2 times. The first
pair tells how long a model takes, and with that how many there will be.

A recipe that is not the one the target was trained with gives shadows that remember more or less than it does. Where
the recipe has a length (epochs), the first pair is short, and each other as long as those before it say that it must be
for a shadow to be about as certain of the candidates as the target is. A rate that falls in one cycle is there in a
third of the time that a constant one takes, and such shadows tell as much as those of the target's own recipe.

All models at once, as one batch of matrices (torch.func), were tried: no faster on one core, and slower for pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.privacy.forks import results
from bartizan.assess.privacy.pool import Pool
from bartizan.assess.privacy.signals import Asking, Signals
from bartizan.assess.target import Array, Refit, Target

MOST = 64
LEAST = 4  # So many are needed to choose an attack: they are worth more than time to choose it.
RESERVE = 0.18  # Of the time to train, which is left when there are more.
MARGIN = 1.3
ENOUGH = 6  # Models of about one length: others are left out.
LONGEST = 8.0  # Times the epochs of the recipe.
LENGTHS = 4
FIRST = 1 / 3  # Of the recipe's epochs.
STEP = 4.0
GROWTH = 0.65  # Certainty grows about as this power of the epochs.
LIKE = 0.9  # Of the target's certainty: what is above it costs more time and tells nothing more.
CLOSE = 0.12
TINY = 1e-3


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


def train(
    pool: Pool, asking: Asking, target: Signals, refit: Refit, seed: int, budget: Budget, say: Callable[[str], None]
) -> Shadows:
    """As many shadow models as there is time for, up to `MOST`."""
    inside = halves(len(pool), MOST // 2, seed)
    length = _length(refit, pool, target)
    lengths: dict[int, int | None] = {}  # of pairs, in epochs
    found: dict[int, Signals] = {}
    took: dict[int, float] = {}
    failed = 0

    def job(number: int) -> Callable[[], Signals] | None:
        if number >= MOST:
            return None
        if number % 2 == 0:
            lengths[number // 2] = None if length is None else length.next()
        epochs = lengths[number // 2]
        if number % 2 == 0 and took:
            an_epoch = max(seconds / (lengths[at // 2] or 1) for at, seconds in took.items())
            if epochs is not None and number < LEAST:  # Rather too short than too few to choose by.
                epochs = lengths[number // 2] = max(1, min(epochs, int(budget.left / (MARGIN * an_epoch))))
            spare = 0.0 if number < LEAST else RESERVE * budget.seconds
            if an_epoch * (epochs or 1) > budget.left - spare:
                return None
        like: Any = refit if epochs is None or length is None or epochs == length.plain else longer_of(refit, epochs)
        return lambda: asking.ask(_fitted(pool, like, inside[number], seed + 1 + number))

    for number, signals, seconds in results(job, budget):
        if signals is None:
            failed += 1
            continue
        found[number], took[number] = signals, seconds
        epochs = lengths[number // 2]
        if length is not None and epochs is not None:
            length.tried.append((epochs, certain(signals)))
        say(f"{len(found)} shadow models")
    whole = [at for at in sorted(found) if at ^ 1 in found]
    if length is not None and whole:
        like_it = [at for at in whole if 0.5 <= (lengths[at // 2] or 1) / length.next() <= 2]
        whole = like_it if len(like_it) >= ENOUGH else whole
    return Shadows(
        tuple(found[at] for at in whole),
        inside[whole],
        float(np.mean([took[at] for at in whole])) if whole else 0.0,
        _recipe(refit, [lengths[at // 2] for at in whole]),
        failed,
    )


def _recipe(refit: Refit, lengths: Sequence[int | None]) -> str:
    """In words, with the epochs that most shadows had."""
    known = [one for one in lengths if one is not None]
    return str((longer_of(refit, max(known, key=known.count)) if known else refit).recipe)


def _fitted(pool: Pool, refit: Refit, inside: Array, seed: int) -> Target:
    """Trained on a half and on what the target was trained on for certain."""
    x, y = pool.x[inside], pool.y[inside]
    if len(pool.base_y):
        x, y = np.concatenate([pool.base_x, x]), np.concatenate([pool.base_y, y])
    return refit(x, y, seed)


# ---------------------------------------------------------------------------------------------- the recipe's length


def certain(signals: Signals) -> float:
    """How certain a model is of the candidates' labels, in the median of log-odds: it grows with every epoch.

    How much surer it is of them than of other rows says more of membership, and far less of the epochs: models of one
    recipe differ in it by as much as models of half the length.
    """
    return float(np.median(signals.odds))


def longer_of(refit: Refit, epochs: int) -> Any:
    """The same recipe with so many epochs."""
    longer: Any = getattr(refit, "longer")  # noqa: B009  Recipes of nets have it, others have no length.
    return longer(epochs)


@dataclass(slots=True)
class Length:
    """How many epochs a shadow needs for a certainty of `wanted`; `plain` are those of the recipe."""

    plain: int
    wanted: float
    tried: list[tuple[int, float]] = field(default_factory=list)

    def next(self) -> int:
        """The epochs of the next pair."""
        known: dict[int, float] = {
            epochs: float(np.mean([value for one, value in self.tried if one == epochs])) for epochs, _ in self.tried
        }
        if not known:
            return max(1, round(self.plain * FIRST))
        nearest = min(known, key=lambda one: abs(known[one] - self.wanted))
        if abs(known[nearest] - self.wanted) <= CLOSE * max(abs(self.wanted), 1.0) or len(known) >= LENGTHS:
            return nearest
        if len(known) == 1:
            ratio = max(self.wanted, TINY) / max(known[nearest], TINY)
            best = nearest * float(np.clip(ratio ** (1 / GROWTH), 1 / STEP, STEP))
        else:  # Along a line over the logarithm of the epochs.
            low, high = sorted(sorted(known, key=lambda one: abs(known[one] - self.wanted))[:2])
            slope = (known[high] - known[low]) / float(np.log(high / low))
            if slope <= 1e-6:
                return nearest
            best = low * float(np.exp(np.clip((self.wanted - known[low]) / slope, -3, 3)))
        whole = round(min(max(best, 1), self.plain * LONGEST))
        return nearest if 0.8 <= whole / nearest <= 1.25 else whole


def _length(refit: Refit, pool: Pool, target: Signals) -> Length | None:
    """None where the recipe has no length."""
    if not hasattr(refit, "longer"):
        return None
    from bartizan.assess.targets.training import epochs_for

    return Length(epochs_for(len(pool) // 2 + len(pool.base_y)), LIKE * certain(target))
