"""Training a net anew: the weights begin again and a stated recipe teaches them.

The recipe is one for all architectures: Adam with a one-cycle rate, batches of 64, as many epochs as give about
`STEPS` steps. Weights begin as torch's own layers do (uniform within one over the square root of the inputs); a net
with more than `DEEP` weights and no normalisation is scaled layer by layer until each gives outputs of variance one on
a batch (Mishkin and Matas 2016, "All you need is a good init").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, isfinite, pi, sqrt
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.assess.target import Array, Output
from bartizan.assess.targets.graph import NORMS, Graph
from bartizan.assess.targets.operators import Tensor

STEPS = 600
MIN_EPOCHS, MAX_EPOCHS = 4, 50
BATCH = 64
PEAK = 3e-3
WARM = 0.2  # Of all steps: so long the rate rises.
LARGEST = 5.0  # Length to which a gradient is cut.
DEEP = 8


def epochs_for(rows: int) -> int:
    """About `STEPS` steps, within bounds."""
    return min(MAX_EPOCHS, max(MIN_EPOCHS, round(STEPS / max(1, ceil(rows / BATCH)))))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a net is trained; `epochs` None: by the number of rows."""

    epochs: int | None = None
    rate: float = PEAK
    batch: int = BATCH

    def __str__(self) -> str:
        epochs = f"{self.epochs} epochs" if self.epochs else f"{MIN_EPOCHS} to {MAX_EPOCHS} epochs by the rows"
        return (
            f"weights begun again as torch begins them, Adam with a one-cycle rate up to {self.rate:g}, {epochs}, "
            f"batches of {self.batch}, cross-entropy, no weight decay, no augmentation"
        )


def initialise(net: Graph, seed: int, x: Tensor | None = None) -> None:
    """Begins every parameter again; with rows, deep nets without normalisation are scaled on them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, role in net.plan.roles.items():
            value = net.get_parameter(name)
            bound = 1 / sqrt(role.fan)
            if role.kind in ("weight", "bias") and role.fan > 1:
                value.copy_(torch.rand(value.shape, generator=generator) * 2 * bound - bound)
            elif role.kind == "table":
                value.copy_(torch.randn(value.shape, generator=generator) * 0.02)
            else:
                value.fill_({"scale": 1.0, "slope": 0.25}.get(role.kind, 0.0))
        _restart_statistics(net)
        weights = [name for name, role in net.plan.roles.items() if role.kind == "weight"]
        normed = any(step.node.op in NORMS for step in net.plan.steps)
        if x is not None and len(weights) > DEEP and not normed:
            _scale(net, x[:128])


def _restart_statistics(net: Graph) -> None:
    fixed = dict(net.plan.fixed)
    for step in net.plan.steps:
        if step.node.op == "BatchNormalization":
            for slot, start in zip(step.inputs[3:5], (0.0, 1.0), strict=True):
                if slot in fixed and fixed[slot] in net._buffers:
                    net.get_buffer(fixed[slot]).fill_(start)


def _scale(net: Graph, x: Tensor) -> None:
    """Each weight in the order of the graph, until what it gives has variance one; the last a tenth of it."""
    fixed, plan = dict(net.plan.fixed), net.plan
    values: list[Any] = [None] * plan.slots
    for slot, name in plan.fixed:
        values[slot] = net.tensors()[name]
    values[plan.rows] = x
    done = set()
    for step in plan.steps:
        mine = [fixed[slot] for slot in step.inputs if slot in fixed and fixed[slot] in plan.roles]
        mine = [name for name in mine if plan.roles[name].kind == "weight" and name not in done]

        def run(step: Any = step) -> Any:
            return step.run(step.node, [values[slot] if slot >= 0 else None for slot in step.inputs])

        out = run()
        if mine and not isinstance(out, tuple):
            spread = float(out.std())
            if spread > 1e-8:
                net.get_parameter(mine[0]).div_(spread)
                done.add(mine[0])
                out = run()
        for slot, one in zip(step.outputs, out if isinstance(out, tuple) else (out,), strict=False):
            values[slot] = one


class Adam:
    """Kingma and Ba 2015, with gradients cut to a length. Torch's own loads its compiler first, for two seconds."""

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float] = (0.9, 0.999)) -> None:
        self.parameters, self.betas, self.steps = list(parameters), betas, 0
        self.means = [torch.zeros_like(one) for one in self.parameters]
        self.squares = [torch.zeros_like(one) for one in self.parameters]

    def step(self, gradients: Sequence[Tensor | None], rate: float) -> None:
        """One step against the gradients, at a rate; a parameter without one (None) stays."""
        self.steps += 1
        first, second = self.betas
        known = [one for one in gradients if one is not None]
        length = float(torch.sqrt(sum(((one * one).sum() for one in known), torch.zeros(()))))
        factor = min(1.0, LARGEST / (length + 1e-6)) if isfinite(length) else 0.0
        size = rate * sqrt(1 - second**self.steps) / (1 - first**self.steps)
        with torch.no_grad():
            for value, mean, square, one in zip(self.parameters, self.means, self.squares, gradients, strict=True):
                if one is None or not factor:
                    continue
                gradient = one * factor if factor < 1 else one
                mean.mul_(first).add_(gradient, alpha=1 - first)
                square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
                value.addcdiv_(mean, square.sqrt().add_(1e-8), value=-size)


def rate_at(peak: float, step: int, total: int) -> float:
    """One cycle: rises in a line, then falls as a cosine does (Smith and Topin 2017, "Super-Convergence")."""
    warm = max(1, round(WARM * total))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + cos(pi * (step - warm) / max(1, total - warm)))


def fit(net: Any, x: Array, y: Array, seed: int, recipe: Recipe, output: Output) -> None:
    """Trains the module on rows and integer or soft labels, in place; ends in evaluation mode.

    `net` gives logits or, by `output`, probabilities. Everything random comes from `seed`.
    """
    inputs = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
    soft = np.ndim(y) == 2
    wanted = torch.from_numpy(np.ascontiguousarray(y, dtype=np.float32 if soft else np.int64))
    parameters = [one for one in net.parameters() if one.requires_grad]
    epochs = recipe.epochs or epochs_for(len(inputs))
    steps = ceil(len(inputs) / recipe.batch)
    optimiser, total, done = Adam(parameters), epochs * steps, 0
    generator = torch.Generator().manual_seed(seed)
    state = torch.get_rng_state()
    torch.manual_seed(seed)  # Dropout and noise inside the net draw from the global generator.
    net.train()
    try:
        for _ in range(epochs):
            order = torch.randperm(len(inputs), generator=generator)
            for part in order.split(recipe.batch):
                if len(part) == 1 and len(inputs) > 1:
                    continue  # Batch statistics of one row say nothing.
                loss = _loss(net(inputs[part]), wanted[part], output)
                optimiser.step(
                    torch.autograd.grad(loss, parameters, allow_unused=True), rate_at(recipe.rate, done, total)
                )
                done += 1
    finally:
        net.eval()
        torch.set_rng_state(state)


def _loss(out: Tensor, wanted: Tensor, output: Output) -> Tensor:
    if output is Output.LOGITS:
        return F.cross_entropy(out, wanted)
    logarithms = torch.log(out.clamp(min=1e-6))
    if wanted.dim() == 2:
        return -(wanted * logarithms).sum(1).mean()
    return F.nll_loss(logarithms, wanted)


def answer_of(net: Any) -> Any:
    """The module as a function of arrays, without gradients."""

    def answer(x: Array) -> Array:
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(np.require(x, np.float32, ["C", "W"]))).double().numpy())

    return answer
