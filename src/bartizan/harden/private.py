"""Training with differential privacy: gradients of each row are cut to a length and drowned in noise (DP-SGD).

Rows are drawn by independent coins for each step, as the accountant assumes; how much noise a promise needs is
Opacus' RDP accountant's to say. Gradients of single rows come from torch itself (vmap), so any net that a graph gives
can be taught. Normalisation keeps the statistics it begins with: those of a batch would tell rows apart.

Source: Abadi et al. 2016, "Deep Learning with Differential Privacy"; Mironov et al. 2019 (RDP of the sampled Gaussian).
"""

from __future__ import annotations

import time
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

EPOCHS = 12
EXPECTED = 256  # rows in a step
LENGTH = 1.0  # to which the gradient of a row is cut
RATE = 2e-3
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
    weights = {name: value.detach() for name, value in bare.named_parameters()}
    fixed = dict(bare.named_buffers())

    def loss(mine: dict[str, Any], row: Any, label: Any) -> Any:
        return F.cross_entropy(torch.func.functional_call(bare, (mine, fixed), (row[None],)), label[None])

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

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
    try:
        summed(torch.arange(min(EXPECTED, len(rows))))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        raise UsageError(f"gradients of single rows are not known for this net ({type(error).__name__})") from None
    steps = round(EPOCHS / share)
    steps = max(1, min(steps, int(seconds / max(1e-6, time.process_time() - began))))
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
    return refit.target(net), noise
