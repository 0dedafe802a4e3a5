"""An ONNX graph as a torch module: the same scores, and gradients.

A graph is read once: what depends on no row is computed then (weights that are transposed or dequantised, shapes), what
serves nothing is dropped, and what is left runs as a list of steps over numbered slots. Weights that training would
change are parameters, everything else (a mean that is subtracted, a scale, indices) stays a buffer.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from bartizan.assess.targets.layers import LAYERS
from bartizan.assess.targets.operators import APPROXIMATED, RANDOM, VALUES, Mode, Node, Operator, Tensor, through
from bartizan.assess.targets.recurrent import RECURRENT
from bartizan.assess.targets.shaping import SHAPES
from bartizan.core.errors import BartizanError, LimitError

OPERATORS: dict[str, Operator] = {**VALUES, **SHAPES, **LAYERS, **RECURRENT}
SHAPE_ONLY = {"Shape", "Size"}  # Their results do not change with what stands in a row.
# What goes wrong where a graph asks for something its own tensors do not allow.
BROKEN = (RuntimeError, ValueError, TypeError, LookupError, AssertionError, LimitError, ArithmeticError)


class Unsupported(BartizanError):
    """The graph cannot be run here: it stays a black box. Says what is missing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operator: slots of its inputs (-1: left out), of its outputs, and of what nobody needs afterwards."""

    run: Operator
    node: Node
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    drops: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """What a parameter is for, which decides how it begins: weight, bias, scale, slope, table. `fan`: inputs a unit."""

    kind: str
    fan: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph that is ready to run. `fixed`: the slot of each parameter or buffer by its name."""

    steps: tuple[Step, ...]
    fixed: tuple[tuple[int, str], ...]
    slots: int
    rows: int  # the slot of the input
    result: int  # the slot of the output
    roles: dict[str, Role]
    names: tuple[str, ...]  # of the slots, for a file
    opset: int
    whole: bool = False  # the input is of whole numbers
    head: str = ""  # what makes two columns of one: margin, share; labels: one-hot rows of the numbers of classes
    classes: int = 0
    shape: tuple[int, ...] | None = None  # of a row as the graph takes it
    scale: float = 1.0  # what rows are multiplied with before


class Graph(torch.nn.Module):
    """Maps rows to scores.

    `approximated` and `random` name the operators whose gradient is not the true one, `batchwise` those by which a
    row's scores depend on the rows beside it.
    """

    def __init__(self, plan: Plan, tensors: dict[str, Tensor], mode: Mode) -> None:
        super().__init__()
        self.plan, self.mode = plan, mode
        self.approximated, self.random = _noticed(plan, tensors)
        self.batchwise = sorted({step.node.op for step in plan.steps if _batchwise(step.node)})
        self._peeled: tuple[Graph, ...] = ()  # In a tuple, so that its parameters are not counted twice.
        for name in dict.fromkeys(name for _, name in plan.fixed):
            value = tensors[name]
            if name in plan.roles:
                if not isinstance(value, torch.nn.Parameter):
                    # Convolutions answer in the layout of their weights; of it on, pictures take a fifth less time.
                    layout = torch.channels_last if value.dim() == 4 else torch.contiguous_format
                    value = torch.nn.Parameter(value.clone(memory_format=layout), False)
                self.register_parameter(name, value)
            else:
                self.register_buffer(name, value)
        super().train(mode.training)

    def forward(self, x: Tensor) -> Tensor:
        plan = self.plan
        values: list[Any] = [None] * plan.slots
        parameters, buffers = self._parameters, self._buffers
        for slot, name in plan.fixed:
            values[slot] = parameters[name] if name in parameters else buffers[name]
        x = x if x.is_floating_point() else x.to(torch.get_default_dtype())
        if plan.shape is not None:
            x = x.reshape(len(x), *plan.shape)
        x = x if plan.scale == 1 else x * plan.scale
        values[plan.rows] = through(torch.round(x), x) if plan.whole else x
        for step in plan.steps:
            out = step.run(step.node, [values[slot] if slot >= 0 else None for slot in step.inputs])
            if isinstance(out, tuple):
                for slot, one in zip(step.outputs, out, strict=False):
                    values[slot] = one
            else:
                values[step.outputs[0]] = out
            for slot in step.drops:
                values[slot] = None
        return headed(values[plan.result], plan.head, plan.classes)

    def train(self, mode: bool = True) -> Graph:
        """Batch statistics on or off; shared with `peeled`."""
        self.mode.training = mode
        super().train(mode)
        return self

    def take(self, shape: tuple[int, ...], scale: float, batch: int | None) -> None:
        """How the graph takes rows; a batch that the file fixes in its shapes is freed."""
        steps = self.plan.steps
        if batch is not None:
            for step in steps:
                if step.node.op == "Reshape" and len(step.inputs) > 1:
                    self._free(dict(self.plan.fixed).get(step.inputs[1]), batch)
        self.plan = replace(self.plan, shape=shape, scale=scale)

    def _free(self, name: str | None, batch: int) -> None:
        """A first size that is the fixed batch becomes "as it was", where the graph reshapes row by row."""
        if name is not None and self._buffers[name].numel() and int(self._buffers[name][0]) == batch:
            self._buffers[name] = self._buffers[name].clone()
            self._buffers[name][0] = 0

    def peeled(self) -> Graph:
        """The same weights without the head that only rescales each row's scores: attacks see what it hides."""
        return self._peeled[0] if self._peeled else self

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by name: the same objects, to be shared."""
        return {**dict(self._parameters), **dict(self._buffers)}

    def fresh(self) -> Graph:
        """A copy with weights of its own that training may change."""
        made = copy.deepcopy(self)
        for parameter in made.parameters():
            parameter.requires_grad_(True)
        return made


def headed(out: Tensor, head: str, classes: int) -> Tensor:
    """Two columns where a model gives one: [0, margin], or [1 - share, share]; one-hot rows of labels."""
    if head == "labels":
        return torch.nn.functional.one_hot(out.reshape(-1).long().clamp(0, classes - 1), classes).float()
    if head == "margin":
        return torch.cat([torch.zeros_like(out.reshape(-1, 1)), out.reshape(-1, 1)], dim=1)
    if head == "share":
        return torch.cat([1 - out.reshape(-1, 1), out.reshape(-1, 1)], dim=1)
    return out


def _noticed(plan: Plan, tensors: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    """Operators between the rows and the scores that have no gradient, and those that are random."""
    moving, approximated, noisy = {plan.rows}, set(), set()
    for step in plan.steps:
        op = step.node.op
        if op in RANDOM or (op == "Dropout" and _drops(plan, step, tensors)):
            noisy.add(op)
        if not moving.intersection(step.inputs) or op in SHAPE_ONLY or (op in RANDOM and op != "Bernoulli"):
            continue
        moving.update(step.outputs)
        if op in APPROXIMATED or (op == "Cast" and step.node.get("to") not in {1, 10, 11, 16}):
            approximated.add(op)
    return sorted(approximated | ({"integer input"} if plan.whole else set())), sorted(noisy)


def _batchwise(node: Node) -> bool:
    """Batch normalisation that says it is training, and quantisation by what the batch holds."""
    return node.op == "DynamicQuantizeLinear" or (node.op == "BatchNormalization" and node.get("training_mode", 0) == 1)


def _drops(plan: Plan, step: Step, tensors: dict[str, Tensor]) -> bool:
    """A dropout whose own input says that it is training."""
    name = dict(plan.fixed).get(step.inputs[2]) if len(step.inputs) > 2 else None
    return name is not None and bool(tensors[name].reshape(-1)[0])


# ------------------------------------------------------------------------------------------------------------ reading


def graph(model: Any, output: str, head: str, classes: int, example: Tensor | None = None) -> Graph:
    """The module of an ONNX model (ModelProto with its weights) up to one of its outputs.

    Args:
        example: A few rows as the graph takes them; they choose the branch of a condition on shapes.

    Raises:
        Unsupported: an operator is unknown, has inner graphs, or what is constant cannot be computed.
    """
    source = model.graph
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)
    nodes = _needed(source.node, output)
    unknown = sorted({node.op_type for node in nodes} - OPERATORS.keys() - {"Constant", "If"})
    if unknown:
        raise Unsupported(f"gradients are not known through {', '.join(unknown)}")
    rows = next(one for one in source.input if one.name not in {stored.name for stored in source.initializer})
    try:
        reading = _Reading(opset, rows.name, example)
        reading.add(source.initializer, nodes)
        laid = _laid_out(reading, rows, reading.alias.get(output, output), head)
    except BROKEN as error:
        raise Unsupported(f"the graph cannot be computed ({type(error).__name__})") from None
    laid.plan = replace(laid.plan, classes=classes)
    return laid


def _needed(nodes: Sequence[Any], output: str) -> list[Any]:
    """The nodes that the output needs, each behind what it reads: files are not always in order.

    Raises Unsupported where they go round in a circle.
    """
    made = {name: node for node in nodes for name in node.output if name}
    kept: list[Any] = []
    state: dict[int, bool] = {}  # of a node: entered, and whether it is done
    waiting = [made[output]] if output in made else []
    while waiting:
        node = waiting[-1]
        if id(node) not in state:
            state[id(node)] = False
            before = {id(made[name]): made[name] for name in _reads(node) if name in made}
            if any(state.get(one) is False for one in before):
                raise Unsupported("the graph goes round in a circle")
            waiting.extend(one for key, one in before.items() if key not in state)
            continue
        waiting.pop()
        if not state[id(node)]:
            state[id(node)] = True
            kept.append(node)
    return kept


def _reads(node: Any) -> Iterator[str]:
    """The names a node uses, those inside its branches too."""
    yield from node.input
    for one in node.attribute:
        for inner in one.g.node if one.HasField("g") else ():
            yield from _reads(inner)
        if one.HasField("g"):
            yield from (out.name for out in one.g.output)


def tensor(proto: Any) -> Tensor:
    """A stored tensor; all floats become float32, the small integer types int8 or uint8."""
    from onnx import numpy_helper

    value = np.asarray(numpy_helper.to_array(proto))
    if value.dtype == object or value.dtype.kind in "SU":
        raise ValueError("text")
    if value.dtype.kind == "f" or "float" in value.dtype.name:
        value = value.astype(np.float32)
    elif value.dtype.kind not in "iub":
        value = value.astype(np.uint8 if value.dtype.name.startswith("u") else np.int8)
    elif value.dtype in (np.uint16, np.uint32, np.uint64):
        value = value.astype(np.int64)
    return torch.from_numpy(np.array(value, order="C"))


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import AttributeProto, helper

    found: dict[str, Any] = {}
    for one in node.attribute:
        if one.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS, AttributeProto.SPARSE_TENSOR):
            raise ValueError("inner graph")
        found[one.name] = tensor(one.t) if one.type == AttributeProto.TENSOR else helper.get_attribute_value(one)
    return found


def _constant(found: dict[str, Any]) -> Tensor:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in found:
            value = found[name]
            kind = torch.float32 if "float" in name else torch.long
            return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=kind)
    raise ValueError("constant")


class _Reading:
    """What is known while a graph is read: constants, names for the same value, steps that wait for rows."""

    def __init__(self, opset: int, rows: str, example: Tensor | None) -> None:
        self.opset, self.mode = opset, Mode()
        self.known: dict[str, Tensor] = {}
        self.alias: dict[str, str] = {}
        self.open: list[tuple[Node, list[str], list[str]]] = []
        self.seen: dict[str, Tensor] = {} if example is None else {rows: example}

    def add(self, stored: Iterable[Any], nodes: Iterable[Any]) -> None:
        """Reads the nodes of a graph, or of the branch of a condition."""
        waiting = {one.name: one for one in stored}
        for proto in nodes:
            inputs = [self.alias.get(name, name) for name in proto.input]
            for name in inputs:
                if name in waiting and name not in self.known:
                    self.known[name] = tensor(waiting[name])
            if proto.op_type == "If":
                self._branch(proto, inputs[0])
            elif proto.op_type == "Constant":
                self.known[proto.output[0]] = _constant(_attributes(proto))
            else:
                self._node(Node(proto.op_type, _attributes(proto), self.opset, len(proto.output), self.mode), inputs,
                           list(proto.output))  # fmt: skip

    def _node(self, node: Node, inputs: list[str], outputs: list[str]) -> None:
        if node.op == "Identity" or (node.op == "Dropout" and not (len(inputs) > 2 and inputs[2])):
            self.alias[outputs[0]] = inputs[0]
            return
        if node.op == "BatchNormalization":  # Exporters store equal tensors once; statistics are nobody's weights.
            for at in (3, 4):
                self.known[f"{outputs[0]}/{at}"] = self.known[inputs[at]].clone()
                inputs = [*inputs[:at], f"{outputs[0]}/{at}", *inputs[at + 1 :]]
        constant = node.op not in RANDOM and all(not name or name in self.known for name in inputs)
        if not constant:
            self.open.append((node, inputs, outputs))
        values = self.seen | self.known if self.seen else self.known
        if constant or self.seen:
            with torch.no_grad():
                out = OPERATORS[node.op](node, [values[name] if name else None for name in inputs])
            made = zip(outputs, out if isinstance(out, tuple) else (out,), strict=False)
            (self.known if constant else self.seen).update(made)

    def _branch(self, proto: Any, condition: str) -> None:
        """A condition on constants or shapes is decided now."""
        chosen = self.known.get(condition, self.seen.get(condition))
        if chosen is None:
            raise ValueError("a condition")
        name = "then_branch" if bool(chosen.reshape(-1)[0]) else "else_branch"
        inner = next(one.g for one in proto.attribute if one.name == name)
        self.add(inner.initializer, inner.node)
        for ours, theirs in zip(proto.output, inner.output, strict=True):
            self.alias[ours] = self.alias.get(theirs.name, theirs.name)


def _laid_out(reading: _Reading, rows: Any, output: str, head: str) -> Graph:
    open_, known, mode, opset = reading.open, reading.known, reading.mode, reading.opset
    numbers: dict[str, int] = {rows.name: 0}
    steps: list[Step] = []
    for node, inputs, outputs in open_:
        for name in [*inputs, *outputs]:
            if name:
                numbers.setdefault(name, len(numbers))
        slots = [numbers[name] if name else -1 for name in inputs]
        steps.append(Step(OPERATORS[node.op], node, tuple(slots), tuple(numbers.get(name, -1) for name in outputs)))
    if output not in numbers:
        raise ValueError("the output is constant")
    roles = _roles(open_, known)
    tensors, fixed = {}, []
    for name, slot in numbers.items():
        if name in known:
            safe = f"{'weight' if name in roles else 'constant'}{slot}"
            tensors[safe] = known[name]
            fixed.append((slot, safe))
    safe_roles = {safe: roles[name] for name, slot in numbers.items() if name in roles
                  for safe in (f"weight{slot}",)}  # fmt: skip
    plan = Plan(
        steps=(), fixed=tuple(fixed), slots=len(numbers) + 1, rows=0, result=numbers[output], roles=safe_roles,
        names=tuple(numbers), opset=opset, whole=rows.type.tensor_type.elem_type not in (1, 10, 11, 16), head=head,
    )  # fmt: skip
    return Graph(trimmed(plan, steps), tensors, mode)


def trimmed(plan: Plan, steps: Iterable[Step], result: int | None = None, head: str | None = None) -> Plan:
    """The plan with only those steps that its result needs, each dropping what is not used again."""
    result = plan.result if result is None else result
    wanted, kept, last = {result}, [], {result}
    for step in reversed(tuple(steps)):
        if not wanted.intersection(step.outputs):
            continue
        wanted.update(slot for slot in step.inputs if slot >= 0)
        over = {slot for slot in (*step.inputs, *step.outputs) if slot >= 0} - last
        last |= over
        kept.append(replace(step, drops=tuple(sorted(over))))
    fixed = tuple((slot, name) for slot, name in plan.fixed if slot in wanted)
    names = {name for _, name in fixed}
    return replace(
        plan, steps=tuple(kept[::-1]), fixed=fixed, result=result, head=plan.head if head is None else head,
        roles={name: role for name, role in plan.roles.items() if name in names},
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- roles

NORMS = {"BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization",
         "RMSNormalization", "SimplifiedLayerNormalization"}  # fmt: skip


def _roles(open_: list[Any], known: dict[str, Tensor]) -> dict[str, Role]:
    """Which constants are weights: by the operator and the place; sums and products only behind another weight."""
    roles: dict[str, Role] = {}
    behind: set[str] = set()

    def give(name: str, kind: str, fan: int = 1) -> None:
        if name in known and known[name].is_floating_point():
            roles.setdefault(name, Role(kind, max(fan, 1)))

    for node, inputs, outputs in open_:
        op, weight = node.op, known.get(inputs[1]) if len(inputs) > 1 else None
        if op in ("Conv", "ConvTranspose") and weight is not None:
            fan = int(weight[0].numel()) if op == "Conv" else weight.numel() // weight.shape[1]
            give(inputs[1], "weight", fan)
            give(inputs[2] if len(inputs) > 2 else "", "bias", fan)
        elif op == "Gemm" and weight is not None:
            fan = weight.shape[1 if node.get("transB", 0) else 0]
            give(inputs[1], "weight", fan)
            give(inputs[2] if len(inputs) > 2 else "", "bias", fan)
        elif op == "MatMul":
            for at, name in enumerate(inputs):
                if name in known and known[name].dim() > 1:
                    give(name, "weight", known[name].shape[-1 if at == 0 else -2])
        elif op == "Einsum":
            for name in inputs:
                if name in known and known[name].dim() > 1:
                    give(name, "weight", known[name].numel() // known[name].shape[-1])
        elif op in RECURRENT:
            for name in inputs[1:4]:
                give(name, "weight", node.get("hidden_size", 1))
        elif op in NORMS:
            give(inputs[1], "scale")
            give(inputs[2] if len(inputs) > 2 else "", "bias")
        elif op == "PRelu":
            give(inputs[1], "slope")
        elif op == "Gather" and inputs[0] in known and known[inputs[0]].dim() == 2:
            give(inputs[0], "table")
        elif op in ("Add", "Mul") and behind.intersection(inputs):
            for name in inputs:
                if name in known and known[name].numel() > 1:
                    wide = sum(size > 1 for size in known[name].shape) > 1
                    give(name, "scale" if op == "Mul" else "table" if wide else "bias")
        if op not in SHAPE_ONLY and (behind.intersection(inputs) or roles.keys() & set(inputs)):
            behind.update(outputs)
    return roles
