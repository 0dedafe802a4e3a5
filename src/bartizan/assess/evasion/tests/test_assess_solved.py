"""Models that can be solved: what is proven holds, what fell fell, and the numbers say which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.solved import solved
from bartizan.assess.how import How
from bartizan.assess.target import Linear, Output, Target

RNG = np.random.default_rng(0)
WEIGHTS, BIAS = RNG.normal(size=(5, 3)), RNG.normal(size=3) / 5


def linear(single: bool = False) -> Target:
    """Three classes over five numbers, as the weights say."""
    kind = np.float32 if single else np.float64
    return Target(
        name="linear", kind="callable", digest="", shape=(5,), classes=3, output=Output.LOGITS,
        answer=lambda x: x.astype(kind) @ WEIGHTS.astype(kind) + BIAS.astype(kind), dtype=kind,
        linear=lambda: Linear(WEIGHTS, BIAS),
    )  # fmt: skip


def rows(form: Form = Form.TABLE, n: int = 60) -> Data:
    """Rows in [0, 1] that the model gets right, but for every tenth."""
    x = np.random.default_rng(1).random((n, 5)).astype(np.float32)
    y = np.argmax(x @ WEIGHTS + BIAS, axis=1)
    y[::10] = (y[::10] + 1) % 3
    return Data(form, "", x_test=x, y_test=y)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.08), ("l2", 0.15), ("l0", 1.0)])
@pytest.mark.parametrize("single", [False, True])
def test_a_linear_model_is_solved(norm: str, eps: float, single: bool, tmp_path: Path) -> None:
    target, data = linear(single), rows(Form.IMAGES)
    found = solved(target, data, How(eps, norm, budget=Budget(60)))
    assert found is not None
    assert data.x_test is not None
    assert data.y_test is not None
    assert found.unknown == 0
    assert found.accuracy.hits == 54
    assert found.robust(eps) == found.proven(eps)
    assert 0 < found.robust(eps).hits < 54
    assert found.as_json()["attacks"] == [{"attack": "linear, exact", "fell": 54 - found.robust(eps).hits}]
    told = found.as_json()["outcomes"]
    assert isinstance(told, dict)
    assert (sum(told["right"]), sum(told["robust"])) == (54, found.robust(eps).hits)
    assert found.write(tmp_path) == ["adversarial.npz"]
    with np.load(tmp_path / "adversarial.npz", allow_pickle=False) as written:
        x, index, distance = written["x_adv"], written["index"], written["distance"]
    assert x.dtype == np.float32
    assert (target.labels(x) != data.y_test[index]).all()
    change = np.abs(x.astype(np.float64) - data.x_test[index])
    size = {"linf": change.max(axis=1), "l2": np.sqrt((change**2).sum(axis=1)), "l0": (change > 0).sum(axis=1)}[norm]
    assert (size <= eps).all()
    assert np.allclose(size, distance)
    assert x.min() >= 0
    assert x.max() <= 1
    # Nobody who tries at random flips what is proven.
    held = [one.index for one in found.answers if one.below >= eps]
    tried = np.random.default_rng(2).normal(size=(len(held), 400, 5))
    scale = np.abs(tried).max(axis=2) if norm == "linf" else np.linalg.norm(tried, axis=2)
    tried *= eps / scale[:, :, None]
    if norm == "l0":
        tried = np.eye(5)[np.random.default_rng(3).integers(5, size=tried.shape[:2])] * tried * 9
    near = np.clip(data.x_test[held][:, None] + tried, 0, 1).reshape(-1, 5)
    assert (target.labels(near) == np.repeat(data.y_test[held], 400)).all()


def test_smallest_changes_of_a_linear_model_are_its_distances() -> None:
    data = rows()
    assert data.x_test is not None
    assert data.y_test is not None
    found = solved(linear(), data, How(0.3, "linf", budget=Budget(60)))
    assert found is not None
    for one in found.answers:
        if one.right and one.above < np.inf:
            label = data.y_test[one.index]
            lead = data.x_test[one.index] @ WEIGHTS + BIAS
            others = [c for c in range(3) if c != label]
            exact = min((lead[label] - lead[c]) / np.abs(WEIGHTS[:, c] - WEIGHTS[:, label]).sum() for c in others)
            assert one.below <= exact + 1e-6
            assert one.above >= exact - 1e-6
            assert one.above - max(one.below, 0) <= 0.3 / 32 + 1e-9


def test_what_cannot_be_solved_is_left_to_others() -> None:
    target = linear()
    target.linear = None
    assert solved(target, rows(), How(0.1)) is None


def test_without_time_nothing_is_claimed() -> None:
    found = solved(linear(), rows(), How(0.1, budget=Budget(0.0)))
    assert found is not None
    assert found.proven(0.1).hits <= found.robust(0.1).hits
    assert "row" in found.sentence() or "rows" in found.sentence()
