"""The model as a gradient attack sees it: scores before their head, in one spread, and gradients that are of use.

What makes a gradient useless is taken away for the attack alone (Athalye et al. 2018, "Obfuscated Gradients Give a
False Sense of Security"): a head that only rescales is peeled, noise is stilled, rounding passes the gradient straight
through. Whether a row fell is in the end asked of the model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from bartizan.assess.evasion.losses import Loss, Tensor, lead
from bartizan.assess.evasion.softened import Softened
from bartizan.assess.target import Array, Target

SPREAD = 7.0  # of a row's scores, at which the cross-entropy was measured to find most
LEAST = 1e-30  # of a share
HARD = 1.0  # The lead by which a draw counts e times less than another.
Draw = tuple[Tensor, Tensor, Tensor]
BATCH = 128  # rows in a pass: larger ones leave the caches of one core


@dataclass(frozen=True, slots=True)
class View:
    """Scores and gradients of a module. `context` is what has to be in force around each pass.

    `speaks`: gives the scores where the module only lends its gradients. `around`: the gradient is the mean of so
    many, at points within `blur` of the row. `logs`: of what the module gives, shares, the logarithms are the scores.
    """

    name: str
    module: Any  # torch.nn.Module
    scale: float = 1.0
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    speaks: Callable[[Tensor], Tensor] | None = None
    around: int = 1
    blur: float = 0.0
    logs: bool = False
    tally: list[int] = field(default_factory=lambda: [0])  # rows that went through, forward and backward

    def sharper(self, times: float) -> View:
        """The same with scores further apart."""
        return self if times == 1.0 else replace(self, scale=self.scale / times)

    def scores(self, x: Tensor) -> Tensor:
        """(n, classes) scaled scores, without a gradient."""
        with torch.no_grad(), self.context():
            return torch.cat([(self.speaks or self._scaled)(part) for part in x.split(BATCH)])

    def slope(self, x: Tensor, y: Tensor, loss: Loss, rival: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled scores (n, classes), the loss (n,) and its gradient by the rows."""
        parts = [
            self._slope(x[at : at + BATCH], y[at : at + BATCH], loss, None if rival is None else rival[at : at + BATCH])
            for at in range(0, len(x), BATCH)
        ]
        if len(parts) == 1:
            return parts[0]
        scores, values, slopes = (torch.cat(one) for one in zip(*parts, strict=True))
        return scores, values, slopes

    def _slope(self, x: Tensor, y: Tensor, loss: Loss, rival: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        scores, value, slope = self._one(x, y, loss, rival)
        if self.around == 1:
            return scores, value, slope
        if not self.blur:
            return self._drawn(x, y, loss, rival, (scores, value, slope))
        slope = _even(slope)
        for _ in range(self.around - 1):
            slope += _even(self._one(x + (torch.rand_like(x) * 2 - 1) * self.blur, y, loss, rival)[2])
        return scores, value, slope

    def _drawn(self, x: Tensor, y: Tensor, loss: Loss, rival: Tensor | None, first: Draw) -> Draw:
        """The same rows each time, what differs is chance: a mean in which draws on which a row stands count most."""
        draws = [first, *(self._one(x, y, loss, rival) for _ in range(self.around - 1))]
        weights = torch.softmax(torch.stack([-lead(one[0], y) for one in draws]) / HARD, dim=0)
        scores, values, slopes = (torch.stack(one) for one in zip(*draws, strict=True))
        slopes = torch.stack([_even(one) for one in slopes])
        each = weights.view(*weights.shape, *[1] * (x.dim() - 1))
        return (scores * weights[:, :, None]).sum(dim=0), (values * weights).sum(dim=0), (slopes * each).sum(dim=0)

    def _one(self, x: Tensor, y: Tensor, loss: Loss, rival: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        self.tally[0] += len(x)
        with torch.enable_grad(), self.context():
            rows = x.detach().requires_grad_()
            scores = self._scaled(rows)
            flat = scores.detach() if self.speaks is None else self.speaks(x)
            value, direction = loss(flat, y, rival)
            slope = None
            if scores.requires_grad:
                # As a sum: a gradient by outputs that are given makes torch import sympy, a second of CPU.
                (slope,) = torch.autograd.grad((scores * direction).sum(), rows, allow_unused=True)
        return flat, value, torch.zeros_like(x) if slope is None else torch.nan_to_num(slope, 0.0, 0.0, 0.0)

    def _scaled(self, x: Tensor) -> Tensor:
        scores = self.module(x).float()
        return torch.nan_to_num((scores.clamp_min(LEAST).log() if self.logs else scores) / self.scale, 0.0, 1e30, -1e30)


def entire(target: Target) -> View | None:
    """The module as it answers, head and noise and all; None for a target without one."""
    if target.module is None:
        return None
    module = target.module()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    return View("gradient", module)


def bared(view: View, probe: Array) -> View:
    """Without the head, without noise, and with scores in one spread, as they are on the probe rows."""
    module = view.module.peeled() if hasattr(view.module, "peeled") else view.module
    context: Callable[[], AbstractContextManager[object]] = nullcontext
    if getattr(module, "random", ()):
        context = (lambda: _calm(module.mode)) if hasattr(module, "mode") else (lambda: Softened(calm=True))
    made = View(view.name, module, 1.0, context)
    told = made.scores(torch.tensor(probe))
    # A mean of shares has no scores before its head: where one part is sure, only logarithms still have a slope.
    shares = bool((told >= 0).all()) and bool(((told.sum(dim=1) - 1).abs() < 1e-3).all())
    made = replace(made, logs=shares and len(told[(told > 0) & (told < 1)]) > 0)
    spread = float(made.scores(torch.tensor(probe)).double().std(dim=1).median())
    return replace(made, scale=max(spread, 1e-30) / SPREAD)


def softened(view: View) -> View:
    """What saturates passes a gradient on, as if it had not; what oscillates passes none."""

    @contextmanager
    def context() -> Iterator[None]:
        with view.context(), Softened(calm=True, soft=True):
            yield

    return replace(view, name="softened gradient", context=context)


def blurred(view: View, blur: float, around: int = 8) -> View:
    """Gradients that are means over the neighbourhood: of a gradient in shreds the part that leads somewhere."""
    return replace(view, name=f"blurred {view.name}", around=around, blur=blur)


def averaged(view: View, around: int = 8) -> View:
    """Of a module that is random: scores and gradients that are means over its own noise (EOT, Athalye et al. 2018)."""
    return replace(view, name="mean gradient", context=nullcontext, around=around, blur=0.0)


def _even(slope: Tensor) -> Tensor:
    """Each row's gradient at one size, so that none outweighs the others in a mean."""
    return slope / slope.abs().flatten(1).mean(dim=1).clamp_min(1e-30).view(-1, *[1] * (slope.dim() - 1))


@contextmanager
def _calm(mode: Any) -> Iterator[None]:
    before, mode.calm = mode.calm, True
    try:
        yield
    finally:
        mode.calm = before
