"""A thief's nets for images: small, trained on few answers, and written as ONNX.

The thief knows the shape of a row and the number of classes, nothing of the architecture. Few answers go far because
each is the whole distribution over classes, learnt at a high temperature: how unlikely the other classes are says as
much as which one is likeliest (Hinton et al. 2015). Every row is seen moved, turned and scaled, but little where the
answers are whole: what is copied is the model, which need not say the same of a row that was moved. The mean teacher
is kept (Tarvainen and Valpola 2017). Convolutions step over every second place instead of pooling, which costs a
quarter and copies as well.
"""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from bartizan.assess.budget import Budget
from bartizan.assess.target import Array
from bartizan.assess.targets.training import Adam, rate_at

LARGEST = 32  # Pixels a side: larger images are made smaller first.
WIDTH = 16
HIDDEN = 96
BATCH = 32
PEAK = 8e-3
MEMORY = 0.98  # Of the mean teacher, from step to step.
FLOOR = 1e-6  # Smaller shares are taken as this.
LEAST = 40  # Steps, however little time there is: a copy of fewer says nothing about the model.
TRIED = 5  # Steps until it is known what a step costs.
SHIFT, TURN, SCALE = 0.1, 12.0, 0.1  # Of a side, degrees, share.
MOMENTUM = 0.1


@dataclass(frozen=True, slots=True)
class View:
    """How a row becomes channels, height and width: `last` says that the channels come last."""

    channels: int
    height: int
    width: int
    last: bool

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> View:
        """By the shape of a row: (h, w), (c, h, w) or (h, w, c)."""
        if len(shape) == 2:
            return cls(1, shape[0], shape[1], last=False)
        if shape[2] in (1, 3, 4) and shape[0] not in (1, 3, 4):
            return cls(shape[2], shape[0], shape[1], last=True)
        return cls(shape[0], shape[1], shape[2], last=False)

    def rows(self, x: Array) -> torch.Tensor:
        """(n, c, h, w) float32."""
        rows = torch.from_numpy(np.array(x, dtype=np.float32, order="C"))  # Memory of its own: x may be read-only.
        if self.last:
            return rows.permute(0, 3, 1, 2).contiguous()
        return rows.reshape(-1, self.channels, self.height, self.width)

    @property
    def shrink(self) -> int:
        """How many pixels a side become one."""
        return max(1, -(-min(self.height, self.width) // LARGEST))


class Net(nn.Module):
    """Two or three convolutions, one hidden layer; rows are brought to mean 0 and spread 1 first."""

    def __init__(self, view: View, classes: int, mean: float, spread: float) -> None:
        super().__init__()
        self.shift, self.factor = mean, 1 / max(spread, 1e-3)
        layers: list[nn.Module] = []
        height, width, channels = view.height // view.shrink, view.width // view.shrink, view.channels
        if view.shrink > 1:
            layers.append(nn.AvgPool2d(view.shrink))
        for out in (WIDTH, 2 * WIDTH, 4 * WIDTH):
            side = min(height, width)
            if out == 4 * WIDTH and side < 8:
                break
            first = out == WIDTH
            size, stride = 5 if first and side >= 12 else 3, 2 if side >= (12 if first else 4) else 1
            layers.append(nn.Conv2d(channels, out, size, stride, padding=size // 2))
            layers += [nn.BatchNorm2d(out, momentum=MOMENTUM), nn.ReLU()]
            height, width, channels = -(-height // stride), -(-width // stride), out
        layers += [nn.Flatten(), nn.Linear(channels * height * width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of (n, c, h, w)."""
        return self.layers((x - self.shift) * self.factor)


def moved(x: torch.Tensor, draw: torch.Generator, strength: float = 1.0) -> torch.Tensor:
    """Each row shifted, turned and scaled a little; what comes in from outside is what was at the edge."""
    n = len(x)

    def spread(limit: float) -> torch.Tensor:
        return (torch.rand(n, generator=draw) * 2 - 1) * limit * strength

    turn, scale = spread(TURN) * pi / 180, 1 + spread(SCALE)
    grid = torch.zeros(n, 2, 3)
    grid[:, 0, 0], grid[:, 0, 1] = torch.cos(turn) * scale, -torch.sin(turn) * scale
    grid[:, 1, 0], grid[:, 1, 1] = torch.sin(turn) * scale, torch.cos(turn) * scale
    grid[:, 0, 2], grid[:, 1, 2] = spread(2 * SHIFT), spread(2 * SHIFT)
    places = F.affine_grid(grid, list(x.shape), align_corners=False)
    return F.grid_sample(x, places, padding_mode="border", align_corners=False)


@dataclass(frozen=True, slots=True)
class Way:
    """How rows teach: how far they are moved, and the temperature at which their answers are learnt."""

    strength: float
    temperature: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a net is taught with: answered rows and their distributions over classes."""

    asked: torch.Tensor
    answers: torch.Tensor  # (n, classes), probabilities


def teach(net: Net, lesson: Lesson, steps: int, seed: int, way: Way, budget: Budget) -> tuple[Net, float]:
    """Trains the net: its mean teacher in evaluation mode, and the share of the steps for which there was time.

    Where the time does not reach for all steps, as many are planned as it reaches for, by what a step has cost so far,
    and the rate goes through its whole cycle in those: what is cut short is a shorter training, not half of one.
    """
    draw = torch.Generator().manual_seed(seed)
    teacher = deepcopy(net).eval()
    parameters = list(net.parameters())
    optimiser = Adam(parameters)
    warm = F.softmax(torch.log(lesson.answers.clamp(min=FLOOR)) / way.temperature, dim=1)
    net.train()
    taken, at, began = 0, 0.0, time.monotonic()
    while at < 1:
        part = torch.randint(len(lesson.asked), (BATCH,), generator=draw)
        out = net(moved(lesson.asked[part], draw, way.strength))
        loss = -(warm[part] * F.log_softmax(out / way.temperature, dim=1)).sum(dim=1).mean() * way.temperature
        optimiser.step(torch.autograd.grad(loss, parameters), rate_at(PEAK, int(at * steps), steps))
        with torch.no_grad():
            keep = min(MEMORY, (taken + 1) / (taken + 10))
            for mean, value in zip(teacher.state_dict().values(), net.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.mul_(keep).add_(value, alpha=1 - keep)
        taken += 1
        left = steps - taken
        if taken >= TRIED and budget.left < left * (cost := (time.monotonic() - began) / taken):
            left = max(min(LEAST, steps) - taken, int(budget.left / cost))
        at = at + (1 - at) / (left + 1) if left > 0 else 1.0
    return teacher, taken / steps
