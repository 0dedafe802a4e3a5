"""Triggers read out of the model alone: for each class the smallest patch that calls it up (Wang et al. 2019).

A class that can be called up by far less than any other may be the target of a backdoor. Clean models have easy classes
too, so without the training rows this stays a suspicion, and is told as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bartizan.assess.how import How
from bartizan.assess.measured import Rate
from bartizan.assess.poison.pixels import Pixels
from bartizan.assess.poison.triggers import Held, rate
from bartizan.assess.poison.warps import planes
from bartizan.assess.target import Array, Target

if TYPE_CHECKING:
    import torch

STEPS = 150
ROWS = 24  # of a step
MOST_CLASSES = 40
LEAST_CLASSES = 4  # to say what is usual
SUCCESS = 0.9  # of the rows: what counts as calling the class up
ODD = 3.0  # robust standard deviations of the logarithm
SPREAD = 0.2  # of the logarithms, at least: classes that are nearly alike make no other odd
SMALL = 0.4  # of what is usual
PART = 0.08  # of the image, at most
SHOWN = 0.15  # a mask less than this is not there


@dataclass(frozen=True, slots=True)
class Inverted:
    """The smallest patch found for a class. `size`: the mask's sum over the number of its places."""

    target_class: int
    size: float
    odd: float  # robust standard deviations below what is usual for a class
    success: Rate
    control: Rate  # of the same values at other places
    stamp: Pixels
    picture: dict[str, Array]

    @property
    def suspected(self) -> bool:
        """Whether a backdoor is the better explanation."""
        return (
            self.odd >= ODD
            and self.size <= PART
            and self.success.share >= SUCCESS - 0.1
            and self.control.share <= self.success.share / 2
        )


def inverted(target: Target, held: Held, classes: int, how: How) -> list[Inverted]:
    """What calls up each class, the oddest first; nothing where the model is no net for images, or has few classes."""
    shape = planes(held.x.shape[1:])
    if target.module is None or shape is None or not LEAST_CLASSES <= classes <= MOST_CLASSES or len(held.x) < 2 * ROWS:
        return []
    try:
        import torch
    except ImportError:
        return []
    how.progress("the smallest patch that calls up each class")
    net = target.module()
    low, high = float(held.x.min()), float(held.x.max())
    found: list[tuple[int, Array, Array]] = []
    torch.manual_seed(how.seed)
    for label in range(classes):
        rows = held.of(label)[::2]  # the others judge it
        if how.budget.spent or len(rows) < 8:
            return []
        found.append((label, *_smallest(net, rows, shape, label, low, high, how.seed)))
    sizes = np.array([mask.mean() for _, mask, _ in found])
    logs = np.log(np.maximum(sizes, 1e-6))
    middle = float(np.median(logs))
    spread = max(float(np.median(np.abs(logs - middle))) * 1.4826, SPREAD)
    out = []
    generator = np.random.default_rng(how.seed)
    for (label, mask, value), size, log in zip(found, sizes, logs, strict=True):
        shown = np.broadcast_to(mask[None] > SHOWN, shape).ravel()
        stamp = Pixels(shown, value.ravel(), 0.0, low, high)
        odd = (middle - float(log)) / spread if size <= SMALL * float(np.median(sizes)) else 0.0
        judges = held.of(label)[1::2]
        control = rate(target, stamp.shuffled(generator), judges, label)
        success, picture = rate(target, stamp, judges, label), stamp.picture(held.x.shape[1:])
        out.append(Inverted(label, float(size), round(odd, 2), success, control, stamp, picture))
    return sorted(out, key=lambda one: -one.odd)


def _smallest(
    net: Any, rows: Array, shape: tuple[int, int, int], label: int, low: float, high: float, seed: int
) -> tuple[Array, Array]:
    """(height, width) mask of 0 to 1 and (channels, height, width) values."""
    import torch

    generator = np.random.default_rng(seed + label)
    mask = torch.full(shape[1:], -2.0, requires_grad=True)
    value = torch.zeros(shape, requires_grad=True)
    climb = torch.optim.Adam([mask, value], lr=0.2, betas=(0.5, 0.9))
    wanted = torch.full((ROWS,), label)
    price, best, least = 0.02, (np.ones(shape[1:], np.float32), np.zeros(shape, np.float32)), np.inf
    for _ in range(STEPS):
        batch = torch.from_numpy(np.asarray(rows[generator.integers(0, len(rows), ROWS)], np.float32))
        soft, colour = torch.sigmoid(mask), low + (high - low) * torch.sigmoid(value)
        seen = batch.reshape(ROWS, *shape) * (1 - soft) + colour * soft
        scores: torch.Tensor = net(seen.reshape(batch.shape))
        share = float((scores.argmax(dim=1) == label).float().mean())
        size = float(soft.detach().sum())
        if share >= SUCCESS and size < least:
            least, best = size, (soft.detach().numpy().copy(), colour.detach().numpy().copy())
        price = min(price * 1.2, 1.0) if share >= SUCCESS else max(price / 1.3, 1e-3)
        loss = torch.nn.functional.cross_entropy(scores, wanted) + price * soft.sum()
        climb.zero_grad()
        loss.backward()
        climb.step()
    return best
