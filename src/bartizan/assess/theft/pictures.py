"""Copies of models of images: nets of `nets.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import nn

from bartizan.assess.budget import Budget
from bartizan.assess.target import Array
from bartizan.assess.theft.nets import SCALE, SHIFT, TURN, Lesson, Net, View, Way, teach
from bartizan.assess.theft.writing import Sheet

STEPS, QUICK = 180, 100
USUAL = 300  # Answered rows of so many steps; more rows take more, by the root.
NETS = 2  # Whose logits are added: better than one that is trained twice as long.
WHOLE, LEFT = Way(0.2, 4.0), Way(0.5, 1.0)  # What suits whole answers, and what suits what a defence leaves of them.


@dataclass(frozen=True, slots=True)
class NetCopy:
    """Trained nets, whose logits are added; `taught` is the share of their steps for which there was time."""

    nets: tuple[Net, ...]
    view: View
    way: Way
    taught: float

    def logits(self, x: Array) -> Array:
        """(n, classes) of rows as the data has them."""
        with torch.no_grad():
            parts = [self.view.rows(x[at : at + 1000]) for at in range(0, len(x), 1000)]
            return np.concatenate([sum(net(part).double().numpy() for net in self.nets) for part in parts])

    def lone(self) -> NetCopy:
        """One of its nets alone, as later copies are made."""
        return replace(self, nets=self.nets[:1])

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
        around, stride = int(layer.padding[0]), layer.stride[0]
        return sheet.node(
            "Conv", at, sheet.constant(weight), sheet.constant(bias), pads=[around] * 4, strides=[stride, stride]
        )
    if isinstance(layer, nn.Linear):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        return sheet.node("Gemm", at, sheet.constant(weight), sheet.constant(bias), transB=1)
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
    ways: tuple[Way, ...] = (WHOLE, LEFT)  # those still tried; the first is the one that copies are made with
    count: int = NETS

    @classmethod
    def of(cls, rows: Array, classes: int) -> PictureThief:
        """For a pool."""
        return cls(View.of(rows.shape[1:]), classes, float(rows.mean()), float(rows.std()))

    @property
    def method(self) -> str:
        """How, in one sentence."""
        way = self.ways[0]
        return (
            f"{NETS} small convolutional nets (their architecture knows nothing of the model's), taught with its "
            f"answers at temperature {way.temperature:g}, rows moved, turned and scaled by at most "
            f"{way.strength * SHIFT:.0%} of a side, {way.strength * TURN:.1f} degrees and {way.strength * SCALE:.0%}; "
            "further copies are one net"
        )

    def quick(self, asked: Array, told: Array, seed: int, budget: Budget) -> list[NetCopy]:
        """Copies good enough to say what to ask next, one for each way that is still tried."""
        tried = len(self.ways)
        return [
            self._taught(asked, told, QUICK, seed + at, budget.part(1 / (tried - at)), way)
            for at, way in enumerate(self.ways)
        ]

    def wiser(self, losses: list[float]) -> PictureThief:
        """With the way whose quick copies said best what was asked next."""
        best = min(range(len(losses)), key=lambda at: losses[at])
        return replace(self, ways=(self.ways[best],))

    def best(self, asked: Array, told: Array, seed: int, budget: Budget) -> NetCopy:
        """The copy that is judged."""
        steps = round(STEPS * sqrt(max(1.0, len(asked) / USUAL)))
        made = [
            self._taught(asked, told, steps, seed + at, budget.part(1 / (self.count - at)), self.ways[0])
            for at in range(self.count)
        ]
        nets = tuple(net for one in made for net in one.nets)
        return NetCopy(nets, self.view, self.ways[0], min(one.taught for one in made))

    def settled(self, copy: NetCopy, whole: bool = True) -> PictureThief:
        """With one net for each copy, taught as this one or as suits what a defence leaves."""
        return replace(self, count=1, ways=self.ways if whole else (LEFT,))

    def _taught(self, asked: Array, told: Array, steps: int, seed: int, budget: Budget, way: Way) -> NetCopy:
        state = torch.get_rng_state()
        torch.manual_seed(seed)  # Weights begin from the global generator.
        try:
            net = Net(self.view, self.classes, self.mean, self.spread)
        finally:
            torch.set_rng_state(state)
        lesson = Lesson(self.view.rows(asked), torch.from_numpy(np.asarray(told, np.float32)))
        teacher, taught = teach(net, lesson, steps, seed, way, budget)
        return NetCopy((teacher,), self.view, way, taught)
