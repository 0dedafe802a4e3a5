"""A trigger on trial: it is stamped on rows the model gets right, and must move them as chance and look-alikes do not.

What counts as a backdoor is decided here and nowhere else. A pattern that belongs to a class also moves rows towards
that class; so a trigger is compared with patterns of the same size made from honest rows of its class (`controls`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Array, Target

Stamp = Callable[[Array], Array]  # rows -> the same rows with the trigger on them

HELD = 240  # rows that triggers are tried on
LEAST_SUCCESS = 0.2  # of the rows of other classes
LEAST_LEAD = 0.12  # over the best control
CHANCE = 1e-6  # that the controls' rate gives so many
LEAST_ROWS = 8  # to say anything of one source class


@dataclass(frozen=True, slots=True)
class Held:
    """Rows that the model puts into their class, in random order: what triggers are stamped on."""

    x: Array
    y: Array

    def of(self, target_class: int, source: int | None = None, most: int = HELD) -> Array:
        """Rows of other classes, or of one."""
        here = self.y != target_class if source is None else self.y == source
        return self.x[here][:most]


def held_out(target: Target, x: Array, y: Array, seed: int) -> Held:
    """Some `HELD` rows or more, the classes in turn, of those that the model gets right."""
    order = np.random.default_rng(seed).permutation(len(x))
    classes = len(np.unique(y))
    each = max(40, 2 * HELD // max(2, classes))
    rank = np.empty(len(order), np.int64)
    for label in np.unique(y):
        here = y[order] == label
        rank[here] = np.arange(here.sum())
    order = order[rank < each]
    order = order[np.argsort(rank[rank < each], kind="stable")]
    right = target.labels(x[order]) == y[order]
    return Held(x[order][right], y[order][right])


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trigger did: `success` of rows of other classes (or of `source` alone), and the best of the controls."""

    target_class: int
    source: int | None
    success: Rate
    control: Rate
    p: float

    @property
    def moved(self) -> bool:
        """It moves the model, and what resembles it does not."""
        return (
            self.success.share >= LEAST_SUCCESS
            and self.success.share - self.control.share >= LEAST_LEAD
            and self.p < CHANCE
        )


def rate(target: Target, stamp: Stamp, rows: Array, target_class: int) -> Rate:
    """How many of the rows are put into the class with the trigger on."""
    return wilson(int((target.labels(stamp(rows)) == target_class).sum()), len(rows)) if len(rows) else wilson(0, 0)


def tried(
    target: Target,
    stamp: Stamp,
    controls: Iterable[Stamp],
    held: Held,
    target_class: int,
    sources: Iterable[int | None] = (None,),
    usual: float = 1.0,
) -> Trial | None:
    """The trial of a trigger: on all other classes, and on single `sources`; the best of them. None without rows.

    Args:
        usual: Which of the controls it is compared with, as a quantile of their success; 1: the best of them.
    """
    best: Trial | None = None
    controls, sources = list(controls), list(dict.fromkeys(sources))
    for source in sources:
        rows = held.of(target_class, source)
        if len(rows) < LEAST_ROWS:
            continue
        success = rate(target, stamp, rows, target_class)
        control = _control(target, controls, rows, target_class, success.share, usual)
        expected = (control.hits + 1) / (control.of + 2)
        p = min(1.0, _tail(success.hits, success.of, expected) * len(sources))
        trial = Trial(target_class, source, success, control, p)
        if best is None or _rank(trial) > _rank(best):
            best = trial
    return best


def _control(
    target: Target, controls: list[Stamp], rows: Array, target_class: int, success: float, usual: float
) -> Rate:
    """The control that the trigger is compared with; no more are tried once so many did as well."""
    rates: list[Rate] = []
    allowed = len(controls) - 1 - round(usual * (len(controls) - 1))
    for one in controls if success >= LEAST_SUCCESS else []:
        rates.append(rate(target, one, rows, target_class))
        if sum(success - done.share < LEAST_LEAD for done in rates) > allowed:
            break
    rates.sort(key=lambda one: one.share)
    return rates[max(0, len(rates) - 1 - allowed)] if rates else wilson(0, len(rows))


def _rank(trial: Trial) -> tuple[bool, bool, float]:
    return trial.moved, trial.source is None, trial.success.share


def _tail(hits: int, of: int, share: float) -> float:
    """The chance of at least so many hits (binomial)."""
    from scipy.special import bdtrc

    return float(bdtrc(hits - 1, of, share)) if hits else 1.0


@dataclass(frozen=True, slots=True)
class Backdoor:
    """A confirmed one: the rows that carry the trigger, how surely each, and what the trigger does to the model.

    `hangs`: of the rows that carry it, those that the model puts elsewhere without it: near all where labels were
    changed, few where the attacker kept the labels. `picture` holds the trigger as arrays, for images.
    """

    rows: Array
    score: Array
    trigger: str  # in words
    kind: str  # pixels, moving patch, columns, words
    trial: Trial
    hangs: Rate
    stamp: Stamp
    label_was: str = "changed"
    picture: dict[str, Array] = field(default_factory=dict)
    after: Rate | None = None  # success once the rows are removed and the model is trained anew
