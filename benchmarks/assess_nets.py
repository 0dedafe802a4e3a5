"""Nets under our chain of attacks, beside AutoAttack where torchattacks is at hand; and nets that hide their gradients.

    python -m benchmarks.assess_nets [--data rows.npz] [--eps E] [--rows N] [--match TEXT]

Nets of five kinds are trained on scikit-learn's digits at 16 x 16, or on the rows of a file (x_train y_train x_test
y_test, images in [0, 1]). Robust share under Linf and L2 with CPU seconds of the attack, of everything else that the
report tells of it too, and of AutoAttack's standard version (`BENCH_PEERS` names an environment with torchattacks).
Then masks around the first net: what stands behind each and which of our warnings names it, beside the bare net.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.measure import measure
from bartizan.assess.how import How
from bartizan.assess.target import Array
from bartizan.assess.targets.opening import open_target
from benchmarks.training import learned

Tensor = Any
SIDE = 16
L2 = 10.0  # times eps under Linf


@dataclass(frozen=True, slots=True)
class Rows:
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array

    @property
    def data(self) -> Data:
        return Data(Form.IMAGES, "", x_train=self.x_train, y_train=self.y_train, x_test=self.x_test, y_test=self.y_test)


def rows(path: Path | None, count: int) -> Rows:
    if path is not None:
        with np.load(path) as held:
            return Rows(held["x_train"], held["y_train"], held["x_test"][:count], held["y_test"][:count])
    from sklearn.datasets import load_digits

    held = load_digits()
    small = torch.from_numpy((held.images / 16).astype(np.float32))[:, None]
    x, y = F.interpolate(small, (SIDE, SIDE), mode="bilinear").numpy(), held.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1200], order[1200 : 1200 + count]
    return Rows(x[train], y[train], x[test], y[test])


# ---- Nets ------------------------------------------------------------------------------------------------------------


def cnn(planes: int, side: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(planes, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def normalised(planes: int, side: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(planes, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * ((side + 3) // 4) ** 2, 10),
    )  # fmt: skip


def dense(planes: int, side: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(planes * side**2, 128), nn.Tanh(), nn.Linear(128, 10))


class Residual(nn.Module):
    def __init__(self, planes: int, side: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(planes, 16, 3, stride=2, padding=1)
        self.second, self.third = nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.last = nn.Linear(32 * ((side + 3) // 4) ** 2, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.first(x))
        x = x + F.gelu(self.second(x))
        return self.last(F.gelu(self.third(x)).flatten(1))


def trained(made: nn.Module, data: Rows, eps: float = 0.0, heat: float = 1.0) -> nn.Module:
    """With `eps` on five steps of PGD (Madry et al. 2018); `heat` divides the scores while it learns."""
    epochs = max(4, 20000 // len(data.x_train)) * (2 if eps else 1)
    return learned(made, data.x_train, data.y_train, epochs=epochs, batch=64, rate=2e-3, eps=eps, steps=5, heat=heat)


# ---- Masks -----------------------------------------------------------------------------------------------------------


class Around(nn.Module):
    """A net with something around it."""

    def __init__(self, net: nn.Module, around: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.around = net, around

    def forward(self, x: Tensor) -> Tensor:
        return self.around(self.net, x)


def thermometer(net: nn.Module, x: Tensor) -> Tensor:
    """Each value as how many of eight levels it reaches."""
    levels = (torch.arange(8) + 0.5) / 8
    return net((x.unsqueeze(-1) > levels).float().mean(-1))


def jpeg(net: nn.Module, x: Tensor) -> Tensor:
    """The cosine transform of blocks of four, rounded."""
    at = torch.arange(4)
    turn = torch.cos(torch.pi * (2 * at[None] + 1) * at[:, None] / 8) * torch.tensor([0.5, *[0.5**0.5] * 3])[:, None]
    planes, side = x.shape[1], x.shape[2]
    blocks = x.reshape(-1, planes, side // 4, 4, side // 4, 4).permute(0, 1, 2, 4, 3, 5)
    rounded = torch.round(turn @ blocks @ turn.T * 6) / 6
    return net((turn.T @ rounded @ turn).permute(0, 1, 2, 4, 3, 5).reshape(-1, planes, side, side))


def winners(net: Any, x: Tensor) -> Tensor:
    """Of the features only the eighth that is largest goes on (Xiao et al. 2020)."""
    features = net[:7](x)
    least = features.topk(features.shape[1] // 8, dim=1).values[:, -1:]
    return net[7:](torch.where(features >= least, features, torch.zeros_like(features)))


def moved(net: nn.Module, x: Tensor) -> Tensor:
    """A random border of up to two on each side, and back to size."""
    side = x.shape[2]
    wide = F.pad(x, (2, 2, 2, 2))
    weight = torch.softmax(torch.randn(3) * 20, 0)
    return net(sum(weight[i] * wide[:, :, i + 1 : i + 1 + side, i + 1 : i + 1 + side] for i in range(3)))


def dropping(net: Any, x: Tensor) -> Tensor:
    return net[7:](F.dropout(net[:7](x), 0.3, training=True))


def in_batch(net: Any, x: Tensor) -> Tensor:
    """Scores less their mean over the batch, as a normalisation that is still training does."""
    scores = net(x)
    return scores - 0.3 * scores.mean(0, keepdim=True)


MASKS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "scores times 1,000": lambda net, x: net(x) * 1000,
    "temperature 1e-3, softmax": lambda net, x: (net(x) * 1000).softmax(1),
    "softmax": lambda net, x: net(x).softmax(1),
    "softmax twice": lambda net, x: net(x).softmax(1).softmax(1),
    "saturated sigmoid": lambda net, x: torch.sigmoid(net(x) * 2),
    "constant added": lambda net, x: net(x) + 1e4,
    "mean subtracted, tiny": lambda net, x: (net(x) - net(x).mean(1, keepdim=True)) * 1e-12,
    "argmax alone": lambda net, x: F.one_hot(net(x).argmax(1), 10).float(),
    "scores rounded": lambda net, x: torch.round(net(x) / 2),
    "mean over the batch": in_batch,
    "rows in 8 steps": lambda net, x: net(torch.round(x * 8) / 8),
    "thermometer": thermometer,
    "JPEG-like": jpeg,
    "clipped steeply": lambda net, x: net(torch.clamp((x - 0.3) * 50 + 0.5, 0, 1)),
    "shattered": lambda net, x: net(x + 0.03 * torch.sin(400 * x)),
    "winners take all": winners,
    "noise on rows": lambda net, x: net(x + 0.05 * torch.randn_like(x)),
    "noise on scores": lambda net, x: net(x) + torch.randn_like(net(x)),
    "dropout on": dropping,
    "moved at random": moved,
}


class Steps(nn.Module):
    """Hidden units that are on or off; learned through a steep sigmoid."""

    def __init__(self, planes: int, side: int) -> None:
        super().__init__()
        self.first, self.last, self.hard = nn.Linear(planes * side**2, 200), nn.Linear(200, 10), False

    def forward(self, x: Tensor) -> Tensor:
        inside = self.first(x.flatten(1))
        return self.last((inside > 0).float() if self.hard else torch.sigmoid(8 * inside))


class Several(nn.Module):
    def __init__(self, nets: list[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([net(x).softmax(1) for net in self.nets]).mean(0)


# ---- Figures ---------------------------------------------------------------------------------------------------------


def saved(net: nn.Module, data: Rows, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (torch.from_numpy(data.x_test[:2]),), str(path), dynamo=False, input_names=["x"],
            training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
            dynamic_axes={"x": {0: "n"}},
        )  # fmt: skip
    return path


def ours(path: Path, data: Rows, eps: float, norm: str) -> tuple[dict[str, Any], float]:
    """The section of the report, and its CPU seconds."""
    target = open_target(str(path), data=data.data)
    began = time.process_time()
    told = measure(target, data.data, How(eps, norm=norm, rows=len(data.x_test))).as_json()
    return told, time.process_time() - began


def autoattack(net: nn.Module, data: Rows, eps: float, norm: str) -> str:
    """Robust share and CPU seconds of the standard version, or that it is not there."""
    if "BENCH_PEERS" in os.environ:
        folders = Path(os.environ["BENCH_PEERS"]).glob("lib/python*/site-packages")
        sys.path.extend(str(one) for one in folders if str(one) not in sys.path)
    try:
        import torchattacks
    except ImportError:
        return "not at hand"
    x, y = torch.from_numpy(data.x_test), torch.from_numpy(data.y_test)
    name = "Linf" if norm == "linf" else "L2"
    attack = torchattacks.AutoAttack(net, norm=name, eps=eps, version="standard", n_classes=10, seed=0)
    began = time.process_time()
    changed = attack(x, y)
    took = time.process_time() - began
    with torch.no_grad():
        share = float((net(changed).argmax(1) == y).float().mean())
    return f"{share:.1%} ({took:.1f})"


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--eps", type=float, default=0.1)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--match", default="")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, eps = rows(asked.data, asked.rows), asked.eps
    shape = data.x_train.shape[1], data.x_train.shape[2]
    base = trained(cnn(*shape), data)
    nets: dict[str, Callable[[], nn.Module]] = {
        "CNN": lambda: base,
        "residual": lambda: trained(Residual(*shape), data),
        "batch norm": lambda: trained(normalised(*shape), data),
        "dense": lambda: trained(dense(*shape), data),
        "CNN, PGD-trained": lambda: trained(cnn(*shape), data, eps),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        print(f"Robust share of {len(data.x_test)} rows, in brackets CPU s.\n")
        print("| net | norm | eps | AutoAttack | Bartizan |\n|---|---|---|---|---|", flush=True)
        for name, made in nets.items():
            if asked.match not in name:
                continue
            net = made()
            saved(net, data, path)
            for norm, far in (("linf", eps), ("l2", eps * L2)):
                told, took = ours(path, data, far, norm)
                share = told["robust"]["share"]
                print(f"| {name} | {norm} | {far:g} | {autoattack(net, data, far, norm)} | {share:.1%} ({took:.1f}) |",
                      flush=True)  # fmt: skip
        print("\n| mask | right | Bartizan | trusted | warnings |\n|---|---|---|---|---|", flush=True)
        for name, net in masked(base, shape, data).items():
            if asked.match not in name:
                continue
            saved(net(), data, path)
            told, took = ours(path, data, eps, "linf")
            named = ", ".join(one["check"] for one in told["warnings"]) or "none"
            print(f"| {name} | {told['clean']['share']:.1%} | {told['robust']['share']:.1%} ({took:.1f}) "
                  f"| {'yes' if told['trusted'] else 'no'} | {named} |", flush=True)  # fmt: skip


def masked(base: nn.Module, shape: tuple[int, int], data: Rows) -> dict[str, Callable[[], nn.Module]]:
    """The bare net, and the masks."""

    def steps() -> nn.Module:
        made = trained(Steps(*shape), data)
        made.hard = True
        return made

    return {
        "no mask": lambda: base,
        **{name: partial(Around, base, around) for name, around in MASKS.items()},
        "distilled at 100": lambda: trained(cnn(*shape), data, heat=100.0),
        "units of steps": steps,
        "three nets' probabilities": lambda: Several([base, *(trained(cnn(*shape), data) for _ in range(2))]),
        "batch norm in training": lambda: trained(normalised(*shape), data).train(),
    }


if __name__ == "__main__":
    main()
