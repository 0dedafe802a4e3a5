"""A graph as an ONNX file again: the steps it runs, with the weights it has now, rows in and logits out.

What is written is what was trained: constants that were folded stay folded, random dropout is left out, float16 becomes
float32. A `Front` before the graph becomes the first nodes of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.core.errors import BartizanError

if TYPE_CHECKING:
    from bartizan.assess.target import Array
    from bartizan.assess.targets.graph import Graph, Plan, Step

IR_VERSION = 10  # What ONNX Runtime has read since 1.18 (2024).
CLOSE = 1e-3  # Share of the largest logit by which ONNX Runtime may differ from the module that is written.
GIVEN, RESULT = "rows", "logits"
LEAK = 0.02
FLOAT = 1  # TensorProto.FLOAT
HALVES = (10, 11, 16)  # float16, double, bfloat16: the graph computes in float32


@dataclass(frozen=True, slots=True)
class Front:
    """What values become before a graph sees them: up to `low` nearly 0, from `high` on nearly 1, stretched between.

    Where most values lie at the two ends of their range, a change of up to `low` there is all but gone, for any attack.
    `LEAK` of its slope stays, so that no gradient is hidden: an attack that follows it is not fooled, and what stands
    then stands by itself (a flat front left 28 of 32 rows standing at any strength, which no model does).
    """

    low: float
    high: float

    def __call__(self, x: Any) -> Any:
        """Of a tensor."""
        stretched = (x - self.low) * (1 / (self.high - self.low))
        return stretched.clamp(0, 1) * (1 - LEAK) + stretched * LEAK


class NotExported(BartizanError):
    """The module cannot be written as an ONNX file that gives the same scores. Says why."""


def write_onnx(path: Path, net: Any, probe: Array, front: Front | None = None) -> float:
    """Writes a graph, or another torch module, as an ONNX file; the largest difference to ONNX Runtime's scores.

    The difference is taken on `probe`, as a share of the largest score.

    Args:
        front: What stands before the graph.

    Raises:
        NotExported: the file cannot be run, or gives other scores.
        Missing: onnx or onnxruntime is not installed.
    """
    try:
        import onnx
        import onnxruntime
        import torch
    except ImportError as error:
        raise Missing(error.name or "onnx", "writing an ONNX model") from None
    if hasattr(net, "plan"):
        content = as_model(net, probe.shape[1:], front).SerializeToString()
    else:
        content = _traced(net, probe, front)
    with torch.no_grad():
        rows = torch.from_numpy(np.array(probe, dtype=np.float32, order="C"))  # Its own: the given may be read-only.
        wanted = net(front(rows) if front else rows).double().numpy()
    try:
        onnx.checker.check_model(content)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        found = session.run([RESULT], {GIVEN: probe.astype(np.float32)})[0]
        alone = session.run([RESULT], {GIVEN: probe[:1].astype(np.float32)})[0]
    except _failures() as error:
        raise NotExported(f"the file cannot be run ({type(error).__name__})") from None
    gap = max(_gap(found, wanted), _gap(alone, wanted[:1]))
    if not gap <= CLOSE:
        raise NotExported(f"ONNX Runtime gives other scores (by up to {gap:.2%} of the largest)")
    path.write_bytes(content)
    return gap


def _traced(net: Any, probe: Array, front: Front | None) -> bytes:
    """The ONNX file of any torch module, by torch's own exporter."""
    import io
    import warnings

    import torch

    class Fronted(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any) -> Any:
            return self.net(front(x) if front is not None else x)

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says that it will be replaced; the newer one needs a library more.
        try:
            torch.onnx.export(
                Fronted().eval(), torch.from_numpy(probe[:2].astype(np.float32)), stream, dynamo=False,
                input_names=[GIVEN], output_names=[RESULT], dynamic_axes={GIVEN: {0: "n"}, RESULT: {0: "n"}},
            )  # fmt: skip
        except (RuntimeError, ValueError, TypeError) as error:
            raise NotExported(f"torch cannot write it ({type(error).__name__})") from None
    return stream.getvalue()


def _gap(found: Array, wanted: Array) -> float:
    if found.shape != wanted.shape:
        return float("inf")
    return float(np.max(np.abs(found - wanted)) / max(float(np.max(np.abs(wanted))), 1e-9))


def _failures() -> tuple[type[Exception], ...]:
    import onnx
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "NotImplemented", "InvalidGraph", "RuntimeException", "InvalidProtobuf")
    return (*(getattr(state, name) for name in names), onnx.checker.ValidationError, RuntimeError, ValueError)


def as_model(net: Graph, shape: tuple[int, ...], front: Front | None = None) -> Any:
    """The ONNX model (ModelProto) of a graph that takes rows of `shape` in float32."""
    from onnx import helper

    plan = net.plan
    names = {slot: f"value{slot}" for slot in range(plan.slots)}
    tensors = net.tensors()
    stored = [_tensor(names[slot], tensors[name]) for slot, name in plan.fixed]
    nodes: list[Any] = []

    def node(op: str, inputs: list[str], out: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def constant(name: str, value: Any) -> str:
        stored.append(_array(name, np.asarray(value)))
        return name

    at = GIVEN
    if front is not None:
        shifted = node("Sub", [at, constant("front_low", np.float32(front.low))], "shifted")
        stretch = constant("front_stretch", np.float32(1 / (front.high - front.low)))
        stretched = node("Mul", [shifted, stretch], "stretched")
        ends = [constant("floor", np.float32(0)), constant("ceiling", np.float32(1))]
        kept = node("Mul", [node("Clip", [stretched, *ends], "cut"), constant("most", np.float32(1 - LEAK))], "kept")
        at = node("Add", [kept, node("Mul", [stretched, constant("leak", np.float32(LEAK))], "leaking")], "fronted")
    if plan.shape is not None and tuple(plan.shape) != tuple(shape):
        at = node("Reshape", [at, constant("shape", np.array([-1, *plan.shape], np.int64))], "shaped")
    if plan.scale != 1:
        at = node("Mul", [at, constant("scale", np.float32(plan.scale))], "scaled")
    if plan.whole:
        at = node("Round", [at], "whole")
    nodes.append(helper.make_node("Identity", [at], [names[plan.rows]]))
    nodes.extend(_node(step, names) for step in plan.steps)
    _headed(plan, names[plan.result], node, constant)
    inside = helper.make_tensor_value_info(GIVEN, FLOAT, ["n", *shape])
    outside = helper.make_tensor_value_info(RESULT, FLOAT, ["n", plan.classes or None])
    made = helper.make_graph(nodes, "hardened", [inside], [outside], stored)
    domains = [helper.make_opsetid("", plan.opset)]
    return helper.make_model(made, opset_imports=domains, ir_version=IR_VERSION, producer_name="bartizan")


def _headed(plan: Plan, at: str, node: Any, constant: Any) -> None:
    """Two columns where the graph gives one, as `graph.headed` makes them."""
    if plan.head == "labels":
        raise NotExported("the model gives labels, and nothing before them can be read")
    if plan.head in ("margin", "share"):
        column = node("Reshape", [at, constant("column", np.array([-1, 1], np.int64))], "column1")
        one = constant("one", np.float32(plan.head == "share"))
        nothing = node("Mul", [column, constant("zero", np.float32(0))], "nothing")
        rest = node("Sub", [one, column], "rest") if plan.head == "share" else nothing
        node("Concat", [rest, column], RESULT, axis=1)
    elif plan.classes:
        node("Reshape", [at, constant("columns", np.array([-1, plan.classes], np.int64))], RESULT)
    else:
        node("Identity", [at], RESULT)


def _node(step: Step, names: dict[int, str]) -> Any:
    from onnx import helper

    inputs = [names[slot] if slot >= 0 else "" for slot in step.inputs]
    outputs = [names[slot] if slot >= 0 else "" for slot in step.outputs]
    op = step.node.op
    if op == "Dropout":
        return helper.make_node("Identity", inputs[:1], outputs[:1])
    given = dict(step.node.attributes)
    if op == "Cast" and given.get("to") in HALVES:
        given["to"] = 1
    if op == "BatchNormalization":
        outputs, given = outputs[:1], {**given, "training_mode": 0}
    made = helper.make_node(op, inputs, outputs)
    for name, value in given.items():
        if hasattr(value, "numpy"):
            made.attribute.append(helper.make_attribute(name, _tensor(name, value)))
        elif not isinstance(value, list | tuple) or len(value):
            made.attribute.append(helper.make_attribute(name, value))
    return made


def _tensor(name: str, value: Any) -> Any:
    return _array(name, value.detach().cpu().numpy())


def _array(name: str, value: Array) -> Any:
    from onnx import numpy_helper

    # ascontiguousarray would give a number a dimension.
    return numpy_helper.from_array(np.array(value, order="C"), name)
