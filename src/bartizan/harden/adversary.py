"""The rows a net is trained on: changed within the ball so that it errs, as cheaply as still teaches it something.

One step from a random place (Wong et al. 2020, "Fast is better than free"), noise without clipping (de Jorge et al.
2022, "Make Some Noise", N-FGSM), several steps (Madry et al. 2018), and the same for the divergence that TRADES lowers
(Zhang et al. 2019). These attacks train and choose; what is reported is measured by the assessment alone.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.assess.targets.exporting import Front

Tensor = Any  # torch.Tensor: torch is not read by the type checker
NOISE = "noise"  # as a norm: what smoothing is trained by
REACH = 1.25  # of the radius, that one step goes: as N-FGSM and Wong et al. found it


@dataclass(frozen=True, slots=True)
class Threat:
    """What may be changed: `eps` under `norm` (linf or l2), values within [low, high]. `front` sees rows first.

    Under `norm` noise nothing is chosen: Gaussian noise of standard deviation `eps` is drawn, and no value is held.
    """

    norm: str
    eps: float
    low: float
    high: float
    front: Front | None = None

    def seen(self, x: Tensor) -> Tensor:
        """Rows as the net sees them."""
        return x if self.front is None else self.front(x)

    def room(self, x: Tensor, share: float = 1.0) -> tuple[Tensor, Tensor]:
        """The lowest and highest value of each place as the net sees it, for a share of the radius (linf).

        A front never falls, so the ball becomes a box again: smaller where it flattens, empty where a value is hidden.
        """
        radius = self.eps * share
        return self.seen((x - radius).clamp(self.low, self.high)), self.seen((x + radius).clamp(self.low, self.high))


@dataclass(frozen=True, slots=True)
class Method:
    """How a net is taught: steps of the attack, noise without clipping, TRADES' weight, AWP's share of the weights."""

    name: str
    steps: int = 1
    unclipped: bool = False
    trades: float = 0.0
    awp: float = 0.0

    @property
    def passes(self) -> float:
        """Forward and backward passes for a row, in those of plain training."""
        return 1 + 0.8 * self.steps + (1 if self.trades else 0) + (2 if self.awp else 0)


def half(enabled: bool) -> AbstractContextManager[object]:
    """bfloat16 in the costly operators, where the processor has it: weights stay float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def attacked(
    net: Any, x: Tensor, y: Tensor, threat: Threat, method: Method, share: float, chance: Any, fast: bool
) -> Tensor:
    """Rows as the net sees them, changed within a share of the radius; labels are ints."""
    if threat.norm == NOISE:
        return drowned(x, threat.eps * share, chance)
    clean = None
    if method.trades:
        with torch.no_grad(), half(fast):
            clean = net(threat.seen(x)).float().softmax(1)
    if threat.norm == "l2":
        return _round(net, x, y, clean, threat, method, share, chance, fast)
    if method.unclipped and threat.front is None:
        radius = threat.eps * share
        rows = x + (torch.rand(x.shape, generator=chance) * 4 - 2) * radius
        return rows + radius * _slope(net, rows, y, clean, fast).sign()
    low, high = threat.room(x, share)
    width = high - low
    rows = low + width * torch.rand(x.shape, generator=chance)
    pace = REACH / 2 if method.steps == 1 else REACH / method.steps
    for _ in range(method.steps):
        step = pace * width * _slope(net, rows, y, clean, fast).sign()
        rows = torch.minimum(torch.maximum(rows + step, low), high)
    return rows


def drowned(x: Tensor, sigma: float, chance: Any) -> Tensor:
    """Rows with Gaussian noise; values may leave their range, as smoothing adds it."""
    return x + sigma * torch.randn(x.shape, generator=chance)


def _round(
    net: Any, x: Tensor, y: Tensor, clean: Tensor, threat: Threat, method: Method, share: float, chance: Any, fast: bool
) -> Tensor:
    radius = threat.eps * share
    rows = (x + _direction(torch.randn(x.shape, generator=chance)) * radius / 2).clamp(threat.low, threat.high)
    pace = radius if method.steps == 1 else 2 * radius / method.steps
    for _ in range(method.steps):
        rows = nearest(rows + pace * _direction(_slope(net, rows, y, clean, fast)), x, radius)
        rows = rows.clamp(threat.low, threat.high)
    return rows


def _slope(net: Any, rows: Tensor, y: Tensor, clean: Tensor | None, fast: bool) -> Tensor:
    rows = rows.detach().requires_grad_()
    with half(fast):
        out = net(rows).float()
    if clean is None:
        loss = F.cross_entropy(out, y, reduction="sum")
    else:
        loss = F.kl_div(out.log_softmax(1), clean, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, rows)
    return gradient


def _direction(gradient: Tensor) -> Tensor:
    size = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)
    return gradient / size.reshape(-1, *[1] * (gradient.dim() - 1))


def nearest(rows: Tensor, x: Tensor, radius: float) -> Tensor:
    """Rows drawn back to at most `radius` (L2) from `x`."""
    change = rows - x
    size = change.flatten(1).norm(dim=1).clamp(min=1e-12)
    return x + change * (radius / size).clamp(max=1).reshape(-1, *[1] * (x.dim() - 1))


def standing(net: Any, x: Tensor, y: Tensor, threat: Threat, steps: int, chance: Any, fast: bool = False) -> Tensor:
    """(n,) whether a row is right and stays so through so many steps on the margin; a row that falls is left alone.

    It works on what the net sees, so that no front hides a gradient from it. For choosing, never for reporting. Under
    noise a row stands that is right in so many noisy copies.
    """
    if threat.norm == NOISE:
        with torch.no_grad(), half(fast):
            right = [net(drowned(x, threat.eps, chance)).argmax(1) == y for _ in range(steps)]
        return torch.stack(right).all(0)
    with torch.no_grad():
        stands = net(threat.seen(x)).argmax(1) == y
    left = stands.nonzero()[:, 0]
    if not len(left):
        return stands
    low, high = threat.room(x[left]) if threat.norm == "linf" else (x[left], x[left])
    rows = low + (high - low) * torch.rand(low.shape, generator=chance)
    for at in range(steps):
        rows = rows.detach().requires_grad_()
        with half(fast):
            out = net(rows).float()
        right = out.gather(1, y[left, None])[:, 0]
        margin = out.scatter(1, y[left, None], float("-inf")).max(1).values - right
        fell = margin.detach() > 0
        (gradient,) = torch.autograd.grad(margin.sum(), rows)
        stands[left[fell]] = False
        kept = ~fell
        left, low, high, rows, gradient = left[kept], low[kept], high[kept], rows.detach()[kept], gradient[kept]
        if not len(left):
            break
        pace = 1 - at / steps
        if threat.norm == "linf":
            rows = torch.minimum(torch.maximum(rows + pace / 2 * (high - low) * gradient.sign(), low), high)
        else:
            rows = nearest(rows + pace * threat.eps * _direction(gradient), x[left], threat.eps)
            rows = rows.clamp(threat.low, threat.high)
    if len(left):
        with torch.no_grad():
            stands[left[net(rows.detach()).argmax(1) != y[left]]] = False
    return stands
