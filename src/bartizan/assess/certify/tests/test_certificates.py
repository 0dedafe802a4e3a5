"""A certificate is never more than the truth: what it proves, no sample refutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from bartizan.assess.budget import Budget
from bartizan.assess.certify.bounds import leads
from bartizan.assess.certify.certifying import certify
from bartizan.assess.certify.smoothing import ABSTAINED, lower, smooth
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.graph import Unsupported
from bartizan.assess.targets.onnx import open_onnx

CLASSES = 3


def net(path: Path, middle: str = "Relu", seed: int = 0, **attributes: float) -> Target:
    """Convolution, something, a sum with what was before, max-pool, and a linear layer."""
    chance = np.random.default_rng(seed)

    def stored(name: str, *shape: int) -> Any:
        return numpy_helper.from_array((chance.standard_normal(shape) * 0.5).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node(middle, ["a"], ["b"], **attributes),
        helper.make_node("Conv", ["b", "w2", "b2"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("MaxPool", ["e"], ["f"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("Gemm", ["g", "w3", "b3"], ["y"], transB=1),
    ]
    weights = [
        stored("w1", 4, 1, 3, 3), stored("b1", 4), stored("w2", 4, 4, 3, 3), stored("b2", 4),
        stored("w3", CLASSES, 36), stored("b3", CLASSES),
    ]  # fmt: skip
    inside = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 6, 6])
    outside = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", CLASSES])
    graph = helper.make_graph(nodes, "net", [inside], [outside], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return open_onnx(path, rows())


def rows(count: int = 12) -> Array:
    return np.random.default_rng(7).random((count, 1, 6, 6)).astype(np.float32)


def lead(target: Target, x: Array, y: Array) -> Array:
    scores = target.scores(x)
    right = scores[np.arange(len(x)), y].copy()
    scores[np.arange(len(x)), y] = -np.inf
    return np.asarray(right - scores.max(axis=1))


@pytest.mark.parametrize("seed", range(3))
def test_no_sample_of_the_box_is_below_the_bound(tmp_path: Path, seed: int) -> None:
    target, x, chance = net(tmp_path / "net.onnx", seed=seed), rows(), np.random.default_rng(seed)
    y = target.labels(x)
    assert target.module is not None
    for eps in (0.001, 0.01, 0.1):
        bound = leads(target.module(), x - eps, x + eps, y)
        for _ in range(20):
            moved = x + eps * chance.choice([-1, 1], size=x.shape).astype(np.float32)
            assert (lead(target, moved, y) >= bound).all()


def test_a_box_without_width_is_the_score_itself(tmp_path: Path) -> None:
    target, x = net(tmp_path / "net.onnx"), rows()
    y = target.labels(x)
    assert target.module is not None
    assert np.allclose(leads(target.module(), x, x, y), lead(target, x, y), atol=2e-2)


def test_unknown_operators_prove_nothing_and_say_so(tmp_path: Path) -> None:
    target, x = net(tmp_path / "net.onnx", middle="Sin"), rows()
    assert target.module is not None
    with pytest.raises(Unsupported, match="Sin"):
        leads(target.module(), x, x, target.labels(x))
    data = Data(Form.IMAGES, "", x_test=x, y_test=target.labels(x))
    found = certify(target, data, How(0.1, rows=len(x)))
    assert found.certified.hits == 0
    assert "Sin" in found.sentence()


@pytest.mark.parametrize("middle", ["Elu", "HardSigmoid"])
def test_an_operator_that_a_file_made_fall_proves_nothing(tmp_path: Path, middle: str) -> None:
    rising, falling = (net(tmp_path / f"{alpha}.onnx", middle, alpha=alpha) for alpha in (1.0, -1.0))
    x = rows()
    assert rising.module is not None and falling.module is not None
    assert np.isfinite(leads(rising.module(), x, x, rising.labels(x))).all()
    with pytest.raises(Unsupported, match=middle):
        leads(falling.module(), x, x, falling.labels(x))


def test_certificates_of_nets_stand_beside_the_attacks(tmp_path: Path) -> None:
    target, x = net(tmp_path / "net.onnx"), rows()
    data = Data(Form.IMAGES, "", x_test=x, y_test=target.labels(x))
    near, far = (certify(target, data, How(eps, rows=len(x))) for eps in (1e-4, 0.5))
    assert near.certified.hits > far.certified.hits
    assert "neither" in far.sentence(near.certified)
    stands = np.arange(len(x)) % 2 == 0
    some = certify(target, data, How(1e-4, rows=len(x)), stands)
    assert (some.proven == (near.proven & stands)).all()


def half_space() -> Target:
    """Class 1 where the first column is above 0: the true L2 radius is its distance from 0."""

    def answer(x: Array) -> Array:
        return np.stack([-x[:, 0], x[:, 0]], axis=1)

    return Target("half", "callable", "", (4,), 2, Output.LOGITS, answer)


def test_smoothing_proves_no_more_than_the_true_radius() -> None:
    x = np.zeros((4, 4), np.float32)
    x[:, 0] = [0.0, 0.5, -1.0, 2.0]
    found = smooth(half_space(), x, 0.5, 5.0, 0, Budget(30))
    assert found.label.tolist()[1:] == [1, 0, 1]
    assert (found.radius <= np.abs(x[:, 0]) + 1e-6).all()
    assert found.radius[2] > 0.8
    assert found.label[0] == ABSTAINED or found.radius[0] < 0.05


def test_smoothing_stops_asking_once_it_is_proven() -> None:
    row = np.full((1, 4), 3.0, np.float32)
    assert smooth(half_space(), row, 0.5, 0.2, 0, Budget(30)).asked == 150


def test_the_share_is_bounded_from_below() -> None:
    assert lower(0, 10, 0.001) == 0
    assert lower(10, 10, 0.001) == pytest.approx(0.001 ** (1 / 10))


def test_smoothing_is_named_what_it_is() -> None:
    x = np.array([[2.0, 0, 0, 0], [0.01, 0, 0, 0]] * 3, np.float32)
    data = Data(Form.TABLE, "", x_test=x, y_test=np.ones(len(x), np.int64))
    found = certify(half_space(), data, How(0.5, norm="l2", rows=6))
    assert found.smoothed
    assert found.certified.hits == 3
    assert "smoothed model" in found.sentence()
