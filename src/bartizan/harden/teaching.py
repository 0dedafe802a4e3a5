"""Adversarial training of a net in place: one stage, from the weights it has to the best average it passed through.

The radius grows over the first part of the steps, the rate rises and falls once, weights are averaged (EMA), images are
shifted by up to one pixel. Now and then some rows that training never sees are attacked with ten steps: where a
net that is taught by one step suddenly falls there, it has learned that step alone (catastrophic overfitting, Wong et
al. 2020); the stage goes back to its best average and goes on with more steps.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.harden.adversary import Method, Tensor, Threat, attacked, half, standing

BATCH = 64
PEAK = 1e-2  # with twice the rows and 4e-3 a third to a half as many stood after the same time
RISE = 0.25  # of the steps: until the rate is highest, and the radius whole
AVERAGE = 0.99
WATCHED = 256  # rows
WATCH_STEPS = 10
COLLAPSE = 0.2  # of the rows, by which standing must fall at once
LOOKS = 12  # at the watched rows in a stage: each costs as much as an epoch of 1,500 rows
PACED = 6  # steps that tell how long an epoch takes


@dataclass(slots=True)
class Lesson:
    """Rows (n, …) float32 and labels to learn from, others to watch; what may be changed; `images` may be shifted."""

    x: Tensor
    y: Tensor
    watched_x: Tensor
    watched_y: Tensor
    threat: Threat
    images: bool
    seed: int
    say: Callable[[str], None] = lambda text: None
    fast: bool = True


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage did: standing of the watched rows after each epoch, and whether it had to go back."""

    method: str
    epochs: int
    watched: tuple[float, ...]
    went_back: bool
    cpu_seconds: float

    def as_json(self) -> dict[str, object]:
        """For the report."""
        return {
            "method": self.method, "epochs": self.epochs, "watched": [round(one, 4) for one in self.watched],
            "went_back": self.went_back, "cpu_seconds": round(self.cpu_seconds, 2),
        }  # fmt: skip


@dataclass(slots=True)
class _Average:
    """An exponential moving average of weights and statistics."""

    net: Any
    values: list[Tensor] = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.values = [one.detach().clone() for one in self._now()]

    def _now(self) -> list[Tensor]:
        return [one for one in (*self.net.parameters(), *self.net.buffers()) if one.is_floating_point()]

    def follow(self) -> None:
        self.steps += 1
        share = 1 - min(AVERAGE, self.steps / (self.steps + 10))
        torch._foreach_lerp_(self.values, [one.detach() for one in self._now()], share)

    def swap(self) -> None:
        """The average into the net, the net's into the average."""
        with torch.no_grad():
            for mine, theirs in zip(self.values, self._now(), strict=True):
                kept = theirs.detach().clone()
                theirs.copy_(mine)
                mine.copy_(kept)


def seconds_per_epoch(net: Any, lesson: Lesson, method: Method) -> float:
    """Seconds of one epoch, of the processor or the clock, from a few steps on a copy that is thrown away."""
    trial = copy.deepcopy(net)
    chance = torch.Generator().manual_seed(lesson.seed)
    optimiser = torch.optim.Adam(trial.parameters(), 0.0, fused=True)
    rows, labels = lesson.x[:BATCH], lesson.y[:BATCH]
    trial.train()
    began = (time.process_time(), time.monotonic())
    for at in range(PACED + 2):
        if at == 2:
            began = (time.process_time(), time.monotonic())  # The first steps choose kernels.
        _step(trial, rows, labels, lesson, method, 1.0, optimiser, chance)
    took = max(time.process_time() - began[0], time.monotonic() - began[1])
    return took / PACED * max(1, len(lesson.x) // BATCH)


def teach(net: Any, lesson: Lesson, method: Method, epochs: int, stop: Callable[[], bool] = lambda: False) -> Stage:
    """Trains `net` in place, to the best average over its epochs; ends in evaluation mode."""
    began = time.process_time()
    chance = torch.Generator().manual_seed(lesson.seed)
    batch = min(BATCH, len(lesson.x))
    count = len(lesson.x) // batch
    steps, done = epochs * count, 0
    optimiser = torch.optim.Adam(net.parameters(), PEAK, fused=True)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK, total_steps=steps + 1, pct_start=RISE)
    watched: list[float] = []
    average, went_back = _Average(net), False
    best, kept = -1.0, copy.deepcopy(net.state_dict())
    every = max(1, round(epochs / LOOKS))
    for epoch in range(epochs):
        net.train()
        for part in torch.randperm(len(lesson.x), generator=chance).split(batch)[:count]:
            rows = _shifted(lesson.x[part], chance) if lesson.images else lesson.x[part]
            _step(net, rows, lesson.y[part], lesson, method, min(1.0, (done + 1) / (RISE * steps)), optimiser, chance)
            rate.step()
            average.follow()
            done += 1
            if done % 16 == 0 and stop():
                break
        if (epoch + 1) % every and epoch + 1 < epochs and not stop():
            continue
        average.swap()
        net.eval()
        stands = share_standing(net, lesson, WATCH_STEPS)
        lesson.say(f"{method.name}, epoch {epoch + 1} of {epochs}: {stands:.0%} of the watched rows stand")
        collapsed = bool(watched) and stands < max(watched) - COLLAPSE and done >= RISE * steps
        watched.append(stands)
        if stands >= best and not collapsed:
            best, kept = stands, copy.deepcopy(net.state_dict())
        average.swap()
        if collapsed:
            net.load_state_dict(kept)
            average, went_back = _Average(net), True
            method = replace(method, name=f"{method.name}, then more steps", steps=method.steps + 2, unclipped=False)
        if stop():
            break
    net.load_state_dict(kept)
    net.eval()
    return Stage(method.name, epoch + 1, tuple(watched), went_back, time.process_time() - began)


def share_standing(net: Any, lesson: Lesson, steps: int, rows: int = WATCHED) -> float:
    """The share of watched rows that are right and stay so."""
    for parameter in net.parameters():
        parameter.requires_grad_(False)  # Only the rows need a gradient: a third of the work.
    chance = torch.Generator().manual_seed(lesson.seed + 1)
    stands = standing(net, lesson.watched_x[:rows], lesson.watched_y[:rows], lesson.threat, steps, chance, lesson.fast)
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    return float(stands.float().mean())


def _step(
    net: Any, rows: Tensor, labels: Tensor, lesson: Lesson, method: Method, share: float, optimiser: Any, chance: Any
) -> None:
    hard = attacked(net, rows, labels, lesson.threat, method, share, chance, lesson.fast).detach()
    moved = _perturb(net, hard, labels, method.awp, lesson.fast) if method.awp else []
    loss = _loss(net, rows, hard, labels, lesson, method)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    for parameter, change in moved:
        parameter.data.sub_(change)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimiser.step()


def _loss(net: Any, rows: Tensor, hard: Tensor, labels: Tensor, lesson: Lesson, method: Method) -> Tensor:
    with half(lesson.fast):
        out = net(hard).float()
        if not method.trades:
            return F.cross_entropy(out, labels)
        clean = net(lesson.threat.seen(rows)).float()
    apart = F.kl_div(out.log_softmax(1), clean.softmax(1), reduction="batchmean")
    return F.cross_entropy(clean, labels) + method.trades * apart


def _perturb(net: Any, hard: Tensor, labels: Tensor, share: float, fast: bool) -> list[tuple[Tensor, Tensor]]:
    """Weights moved by a share of their size to where the loss is higher (Wu et al. 2020, AWP); what was added."""
    weights = [one for one in net.parameters() if one.dim() > 1]
    with half(fast):
        loss = F.cross_entropy(net(hard).float(), labels)
    moved = []
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        change = gradient * (share * weight.detach().norm() / gradient.norm().clamp(min=1e-12))
        weight.data.add_(change)
        moved.append((weight, change))
    return moved


def _shifted(rows: Tensor, chance: Any) -> Tensor:
    """The whole batch moved by up to one pixel in each direction; what comes in repeats the edge."""
    down, right = (int(one) for one in torch.randint(0, 3, (2,), generator=chance))
    flat = rows if rows.dim() == 4 else rows.unsqueeze(1)
    padded = F.pad(flat, (1, 1, 1, 1), mode="replicate")
    moved = padded[..., down : down + flat.shape[-2], right : right + flat.shape[-1]]
    return moved if rows.dim() == 4 else moved.squeeze(1)
