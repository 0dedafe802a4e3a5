"""A copy that is trained on the model's answers: gradients for a model that gives none, or none of use.

Papernot et al. 2017, "Practical Black-Box Attacks against Machine Learning". What is changed for the copy is tried on
the model (transfer); and the copy's gradients can lead where the model's own scores say how far one came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bartizan.assess.evasion.losses import Tensor
from bartizan.assess.evasion.view import SPREAD, View
from bartizan.assess.target import Array, Target

if TYPE_CHECKING:
    from bartizan.assess.data import Data

ROWS = 3000  # of the data that the model is asked about
STEPS, BATCH, RATE = 240, 64, 3e-3
CHANGED = 0.5  # of them by eps, for attacks will ask about such rows


def taught(target: Target, data: Data, eps: float, seed: int, over: Callable[[], bool]) -> View | None:
    """A small net that answers as the target does, on its training rows; None where there are none."""
    x, y = (data.x_train, data.y_train) if data.x_train is not None else (data.x_test, data.y_test)
    if x is None or y is None or len(x) < BATCH:
        return None
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))[:ROWS]
    rows = np.ascontiguousarray(x[order], dtype=np.float32)
    some = (rng.random(len(rows)) < CHANGED).reshape(-1, *[1] * (rows.ndim - 1))
    noise = eps * np.sign(rng.normal(size=(len(rows), *rows.shape[1:])))
    told = np.clip(rows + np.where(some, noise, 0), rows.min(), rows.max()).astype(np.float32)
    if target.cap is None:
        answers = torch.from_numpy(np.exp(target.log_probabilities(told))).float()
    else:  # Queries are counted: the rows' own labels cost none.
        answers = torch.eye(target.classes)[torch.from_numpy(np.ascontiguousarray(y[order], dtype=np.int64))]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _net(rows.shape[1:], target.classes)
        _train(net, torch.from_numpy(told), answers, rng, over)
    view = View("copy", net)
    spread = float(view.scores(torch.from_numpy(rows[:BATCH])).std(dim=1).median())
    return View("copy", net, max(spread, 1e-30) / SPREAD)


def _net(shape: tuple[int, ...], classes: int) -> Any:
    nn = torch.nn
    size = int(np.prod(shape))
    channels = shape[0] if len(shape) == 3 else 1
    if len(shape) in (2, 3) and min(shape[-2:]) >= 8:
        high, wide = ((side + 3) // 4 for side in shape[-2:])
        return nn.Sequential(
            nn.Unflatten(1, (1, shape[0])) if len(shape) == 2 else nn.Identity(),
            nn.Conv2d(channels, 16, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(32 * high * wide, 96), nn.ReLU(), nn.Linear(96, classes),
        )  # fmt: skip
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, classes)
    )  # fmt: skip


def _train(net: Any, x: Tensor, answers: Tensor, rng: np.random.Generator, over: Callable[[], bool]) -> None:
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    for number in range(STEPS):
        if over():
            break
        some = torch.from_numpy(rng.integers(0, len(x), BATCH))
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - number / STEPS)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[some]), answers[some]).backward()
        optimizer.step()
    for parameter in net.parameters():
        parameter.requires_grad_(False)


def led(copy: View, target: Target, probe: Array) -> View:
    """The target's own scores (logarithms where it gives probabilities) with the copy's gradients."""
    spread = float(np.median(target.log_probabilities(probe).std(axis=1)))
    scale = max(spread, 1e-30) / SPREAD

    def speaks(x: Tensor) -> Tensor:
        return torch.from_numpy(target.log_probabilities(x.numpy()) / scale).float()

    return replace(copy, name="gradient of a copy", speaks=speaks)
