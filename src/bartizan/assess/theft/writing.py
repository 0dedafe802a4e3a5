"""A copy as an ONNX file: rows in, logits out, and what ONNX Runtime says of it compared with the copy itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array

IR_VERSION, OPSET, TREES = 10, 21, 3  # What ONNX Runtime reads since 1.18.
GIVEN, RESULT = "rows", "logits"
AGREE = 0.995  # Share of rows whose label must be the same; float32 decides ties differently.


@dataclass(slots=True)
class Sheet:
    """A graph that is being written: nodes in order, and stored constants."""

    nodes: list[Any] = field(default_factory=list)
    stored: list[Any] = field(default_factory=list)

    def node(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        """Adds a node; the name of its (first) result."""
        from onnx import helper

        out = f"{op.lower()}{len(self.nodes)}"
        results = [out, *(f"{out}-{at}" for at in range(1, outputs))]
        self.nodes.append(helper.make_node(op, list(inputs), results, domain=domain, **attributes))
        return out

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Adds a stored array; its name."""
        from onnx import numpy_helper

        name = f"stored{len(self.stored)}"
        self.stored.append(numpy_helper.from_array(np.array(value, dtype=dtype, order="C"), name))
        return name


class Drawn(Protocol):
    """What can be written: `draw` gives the name of its logits, `logits` what they must be."""

    def draw(self, sheet: Sheet, rows: str) -> str:
        """Adds its nodes."""
        ...

    def logits(self, x: Array) -> Array:
        """(n, classes)."""
        ...


def as_onnx(copy: Drawn, probe: Array, classes: int, text: bool = False) -> bytes:
    """The file's content; `probe` are rows on which ONNX Runtime must give the copy's labels.

    Raises Missing where onnx or onnxruntime is not installed, RuntimeError where the file says something else.
    """
    try:
        import onnx
        import onnxruntime
        from onnx import helper
    except ImportError as error:
        raise Missing(error.name or "onnx", "writing the copy as an ONNX file") from None
    sheet = Sheet()
    last = copy.draw(sheet, GIVEN)
    sheet.nodes.append(helper.make_node("Identity", [last], [RESULT]))
    kind = onnx.TensorProto.STRING if text else onnx.TensorProto.FLOAT
    given = helper.make_tensor_value_info(GIVEN, kind, ["n", *probe.shape[1:]])
    result = helper.make_tensor_value_info(RESULT, onnx.TensorProto.FLOAT, ["n", classes])
    graph = helper.make_graph(sheet.nodes, "stolen", [given], [result], sheet.stored)
    domains = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION, producer_name="bartizan")
    content: bytes = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    rows = np.asarray(probe, object if text else np.float32)
    found = session.run([RESULT], {GIVEN: rows})[0]
    same = float((found.argmax(axis=1) == copy.logits(probe).argmax(axis=1)).mean())
    if same < AGREE:
        raise RuntimeError(f"the written copy agrees with the copy on {same:.1%} of rows only")
    return content
