"""A thief at work: asks, copies, asks where the copies differ, and is judged on rows that nobody asked about.

    own pool ─▶ 100 spread out ─▶ 200 doubted ─▶ 300 doubted: stolen.onnx ─▶ 900 ─▶ 2,700
                                                  └▶ the same 300 under each defence, and 300 of worse pools

The best copy so far is what is told: one that there was no time to teach never takes the place of a better one.
Fidelity is the share of test rows on which copy and model give the same label; test rows are never asked by the thief.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Spent
from bartizan.assess.how import How
from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Array, Output, Target, log_probabilities
from bartizan.assess.theft import picking, pools
from bartizan.assess.theft.answers import Answers, told
from bartizan.assess.theft.monitoring import LEAST, Monitor, Traffic, monitor
from bartizan.assess.theft.result import Defence, Point, Theft
from bartizan.assess.theft.thieves import Copy, Thief, loss, shares, thief_for
from bartizan.assess.theft.writing import as_onnx
from bartizan.core.errors import UsageError

HEADLINE = 300
STEPS = (900, 2700)
STOLEN = "stolen.onnx"
QUICK, BEST = 0.15, 0.8  # Of the time that is left: a choice of rows, the copy that is judged.
ENOUGH = 0.6  # Of the training.
ROOM = 1.2  # Times what the last copy took, without which no other is begun.
PROBED = 500  # Test rows on which the written file must say what the copy says.
JUDGED = 3000  # Test rows a copy is judged on.
DEFENCES = (Answers.ROUNDED, Answers.TOP1, Answers.LABELS, Answers.NOISY)


@dataclass(slots=True)
class Asked:
    """The pool, and what the model said of the rows that were asked: each row once."""

    target: Target
    pool: pools.Pool
    known: dict[int, Array] = field(default_factory=dict)

    def about(self, rows: Array) -> Array:
        """(n, classes) probabilities of rows of the pool."""
        new = [int(row) for row in rows if int(row) not in self.known]
        if new:
            for row, answer in zip(new, probabilities(self.target, self.pool.rows[new]), strict=True):
                self.known[row] = answer
        return np.stack([self.known[int(row)] for row in rows])


def probabilities(target: Target, rows: Array) -> Array:
    """(n, classes) what the model says as shares; of a model that gives labels, those."""
    return np.exp(log_probabilities(target.scores(rows), target.output))


@dataclass(frozen=True, slots=True)
class Judge:
    """The model's labels of test rows."""

    rows: Array
    said: Array  # (n, classes) probabilities

    @property
    def labels(self) -> Array:
        """(n,)."""
        return np.asarray(self.said.argmax(axis=1))

    def fidelity(self, copy: Copy) -> Rate:
        """How often a copy gives the model's label."""
        return wilson(int((copy.logits(self.rows).argmax(axis=1) == self.labels).sum()), len(self.rows))


def measure(target: Target, data: Data, how: How) -> Theft:
    """Steals the model as far as the budget goes.

    Raises UsageError where there are no rows to ask with or none to judge with.
    """
    if data.x_test is None:
        raise UsageError("theft needs test rows (x_test) that the thief never sees, to judge the copy with")
    pool = pools.own(data, how.seed)
    rows = data.x_test[: JUDGED if target.cap is None else how.rows]
    how.progress(f"judging with {len(rows):,} test rows")
    judge = Judge(rows, probabilities(target, rows))
    notes = [] if target.output is not Output.LABELS else ["the model gives labels only: so are all copies made"]
    return _Run(target, data, how, pool, judge, notes).whole()


@dataclass(slots=True)
class _Run:
    target: Target
    data: Data
    how: How
    pool: pools.Pool
    judge: Judge
    notes: list[str]
    points: list[Point] = field(default_factory=list)
    others: list[Point] = field(default_factory=list)
    defences: list[Defence] = field(default_factory=list)
    embedded: Array = field(default_factory=lambda: np.empty(0))
    asked_elsewhere: dict[str, tuple[pools.Pool, Array, Array]] = field(default_factory=dict)
    monitor: Monitor | None = None
    longest: float = 0.0  # Seconds that the last best copy took.

    @property
    def answers(self) -> Answers:
        """What the model gives by itself."""
        return Answers.LABELS if self.target.output is Output.LABELS else Answers.SOFT

    def whole(self) -> Theft:
        """All of it, in the order of what matters most."""
        thief = thief_for(self.data.form, self.pool.rows, self.target.classes, self.notes)
        asked = Asked(self.target, self.pool)
        finished = False
        try:
            thief, copy, rows = self._headline(thief, asked)
            steps: list[Callable[[], bool]] = [
                lambda: self._monitored(asked, rows),
                lambda: self._defended(thief.settled(copy, whole=False), copy, asked, rows),
                lambda: self._more(thief.settled(copy), copy, asked, rows),
                lambda: self._worse(thief.settled(copy), len(rows)),
            ]
            finished = all(step() for step in steps)
        except Spent as error:
            self.notes.append(str(error))
        if not self.points:
            raise UsageError("the model may not be asked often enough for a copy; raise the limit of queries")
        if not finished:
            self.notes.append("the time or the queries were spent before all was measured; a larger budget continues")
        self.points.sort(key=lambda one: one.queries)
        headline = next(one.queries for one in self.points if one.file == STOLEN)
        return Theft(
            tuple(self.points), headline, tuple(self.others), tuple(self.defences), self.pool.words, thief.method,
            self.how.price, tuple(self.notes), finished, self.monitor,
        )  # fmt: skip

    def _headline(self, thief: Thief, asked: Asked) -> tuple[Thief, Copy, Array]:
        """Asks a third, then two thirds that are doubted; copies. Also the rows in the order they were asked."""
        seed, budget, pool = self.how.seed, self.how.budget, self.pool.rows
        size = min(HEADLINE, len(pool))
        rows = first = picking.spread_out(self._points(), size // 3, seed)
        asked.about(rows)
        while len(rows) < size:
            self.how.progress(f"asked {len(rows)} rows, choosing the next")
            copies = thief.quick(pool[rows], self._told(asked, rows), seed, budget.part(QUICK))
            guess = _mean(copies, pool)
            more = picking.uncertain(self._points(), guess, rows, min(size // 3, size - len(rows)), seed)
            try:
                asked.about(more)
            except Spent as error:
                self.notes.append(str(error))
                break
            before, rows = rows, np.concatenate([rows, more])
            losses = [loss(one.logits(pool[more]), self._told(asked, more)) for one in copies]
            best = copies[int(np.argmin(losses))]
            self._kept(best, len(before), "even" if len(before) == len(first) else "active")
            thief = thief.wiser(losses)
        copy = self._point(thief, asked, rows, budget.part(BEST))
        self._chosen()
        return thief, copy, rows

    def _chosen(self) -> None:
        """The best copy so far is the stolen one; of equals the one that asked more."""
        best = max(self.points, key=lambda one: (one.fidelity.share, one.queries))
        most = max(one.queries for one in self.points)
        if best.queries < most:
            self.notes.append(f"the copy of {most:,} answers is worse than that of {best.queries:,}, which is {STOLEN}")
        self.points = [replace(one, file=STOLEN) if one is best else one for one in self.points]

    def _points(self) -> Array:
        if not len(self.embedded):
            self.embedded = picking.embedding(self.pool.rows, self.data.form, self.how.seed)
        return self.embedded

    def _told(self, asked: Asked, rows: Array) -> Array:
        return told(asked.about(rows), self.answers, self.how.seed)

    def _copy(self, thief: Thief, pool: Array, rows: Array, given: Array, budget: Budget) -> Copy:
        began = time.monotonic()
        copy = thief.best(pool[rows], given, self.how.seed, budget)
        self.longest = time.monotonic() - began
        return copy

    def _point(self, thief: Thief, asked: Asked, rows: Array, budget: Budget) -> Copy:
        self.how.progress(f"copying with {len(rows):,} answers")
        copy = self._copy(thief, self.pool.rows, rows, self._told(asked, rows), budget)
        if copy.taught < ENOUGH:
            self.notes.append(
                f"there was time for {copy.taught:.0%} of the training of the copy of {len(rows):,} answers; a larger "
                "budget makes a better one"
            )
        self._kept(copy, len(rows), "active")
        return copy

    def _kept(self, copy: Copy, queries: int, picked: str) -> None:
        """A point of the curve, in the place of a worse one of as many queries."""
        content = as_onnx(copy, self.judge.rows[:PROBED], self.target.classes, self.data.form is Form.TEXT)
        rate = self.judge.fidelity(copy)
        file = f"stolen-{queries}.onnx"
        made = Point(queries, rate, self.pool.name, self.answers.value, picked, file, content)
        known = next((one for one in self.points if one.queries == queries), None)
        if known is None or known.fidelity.share <= rate.share:
            self.points = [*(one for one in self.points if one.queries != queries), made]

    def _time_for(self) -> bool:
        return self.how.budget.left > self.longest * ROOM

    def _others(self, count: int) -> dict[str, tuple[pools.Pool, Array, Array]]:
        """Worse pools, the rows that are asked of each by chance, and what the model says of them."""
        if not self.asked_elsewhere:
            seed, form = self.how.seed, self.data.form
            rows = np.random.default_rng(seed + 1).choice(len(self.pool.rows), count, replace=False)
            made = (self.pool, pools.alike(self.pool, form, seed), pools.noise(self.pool, form, seed))
            for pool in made:
                if pool is not None:
                    self.asked_elsewhere[pool.name] = (pool, rows, probabilities(self.target, pool.rows[rows]))
        return self.asked_elsewhere

    def _monitored(self, asked: Asked, rows: Array) -> bool:
        """What would have seen this thief, and others, while they asked."""
        if self.data.form is Form.TEXT or len(self.judge.rows) < LEAST:
            self.notes.append(f"a monitor for serving needs rows of numbers and at least {LEAST} test rows")
            return True
        if self.how.budget.spent:
            return False
        self.how.progress("calibrating the monitor for serving")
        thieves = {"this copy": Traffic(self.pool.rows[rows], asked.about(rows))}
        for name, (pool, chosen, said) in self._others(len(rows)).items():
            thieves[f"rows of the pool {name}, by chance"] = Traffic(pool.rows[chosen], said)
        honest = Traffic(self.judge.rows, self.judge.said)
        self.monitor = monitor(self.target.digest, self.pool.rows, honest, thieves, self.how.seed)
        return True

    def _defended(self, thief: Thief, copy: Copy, asked: Asked, rows: Array) -> bool:
        """The same rows, and what each defence leaves of their answers."""
        if self.answers is Answers.LABELS:
            return True
        answers, label = asked.about(rows), self.judge.labels
        none = self.judge.fidelity(copy.lone())
        self.defences.append(Defence("soft", Answers.SOFT.words, len(rows), none, wilson(0, len(label))))
        for kind in DEFENCES:
            if not self._time_for():
                return False
            self.how.progress(f"defence: {kind.words}")
            given = told(answers, kind, self.how.seed)
            found = self._copy(thief, self.pool.rows, rows, given, self.how.budget)
            changed = told(self.judge.said, kind, self.how.seed + 1).argmax(axis=1) != label
            rate = wilson(int(changed.sum()), len(label))
            self.defences.append(Defence(kind.value, kind.words, len(rows), self.judge.fidelity(found), rate))
        return True

    def _more(self, thief: Thief, copy: Copy, asked: Asked, rows: Array) -> bool:
        """Up the curve, as far as pool and time go."""
        for size in STEPS:
            if len(self.pool.rows) < 1.5 * size:
                return True
            if not self._time_for():
                return False
            self.how.progress(f"asking {size:,} rows")
            guess = _mean([copy], self.pool.rows)
            more = picking.uncertain(self._points(), guess, rows, size - len(rows), self.how.seed)
            rows = np.concatenate([rows, more])
            copy = self._point(thief, asked, rows, self.how.budget)
        return True

    def _worse(self, thief: Thief, count: int) -> bool:
        """As many queries with rows picked by chance, with rows that look alike, and with noise."""
        for pool, rows, said in self._others(count).values():
            if not self._time_for():
                return False
            self.how.progress(f"asking {count} rows of the pool {pool.name}")
            given = told(said, self.answers, self.how.seed)
            copy = self._copy(thief, pool.rows, rows, given, self.how.budget)
            self.others.append(Point(count, self.judge.fidelity(copy), pool.name, self.answers.value, "by chance"))
        return True


def _mean(copies: Sequence[Copy], rows: Array) -> Array:
    """(n, classes) what copies say, on average."""
    return np.asarray(sum(shares(one.logits(rows)) for one in copies) / len(copies))
