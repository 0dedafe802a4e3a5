"""Copies of models of images: nets of `nets.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from bartizan.assess.budget import Budget
from bartizan.assess.target import Array
from bartizan.assess.theft.nets import Lesson, Net, View, teach
from bartizan.assess.theft.writing import Sheet

STEPS, QUICK = 400, 150  # Fewer do for handwritten digits, and not for models that are less sure of them.
NETS = 2  # Whose logits are added: a little better than one that is trained twice as long.
STRENGTHS = (1.0, 0.4)  # How far rows are moved: what suits digits may not suit other pictures.


@dataclass(frozen=True, slots=True)
class NetCopy:
    """Trained nets, whose logits are added; `taught` is the share of their steps for which there was time."""

    nets: tuple[Net, ...]
    view: View
    strength: float
    taught: float

    def logits(self, x: Array) -> Array:
        """(n, classes) of rows as the data has them."""
        with torch.no_grad():
            parts = [self.view.rows(x[at : at + 1000]) for at in range(0, len(x), 1000)]
            return np.concatenate([sum(net(part).double().numpy() for net in self.nets) for part in parts])

    def draw(self, sheet: Sheet, rows: str) -> str:
        """Adds its layers, normalisation folded into the convolution before it."""
        view, at = self.view, rows
        if view.last:
            at = sheet.node("Transpose", at, perm=[0, 3, 1, 2])
        at = sheet.node("Reshape", at, sheet.constant([-1, view.channels, view.height, view.width], np.int64))
        drawn = []
        for net in self.nets:
            last = sheet.node("Sub", at, sheet.constant(net.shift))
            last = sheet.node("Mul", last, sheet.constant(net.factor))
            for layer, after in zip(net.layers, [*list(net.layers)[1:], None], strict=True):
                last = _drawn(sheet, last, layer, after)
            drawn.append(last)
        return sheet.node("Sum", *drawn)


def _drawn(sheet: Sheet, at: str, layer: nn.Module, after: nn.Module | None) -> str:
    if isinstance(layer, nn.Conv2d):
        weight, bias = _folded(layer, after)
        return sheet.node("Conv", at, sheet.constant(weight), sheet.constant(bias), pads=[1, 1, 1, 1])
    if isinstance(layer, nn.Linear):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        return sheet.node("Gemm", at, sheet.constant(weight), sheet.constant(bias), transB=1)
    if isinstance(layer, nn.MaxPool2d):
        return sheet.node("MaxPool", at, kernel_shape=[2, 2], strides=[2, 2])
    if isinstance(layer, nn.AvgPool2d):
        size = int(layer.kernel_size)
        return sheet.node("AveragePool", at, kernel_shape=[size, size], strides=[size, size])
    if isinstance(layer, nn.Flatten):
        return sheet.node("Flatten", at)
    return at if isinstance(layer, nn.BatchNorm2d) else sheet.node("Relu", at)


def _folded(layer: nn.Conv2d, after: nn.Module | None) -> tuple[Any, Any]:
    assert isinstance(after, nn.BatchNorm2d) and layer.bias is not None
    assert after.running_mean is not None and after.running_var is not None
    factor = after.weight / torch.sqrt(after.running_var + after.eps)
    bias = (layer.bias - after.running_mean) * factor + after.bias
    return (layer.weight * factor[:, None, None, None]).detach().numpy(), bias.detach().numpy()


@dataclass(frozen=True, slots=True)
class PictureThief:
    """Makes copies of a model of images; `mean` and `spread` are those of the pool."""

    view: View
    classes: int
    mean: float
    spread: float
    strength: float = STRENGTHS[0]

    @classmethod
    def of(cls, rows: Array, classes: int) -> PictureThief:
        """For a pool."""
        return cls(View.of(rows.shape[1:]), classes, float(rows.mean()), float(rows.std()))

    @property
    def method(self) -> str:
        """How, in one sentence."""
        return (
            f"{NETS} small convolutional nets (their architecture knows nothing of the model's), rows moved, turned "
            f"and scaled (by {self.strength:g} of the usual), and mean teachers whose sure answers for rows that were "
            "never asked are taught as well"
        )

    def quick(self, asked: Array, told: Array, seed: int, budget: Budget) -> list[NetCopy]:
        """Copies good enough to say what to ask next, one for each strength."""
        share = 1 / len(STRENGTHS)
        return [
            self._taught(asked, told, asked[:0], QUICK, seed + at, Budget(budget.seconds * share), strength)
            for at, strength in enumerate(STRENGTHS)
        ]

    def wiser(self, losses: list[float]) -> PictureThief:
        """With the strength whose quick copies said best what was asked next."""
        return replace(self, strength=STRENGTHS[min(range(len(STRENGTHS)), key=lambda at: losses[at])])

    def best(self, asked: Array, told: Array, unasked: Array, seed: int, budget: Budget) -> NetCopy:
        """The copy that is judged."""
        made = [
            self._taught(asked, told, unasked, STEPS, seed + at, budget.part(1 / (NETS - at)), self.strength)
            for at in range(NETS)
        ]
        nets = tuple(net for one in made for net in one.nets)
        return NetCopy(nets, self.view, self.strength, min(one.taught for one in made))

    def settled(self, copy: NetCopy) -> PictureThief:
        """Nothing more is chosen."""
        return self

    def _taught(
        self, asked: Array, told: Array, unasked: Array, steps: int, seed: int, budget: Budget, strength: float
    ) -> NetCopy:
        state = torch.get_rng_state()
        torch.manual_seed(seed)  # Weights begin from the global generator.
        try:
            net = Net(self.view, self.classes, self.mean, self.spread)
        finally:
            torch.set_rng_state(state)
        rows = self.view.rows
        lesson = Lesson(rows(asked), torch.from_numpy(np.asarray(told, np.float32)), rows(unasked))
        teacher, taught = teach(net, lesson, steps, seed, strength, budget)
        return NetCopy((teacher,), self.view, strength, taught)
