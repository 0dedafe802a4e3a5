"""Hardening a net: which front, which method, chosen on rows that training does not see, within the time there is.

    with each front: one step, some rows ─▶ the best goes on with one step ─▶ time left: PGD, then TRADES with AWP
                     two that are close: more             │                   each later stage counts only where it is
                                                          └▶ costs too much:  better on the held-out rows
                                                             half the radius

Training goes on from the given weights: it is quicker than anew and costs less accuracy (measured on development data
in the same time). A normalisation that was folded into its layer when the file was made is trained as part of it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Array
from bartizan.assess.targets.exporting import Front
from bartizan.core.errors import UsageError
from bartizan.harden.adversary import NOISE, Method, Threat
from bartizan.harden.choosing import FREE, Tried
from bartizan.harden.teaching import BATCH, Lesson, Stage, seconds_per_epoch, share_standing, teach

FAST = Method("one step from a random place")
NOISY = Method("N-FGSM", unclipped=True)
DROWNED = Method("training in Gaussian noise", steps=0)
MOST_NOISE = 40  # epochs
LATER = (
    Method("PGD-7", steps=7),
    Method("TRADES with AWP", steps=5, trades=6.0, awp=0.005),
)
TRIAL_ROWS = 3000  # once, with each front: 84, 67 and 34 % stood of a small net, which no longer trial turned round
EPOCHS = 12  # of the first long stage: what a small net gains afterwards is told by a later one
FEWEST = 3  # epochs that a later stage is worth beginning with
MOST_ROWS = 20_000
ENOUGH = 0.93  # of the accuracy
HELD = 0.1  # of the training rows, to choose on
WATCH_LEAST = 256  # of them, or a quarter of all rows
CHOOSING = 384  # of the held-out rows
STEPS = 10
STEPS_LEAST = 1200  # of the first long stage: a small set is seen more often
CLOSE = 0.1  # of the rows, by which one front has to be ahead to be chosen after the shortest trial
TOO_MUCH = 0.03  # accuracy lost, from which on half the radius is tried
HARD = 0.5  # of the accuracy: where less stands after the trial, learning takes longer
ENDS = (0.01, 0.99)  # quantiles of the values: where their range ends


@dataclass(slots=True)
class Taught:
    """A hardened net, the front it needs, and how it came about."""

    net: Any
    front: Front | None
    before: Tried
    after: Tried
    stages: list[Stage]
    tried: list[Tried]
    rows: int


def fronts(data: Array, eps: float, images: bool, norm: str) -> list[tuple[str, Front | None]]:
    """What may stand before the net: nothing, or what hides changes at one or both ends of the values' range."""
    found: list[tuple[str, Front | None]] = [("no front", None)]
    if not images or norm != "linf":
        return found
    values = data[:2000]
    low, high = (float(one) for one in np.quantile(values, ENDS))
    dark = float((values <= low + eps).mean()) >= float((values >= high - eps).mean())
    one = Front(low + eps, high) if dark else Front(low, high - eps)
    both = Front(low + eps, high - eps)
    for name, front in (("a front at one end", one), ("a front at both ends", both)):
        if front.high - front.low > 0.1 * (high - low):
            found.append((name, front))
    return found


def harden_net(
    net: Any,
    data: Data,
    eps: float,
    norm: str,
    seed: int,
    seconds: float,
    say: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> Taught:
    """A net like `net` (logits; its own weights stay as they are) that stands more; `seconds` of processor and clock.

    Under the norm `noise` it learns to be right in Gaussian noise of standard deviation `eps`, as smoothing asks it.

    Raises UsageError where there are no rows to train on, or the norm has no training attack.
    """
    if norm not in ("linf", "l2", NOISE):
        raise UsageError(f"nets are hardened under linf or l2, not {norm}")
    if data.x_train is None or data.y_train is None:
        raise UsageError("hardening needs rows to train on: x_train and y_train in the data")
    until, clock = time.process_time() + seconds, time.monotonic() + seconds

    def left() -> float:
        return -1.0 if stopped() else min(until - time.process_time(), clock - time.monotonic())

    lesson = _lesson(data, Threat(norm, eps, *_range(data)), seed, say)
    plain = _own(net)
    before = _try("as given", plain, lesson)
    _fit_rows(plain, lesson, left())
    hardening = _Hardening(lesson, before, left)
    hardening.fronts(plain, fronts(data.x_train, eps, lesson.images, norm))
    if norm == NOISE:
        hardening.noise()
    else:
        hardening.stages_that_fit(plain)
    best = hardening.best
    return Taught(best.net, best.threat.front, before, best.tried, hardening.stages, hardening.all, len(lesson.x))


@dataclass(frozen=True, slots=True)
class _Kept:
    """A net, what it was taught to stand, and how it does on the held-out rows."""

    net: Any
    threat: Threat
    tried: Tried


@dataclass(slots=True)
class _Hardening:
    """One hardening under way: everything that was tried, and the best of it."""

    lesson: Lesson
    before: Tried
    left: Callable[[], float]
    stages: list[Stage] = field(default_factory=list)
    all: list[Tried] = field(default_factory=list)
    best: _Kept = field(init=False)

    def __post_init__(self) -> None:
        self.all.append(self.before)

    @property
    def free(self) -> float:
        """The accuracy below which every loss counts."""
        return self.before.clean - FREE

    def taught(self, name: str, begun: _Kept, method: Method, epochs: int, rows: int | None = None) -> _Kept:
        """A copy of the net, taught for so many epochs on the first `rows` rows."""
        mine, threat = copy.deepcopy(begun.net), begun.threat
        lesson = replace(self.lesson, x=self.lesson.x[:rows], y=self.lesson.y[:rows], threat=threat)
        self.stages.append(teach(mine, lesson, method, epochs, lambda: self.left() <= 0))
        whole = replace(self.lesson, threat=replace(threat, eps=self.lesson.threat.eps))  # Judged by the whole radius.
        kept = _Kept(mine, threat, _try(name, mine, whole))
        self.all.append(kept.tried)
        return kept

    def fronts(self, plain: Any, candidates: Sequence[tuple[str, Front | None]]) -> None:
        """The front that does best after a short lesson, of two that are close after a longer one."""
        rows = min(TRIAL_ROWS, len(self.lesson.x))
        epochs = max(1, round(TRIAL_ROWS / rows))
        begun = {
            name: _Kept(plain, replace(self.lesson.threat, front=front), self.before) for name, front in candidates
        }
        if len(begun) == 1:
            self.best = next(iter(begun.values()))
            return
        short = {name: self.taught(f"{name}, {FAST.name}", one, FAST, epochs, rows) for name, one in begun.items()}
        order = sorted(short, key=lambda name: short[name].tried.worth(self.free), reverse=True)
        first, second = (short[name] for name in order[:2])
        if first.tried.robust - second.tried.robust < CLOSE and self.left() > 0:
            some = self._epochs(first, FAST, 2 * epochs, 0.08)
            both = [self.taught(f"{name}, more of it", short[name], FAST, some, rows) for name in order[:2] if some]
            first = max(both, key=lambda one: one.tried.worth(self.free), default=first)
        self.best = first

    def stages_that_fit(self, plain: Any) -> None:
        """Longer stages, each from the best so far, as long as there is time and something to gain."""
        batches = max(1, len(self.lesson.x) // BATCH)
        most = max(EPOCHS, round(STEPS_LEAST / batches))
        if self.best.tried.robust < HARD * self.best.tried.clean:
            most *= 2  # It learns slowly: more of what is cheap before what is dear.
        for method, longest in ((FAST, most), *((one, 10 * most) for one in LATER), (FAST, 10 * most)):
            if method is LATER[0] and self.best.tried.clean < self.before.clean - TOO_MUCH:
                self._gently(plain, most)
            epochs = self._epochs(self.best, method, longest, 0.95)
            if epochs < (FEWEST if method.steps > 1 else 1):
                continue
            made = self.taught(method.name, self.best, method, epochs)
            if made.tried.better_than(self.best.tried, self.free) or self.best.tried is self.before:
                self.best = made
            if made.tried.robust > ENOUGH * made.tried.clean:
                break  # What is left to gain is little beside what the held-out rows can tell.

    def noise(self) -> None:
        """As many epochs of noise as fit, the accuracy in it kept."""
        epochs = self._epochs(self.best, DROWNED, MOST_NOISE, 0.9)
        if epochs:
            self.best = self.taught(DROWNED.name, self.best, DROWNED, epochs)

    def _gently(self, plain: Any, most: int) -> None:
        """The same for half the radius, from the given weights: what costs too much accuracy helps nobody."""
        threat = replace(self.best.threat, eps=self.best.threat.eps / 2)
        begun = _Kept(plain, threat, self.before)
        epochs = self._epochs(begun, FAST, most, 0.9)
        if epochs:
            made = self.taught(f"{FAST.name}, half the radius", begun, FAST, epochs)
            if made.tried.better_than(self.best.tried, self.free):
                self.best = made

    def _epochs(self, begun: _Kept, method: Method, most: int, share: float) -> int:
        lesson = replace(self.lesson, threat=begun.threat)
        return max(0, min(most, int(share * self.left() / seconds_per_epoch(begun.net, lesson, method))))


def _own(net: Any) -> Any:
    """A copy with weights that may change, laid out as the processor's convolutions like them."""
    made = net.fresh() if hasattr(net, "fresh") else copy.deepcopy(net)
    for parameter in made.parameters():
        parameter.requires_grad_(True)
    return made.to(memory_format=torch.channels_last).eval()


def _range(data: Data) -> tuple[float, float]:
    return (0.0, 1.0) if data.form is Form.IMAGES else (-float("inf"), float("inf"))


def _lesson(data: Data, threat: Threat, seed: int, say: Callable[[str], None]) -> Lesson:
    assert data.x_train is not None and data.y_train is not None
    order = np.random.default_rng(seed).permutation(len(data.x_train))
    held = max(min(int(HELD * len(order)), 1000), min(WATCH_LEAST, len(order) // 4))
    watched, rest = order[:held], order[held : held + MOST_ROWS]
    x, y = data.x_train, data.y_train

    def rows(part: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(x[part], dtype=np.float32))

    def labels(part: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(y[part], dtype=np.int64))

    return Lesson(
        rows(rest), labels(rest), rows(watched), labels(watched), threat,
        images=data.form is Form.IMAGES, seed=seed, say=say, fast=_half_is_fast(),
    )  # fmt: skip


def _half_is_fast() -> bool:
    """Whether the processor computes bfloat16 itself; emulated it would be slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _fit_rows(net: Any, lesson: Lesson, seconds: float) -> None:
    """As many rows as can be seen some ten times in the time there is."""
    epoch = seconds_per_epoch(net, lesson, FAST)
    kept = int(len(lesson.x) * min(1.0, seconds / max(10 * epoch, 1e-9)))
    kept = max(kept, min(len(lesson.x), 1000))
    lesson.x, lesson.y = lesson.x[:kept], lesson.y[:kept]


def _try(name: str, net: Any, lesson: Lesson) -> Tried:
    with torch.no_grad():
        right = net(lesson.threat.seen(lesson.watched_x)).argmax(1) == lesson.watched_y
    one = Tried(name, float(right.float().mean()), share_standing(net, lesson, STEPS, CHOOSING))
    lesson.say(f"{name}: {one.clean:.1%} right, {one.robust:.1%} stand on held-out rows")
    return one
