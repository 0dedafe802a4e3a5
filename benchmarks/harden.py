"""Hardening: robust and clean before and after beside plain N-FGSM of 25 epochs, on several architectures.

    python -m benchmarks.harden                                  scikit-learn's digits, 8 x 8
    python -m benchmarks.harden --data rows.npz --eps 0.2        x_train y_train x_test y_test, images in [0, 1]

Both hardened nets are judged by the whole chain of the assessment, never by what trained them; CPU seconds are user
and system time of this process. N-FGSM is as in the paper (de Jorge et al. 2022): noise of twice the radius, no
clipping, one step; from new weights, Adam with a one-cycle rate.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.opening import data_of
from bartizan.assess.targets.exporting import write_onnx
from bartizan.assess.targets.onnx import open_onnx
from bartizan.harden.adversary import Method, Threat
from bartizan.harden.hardening import harden
from bartizan.harden.proof import cpu_seconds, judged
from bartizan.harden.teaching import Lesson, teach

EPOCHS = 25


class Residual(torch.nn.Module):
    """Two convolutions beside the way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (torch.nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Any) -> Any:
        """The sum of both."""
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def nets(shape: tuple[int, ...], classes: int) -> dict[str, Any]:
    """Three small nets for images of one or more channels."""
    nn, channels, side = torch.nn, shape[0], shape[-1]
    flat = 32 * (side // 4) ** 2
    return {
        "plain": nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(flat, 64), nn.ReLU(), nn.Linear(64, classes),
        ),
        "batch norm": nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(flat, classes),
        ),
        "residual": nn.Sequential(
            nn.Conv2d(channels, 24, 3, stride=2, padding=1), nn.ReLU(), Residual(24), nn.AdaptiveAvgPool2d(4),
            nn.Flatten(), nn.Linear(24 * 16, classes),
        ),
    }  # fmt: skip


def digits() -> Data:
    """scikit-learn's handwritten digits, 8 x 8."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x.reshape(-1, 1, 8, 8) / 16).astype(np.float32)[order], y[order].astype(np.int64)
    cut = int(0.7 * len(x))
    return Data(Form.IMAGES, "digits", x[:cut], y[:cut], x[cut:], y[cut:])


def exported(net: Any, shape: tuple[int, ...], path: Path) -> None:
    """As somebody who trained with torch writes a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), torch.zeros(2, *shape), str(path), dynamo=False, input_names=["x"], output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )  # fmt: skip


def main() -> None:
    """Prints a line for each net and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="an npz of images; without it scikit-learn's digits")
    parser.add_argument("--eps", type=float, default=0.2)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--nets", default="plain,batch norm,residual")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = data_of(given.data) if given.data else digits()
    assert data.x_train is not None and data.y_train is not None and data.x_test is not None
    if data.x_train.ndim == 3:
        data = replace(data, x_train=data.x_train[:, None], x_test=data.x_test[:, None])
    assert data.x_train is not None and data.x_test is not None and data.y_train is not None
    shape, classes = data.x_train.shape[1:], int(data.y_train.max()) + 1
    print(f"{'net':<12}{'way':<18}{'clean':>8}{'robust':>8}{'CPU s':>8}   judged by the full chain, L-inf {given.eps}")
    for name in given.nets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            path = Path(folder) / "model.onnx"
            exported(nets(shape, classes)[name], shape, path)
            begun = open_onnx(path, data.x_test)
            assert begun.refit is not None
            target = begun.refit(data.x_train, data.y_train, 0)
            how = How(given.eps, rows=given.rows, budget=Budget(given.budget))
            done = harden(target, data, how)
            proof = done.proof
            _line(name, "as trained", proof.accuracy[0].share, proof.before.robust.share, 0.0)
            _line(name, "bartizan", proof.accuracy[1].share, proof.after.robust.share, done.seconds_cpu)
            _nfgsm(name, target, data, replace(how, budget=Budget(given.budget)), Path(folder))


def _nfgsm(name: str, target: Any, data: Data, how: How, folder: Path) -> None:
    assert data.x_train is not None and data.y_train is not None and data.x_test is not None
    from bartizan.assess.targets.training import initialise

    began = cpu_seconds()
    net = target.module().peeled().fresh()
    x, y = torch.from_numpy(data.x_train[256:]), torch.from_numpy(data.y_train[256:])
    initialise(net, 0, x[:128])
    watched = torch.from_numpy(data.x_train[:256]), torch.from_numpy(data.y_train[:256])
    lesson = Lesson(x, y, *watched, Threat(how.norm, how.eps, 0.0, 1.0), images=False, seed=0, fast=False)
    teach(net, lesson, Method("N-FGSM", unclipped=True), EPOCHS)
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    write_onnx(folder / "nfgsm.onnx", net, data.x_test[:64])
    took = cpu_seconds() - began
    made = open_onnx(folder / "nfgsm.onnx", data.x_test)
    found = judged(made, data, how)
    right = float((made.labels(data.x_test) == data.y_test).mean())
    _line(name, "N-FGSM, 25 epochs", right, found.robust.share, took)


def _line(name: str, way: str, clean: float, robust: float, seconds: float) -> None:
    print(f"{name:<12}{way:<18}{clean:>8.1%}{robust:>8.1%}{seconds:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
