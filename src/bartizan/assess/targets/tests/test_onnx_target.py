"""ONNX models: what the runner computes is what ONNX Runtime and torch compute, gradients included."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Output, Target
from bartizan.assess.targets.exporting import write_onnx
from bartizan.assess.targets.graph import Unsupported, graph
from bartizan.assess.targets.opening import open_target
from bartizan.assess.targets.runtime import Late, Rows, Runner, session_of
from bartizan.core.errors import UsageError

CHANCE = np.random.default_rng(5)
X = CHANCE.random((70, 1, 8, 8)).astype(np.float32)
DATA = Data(form=Form.IMAGES, digest="", x_test=X, y_test=np.arange(70) % 3)


def exported(path: Path, net: nn.Module, shape: tuple[int, ...] = (1, 8, 8), **more: Any) -> Path:
    """The file of a torch module."""
    buffer = io.BytesIO()
    axes = {"x": {0: "n"}, "y": {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net.eval(), (torch.zeros((2, *shape)),), buffer, dynamo=False, input_names=["x"],
                          output_names=["y"], **({"dynamic_axes": axes, "opset_version": 17} | more))  # fmt: skip
    path.write_bytes(buffer.getvalue())
    return path


class Residual(nn.Module):
    """Strides, groups, squeeze and excitation, a skip connection, normalisations that stay apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.GroupNorm(2, 8)
        self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Hardswish(), nn.InstanceNorm2d(8))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1)
        self.last = nn.Linear(4 * 64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.gelu(self.norm(self.first((x - 0.3) / 0.2)))
        x = x + self.deep(x) * self.gate(x)
        x = nn.functional.leaky_relu(self.up(x), 0.1)
        return self.last(nn.functional.pad(x[:, :, :-1, 1:], (1, 0, 0, 1), mode="reflect").flatten(1))


class Attention(nn.Module):
    """Patches, positions, a transformer's layer, the mean of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, 16, 4, stride=4)
        self.place = nn.Parameter(torch.randn(1, 4, 16) * 0.1)
        self.layer = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True, activation="gelu", dropout=0.0)
        self.last = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.place
        return self.last(self.layer(x).mean(1))


def stack(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), *layers, nn.Flatten(), nn.LazyLinear(3))


NETS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "attention": Attention,
    "max pools": lambda: stack(nn.PReLU(4), nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.ELU(), nn.SELU()),
    "average pools": lambda: stack(nn.CELU(), nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.Softplus()),
    "more pools": lambda: stack(nn.AvgPool2d(3, 2, 1, ceil_mode=True), nn.Tanh(), nn.AvgPool2d(2), nn.Mish()),
    "resized": lambda: stack(nn.Upsample(scale_factor=2, mode="bilinear"), nn.ReLU(), nn.PixelShuffle(2)),
    "resized more": lambda: stack(nn.Upsample(13, mode="bicubic"), nn.Upsample(5), nn.LogSigmoid()),
    "local response": lambda: stack(nn.LocalResponseNorm(3), nn.ReLU6(), nn.Softsign()),
    "recurrent": lambda: nn.Sequential(nn.Flatten(), nn.LayerNorm(64), Recurrent()),
}


class Recurrent(nn.Module):
    """Two recurrent layers, the first both ways, from states that are as many as the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LSTM(8, 5, batch_first=True, bidirectional=True), nn.GRU(10, 3, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        start = torch.zeros_like(x[:, :5]).expand(2, -1, -1)
        x, _ = self.first(x.reshape(-1, 8, 8), (start, start))
        return self.second(x, torch.zeros_like(x[:, 0, :3])[None])[0][:, -1]


@pytest.mark.parametrize("name", NETS)
def test_scores_and_gradients_are_those_of_torch(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    net = NETS[name]().eval()
    net(torch.zeros(2, 1, 8, 8))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    target = open_target(str(exported(tmp_path / "model.onnx", net)), data=DATA)
    assert (target.shape, target.classes, target.output, target.notes) == ((1, 8, 8), 3, Output.LOGITS, [])
    assert target.module is not None
    ours = target.module()
    assert ours.approximated == [] and ours.random == [] and not any(one.requires_grad for one in ours.parameters())
    np.testing.assert_allclose(target.scores(X), net(torch.from_numpy(X)).detach().numpy(), atol=1e-4)
    ours.double()
    net.double()
    rows = [torch.from_numpy(X[:6]).double().requires_grad_() for _ in "ab"]
    outs = [ours(rows[0]), net(rows[1])]
    weight = torch.randn(outs[0].shape, dtype=torch.float64)
    gradients = [torch.autograd.grad((out * weight).sum(), one)[0] for out, one in zip(outs, rows, strict=True)]
    # The file has the weights in float32; folded normalisations were rounded once more.
    np.testing.assert_allclose(gradients[0].numpy(), gradients[1].numpy(), atol=2e-6 * float(gradients[1].abs().max()))


def test_a_refit_learns_and_is_repeatable(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2), nn.Softmax(1)
    )
    path = exported(tmp_path / "model.onnx", net, training=torch.onnx.TrainingMode.EVAL, do_constant_folding=False)
    target = open_target(str(path), data=DATA)
    assert target.refit is not None and "one-cycle" in target.refit.recipe
    chance = np.random.default_rng(0)
    x = chance.random((200, 1, 8, 8)).astype(np.float32)
    y = (x[:, 0, :4].mean((1, 2)) > x[:, 0, 4:].mean((1, 2))).astype(int)
    refit = target.refit.longer(15)  # type: ignore[attr-defined]
    made = refit(x, y, seed=3)
    assert (made.labels(x) == y).mean() > 0.8
    assert (made.output, made.queries, made.digest) == (Output.PROBABILITIES, 200, "")
    np.testing.assert_array_equal(made.scores(x), refit(x, y, seed=3).scores(x))
    assert np.abs(made.scores(x) - refit.longer(1)(x, y, seed=4).scores(x)).max() > 1e-4
    assert made.refit is not None and made.module is not None
    before = target.scores(x)
    soft = np.full((200, 2), 0.5)
    again = target.refit.longer(2)(x, soft, seed=1)  # type: ignore[attr-defined]
    assert np.abs(again.scores(x) - 0.5).max() < 0.3
    np.testing.assert_array_equal(target.scores(x), before)


# ------------------------------------------------------------------------------------------------------ by hand


def weights(**more: np.ndarray) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(1)
    return {"w": chance.normal(size=(64, 3)).astype(np.float32), "b": chance.normal(size=3).astype(np.float32), **more}


def drawn(path: Path, nodes: list[Any], stored: dict[str, np.ndarray] | None = None, kind: int = TensorProto.FLOAT,
          out: int = TensorProto.FLOAT, rows: Any = "n", opset: int = 17, shape: Any = (1, 8, 8)) -> Path:  # fmt: skip
    """A file of nodes from `x` to `y`."""
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kind, [rows, *shape])],
        [helper.make_tensor_value_info("y", out, None)],
        [numpy_helper.from_array(value, name) for name, value in (weights() if stored is None else stored).items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


BODY = [node("Flatten", "x", "f"), node("Gemm", "f w b", "z")]
F = np.float32
HEADS: dict[str, tuple[list[Any], dict[str, np.ndarray]]] = {
    "two softmaxes": ([node("Softmax", "z", "p", axis=1), node("Softmax", "p", "y", axis=1)], {}),
    "scaled logits": ([node("Mul", "z k", "y")], {"k": F(300)}),
    "a temperature": ([node("Div", "z k", "t"), node("LogSoftmax", "t", "y")], {"k": F(0.01)}),
    "rounded": ([node("Softmax", "z", "p"), node("Mul", "p k", "q"), node("Round", "q", "r"), node("Div", "r k", "y")],
                {"k": F(4)}),
    "softmax by hand": ([node("ReduceMax", "z", "m", axes=[1]), node("Sub", "z m", "d"), node("Exp", "d", "e"),
                         node("ReduceSum", "e a", "s"), node("Div", "e s", "y")], {"a": np.array([1])}),
    "noise on the scores": ([node("RandomNormalLike", "z", "r", scale=0.5), node("Add", "z r", "y")], {}),
    "labels": ([node("ArgMax", "z", "y", axis=1, keepdims=0)], {}),
    "one-hot": ([node("ArgMax", "z", "l", axis=1, keepdims=0), node("OneHot", "l k v", "y")],
                {"k": np.array([3]), "v": np.array([0, 1], F)}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_hides_is_taken_off(tmp_path: Path, name: str) -> None:
    nodes, stored = HEADS[name]
    out = TensorProto.INT64 if name == "labels" else TensorProto.FLOAT
    target = open_target(str(drawn(tmp_path / "m.onnx", [*BODY, *nodes], weights(**stored), out=out)), data=DATA)
    assert target.classes == 3
    assert target.module is not None
    net = target.module()
    rows = torch.from_numpy(X).requires_grad_()
    bare = net.peeled()(rows)
    plain = X.reshape(-1, 64) @ stored.get("w", weights()["w"]) + weights()["b"]
    np.testing.assert_allclose(bare.detach().numpy(), plain, atol=1e-4)
    assert torch.autograd.grad(bare[:, 0].sum(), rows)[0].abs().min() > 0
    if name != "noise on the scores":
        np.testing.assert_allclose(net(rows).detach().numpy(), target.scores(X), rtol=1e-4, atol=1e-3)
    else:
        assert net.random == ["RandomNormalLike"] and "random" in target.notes[0]
    assert target.output is {"labels": Output.LABELS, "one-hot": Output.LABELS, "two softmaxes": Output.PROBABILITIES,
                             "softmax by hand": Output.PROBABILITIES}.get(name, target.output)  # fmt: skip


FRONTS: dict[str, tuple[list[Any], dict[str, np.ndarray], list[str], list[str]]] = {
    "rounded input": ([node("Mul", "x k", "a"), node("Round", "a", "b1"), node("Div", "b1 k", "i")], {"k": F(8)},
                      ["Round"], []),
    "cast input": ([node("Mul", "x k", "a"), node("Cast", "a", "b1", to=6), node("Cast", "b1", "i", to=1)],
                   {"k": F(16)}, ["Cast"], []),
    "black and white": ([node("Greater", "x k", "a"), node("Cast", "a", "i", to=1)], {"k": F(0.5)}, ["Greater"], []),
    "chosen": ([node("Less", "x k", "a"), node("Where", "a k l", "i")], {"k": F(0.5), "l": F(1)}, ["Less"], []),
    "quantised": ([node("QuantizeLinear", "x k z0", "a"), node("DequantizeLinear", "a k z0", "i")],
                  {"k": F(0.1), "z0": np.uint8(0)}, ["QuantizeLinear"], []),
    "noise": ([node("RandomUniformLike", "x", "r", low=-0.1, high=0.1), node("Add", "x r", "i")], {}, [],
              ["RandomUniformLike"]),
    "dropout": ([node("Dropout", "x k t", "i")], {"k": F(0.3), "t": np.array(True)}, [], ["Dropout"]),
    "dropout off": ([node("Dropout", "x", "i")], {}, [], []),
}  # fmt: skip


@pytest.mark.parametrize("name", FRONTS)
def test_what_has_no_gradient_passes_one_on_and_says_so(tmp_path: Path, name: str) -> None:
    nodes, stored, approximated, noisy = FRONTS[name]
    body = [node("Flatten", "i", "f"), node("Gemm", "f w b", "y")]
    target = open_target(str(drawn(tmp_path / "m.onnx", [*nodes, *body], weights(**stored))), data=DATA)
    assert target.module is not None
    net = target.module()
    assert (net.approximated, net.random) == (approximated, noisy)
    assert len(target.notes) == len(approximated) + len(noisy)
    rows = torch.from_numpy(X).requires_grad_()
    out = net(rows)
    gradient = torch.autograd.grad(out[:, 0].sum(), rows)[0].reshape(-1, 64)
    assert (gradient != 0).float().mean() > 0.6
    if name not in ("dropout", "chosen"):
        assert (
            torch.nn.functional.cosine_similarity(gradient, torch.from_numpy(weights()["w"][:, 0]), dim=1).min() > 0.9
        )
    if not noisy:
        np.testing.assert_allclose(out.detach().numpy(), target.scores(X), atol=1e-4)
    else:
        assert (net(rows) != out).any()
        net.mode.calm = True
        assert (net(rows) == net(rows)).all()


def test_one_column_becomes_two(tmp_path: Path) -> None:
    stored = {name: value[..., :1] for name, value in weights().items()}
    margin = (X.reshape(-1, 64) @ stored["w"] + stored["b"])[:, 0]
    for tail, output in (([], Output.LOGITS), ([node("Sigmoid", "z", "y")], Output.PROBABILITIES)):
        body = [node("Flatten", "x", "f"), node("Gemm", "f w b", "z" if tail else "y")]
        target = open_target(str(drawn(tmp_path / "m.onnx", [*body, *tail], stored)), data=DATA)
        assert (target.output, target.classes) == (output, 2)
        np.testing.assert_array_equal(target.labels(X), margin > 0)
        assert target.module is not None
        net = target.module()
        np.testing.assert_allclose(net(torch.from_numpy(X)).detach().numpy(), target.scores(X), atol=1e-5)
        np.testing.assert_allclose(net.peeled()(torch.from_numpy(X)).detach().numpy()[:, 1], margin, atol=1e-4)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.DOUBLE])
def test_other_types_of_input(tmp_path: Path, kind: int) -> None:
    nodes = [node("Cast", "x", "i", to=1), node("Flatten", "i", "f"), node("Gemm", "f w b", "y")]
    target = open_target(str(drawn(tmp_path / "m.onnx", nodes, kind=kind)), data=DATA)
    assert target.module is not None
    net = target.module()
    scale = 255 if kind == TensorProto.UINT8 else 1
    plain = (np.rint(X * 255) if scale == 255 else X).reshape(-1, 64) @ weights()["w"] + weights()["b"]
    np.testing.assert_allclose(target.scores(X), plain, atol=2e-2 if kind == TensorProto.FLOAT16 else 1e-3)
    np.testing.assert_allclose(net(torch.from_numpy(X)).detach().numpy(), plain, rtol=1e-3, atol=1e-3)
    assert net.approximated == (["integer input"] if scale == 255 else [])


def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    flat = [node("Reshape", "x s", "f"), node("Gemm", "f w b", "y")]
    for rows in (1, 4):
        path = drawn(tmp_path / "m.onnx", flat, weights(s=np.array([rows, 64])), rows=rows)
        target = open_target(str(path), data=DATA)
        np.testing.assert_allclose(target.scores(X), X.reshape(-1, 64) @ weights()["w"] + weights()["b"], atol=1e-4)
        assert target.module is not None
        np.testing.assert_allclose(target.module()(torch.from_numpy(X)).numpy(), target.scores(X), atol=1e-4)
    lying = open_target(str(drawn(tmp_path / "m.onnx", flat, weights(s=np.array([1, 64])))), data=DATA)
    np.testing.assert_allclose(lying.scores(X[:5]), X[:5].reshape(-1, 64) @ weights()["w"] + weights()["b"], atol=1e-4)


def test_rows_of_another_shape_fit_where_only_ones_differ(tmp_path: Path) -> None:
    path = str(drawn(tmp_path / "m.onnx", [node("Flatten", "x", "f"), node("Gemm", "f w b", "y")]))
    flat = Data(form=Form.TABLE, digest="", x_test=X.reshape(-1, 64))
    assert open_target(path, data=Data(form=Form.IMAGES, digest="", x_test=X[:, 0])).shape == (8, 8)
    with pytest.raises(UsageError, match="takes rows of shape"):
        open_target(path, data=flat)


@pytest.mark.parametrize("head", ["plain", "share"])
def test_what_is_written_says_the_same(tmp_path: Path, head: str) -> None:
    torch.manual_seed(1)
    net: nn.Module = Residual() if head == "plain" else nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Sigmoid())
    target = open_target(str(exported(tmp_path / "a.onnx", net)), data=DATA)
    assert target.module is not None
    write_onnx(tmp_path / "b.onnx", target.module().peeled(), X)
    again = open_target(str(tmp_path / "b.onnx"), data=DATA)
    assert again.output is Output.LOGITS
    np.testing.assert_allclose(again.log_probabilities(X), target.log_probabilities(X), atol=1e-4)


# ------------------------------------------------------------------------------------------------------ hostile


def test_an_unknown_operator_makes_a_black_box(tmp_path: Path) -> None:
    nodes = [node("Flatten", "x", "f"), node("Det", "x", "d"), node("Gemm", "f w b", "z"), node("Add", "z d", "y")]
    target = open_target(str(drawn(tmp_path / "m.onnx", nodes)), data=DATA)
    assert target.module is None and target.refit is None
    assert "gradients are not known through Det" in target.notes[0]
    assert target.scores(X).shape == (70, 3)


def large(path: Path, place: str) -> Path:
    """A file whose weights lie elsewhere."""
    drawn(path, [*BODY[:1], node("Gemm", "f w b", "y")])
    model = onnx.load(path, load_external_data=False)
    tensor = model.graph.initializer[0]
    (path.parent / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_another_file_must_lie_beside_the_model(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    target = open_target(str(large(inner / "m.onnx", "weights.bin")), data=DATA)
    assert target.module is not None
    np.testing.assert_allclose(target.module()(torch.from_numpy(X)).numpy(), target.scores(X), atol=1e-4)
    (tmp_path / "secret.bin").write_bytes((inner / "weights.bin").read_bytes())
    (inner / "link.bin").symlink_to(tmp_path / "secret.bin")
    for place in ("../secret.bin", str(tmp_path / "secret.bin"), "link.bin", "nothing.bin", ""):
        with pytest.raises(UsageError, match="not in its own folder"):
            open_target(str(large(inner / "m.onnx", place)), data=DATA)


def test_what_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for raw in (b"", b"no model at all", b"\x08\x07" * 40):
        path.write_bytes(raw)
        with pytest.raises(UsageError, match=r"m\.onnx"):
            open_target(str(path))
    with pytest.raises(UsageError, match="library of their own"):
        open_target(str(drawn(path, [node("Magic", "x", "y", domain="evil.test")])))
    with pytest.raises(UsageError, match="cannot be run"):
        open_target(str(drawn(path, [node("Magic", "x", "y")])))
    with pytest.raises(UsageError, match="no score per class"):
        open_target(str(drawn(path, [node("Relu", "x", "y")])), data=DATA)
    with pytest.raises(UsageError, match="there is no model"):
        open_target(str(tmp_path / "other.onnx"))


def test_a_shape_that_would_fill_the_memory_is_not_made(tmp_path: Path) -> None:
    blown = {
        "c": [node("ConstantOfShape", "s", "c")], "e": [node("Expand", "b s1", "c")], "t": [node("Tile", "w s", "c")],
        "r": [node("RandomNormal", "", "c", shape=[1 << 15, 1 << 15])],
    }  # fmt: skip
    shape = np.array([1 << 15, 1 << 15])
    for first in blown.values():
        nodes = [*first, node("ReduceSum", "c", "r", keepdims=0), *BODY, node("Add", "z r", "y")]
        path = drawn(tmp_path / "m.onnx", nodes, weights(s=shape, s1=np.array([1 << 15, 1 << 14, 3])))
        with pytest.raises(UsageError, match="268,435,456 numbers"):
            open_target(str(path), data=DATA)
    grown = [node("Shape", "x", "s1"), node("Mul", "s1 s", "s2"), node("Expand", "b", "c")]
    grown[2].input.append("s2")
    path = drawn(tmp_path / "m.onnx", [*grown, node("Gemm", "c w b", "y")], weights(s=np.array([1 << 20] * 4)))
    with pytest.raises(Unsupported, match="LimitError"):
        graph(onnx.load(path), "y", "", 3, torch.zeros(2, 1, 8, 8))


def test_nodes_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    nodes = [node("Gemm", "f w b", "z"), node("Flatten", "x", "f"), node("Identity", "z", "y")]
    path = drawn(tmp_path / "m.onnx", nodes)
    made = graph(onnx.load(path), "y", "", 3)
    np.testing.assert_allclose(
        made(torch.from_numpy(X)).detach().numpy(), open_target(str(path), data=DATA).scores(X), atol=1e-4
    )
    round_ = [node("Add", "x c", "d"), node("Mul", "d x", "c"), node("Identity", "c", "y")]
    with pytest.raises(Unsupported, match="circle"):
        graph(onnx.load(drawn(path, round_)), "y", "", 3)


def quantised(path: Path, how: str) -> Path:
    """The same model in eight bits."""
    from onnxruntime import quantization

    class Rows(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter([{"x": X}])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.rows, None)

    made = path.with_name(f"{how}.onnx")
    if how == "dynamic":
        quantization.quantize_dynamic(path, made)
    else:
        quantization.quantize_static(path, made, Rows(), quant_format=getattr(quantization.QuantFormat, how))
    return made


@pytest.mark.parametrize("how", ["dynamic", "QDQ", "QOperator"])
def test_models_in_eight_bits_keep_their_gradients(tmp_path: Path, how: str) -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    path = exported(tmp_path / "m.onnx", nn.Sequential(*layers))
    plain, target = open_target(str(path), data=DATA), open_target(str(quantised(path, how)), data=DATA)
    assert plain.module is not None and target.module is not None
    net, rows = target.module(), torch.from_numpy(X).requires_grad_()
    assert net.approximated and "straight through" in target.notes[0] and bool(net.batchwise) == (how == "dynamic")
    np.testing.assert_allclose(net(rows).detach().numpy(), target.scores(X), atol=0.03)
    gradients = [torch.autograd.grad(one(rows)[:, 0].sum(), rows)[0].reshape(70, -1) for one in (net, plain.module())]
    assert torch.nn.functional.cosine_similarity(*gradients, dim=1).mean() > 0.8


def test_memory_that_runs_out_halves_the_batch() -> None:
    def answer(x: np.ndarray) -> np.ndarray:
        if len(x) > 5:
            raise MemoryError
        return np.tile([0.0, 1.0], (len(x), 1))

    target = Target("m", "onnx", "", (2,), 2, Output.LOGITS, answer)
    assert target.scores(np.zeros((40, 2))).shape == (40, 2)
    assert (target.batch, target.queries) == (4, 40)
    target.answer = lambda x: (_ for _ in ()).throw(MemoryError())
    with pytest.raises(UsageError, match="no memory for one row"):
        target.scores(np.zeros((2, 2)))


# ------------------------------------------------------------------------------------------------------ hostile


def test_a_loop_without_end_is_ended(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [node("Identity", "go", "on"), node("Add", "v v", "u")], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("u", TensorProto.FLOAT, None)],
    )  # fmt: skip
    stored = weights(often=np.array(2**62), always=np.array(True))
    path = drawn(tmp_path / "m.onnx", [*BODY, node("Loop", "often always z", "y", body=inner)], stored)
    session = session_of(onnxruntime, path, path.name)
    runner = Runner(
        session, "x", Rows.of(session.get_inputs()[0], X, path.name), path.name, endless=True, longest_s=0.1
    )
    with pytest.raises(Late, match="no answer for 70 rows within"):
        runner.raw(X, ["y"])


def test_tensors_larger_than_memory_are_one_sentence(tmp_path: Path) -> None:
    blown = [node("Mul", "s s", "t"), node("ConstantOfShape", "t", "big"), node("ReduceSum", "big", "r", keepdims=0)]
    path = drawn(tmp_path / "m.onnx", [*blown, *BODY, node("Add", "z r", "y")], weights(s=np.array([10**5, 10**3])))
    with pytest.raises(UsageError, match="needs more memory for 4 rows than there is"):
        open_target(str(path), data=DATA)


def test_rows_come_first(tmp_path: Path) -> None:
    turned = [node("Transpose", "x", "t", perm=[1, 0, 2, 3]), node("Flatten", "t", "y")]
    with pytest.raises(UsageError, match="along another axis than the first"):
        open_target(str(drawn(tmp_path / "in.onnx", turned, rows=2, shape=("n", 8, 8))), data=DATA)
    with pytest.raises(UsageError, match="no score per class"):
        open_target(str(drawn(tmp_path / "out.onnx", [*BODY, node("Transpose", "z", "y", perm=[1, 0])])), data=DATA)
    last = [node("Flatten", "x", "f"), node("Gemm", "f w b", "y")]
    path = drawn(tmp_path / "last.onnx", last, shape=(4, 8, 2))
    pictures = Data(form=Form.IMAGES, digest="", x_test=X.reshape(70, 2, 4, 8), y_test=DATA.y_test)
    with pytest.raises(UsageError, match="channels last"):
        open_target(str(path), data=pictures)
