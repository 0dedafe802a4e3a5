"""Hardening nets: the written model is the trained one, it stands more, and what did not help is not written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper, save

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.target import Array, Target
from bartizan.assess.targets.exporting import Front, write_onnx
from bartizan.assess.targets.onnx import open_onnx
from bartizan.core.errors import UsageError
from bartizan.harden.adversary import Method, Threat, attacked, standing
from bartizan.harden.choosing import Tried
from bartizan.harden.hardening import Hardening, Made, harden
from bartizan.harden.nets import Taught, fronts, harden_net
from bartizan.harden.proof import Judged, Proof

SIZE, EPS = 8, 0.15


def drawn(count: int, seed: int) -> tuple[Array, Array]:
    """Bright bars, upright or lying, on a dark ground with a little noise."""
    chance = np.random.default_rng(seed)
    x, y = chance.random((count, 1, SIZE, SIZE)).astype(np.float32) * 0.1, chance.integers(0, 2, count)
    for row, label in zip(x, y, strict=True):
        at = int(chance.integers(1, SIZE - 1))
        if label:
            row[0, at, :] = 1.0
        else:
            row[0, :, at] = 1.0
    return x, y


@pytest.fixture(scope="module")
def data() -> Data:
    x, y = drawn(900, 0)
    x_test, y_test = drawn(80, 1)
    return Data(Form.IMAGES, "", x, y, x_test, y_test)


@pytest.fixture(scope="module")
def target(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """A small net with a softmax at its end, trained without any change in mind."""
    path, chance = tmp_path_factory.mktemp("net") / "net.onnx", np.random.default_rng(0)

    def stored(name: str, *shape: int) -> Any:
        return numpy_helper.from_array((chance.standard_normal(shape) * 0.3).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Gemm", ["d", "w2", "b2"], ["e"], transB=1),
        helper.make_node("Softmax", ["e"], ["y"], axis=1),
    ]
    weights = [stored("w1", 6, 1, 3, 3), stored("b1", 6), stored("w2", 2, 96), stored("b2", 2)]
    inside = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIZE, SIZE])
    outside = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "net", [inside], [outside], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    begun = open_onnx(path, data.x_test)
    assert begun.refit is not None
    return begun.refit.longer(6)(data.x_train, data.y_train, 0)  # type: ignore[attr-defined]  # NetRefit


@pytest.fixture(scope="module")
def taught(target: Target, data: Data) -> Taught:
    assert target.module is not None
    return harden_net(target.module().peeled(), data, EPS, "linf", 0, 3.0, lambda text: None)


def stands(net: Any, data: Data, front: Front | None) -> Array:
    threat = Threat("linf", EPS, 0.0, 1.0, front)
    rows, labels = torch.from_numpy(data.x_test), torch.from_numpy(data.y_test)
    return np.asarray(standing(net, rows, labels, threat, 20, torch.Generator().manual_seed(0)).numpy())


def test_a_hardened_net_stands_more_and_keeps_its_accuracy(target: Target, data: Data, taught: Taught) -> None:
    assert target.module is not None
    assert stands(taught.net, data, taught.front).mean() >= stands(target.module().peeled(), data, None).mean()
    assert taught.after.robust > 0.8
    assert taught.after.clean > 0.95
    assert taught.stages


def test_the_given_weights_stay_as_they_are(target: Target, taught: Taught) -> None:
    assert target.module is not None
    given, hardened = target.module().peeled().state_dict(), taught.net.state_dict()
    assert any(not torch.equal(given[name], hardened[name]) for name in hardened)
    assert all(not one.requires_grad for one in target.module().parameters())


@pytest.mark.parametrize("front", [None, Front(0.2, 0.8)])
def test_the_file_gives_the_logits_of_the_module(
    tmp_path: Path, data: Data, taught: Taught, front: Front | None
) -> None:
    path = tmp_path / "hardened.onnx"
    assert data.x_test is not None
    assert write_onnx(path, taught.net, data.x_test, front) < 1e-4
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rows = torch.from_numpy(data.x_test)
    with torch.no_grad():
        wanted = taught.net(rows if front is None else front(rows)).numpy()
    assert np.allclose(session.run(None, {"rows": data.x_test})[0], wanted, atol=1e-4)
    opened = open_onnx(path, data.x_test)
    assert opened.output == "logits"
    assert opened.refit is not None


def test_a_front_is_tried_where_values_lie_at_the_ends(data: Data) -> None:
    assert data.x_train is not None
    assert [name for name, _ in fronts(data.x_train, EPS, True, "linf")][1:] == [
        "a front at one end", "a front at both ends",
    ]  # fmt: skip
    grey = 0.45 + 0.1 * data.x_train
    assert [front for _, front in fronts(grey, EPS, True, "linf")] == [None]
    assert [front for _, front in fronts(data.x_train, EPS, True, "l2")] == [None]


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("method", [Method("one"), Method("more", steps=3), Method("trades", steps=2, trades=6.0)])
def test_training_attacks_stay_within_the_ball(data: Data, taught: Taught, norm: str, method: Method) -> None:
    assert data.x_test is not None and data.y_test is not None
    x, y = torch.from_numpy(data.x_test[:16]), torch.from_numpy(data.y_test[:16])
    hard = attacked(taught.net, x, y, Threat(norm, 0.3, 0.0, 1.0), method, 1.0, torch.Generator().manual_seed(0), False)
    change = (hard - x).flatten(1)
    assert float(hard.min()) >= 0
    assert float(hard.max()) <= 1
    far = change.norm(dim=1).max() if norm == "l2" else change.abs().max()
    assert 0.05 < float(far) <= 0.3 + 1e-5


def test_accuracy_counts_twice_below_what_is_free() -> None:
    assert Tried("a", 0.9, 0.6).better_than(Tried("b", 0.99, 0.5), 0.9)
    assert not Tried("a", 0.8, 0.6).better_than(Tried("b", 0.9, 0.5), 0.9)


def judged(standing: int, of: int = 40) -> Judged:
    rows = np.arange(of) < standing
    return Judged(np.ones(of, bool), rows, {"trusted": True}, b"", (np.empty(0, np.int64), np.empty(0)))


def result(before: int, after: int, accuracy: tuple[int, int] = (98, 97)) -> Hardening:
    made = Made({"hardened.onnx": b"model"}, None, "training", {})  # type: ignore[arg-type]  # Nobody asks it.
    rates = (wilson(accuracy[0], 100), wilson(accuracy[1], 100))
    return Hardening(made, Proof(judged(before), judged(after), rates), EPS, "linf", 1.0)


def test_a_difference_is_proved_row_by_row(tmp_path: Path) -> None:
    found = result(4, 30)
    assert (found.proof.gained, found.proof.lost) == (26, 0)
    assert found.proof.p < 1e-6
    assert found.kept == "hardened"
    assert set(found.write(tmp_path)) == {"hardened.onnx", "harden.json"}
    assert found.measures()["hardening_gain"] == pytest.approx(26 / 40)
    assert "stronger" in found.sentence()


def test_what_did_not_help_is_not_written(tmp_path: Path) -> None:
    found = result(30, 32)
    assert found.kept == "original"
    result(4, 30).write(tmp_path)
    assert found.write(tmp_path) == ["harden.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["harden.json"]  # Nor is what an earlier one wrote left there.
    assert "did not help" in found.sentence()


def test_a_model_that_somebody_else_put_there_stays(tmp_path: Path) -> None:
    result(4, 30).write(tmp_path)
    (tmp_path / "hardened.onnx").write_bytes(b"mine")
    result(30, 32).write(tmp_path)
    assert (tmp_path / "hardened.onnx").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose another folder"):
        result(4, 30).write(tmp_path / "nowhere")


def test_what_costs_too_much_accuracy_is_not_recommended(tmp_path: Path) -> None:
    found = result(4, 30, (98, 90))
    assert found.kept == "original"
    assert "costs more accuracy" in found.sentence()
    assert "hardened.onnx" in found.write(tmp_path)


def test_rows_to_train_on_are_needed(target: Target, data: Data) -> None:
    assert target.module is not None
    with pytest.raises(UsageError, match="rows to train on"):
        harden_net(target.module().peeled(), replace(data, x_train=None), EPS, "linf", 0, 1.0, lambda text: None)


def test_what_is_proven_of_votes_a_stranger_can_vote_again(target: Target, data: Data, tmp_path: Path) -> None:
    radius, sigma = 0.8, 0.4
    done = harden(target, data, How(radius, "l2", rows=6, budget=Budget(60.0)), method="smoothing")
    proof, told = done.proof, done.as_json()
    assert proof.after.robust.share >= proof.before.robust.share
    assert proof.after.stands.any()
    assert any("belongs to the smoothed model" in note for note in done.made.notes)
    assert told["details"]["sigma"] == sigma  # type: ignore[index]  # Of JSON.
    (tmp_path / "hardened.onnx").write_bytes(done.made.files["hardened.onnx"])
    session = onnxruntime.InferenceSession(str(tmp_path / "hardened.onnx"), providers=["CPUExecutionProvider"])
    chance = np.random.default_rng(7)
    assert data.x_test is not None
    assert data.y_test is not None
    for row, label in zip(data.x_test[:6][proof.after.stands], data.y_test[:6][proof.after.stands], strict=True):
        other = data.x_test[data.y_test != label].mean(0) - row
        moved = row + radius * other / np.linalg.norm(other)
        noisy = moved + sigma * chance.standard_normal((400, *row.shape), dtype=np.float32)
        votes = session.run(None, {"rows": noisy.astype(np.float32)})[0].argmax(1)
        assert (votes == label).mean() > 0.5


@pytest.mark.parametrize("asked", [{"against": "evason"}, {"method": "smooth"}])
def test_what_is_no_way_of_hardening_is_refused(target: Target, data: Data, asked: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="choose one of"):
        harden(target, data, How(EPS, "linf", budget=Budget(5.0)), **asked)  # type: ignore[arg-type]  # strings all


@pytest.mark.parametrize(("norm", "against"), [("linf", "evasion"), ("l2", "theft")])
def test_votes_prove_a_radius_in_l2_against_changes_alone(target: Target, data: Data, norm: str, against: str) -> None:
    with pytest.raises(UsageError):
        harden(target, data, How(EPS, norm, budget=Budget(5.0)), method="smoothing", against=against)
