"""Torch calls with the gradient that an attack needs instead of the true one; the values stay what they are.

A sigmoid in saturation has a derivative of 0, a step none, noise another one each time. While this is in force each
passes on what a gentler one of its kind would (backward-pass differentiable approximation, Athalye et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from bartizan.assess.targets.operators import Tensor

F = torch.nn.functional
T = torch.Tensor
LEAST = 0.1  # of the derivative that a saturating function has at its middle
LEAK = 0.1  # of the derivative of a unit that is off

SQUASHED = {torch.sigmoid, F.sigmoid, T.sigmoid, T.sigmoid_, torch.tanh, T.tanh, F.tanh, torch.erf, T.erf,
            F.hardsigmoid, F.softsign, torch.atan, T.atan}  # fmt: skip
CLAMPED = {torch.clamp, T.clamp, torch.clip, T.clip, F.hardtanh, F.relu6}
CUT = {torch.relu, T.relu, F.relu, F.threshold}
WAVES = {torch.sin, T.sin, torch.cos, T.cos}


class _Gentle(torch.autograd.Function):
    """`value` forward; backward the gradient times `rate`, which has the shape of what the value came from."""

    @staticmethod
    def forward(ctx: Any, like: Tensor, value: Tensor, rate: Tensor) -> Tensor:
        ctx.save_for_backward(rate)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (rate,) = ctx.saved_tensors
        return gradient * rate, None, None


class Softened(TorchFunctionMode):
    """`calm`: what is random gives its mean. `soft`: what saturates, oscillates or is off passes a gradient on."""

    def __init__(self, *, calm: bool = False, soft: bool = False) -> None:
        super().__init__()
        self.calm, self.soft = calm, soft

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if self.calm:
            stilled = _stilled(func, args, given)
            if stilled is not None:
                return stilled()
        out = func(*args, **given)
        x: Any = args[0] if args else None
        if not (self.soft and torch.is_tensor(x) and x.requires_grad and torch.is_tensor(out) and out.shape == x.shape):
            return out
        rate = _rate(func, x.detach(), out.detach())
        return out if rate is None else _Gentle.apply(x, out.detach(), rate)


def _rate(func: Any, x: Tensor, out: Tensor) -> Tensor | None:
    if func in SQUASHED:
        bounded = (out / out.abs().max().clamp_min(1e-12)).abs().clamp_max(1.0)
        return (1 - bounded).clamp_min(LEAST)
    if func in CLAMPED:
        return torch.where(out == x, 1.0, LEAST)
    if func in CUT:
        return torch.where(out == x, 1.0, LEAK)
    if func in WAVES:
        return torch.zeros_like(x)
    return None


def _stilled(func: Any, args: Any, given: Any) -> Callable[[], Tensor] | None:
    """What a random call gives on average; None for other calls."""
    if func in (
        F.dropout,
        F.dropout1d,
        F.dropout2d,
        F.dropout3d,
        F.alpha_dropout,
        F.feature_alpha_dropout,
        torch.dropout,
    ):
        return lambda: args[0]
    if func is torch.randn_like:
        return lambda: torch.zeros_like(args[0])
    if func is torch.rand_like:
        return lambda: torch.full_like(args[0], 0.5)
    if func in (torch.randn, torch.rand):
        return lambda: func(*args, **given) * 0 + (0.5 if func is torch.rand else 0.0)
    if func in (T.normal_, T.uniform_):
        ends = [*args[1:3], *[given[key] for key in ("mean", "from", "to") if key in given]]
        mean = (ends[0] if ends else 0.0) if func is T.normal_ else (sum(ends[:2]) / 2 if len(ends) > 1 else 0.5)
        return lambda: args[0].fill_(mean)
    if func is torch.normal:
        return lambda: func(*args, **given) * 0 + (args[0] if args else given.get("mean", 0.0))
    if func in (torch.bernoulli, T.bernoulli):
        return lambda: args[0]
    return None
