"""What one model says of the pool: its log-odds of a row's label, and what its trees' places tell.

Answers around a row (pictures a pixel aside, a little noise) were tried and told no more of nets that were trained
without such changes (TPR at 1 % within 0.2 points), for five times the questions: more shadow models tell more. Where a
model answers with labels alone they are all there is: how much noise a label stands is asked instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bartizan.assess.data import Form
from bartizan.assess.privacy.bare import bare
from bartizan.assess.privacy.grown import Marks
from bartizan.assess.privacy.pool import Pool
from bartizan.assess.target import Array, Output, Target
from bartizan.core.errors import UsageError

DROPPED = 0.2  # Of the words.
ROBUST = (0.05, 0.1, 0.2, 0.4, 0.8)  # Noise for models that answer with labels alone.
EACH = 6  # Times each of them.
FLOOR = np.log(1e-12)


@dataclass(frozen=True, slots=True)
class Signals:
    """`odds` (n,) log p/(1-p) of the label, `sure` (n,) log p; `population` (m,) log p of rows it never saw.

    `more` is what the trees' places tell of each row (n,), by name.
    """

    odds: Array
    sure: Array
    population: Array
    more: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Asking:
    """How every model is asked: the same rows around the same rows, the same trees' places."""

    pool: Pool
    around: int  # times that a row is asked with noise; 0 but for labels alone
    seed: int
    labels_only: bool = False
    marks: Marks | None = None

    def ask(self, target: Target) -> Signals:
        """The signals of one model."""
        pool, target = self.pool, bare(target)
        if self.labels_only:
            sure, odds = self._robust(target, pool.x, pool.y)
            population, _ = self._robust(target, pool.population_x, pool.population_y)
            return Signals(odds, sure, population, self._marked(target))
        sure, odds = of_label(target.log_probabilities(pool.x), pool.y)
        population, _ = of_label(target.log_probabilities(pool.population_x), pool.population_y)
        return Signals(odds, sure, population, self._marked(target))

    def _beside(self, x: Array) -> Iterator[Array]:
        """The rows around, made again for every model: they are many, and memory is not."""
        chance = np.random.default_rng(self.seed)
        for at in range(self.around):
            yield _beside(self.pool.form, x, at, chance)

    def _robust(self, target: Target, x: Array, y: Array) -> tuple[Array, Array]:
        """How often the label stays under noise, as a probability: the distance to the boundary, for labels alone."""
        right = (target.labels(x) == y).astype(np.float64)
        for beside in self._beside(x):
            right += target.labels(beside) == y
        share = (right + 0.5) / (self.around + 2)
        return np.log(share), np.log(share) - np.log1p(-share)

    def _marked(self, target: Target) -> dict[str, Array]:
        return {} if self.marks is None or target.forest is None else self.marks.of(target.forest())


def of_label(logarithms: Array, y: Array) -> tuple[Array, Array]:
    """(n,) log p and (n,) log p/(1-p) of the label, from (n, classes) log-probabilities; 1-p without cancellation."""
    rows = np.arange(len(y))
    own = logarithms[rows, y]
    rest = logarithms.copy()
    rest[rows, y] = -np.inf
    top = np.maximum(rest.max(axis=1), FLOOR)
    others = top + np.log(np.exp(rest - top[:, None]).sum(axis=1) + 1e-300)
    return np.maximum(own, FLOOR), np.maximum(own, FLOOR) - np.maximum(others, FLOOR)


def asking(pool: Pool, target: Target, seed: int, marks: Marks | None) -> Asking:
    """How to ask; of labels alone as often as the target may be asked.

    Raises UsageError where it may not even be asked once for each row.
    """
    labels = bare(target).output is Output.LABELS
    most = len(ROBUST) * EACH if labels else 0
    once = len(pool) + len(pool.population_y)
    if target.cap is not None:
        room = target.cap - target.queries
        if room < once:
            raise UsageError(
                f"the privacy check asks {once:,} rows, and {target.name} may be asked {max(room, 0):,} more"
            )
        most = min(most, (room - once) // once)
    return Asking(pool, most, seed, labels, marks)


def _beside(form: Form, x: Array, at: int, chance: np.random.Generator) -> Array:
    if form is Form.TEXT:
        return np.array([_fewer(str(one), chance) for one in x.reshape(-1)], dtype=x.dtype).reshape(x.shape)
    spread = np.nanstd(x.astype(np.float64), axis=0) if form is Form.TABLE else 0.3
    return np.asarray(x + chance.normal(size=x.shape) * ROBUST[at % len(ROBUST)] * spread, dtype=x.dtype)


def _fewer(text: str, chance: np.random.Generator) -> str:
    words = text.split()
    kept = [word for word, stays in zip(words, chance.random(len(words)) >= DROPPED, strict=True) if stays]
    return " ".join(kept or words[:1])
