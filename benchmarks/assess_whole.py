"""Whole runs of `bartizan assess` and `harden` as a user starts them: time, CPU, and whether a budget is kept.

    python -m benchmarks.assess_whole [--data rows.npz] [--eps E] [--harden-eps E]

A CNN on scikit-learn's digits at 16 x 16, or on the rows of a file (x_train y_train x_test y_test, images in [0, 1]),
and a boosted table; 300 test rows are attacked. Each line is a process of its own: wall and CPU seconds with everything
that is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.assess_nets import cnn, rows, saved, trained
from benchmarks.poison_sets import table

ROWS = 300
SHOWN = ("robust_accuracy", "membership_auc", "stolen_fidelity", "backdoor_rows")


def boosted(folder: Path) -> None:
    """model.txt and table.npz: a LightGBM model of a generated table."""
    import lightgbm

    made = table()
    x, y = made.x, made.y
    model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=15, verbose=-1, n_jobs=1).fit(x[:3500], y[:3500])
    model.booster_.save_model(str(folder / "model.txt"))
    np.savez(folder / "table.npz", x_train=x[:3500], y_train=y[:3500], x_test=x[3500:], y_test=y[3500:])


def line(title: str, asked: str, folder: Path, *arguments: str) -> None:
    """One command, and what it took."""
    out = folder / "out" / title.replace(" ", "-").replace(",", "")
    given = [*arguments, *(["--out", str(out)] if "--help" not in arguments else [])]
    before, began = os.times(), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "bartizan", *given], cwd=folder, capture_output=True, text=True, check=False
    )
    wall_s, after = time.monotonic() - began, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"| {title} | {asked} | {wall_s:.1f} | {cpu_s:.1f} | {done.returncode} | {_says(out)} |", flush=True)


def _says(out: Path) -> str:
    if (out / "harden.json").exists():
        told = json.loads((out / "harden.json").read_text())
        sides = [f"{told[side]['robust']['share']:.1%} of {told[side]['robust']['of']}" for side in ("before", "after")]
        clean = [f"{told[side]['accuracy']['share']:.1%}" for side in ("before", "after")]
        return f"stand {sides[0]} → {sides[1]}, right {clean[0]} → {clean[1]}"
    if (out / "report.json").exists():
        told = json.loads((out / "report.json").read_text())
        return ", ".join(f"{name} {value:.3g}" for name, value in told["measures"].items() if name in SHOWN)
    return ""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--eps", default="0.1")
    parser.add_argument("--harden-eps", default="0.2")
    given = parser.parse_args(arguments)
    data = rows(given.data, ROWS)
    with tempfile.TemporaryDirectory(prefix="bartizan-bench-") as name:
        folder = Path(name)
        saved(trained(cnn(*data.x_train.shape[1:3]), data), data, folder / "cnn.onnx")
        np.savez(folder / "rows.npz", x_train=data.x_train, y_train=data.y_train,
                 x_test=data.x_test, y_test=data.y_test)  # fmt: skip
        boosted(folder)
        net = ("assess", "cnn.onnx", "--data", "rows.npz", "--eps", given.eps)
        print("| run | budget, s | wall s | CPU s | exit | says |\n|---|---|---|---|---|---|", flush=True)
        line("help", "–", folder, "assess", "--help")
        line("CNN, evasion", "120", folder, *net, "--checks", "evasion")
        line("CNN, all checks", "120", folder, *net)
        line("boosted table, all checks", "120", folder, "assess", "model.txt", "--data", "table.npz")
        for budget in ("5", "10", "30"):
            line(f"CNN, all checks, in {budget} s", budget, folder, *net, "--budget", budget)
        line("CNN hardened", "60", folder, "harden", "cnn.onnx", "--data", "rows.npz", "--eps", given.harden_eps,
             "--budget", "60")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
