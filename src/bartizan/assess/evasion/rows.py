"""The rows under attack, one state for each: what stands, how near it came to falling, and what fell, looked at again.

Nothing counts because an attack says so. A changed row is brought to numbers that the file and the model hold, has to
lie within the ball, and has to get another label in a fresh look: in a full batch and alone. Of a model that answers
at random it has to in 18 of 20 looks. What does not is rejected, counted, and attacked further with a lead to gain.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from bartizan.assess.errors import Spent
from bartizan.assess.evasion.ball import Ball
from bartizan.assess.target import Array, Target

LOOKS, ENOUGH = 20, 18  # at a model that answers at random
SLACK = 1e-5  # of the spread of a row's scores: another build of a runtime adds in another order
SURE, ENDS = 0.1, 1e-7  # the lead before the head with which so little of the spread is enough behind it
CLEAR = 0.01  # the lead, in scores of spread 7, that a row needs at least to count: no re-run takes it back
CLEAN = "none"  # the attack on rows that the model gets wrong as they are


@dataclass(slots=True)
class Rows:
    """n rows of x_test with their labels. `at`, `lead`, `short`: the point nearest to falling that attacks know."""

    origin: Array  # as they are in the data: what distances are measured from
    y: Array
    ball: Ball
    whole: bool = False  # The model takes whole numbers.
    looks: int = 1  # more for a model that answers at random
    x: Array = field(init=False)  # as attacks take them: float32
    fallen: Array = field(init=False)
    found: Array = field(init=False)  # the changed row, for rows that fell
    attack: list[str] = field(init=False)
    at: Array = field(init=False)
    lead: Array = field(init=False)
    short: Array = field(init=False)
    need: Array = field(init=False)  # the lead an attack has to reach
    shaky: Array = field(init=False)  # fell in some looks, in too few to count
    falls: Array = field(init=False)  # in how many looks a row fell that counts
    rejected: int = 0

    def __post_init__(self) -> None:
        n, self.x = len(self.origin), np.ascontiguousarray(self.origin, dtype=np.float32)
        self.fallen, self.shaky, self.falls = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, np.int64)
        self.found, self.at, self.attack = self.x.copy(), self.x.copy(), [""] * n
        self.lead, self.short, self.need = np.full(n, -np.inf), np.full(n, np.inf), np.full(n, CLEAR)

    @property
    def standing(self) -> Array:
        """Indices of rows that no attack changed enough, the nearest to falling first."""
        index = np.flatnonzero(~self.fallen)
        return index[np.argsort(self.short[index], kind="stable")]

    @property
    def distance(self) -> Array:
        """(n,) of what fell; infinite for what stands."""
        return np.where(self.fallen, self.ball.distance(self.found, self.origin), np.inf)

    def near(self, index: Array, at: Array, lead: Array, short: Array) -> None:
        """Attacks went to these points; the better of what was known and this is kept."""
        better = (lead > self.lead[index]) & ~self.fallen[index]
        kept = index[better]
        self.at[kept], self.lead[kept], self.short[kept] = at[better], lead[better], short[better]

    def fell(self, target: Target, index: Array, changed: Array, attack: str, lead: Array | None = None) -> Array:
        """Looks afresh at changed rows; those that count are kept. (len(index),) whether each does.

        Args:
            lead: Of each before the head, in scores of spread 7, where that is known: behind a head that brings all
                scores to one end, a lead of two units in the last place is then no rounding.
        """
        if not len(index):
            return np.zeros(0, bool)
        made = self._held(changed, index)
        counts = self.ball.holds(made, self.origin[index])
        sure = np.zeros(len(index), bool) if lead is None else lead > SURE
        counts[counts] = self._seen(target, made[counts], index[counts], np.where(sure, ENDS, SLACK)[counts])
        good = index[counts]
        self.found[good] = made[counts]
        for one in good:
            self.attack[one] = attack
        self.fallen[good] = True
        return counts

    def nearer(self, target: Target, index: Array, changed: Array) -> None:
        """Smaller changes of rows that fell; kept where they count as well."""
        made = self._held(changed, index)
        less = self.ball.distance(made, self.origin[index]) < self.distance[index]
        less &= self.ball.holds(made, self.origin[index])
        less[less] = self._seen(target, made[less], index[less])
        self.found[index[less]] = made[less]

    def firmer(self, target: Target, index: Array, changed: Array) -> None:
        """Other changes of rows that fell, of a model that answers at random; the one that fell oftener is kept."""
        made = self._held(changed, index)
        old, new = np.zeros(len(index), np.int64), np.zeros(len(index), np.int64)
        for _ in range(self.looks):
            old += misled(target.scores(self.found[index]), self.y[index])
            new += misled(target.scores(made), self.y[index])
        better = self.ball.holds(made, self.origin[index]) & (new >= old)
        self.found[index[better]] = made[better]
        self.falls[index] = np.maximum(old, new)

    def audit(self, target: Target) -> None:
        """Of a model that answers at random: rows that did not fall at every look are looked at again, for luck."""
        index = np.flatnonzero(self.fallen & (self.falls < self.looks))
        if self.looks == 1 or not len(index):
            return
        again = sum(misled(target.scores(self.found[index]), self.y[index]).astype(np.int64) for _ in range(self.looks))
        lucky = index[self.falls[index] + again < 2 * self.looks * ENOUGH / LOOKS]
        self.fallen[lucky], self.shaky[lucky] = False, True
        for one in lucky:
            self.attack[one] = ""

    def reject(self, index: Array) -> None:
        """Attacks took these for fallen, a fresh look did not: they have to get further."""
        self.rejected += len(index)
        self.need[index] = np.maximum(self.need[index] * 4, 0.1)

    def _held(self, changed: Array, index: Array) -> Array:
        """The rows as the file and the model hold them, within the ball."""
        made = self.ball.project(changed, self.origin[index])
        return self.x[index] + np.trunc(made - self.x[index]) if self.whole else made

    def _seen(self, target: Target, made: Array, index: Array, slack: Array | float = SLACK) -> Array:
        """Whether each falls in fresh looks. Where the target stops answering, rows that it saw often enough count."""
        if not len(made):
            return np.zeros(0, bool)
        if self.looks == 1:
            return _alone(target, made, self.y[index], np.broadcast_to(slack, len(made)))
        y = self.y[index]
        wrong = misled(target.scores(made), y).astype(np.int64)
        for one in range(len(made)):
            wrong[one] += misled(target.scores(made[one : one + 1]), y[one : one + 1])[0]
        for _ in range(self.looks - 2):
            wrong += misled(target.scores(made), y)
        enough = wrong >= self.looks * (ENOUGH / LOOKS)
        self.falls[index[enough]] = wrong[enough]
        self.shaky[index] |= (wrong > 0) & ~enough
        return np.asarray(enough)


def _alone(target: Target, made: Array, y: Array, slack: Array) -> Array:
    """(n,) whether each falls in a batch and alone."""
    fell = np.zeros(len(made), bool)
    with suppress(Spent):
        for one in np.flatnonzero(misled(target.scores(made), y, slack)):
            part = slice(one, one + 1)
            fell[one] = misled(target.scores(made[part]), y[part], slack[part])[0]
    return fell


def leads(scores: Array, y: Array) -> Array:
    """(n,) by how much the best other class leads the label."""
    own = np.take_along_axis(scores, y[:, None], 1)[:, 0]
    others = scores.copy()
    np.put_along_axis(others, y[:, None], -np.inf, 1)
    return np.asarray(others.max(axis=1) - own)


def misled(scores: Array, y: Array, slack: Array | float = SLACK) -> Array:
    """(n,) whether the label is another, and not by rounding: by more than slack, or in an exact tie that it loses."""
    lead = leads(scores, y)
    least = slack * (scores.max(axis=1) - scores.min(axis=1))
    finite = np.isfinite(scores).all(axis=1)
    return np.asarray(finite & (np.argmax(scores, axis=1) != y) & ((lead > least) | (lead == 0)))
