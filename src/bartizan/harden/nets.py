"""Hardening a net: which front, which method, chosen on rows that training does not see, within the time there is.

    with each front: one step, some rows ─▶ the best goes on with one step ─▶ time left: PGD, then TRADES with AWP
                                            each later stage counts only where it is better on the held-out rows

Training goes on from the given weights: it is quicker than anew and costs less accuracy (measured on development data
in the same time). A normalisation that was folded into its layer when the file was made is trained as part of it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Array
from bartizan.assess.targets.exporting import Front
from bartizan.core.errors import UsageError
from bartizan.harden.adversary import Method, Threat
from bartizan.harden.choosing import FREE, Tried
from bartizan.harden.teaching import Lesson, Stage, seconds_per_epoch, share_standing, teach

FAST = Method("one step from a random place")
NOISY = Method("N-FGSM", unclipped=True)
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
CHOOSING = 384  # of the held-out rows
STEPS = 10
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
    net: Any, data: Data, eps: float, norm: str, seed: int, seconds: float, say: Callable[[str], None]
) -> Taught:
    """A net like `net` (logits; its own weights stay as they are) that stands more; `seconds` of processor and clock.

    Raises UsageError where there are no rows to train on, or the norm has no training attack.
    """
    if data.x_train is None or data.y_train is None:
        raise UsageError("hardening needs rows to train on: x_train and y_train in the data")
    if norm not in ("linf", "l2"):
        raise UsageError(f"nets are hardened under linf or l2, not {norm}")
    until, clock = time.process_time() + seconds, time.monotonic() + seconds

    def left() -> float:
        return min(until - time.process_time(), clock - time.monotonic())

    lesson = _lesson(data, Threat(norm, eps, *_range(data)), seed, say)
    plain = _own(net)
    before = _try("as given", plain, lesson)
    free = before.clean - FREE
    _fit_rows(plain, lesson, left())
    tried, stages = [before], []
    best, best_front, after = plain, None, before
    candidates = fronts(data.x_train, eps, lesson.images, norm)
    every = lesson.x, lesson.y
    lesson.x, lesson.y = lesson.x[:TRIAL_ROWS], lesson.y[:TRIAL_ROWS]
    for name, front in candidates:
        mine = _own(net)
        lesson.threat = Threat(norm, eps, lesson.threat.low, lesson.threat.high, front)
        stages.append(teach(mine, lesson, FAST, 1, lambda: left() <= 0))
        one = _try(f"{name}, {FAST.name}", mine, lesson)
        tried.append(one)
        if best is plain or one.better_than(after, free):
            best, best_front, after = mine, front, one
    lesson.x, lesson.y = every
    lesson.threat = Threat(norm, eps, lesson.threat.low, lesson.threat.high, best_front)
    for method, most in ((FAST, EPOCHS), *((one, 10 * EPOCHS) for one in LATER), (FAST, 10 * EPOCHS)):
        epochs = min(most, int(0.95 * left() / seconds_per_epoch(best, lesson, method)))
        if epochs < (FEWEST if method.steps > 1 else 1):
            continue
        mine = copy.deepcopy(best)
        stages.append(teach(mine, lesson, method, epochs, lambda: left() <= 0))
        one = _try(method.name, mine, lesson)
        tried.append(one)
        if one.better_than(after, free):
            best, after = mine, one
        if after.robust > ENOUGH * after.clean:
            break  # What is left to gain is little beside what the held-out rows can tell.
    return Taught(best, best_front, before, after, stages, tried, len(lesson.x))


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


WATCH_LEAST = 256


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
