"""Trees decided exactly, beside the mixed-integer program of Kantchelian et al. (2016) solved by HiGHS.

LightGBM on scikit-learn's digits (64 columns, 0 to 1; 70 % train) within L-infinity 0.1 and on generated rows. CPU time
of this process on one thread; `unknown` are rows that 5 CPU seconds did not decide. Both must agree wherever both
decide.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import lightgbm
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_matrix
from sklearn.datasets import load_digits, make_classification

from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.leaves import Leaves, Space, compiled
from bartizan.assess.evasion.leaves import reached as leaves_reached
from bartizan.assess.evasion.trees import attacked, ball
from bartizan.assess.forest import Forest
from bartizan.assess.targets.opening import open_target

ROWS = 40
PROGRAMS = 6  # rows that the integer program is asked about; it takes seconds each
LIMIT_S = 5.0
SHAPES = ((100, 15, 2, 0.1), (500, 64, 2, 0.1), (100, 15, 10, 0.1), (100, 15, 2, 0.05))


def program(leaves: Leaves, forest: Forest, space: Space, label: int) -> bool | None:
    """Whether any rival can lead, by HiGHS; None where it took too long."""
    names = leaves_reached(leaves, space)
    ends: dict[tuple[int, float], int] = {}
    asks: list[tuple[int, int, bool]] = []  # leaf, predicate `x <= end`, holds or not
    for number, leaf in enumerate(names):
        for at, low, high in zip(leaves.feature[leaf], leaves.low[leaf], leaves.high[leaf], strict=True):
            if at >= 0 and high < space.high[at]:
                asks.append((number, ends.setdefault((int(at), float(high)), len(ends)), True))
            if at >= 0 and low > space.low[at]:
                below = float(np.nextafter(np.float32(low), np.float32(-np.inf)))
                asks.append((number, ends.setdefault((int(at), below), len(ends)), False))
    trees = np.searchsorted(leaves.starts, names, side="right") - 1
    ordered = sorted(ends)
    orders = [(ends[a], ends[b]) for a, b in pairwise(ordered) if a[0] == b[0]]
    lines = lil_matrix((len(leaves.starts) + len(asks) + len(orders), len(ends) + len(names)))
    low, high = np.full(lines.shape[0], -np.inf), np.zeros(lines.shape[0])
    for number, tree in enumerate(trees):
        lines[tree, len(ends) + number] = 1.0
    low[: len(leaves.starts)] = high[: len(leaves.starts)] = 1.0
    for line, (number, end, holds) in enumerate(asks, len(leaves.starts)):
        lines[line, len(ends) + number], lines[line, end] = 1.0, -1.0 if holds else 1.0
        high[line] = 0.0 if holds else 1.0
    for line, (smaller, larger) in enumerate(orders, len(leaves.starts) + len(asks)):
        lines[line, smaller], lines[line, larger] = 1.0, -1.0
    rivals = [c for c in range(max(2, forest.outputs)) if c != label]
    for rival in rivals:
        if forest.outputs == 1:
            worth, start = leaves.value[names, 0] * (1 if label == 0 else -1), 0.0
        else:
            worth = leaves.value[names, rival] - leaves.value[names, label]
            start = float(forest.base[rival] - forest.base[label])
        answer = milp(
            np.concatenate([np.zeros(len(ends)), -worth]),
            constraints=LinearConstraint(lines.tocsr(), low, high),
            integrality=np.concatenate([np.ones(len(ends)), np.zeros(len(names))]),
            bounds=Bounds(0, 1),
            options={"time_limit": 4 * LIMIT_S},
        )
        if answer.status != 0:
            return None
        if -answer.fun + start > 1e-7:
            return True
    return False


def table(trees: int, leaves: int, classes: int, eps: float, digits: bool) -> str:
    """One line of the result."""
    if digits:
        x, y = load_digits(return_X_y=True)
        x = x / 16
    else:
        x, y = make_classification(1800, 40, n_informative=20, n_classes=classes, random_state=3)
        x = (x - x.min(axis=0)) / (x.max(axis=0) - x.min(axis=0))
        eps /= 4
    x = x.astype(np.float32)
    y = (y > 4).astype(int) if classes == 2 and digits else y
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[: int(0.7 * len(x))], order[int(0.7 * len(x)) :]
    objective = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    quiet = {"verbose": -1, "num_threads": 1, "seed": 1, "num_leaves": leaves}
    grown = lightgbm.train(objective | quiet, lightgbm.Dataset(x[train], y[train]), trees)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.txt"
        grown.save_model(path)
        target = open_target(str(path), data=Data(Form.TABLE, "", x_test=x[test], y_test=y[test]))
    assert target.forest is not None
    forest = target.forest()
    table = compiled(forest, np.float32)
    spent, longest, slow, fallen, unknown, agree, asked = 0.0, 0.0, 0.0, 0, 0, 0, 0
    for number, row in enumerate(x[test][:ROWS]):
        label = int(target.labels(row[None])[0])
        space = Space(row, *ball(row, eps, 0.0, 1.0, np.float32), "linf", eps)
        began = time.process_time()
        verdict = attacked(
            table, forest, space, label, lambda changed, label=label: int(target.labels(changed[None])[0]) != label,
            lambda began=began: time.process_time() - began > LIMIT_S,
        )  # fmt: skip
        took = time.process_time() - began
        spent, longest = spent + took, max(longest, took)
        fallen += verdict.row is not None
        unknown += verdict.row is None and not verdict.proven
        if number < PROGRAMS and trees <= 100:
            began = time.process_time()
            said = program(table, forest, space, label)
            slow += time.process_time() - began
            if said is not None and (verdict.row is not None or verdict.proven):
                asked += 1
                agree += said is (verdict.row is not None)
    told = f"{agree} of {asked} agree, {slow / PROGRAMS:.2f}" if asked else "not asked"
    name = f"{'digits' if digits else 'generated'}, {trees} x {leaves}, {classes} classes, eps {eps:g}"
    return (
        f"{name:45} {spent / ROWS:.3f} s a row (at most {longest:.2f}), {fallen} of {ROWS} fall, "
        f"{unknown} unknown; HiGHS: {told} s a row"
    )


def main() -> None:
    """All shapes."""
    for shape in SHAPES[: int(sys.argv[1]) if len(sys.argv) > 1 else None]:
        print(table(*shape, digits=True), flush=True)
    if len(sys.argv) == 1:
        print(table(100, 15, 2, 0.1, digits=False), flush=True)
        print(table(300, 31, 4, 0.1, digits=False), flush=True)


if __name__ == "__main__":
    main()
