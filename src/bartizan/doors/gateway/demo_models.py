"""The scene of a forest that is broken, hardened and compared: one column gives the answer away by a hair."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bartizan.doors.gateway.demo import Teller
    from bartizan.doors.gateway.stage import Stage

NEEDED = ("numpy", "scipy", "lightgbm")  # No torch: trees are solved exactly.
ROWS, EPS = 600, "0.15"


def broken(stage: Stage, tell: Teller) -> None:
    """A forest is broken, hardened and compared."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        tell.line("left out", f"this scene needs {', '.join(missing)}: pip install 'bartizan[assess]'")
        return
    model, data = forest(stage.folder)
    how = ("--data", str(data), "--eps", EPS, "--rows", "150")
    checks = ("--checks", "evasion", "--format", "json", "--record")
    before, after, harder = (stage.folder / name for name in ("before", "after", "harder"))
    tell.line("forest", "30 trees, right in 98 of 100 cases; one column of six gives the answer away by a hair")
    code, said = stage.command("assess", str(model), *how, *checks, "--out", str(before))
    first = json.loads(said) if said.startswith("{") else {}
    tell.line("attacked", first.get("evasion", {}).get("sentence", said))
    robust = first.get("measures", {}).get("robust_accuracy", 1.0)
    told = first.get("decision", {})
    tell.line("policy", f"{told.get('action')}: {' '.join(told.get('tell', ()))}")
    good = robust < 0.5 and (code, told.get("action")) == (1, "review")
    tell.expect(good, "the policy holds it by a number that somebody else can check, row by row")
    hardened, said = stage.command("harden", str(model), *how, "--budget", "60", "--out", str(harder), "--record")
    tell.line("hardened", said.splitlines()[0] if said else "")
    again, _ = stage.command("assess", str(harder / "hardened.txt"), *how, *checks, "--out", str(after))
    compared, said = stage.command("assess", "compare", str(before), str(after))
    tell.line("compared", "\n".join(line.strip() for line in said.splitlines()[2:6]))
    tell.expect(hardened == again == compared == 0, "the same rows, before and after; the console shows both: Models")


def forest(folder: Path) -> tuple[Path, Path]:
    """A small forest and its rows. The first column is the label and a little noise, far closer than `EPS`."""
    import lightgbm
    import numpy as np

    chance = np.random.default_rng(0)
    y = chance.integers(0, 2, ROWS + ROWS // 2)
    hair = 0.1 * y + chance.normal(0, 0.03, len(y))
    honest = [y + chance.normal(0, 0.45, len(y)) for _ in range(3)]
    noise = [chance.normal(0, 1, len(y)) for _ in range(2)]
    x = np.column_stack([hair, *honest, *noise]).astype(np.float32)
    settings = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 0}
    made = lightgbm.train(settings, lightgbm.Dataset(x[:ROWS].astype(np.float64), y[:ROWS]), 30)
    model, data = folder / "forest.txt", folder / "forest.npz"
    made.save_model(model)
    np.savez(data, x_train=x[:ROWS], y_train=y[:ROWS], x_test=x[ROWS:], y_test=y[ROWS:])
    return model, data
