"""Training of the nets that benchmarks assess: plain, or on PGD's rows (Madry et al. 2018)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.assess.target import Array


def learned(
    net: Any, x: Array, y: Array, *, epochs: int, batch: int, rate: float, eps: float = 0.0, steps: int = 0,
    heat: float = 1.0,
) -> Any:  # fmt: skip
    """The net itself, in evaluation mode, taught by Adam; `heat` divides the scores while it learns.

    With `eps` it sees rows changed by so many `steps` of PGD (Linf), 1.7 radii long together.
    """
    rows, labels = torch.from_numpy(x), torch.from_numpy(y)
    optimiser = torch.optim.Adam(net.parameters(), rate)
    for _ in range(epochs):
        for part in torch.randperm(len(rows)).split(batch):
            inputs = _changed(net, rows[part], labels[part], eps, steps) if eps else rows[part]
            optimiser.zero_grad()
            F.cross_entropy(net(inputs) / heat, labels[part]).backward()
            optimiser.step()
    return net.eval()


def _changed(net: Any, rows: Any, labels: Any, eps: float, steps: int) -> Any:
    move = (torch.rand_like(rows) * 2 - 1) * eps
    for _ in range(steps):
        move.requires_grad_(True)
        loss = F.cross_entropy(net((rows + move).clamp(0, 1)), labels)
        (slope,) = torch.autograd.grad(loss, move)
        move = (move + 1.7 * eps / steps * slope.sign()).clamp(-eps, eps).detach()
    return (rows + move).clamp(0, 1)
