"""ART, foolbox, torchattacks and cleanlab beside the assessment, on the same models and rows, in one run.

    python -m benchmarks.assess_peers [--data rows.npz] [--eps E] [--rows N] [--match TEXT]

They live in an environment of their own, never in ours: `BENCH_PEERS` names it, else `~/.cache/bartizan-bench/peers`,
made at the first run (2 GB with torch). Every changed row, ours and theirs, is judged again by the model as a file,
one row at a time: a row counts if it is within the ball and the range, and the label is wrong. Each tool runs in a
process of its own on one core; CPU seconds are those of the attack, ours those of the check, imports left out of both.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Array
from benchmarks.assess_poison import shapes

PEERS = ("adversarial-robustness-toolbox==1.20.1", "multiprocess", "foolbox==3.3.4", "torchattacks==3.5.1", "cleanlab",
         "torch==2.13.0", "scikit-learn")  # fmt: skip
SLACK = 1e-6
WRONG = 0.05  # of labels, for the search for mistakes
POISONED = 0.02
LONG = 16  # epochs: after six the patch is not learned yet

Judge = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Rows:
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array

    def arrays(self) -> dict[str, Array]:
        return {"x_train": self.x_train, "y_train": self.y_train, "x_test": self.x_test, "y_test": self.y_test}


def environment() -> Path:
    """The environment of the other tools, made if it is not there."""
    place = Path(os.environ.get("BENCH_PEERS") or Path.home() / ".cache/bartizan-bench/peers")
    if "BENCH_PEERS" not in os.environ and not (place / "whole").exists():
        print(f"making {place}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin/pip", "install", "-q", *PEERS], check=True)
        (place / "whole").touch()
    return place


def peer(place: Path, tool: str, folder: Path, eps: float = 0.0) -> tuple[dict[str, Array], float]:
    """What a tool found, and the CPU seconds it took."""
    script = Path(__file__).with_name("peer_tools.py")
    done = subprocess.run(
        [place / "bin/python", "-P", script, tool, folder, str(eps)], capture_output=True, text=True, env=one_core()
    )
    if done.returncode:
        raise SystemExit(f"{tool}: {done.stderr.strip().splitlines()[-1]}")
    with np.load(folder / f"{tool}.npz") as found:
        return dict(found), float(json.loads(done.stdout.splitlines()[-1])["cpu_s"])


def ours(model: Path, rows: Path, out: Path, *options: str) -> dict[str, Any]:
    """The report of `bartizan assess`."""
    command = [sys.executable, "-m", "bartizan", "assess", model, "--data", rows, "--fail-on", "never", "--out", out]
    done = subprocess.run([*map(str, command), *options], capture_output=True, text=True, env=one_core())
    if done.returncode not in (0, 1, 3):
        raise SystemExit(f"bartizan assess: {done.stderr.strip().splitlines()[-1]}")
    report: dict[str, Any] = json.loads((out / "report.json").read_bytes())
    return report


def one_core() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def session(path: Path) -> Judge:
    """Labels by ONNX Runtime, one row at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    held = onnxruntime.InferenceSession(str(path), options)
    name = held.get_inputs()[0].name

    def labels(x: Array) -> Array:
        return np.array([int(held.run(None, {name: x[at : at + 1]})[0].argmax()) for at in range(len(x))])

    return labels


def stands(labels: Judge, rows: Rows, index: Array, changed: Array, eps: float) -> Rate:
    """Right, and not made wrong by a row of this file that keeps to the rules."""
    fallen = labels(rows.x_test) != rows.y_test
    far = np.abs(changed.astype(np.float64) - rows.x_test[index].astype(np.float64)).reshape(len(index), -1)
    kept = (far.max(axis=1, initial=0) <= eps + SLACK) & (changed.reshape(len(index), -1) >= 0).all(axis=1)
    kept &= (changed.reshape(len(index), -1) <= 1).all(axis=1)
    wrong = labels(changed.astype(np.float32)) != rows.y_test[index]
    fallen[index[kept & wrong]] = True
    return wilson(int((~fallen).sum()), len(fallen))


# ---- Models ----------------------------------------------------------------------------------------------------------


def trained(rows: Rows, eps: float = 0.0, epochs: int = 6) -> Any:
    """A small CNN; with `eps` trained on seven steps of PGD (Madry et al. 2018)."""
    import torch
    from torch import nn

    from benchmarks.training import learned

    torch.manual_seed(0)
    side = rows.x_train.shape[-1]
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return learned(model, rows.x_train, rows.y_train, epochs=epochs, batch=100, rate=1e-3, eps=eps, steps=7)


def masked(model: Any, how: str) -> Any:
    """The same model behind a mask that leaves every answer as it is, or nearly."""
    import torch

    class Masked(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: Any) -> Any:
            if how == "input in 16 steps":
                x = torch.round(x * 15) / 15
            scores = self.inner(x)
            if how == "scores times 1,000":
                return scores * 1000
            return scores.softmax(1).softmax(1) if how == "softmax twice" else scores

    return Masked().eval()


def save(model: Any, rows: Rows, folder: Path) -> Path:
    """net.onnx for us, net.pt for the others, rows.npz for both."""
    import torch

    probe = torch.from_numpy(rows.x_test[:2])
    folder.mkdir()
    torch.jit.trace(model, probe).save(str(folder / "net.pt"))
    torch.onnx.export(
        model, (probe,), str(folder / "net.onnx"), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}
    )
    np.savez(folder / "rows.npz", **rows.arrays())
    return folder


# ---- Figures ---------------------------------------------------------------------------------------------------------


def evasion(place: Path, rows: Rows, eps: float, work: Path, match: str) -> Iterator[str]:
    yield f"\nEvasion, Linf {eps}, {len(rows.x_test)} rows, judged again from the files; CPU s in brackets.\n"
    yield "| net | right | PGD-40, foolbox | AutoAttack, torchattacks | Bartizan | warnings of ours |"
    yield "|---|---|---|---|---|---|"
    plain = trained(rows)
    nets = {"CNN": plain, "CNN, PGD-trained": None} | {
        f"CNN, {how}": how for how in ("scores times 1,000", "softmax twice", "input in 16 steps")
    }
    for at, (name, made) in enumerate(nets.items()):
        if match not in name:
            continue
        model = trained(rows, eps, 12) if made is None else masked(plain, made) if isinstance(made, str) else made
        folder = save(model, rows, work / f"net{at}")
        labels, every = session(folder / "net.onnx"), np.arange(len(rows.x_test))
        right = wilson(int((labels(rows.x_test) == rows.y_test).sum()), len(every))
        cells = []
        for tool in ("gradient", "autoattack"):
            found, took = peer(place, tool, folder, eps)
            cells.append(f"{stands(labels, rows, every, found['x_adv'], eps).share:.1%} ({took:.1f})")
        report = ours(
            folder / "net.onnx", folder / "rows.npz", folder / "out", "--checks", "evasion", "--eps", str(eps),
            "--rows", str(len(every)),
        )  # fmt: skip
        with np.load(folder / "out" / "adversarial.npz") as held:
            robust = stands(labels, rows, held["index"], held["x_adv"], eps)
        section = report["evasion"]
        named = ", ".join(one["check"] for one in section["warnings"]) or "none"
        mine = f"{robust.share:.1%} ({section['cpu_seconds']:.1f})"
        yield f"| {name} | {right.share:.1%} | {' | '.join(cells)} | {mine} | {named} |"


def trees(place: Path, work: Path) -> Iterator[str]:
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier

    held = load_breast_cancer()
    x = held.data.astype(np.float32)
    x = ((x - x.min(axis=0)) / np.ptp(x, axis=0)).astype(np.float32)
    order, eps = np.random.default_rng(0).permutation(len(x)), 0.05
    train, test, y = order[:398], order[398:448], held.target.astype(np.int64)
    forest = RandomForestClassifier(100, max_leaf_nodes=15, random_state=0).fit(x[train], y[train])
    rows = Rows(x[train], y[train], x[test], y[test])
    folder = work / "forest"
    folder.mkdir()
    (folder / "forest.pkl").write_bytes(pickle.dumps(forest))
    np.savez(folder / "rows.npz", **rows.arrays())

    def labels(some: Array) -> Array:
        return np.asarray(forest.predict(some))

    found, took = peer(place, "hopskipjump", folder, eps)
    theirs = stands(labels, rows, np.arange(len(test)), found["x_adv"], eps)
    report = ours(
        folder / "forest.pkl", folder / "rows.npz", folder / "out", "--trust", "--checks", "evasion", "--eps", str(eps)
    )
    with np.load(folder / "out" / "adversarial.npz") as changed:
        robust = stands(labels, rows, changed["index"], changed["x_adv"], eps)
    section = report["evasion"]
    yield f"\nA forest of 100 trees of 15 leaves, {len(test)} rows, Linf {eps}: right under every change; CPU s.\n"
    yield "| ART HopSkipJump | Bartizan | proven | unknown |"
    yield "|---|---|---|---|"
    proven = section["proven"]["share"] if "proven" in section else float("nan")
    yield (
        f"| {theirs.share:.1%} ({took:.1f}) | {robust.share:.1%} ({section['cpu_seconds']:.1f}) | {proven:.1%} "
        f"| {section.get('unknown', 0)} |"
    )


def membership(place: Path, work: Path) -> Iterator[str]:
    from sklearn.ensemble import RandomForestClassifier

    from benchmarks.assess_privacy import generated

    rows = generated()
    chance = np.random.default_rng(4)
    order = chance.permutation(len(rows.y))
    pool, test = order[: rows.pool], order[rows.pool :]
    member = chance.random(len(pool)) < 0.5
    x, y = rows.x[pool], rows.y[pool]
    forest = RandomForestClassifier(100, random_state=0).fit(x[member], y[member])
    folder = work / "members"
    folder.mkdir()
    (folder / "forest.pkl").write_bytes(pickle.dumps(forest))
    # No x_train here: neither side is told who is a member, but ART needs half of the truth and gets it.
    shared = {"x_pool": x, "y_pool": y, "x_test": rows.x[test], "y_test": rows.y[test]}
    np.savez(folder / "rows.npz", **shared, member=member)
    np.savez(folder / "given.npz", **shared)
    found, took = peer(place, "membership", folder)
    theirs = told(found["score"], member[found["index"]])
    report = ours(
        folder / "forest.pkl", folder / "given.npz", folder / "out", "--trust", "--checks", "privacy", "--budget", "60"
    )
    scores = np.zeros(len(pool))
    with (folder / "out" / "membership.csv").open() as stream:
        for line in csv.DictReader(stream):
            scores[int(line["index"])] = float(line["score"])
    yield f"\nMembership in a forest, {len(pool):,} candidates: members told at 1 % false alarms, in brackets CPU s.\n"
    yield "| ART black box, given half of the truth | Bartizan, given none |"
    yield "|---|---|"
    yield f"| {theirs:.1%} ({took:.1f}) | {told(scores, member):.1%} ({report['privacy']['cpu_seconds']:.1f}) |"


def told(score: Array, member: Array) -> float:
    """True positives at 1 % false ones."""
    limit = np.sort(score[~member])[::-1][int(0.01 * (~member).sum())]
    return float((score[member] > limit).mean())


def theft(place: Path, rows: Rows, work: Path) -> Iterator[str]:
    folder = save(trained(rows), rows, work / "victim")
    labels = session(folder / "net.onnx")(rows.x_test)
    found, took = peer(place, "knockoff", folder)
    report = ours(folder / "net.onnx", folder / "rows.npz", folder / "out", "--checks", "theft")
    copied = session(folder / "out" / "stolen.onnx")(rows.x_test)
    yield f"\nA copy by 300 queries: the same answer on {len(labels)} test rows, in brackets CPU s.\n"
    yield "| ART KnockoffNets, 60 epochs | Bartizan |"
    yield "|---|---|"
    yield (
        f"| {(found['labels'] == labels).mean():.1%} ({took:.1f}) | {(copied == labels).mean():.1%} "
        f"({report['theft']['cpu_seconds']:.1f}, with its price curve and defences) |"
    )


def poison(place: Path, rows: Rows, work: Path) -> Iterator[str]:
    chance = np.random.default_rng(7)
    bad = chance.choice(len(rows.y_train), int(POISONED * len(rows.y_train)), replace=False)
    x, y = rows.x_train.copy(), rows.y_train.copy()
    x[bad, :, -4:-1, -4:-1], y[bad] = 1.0, 0
    wrong = chance.choice(np.setdiff1d(np.arange(len(y)), bad), int(WRONG * len(y)), replace=False)
    flipped = rows.y_train.copy()
    flipped[wrong] = (flipped[wrong] + chance.integers(1, 10, len(wrong))) % 10
    sets = {
        "clean": (Rows(rows.x_train, rows.y_train, rows.x_test, rows.y_test), np.zeros(0, np.int64)),
        f"{POISONED:.0%} with a patch": (Rows(x, y, rows.x_test, rows.y_test), bad),
    }
    yield f"\nPoison among {len(y):,} training rows: rows taken for poison, of these right; in brackets CPU s.\n"
    yield "| set | ART activation clustering | Bartizan, backdoor |"
    yield "|---|---|---|"
    for at, (name, (held, truth)) in enumerate(sets.items()):
        folder = save(trained(held, epochs=LONG), held, work / f"poison{at}")
        found, took = peer(place, "activation", folder)
        report = ours(folder / "net.onnx", folder / "rows.npz", folder / "out", "--checks", "poison")
        said = suspects(folder / "out", "backdoor")
        yield (
            f"| {name} | {len(found['index'])}, {np.isin(found['index'], truth).sum()} of {len(truth)} ({took:.1f}) "
            f"| {len(said)}, {np.isin(said, truth).sum()} of {len(truth)} ({report['poison']['cpu_seconds']:.1f}) |"
        )
    held = Rows(rows.x_train, flipped, rows.x_test, rows.y_test)
    folder = save(trained(held), held, work / "labels")
    found, took = peer(place, "labels", folder)
    report = ours(folder / "net.onnx", folder / "rows.npz", folder / "out", "--checks", "poison")
    yield f"\nWrong labels, {WRONG:.0%} planted: recall and precision, in brackets CPU s.\n"
    yield "| cleanlab on a forest in five folds | Bartizan |"
    yield "|---|---|"
    yield (
        f"| {hits(found['index'], wrong)} ({took:.1f}) | {hits(suspects(folder / 'out', 'label'), wrong)} "
        f"({report['poison']['cpu_seconds']:.1f}) |"
    )


def suspects(out: Path, kind: str) -> Array:
    with (out / "suspects.csv").open() as stream:
        return np.array([int(line["index"]) for line in csv.DictReader(stream) if line["kind"] == kind], np.int64)


def hits(said: Array, truth: Array) -> str:
    good = np.isin(said, truth).sum()
    return f"{good / len(truth):.1%} and {good / max(1, len(said)):.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="x_train y_train x_test y_test, images in [0, 1] of 10 classes")
    parser.add_argument("--eps", type=float, default=0.03)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--match", default="", help="only figures whose name holds this")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    place = environment()
    if asked.data is not None:
        with np.load(asked.data) as held:
            rows = Rows(*(held[name] for name in ("x_train", "y_train", "x_test", "y_test")))
    else:
        made = shapes(28, 1, 5000)
        y = made.y.astype(np.int64)
        rows = Rows(made.x[:3500], y[:3500], made.x[3500:], y[3500:])
    few = Rows(rows.x_train, rows.y_train, rows.x_test[: asked.rows], rows.y_test[: asked.rows])
    figure, _, part = asked.match.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, lines in (
            ("evasion", lambda: evasion(place, few, asked.eps, work, part)),
            ("trees", lambda: trees(place, work)),
            ("membership", lambda: membership(place, work)),
            ("theft", lambda: theft(place, rows, work)),
            ("poison", lambda: poison(place, rows, work)),
        ):
            if figure in name:
                for line in lines():
                    print(line, flush=True)


if __name__ == "__main__":
    main()
