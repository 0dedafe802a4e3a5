"""Training with differential privacy: gradients of each row are cut to a length and drowned in noise (DP-SGD).

Rows are drawn by independent coins for each step, as the accountant assumes; how much noise a promise needs is
Opacus' RDP accountant's to say. Gradients of single rows come from torch itself (vmap, or one by one), so any net that
a graph gives can be taught. Normalisation keeps the statistics it begins with: those of a batch would tell rows apart.

Source: Abadi et al. 2016, "Deep Learning with Differential Privacy"; Mironov et al. 2019 (RDP of the sampled Gaussian).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

EPOCHS = 12
STEPS = 150  # at least
EXPECTED = 256  # rows in a step
LENGTH = 1.0  # to which the gradient of a row is cut
RATE = 1e-2
AT_ONCE = 64  # rows whose gradients are held


def train(
    target: Target, x: Array, y: Array, seed: int, epsilon: float, delta: float, seconds: float
) -> tuple[Target, float]:
    """A net of the same architecture, and the noise in lengths. Raises UsageError where it cannot be taught so."""
    try:
        from opacus.accountants.utils import get_noise_multiplier
    except ImportError:
        raise Missing("opacus", "training with differential privacy") from None
    refit: Any = target.refit
    if not hasattr(refit, "begin"):
        raise UsageError("it is no net that can be begun again")
    from bartizan.assess.targets.training import Adam

    net = refit.begin(seed, x)
    bare = (net.peeled() if hasattr(net, "peeled") else net).eval()
    rows, labels = torch.from_numpy(x.astype("float32")), torch.from_numpy(y)
    share = min(1.0, EXPECTED / len(rows))
    chance = torch.Generator().manual_seed(seed)
    _laid(bare, torch.contiguous_format)  # vmap cannot copy other layouts, and row by row takes 3 to 8 times as long.
    weights = {name: value.detach() for name, value in bare.named_parameters()}
    fixed = dict(bare.named_buffers())

    def loss(mine: dict[str, Any], row: Any, label: Any) -> Any:
        return F.cross_entropy(torch.func.functional_call(bare, (mine, fixed), (row[None],)), label[None])

    alone = torch.func.grad(loss)
    at_once = torch.func.vmap(alone, in_dims=(None, 0, 0))

    def one_by_one(mine: dict[str, Any], some: Any, told: Any) -> dict[str, Any]:
        found = [alone(mine, row, label) for row, label in zip(some, told, strict=True)]
        return {name: torch.stack([one[name] for one in found]) for name in mine}

    each = at_once if _maps(lambda: at_once(weights, rows[:2], labels[:2])) else one_by_one

    def summed(some: Any) -> list[Any]:
        total = [torch.zeros_like(one) for one in weights.values()]
        for part in some.split(AT_ONCE):
            found = list(each(weights, rows[part], labels[part]).values())
            length = torch.sqrt(sum((one.flatten(1) ** 2).sum(1) for one in found))
            cut = (LENGTH / (length + 1e-9)).clamp(max=1)
            for whole, one in zip(total, found, strict=True):
                whole += torch.einsum("n,n...->...", cut, one)
        return total

    began = time.process_time()
    summed(torch.arange(min(EXPECTED, len(rows))))
    steps = max(STEPS, round(EPOCHS / share))
    steps = max(1, min(steps, int(seconds / max(1e-6, time.process_time() - began))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That its bound could be a little tighter: it holds as it is.
        noise = float(
            get_noise_multiplier(
                target_epsilon=epsilon, target_delta=delta, sample_rate=share, steps=steps, accountant="rdp"
            )
        )
    optimiser = Adam(list(weights.values()))
    for step in range(steps):
        some = (torch.rand(len(rows), generator=chance) < share).nonzero()[:, 0]
        blurred = [
            (one + noise * LENGTH * torch.randn(one.shape, generator=chance)) / (share * len(rows))
            for one in summed(some)
        ]
        optimiser.step(blurred, RATE * min(1.0, 2 * (1 - step / steps)))
    _laid(bare, torch.channels_last)
    return refit.target(net), noise


def _laid(net: Any, layout: Any) -> None:
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)


def _maps(run: Callable[[], object]) -> bool:
    """Whether every operator of the net works on many rows apart from each other; else they go one by one."""
    try:
        run()
    except (RuntimeError, NotImplementedError):
        return False
    return True
