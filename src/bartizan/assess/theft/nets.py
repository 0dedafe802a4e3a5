"""A thief's nets for images: small, trained on few answers with much augmentation, and written as ONNX.

The thief knows the shape of a row and the number of classes, nothing of the architecture. Few answers go far because
each is the whole distribution over classes (Hinton et al. 2015), every row is seen moved, turned and scaled, and rows
of the pool that were never asked teach as well: where the mean teacher is sure of a row as it is, the student must say
the same of that row when it is changed (Tarvainen and Valpola 2017; Sohn et al. 2020, "FixMatch").
"""

from __future__ import annotations

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
BATCH = 48  # Answered rows in a step, and
UNASKED = 64  # rows of the pool that were never asked.
PEAK = 4e-3
MEMORY = 0.98  # Of the mean teacher, from step to step.
SURE = 0.9
LEAST = 150  # Steps, however little time there is: a copy of fewer says nothing about the model.
WARM = 0.5  # Of the steps: until then rows never asked teach nothing.
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
    """Two or three convolutions with pooling, one hidden layer; rows are brought to mean 0 and spread 1 first."""

    def __init__(self, view: View, classes: int, mean: float, spread: float) -> None:
        super().__init__()
        self.shift, self.factor = mean, 1 / max(spread, 1e-3)
        layers: list[nn.Module] = []
        height, width, channels = view.height // view.shrink, view.width // view.shrink, view.channels
        if view.shrink > 1:
            layers.append(nn.AvgPool2d(view.shrink))
        for out in (WIDTH, 2 * WIDTH, 4 * WIDTH):
            if out == 4 * WIDTH and min(height, width) < 8:
                break
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out, momentum=MOMENTUM), nn.ReLU()]
            channels = out
            if min(height, width) >= 4:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
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
class Lesson:
    """What a net is taught with: answered rows and their distributions over classes, and rows never asked."""

    asked: torch.Tensor
    answers: torch.Tensor  # (n, classes), probabilities
    unasked: torch.Tensor


def teach(net: Net, lesson: Lesson, steps: int, seed: int, strength: float, budget: Budget) -> tuple[Net, float]:
    """Trains the net: its mean teacher in evaluation mode, and the share of the steps for which there was time.

    Where the budget does not reach for all steps, the rate falls with the time instead, so that the end is an end.
    """
    draw = torch.Generator().manual_seed(seed)
    teacher = deepcopy(net).eval()
    parameters = list(net.parameters())
    optimiser = Adam(parameters)
    mixed, warm = len(lesson.unasked) > 0, int(steps * WARM)
    net.train()
    step = taken = 0
    while step < steps or taken < min(LEAST, steps):
        part = torch.randint(len(lesson.asked), (BATCH,), generator=draw)
        rows, wanted, weight = lesson.asked[part], lesson.answers[part], torch.ones(BATCH)
        if mixed and warm <= step < steps:
            guessed = lesson.unasked[torch.randint(len(lesson.unasked), (UNASKED,), generator=draw)]
            with torch.no_grad():
                guess = F.softmax(teacher(guessed), dim=1)
            rows, wanted = torch.cat([rows, guessed]), torch.cat([wanted, guess])
            weight = torch.cat([weight, (guess.max(dim=1).values >= SURE).float()])
        out = net(moved(rows, draw, strength))
        loss = -(wanted * F.log_softmax(out, dim=1)).sum(dim=1)
        loss = (loss * weight).sum() / BATCH
        optimiser.step(torch.autograd.grad(loss, parameters), rate_at(PEAK, min(step, steps - 1), steps))
        with torch.no_grad():
            keep = min(MEMORY, (taken + 1) / (taken + 10))
            for mean, value in zip(teacher.state_dict().values(), net.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.mul_(keep).add_(value, alpha=1 - keep)
        taken += 1
        step = max(step + 1, int(steps * (1 - budget.left / budget.seconds)) if budget.seconds > 0 else steps)
    return teacher, taken / steps
