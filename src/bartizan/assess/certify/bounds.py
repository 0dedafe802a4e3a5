"""Bounds on a net's scores over a box of rows: intervals (IBP), tightened by linear relaxation backwards (CROWN-IBP).

Forward, each operator maps the box to a box: linear ones by centre and radius, rising ones by both ends. Backward, the
lead of the right class is bounded below by a linear function of earlier and earlier layers: exactly through linear
operators, by two lines around a ReLU, by the surest element of a max-pool; at anything else the interval there ends it.

Source: Gowal et al. 2018, "On the Effectiveness of Interval Bound Propagation"; Zhang et al. 2020, "Towards Stable and
Efficient Training of Verifiably Robust Neural Networks" (CROWN-IBP). Sums are in float64, and a lead counts from
`SURE` of the scores' size on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bartizan.assess.target import Array
from bartizan.assess.targets.graph import Graph, Step, Unsupported

Tensor = Any  # torch.Tensor: torch is not read by the type checker
Box = tuple[Tensor, Tensor]
SURE = 1e-4  # of the largest score: the model itself computes in float32
RISING = {
    "Relu", "Sigmoid", "Tanh", "Clip", "MaxPool", "GlobalMaxPool", "Softplus", "Elu", "Erf", "HardSigmoid", "Identity",
}  # fmt: skip
LINEAR = {
    "Conv", "Gemm", "MatMul", "BatchNormalization", "AveragePool", "GlobalAveragePool", "Flatten", "Reshape",
    "Transpose", "Squeeze", "Unsqueeze", "ReduceMean", "ReduceSum", "Pad", "Neg",
}  # fmt: skip
AFFINE = {"Add", "Sub", "Mul", "Div"}  # linear where one side is a constant, or in sums of two


@dataclass(slots=True)
class _Net:
    """A graph in float64: its constants by slot, and a box for each slot that depends on the rows."""

    steps: tuple[Step, ...]
    fixed: dict[int, Tensor]
    boxes: dict[int, Box]

    def run(self, step: Step, given: dict[int, Tensor]) -> Tensor:
        """One operator with these values for what varies; the rest as the graph has it."""
        out = step.run(step.node, [self._value(slot, given) for slot in step.inputs])
        return out[0] if isinstance(out, tuple) else out

    def _value(self, slot: int, given: dict[int, Tensor]) -> Tensor:
        return None if slot < 0 else given[slot] if slot in given else self.fixed[slot]

    def varying(self, step: Step) -> list[int]:
        return [slot for slot in step.inputs if slot in self.boxes]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Intervals of a net over the boxes of some rows. `interval` (n,): bounds by these alone, which cost least."""

    net: _Net
    rows: int
    result: int
    spec: Tensor  # (n, classes, classes): the label's lead over each class
    y: Tensor
    interval: Array

    def tightened(self) -> Array:
        """(n,) the same bounds by linear relaxation backwards, the better of the two; above 0 is proven."""
        backward = _backward(self.net, self.result, self.rows, self.spec)
        least, most = self.net.boxes[self.result]
        return np.maximum(self.interval, _least(backward, least, most, self.y))


def bounds(net: Graph, low: Array, high: Array, labels: Array) -> Bounds:
    """Of the right class's lead over the best rival, from below, over each row's box.

    Raises Unsupported: an operator has no bounds here.
    """
    plan = net.plan
    if plan.head or plan.whole or net.random or net.approximated:
        raise Unsupported("bounds are not known for a net with rounding, noise or a head")
    ends = [torch.from_numpy(np.ascontiguousarray(one, dtype=np.float64)) for one in (low, high)]
    if plan.shape is not None:
        ends = [one.reshape(len(one), *plan.shape) * plan.scale for one in ends]
    tensors = net.tensors()
    fixed = {slot: _double(tensors[name]) for slot, name in plan.fixed}
    made = _Net(plan.steps, fixed, {plan.rows: (ends[0], ends[1])})
    with torch.no_grad():
        for step in plan.steps:
            made.boxes[step.outputs[0]] = _forward(made, step)
    least, most = made.boxes[plan.result]
    classes = torch.eye(least.shape[1], dtype=torch.float64)
    y = torch.from_numpy(np.asarray(labels, np.int64))
    intervals = least.gather(1, y[:, None]) - most
    return Bounds(
        made, plan.rows, plan.result, classes[y][:, None] - classes[None], y, _least(intervals, least, most, y)
    )


def leads(net: Graph, low: Array, high: Array, labels: Array) -> Array:
    """(n,) a lower bound, over each row's box, of the right class's lead over the best rival; above 0 is proven.

    Raises Unsupported: an operator has no bounds here.
    """
    return bounds(net, low, high, labels).tightened()


def _least(bound: Tensor, least: Tensor, most: Tensor, y: Tensor) -> Array:
    """(n,) over the rivals, less what float32 may round."""
    slack = SURE * torch.maximum(least.abs(), most.abs()).max(1).values.clamp(max=1e3)
    return np.asarray((bound.scatter(1, y[:, None], float("inf")).min(1).values - slack).numpy())


def _double(value: Tensor) -> Tensor:
    return value.detach().double() if value.is_floating_point() else value


def _forward(net: _Net, step: Step) -> Box:
    op, slots = step.node.op, net.varying(step)
    boxes = [net.boxes[slot] for slot in slots]
    if _rises(step) and len(slots) == 1:
        ends = [net.run(step, {slots[0]: end}) for end in boxes[0]]
        return ends[0], ends[1]
    if op in ("Add", "Concat", "Sub") and len(slots) == len(step.inputs):
        low = {slot: box[0] for slot, box in zip(slots, boxes, strict=True)}
        high = {slot: box[1] for slot, box in zip(slots, boxes, strict=True)}
        if op == "Sub":
            return boxes[0][0] - boxes[1][1], boxes[0][1] - boxes[1][0]
        return net.run(step, low), net.run(step, high)
    if not _is_linear(net, step):
        raise Unsupported(f"bounds are not known through {op}")
    centre, radius = (boxes[0][0] + boxes[0][1]) / 2, (boxes[0][1] - boxes[0][0]) / 2
    middle = net.run(step, {slots[0]: centre})
    spread = _spread(net, step, slots[0], radius)
    return middle - spread, middle + spread


def _spread(net: _Net, step: Step, slot: int, radius: Tensor) -> Tensor:
    """|W| r of a linear operator: itself with its weights made positive and no bias."""
    positive = {other: net.fixed[other].abs() for other in step.inputs if other in net.fixed and _weighs(step, other)}
    given = {**positive, slot: radius}
    nothing = {**positive, slot: torch.zeros_like(radius)}
    if step.node.op == "BatchNormalization":  # Its scale alone: the mean is no weight.
        given[step.inputs[1]] = nothing[step.inputs[1]] = net.fixed[step.inputs[1]].abs()
    return (net.run(step, given) - net.run(step, nothing)).abs()


def _weighs(step: Step, slot: int) -> bool:
    """Whether a constant is multiplied with: of Conv, Gemm and MatMul the matrix, of Mul and Div the factor."""
    return step.node.op in ("Conv", "Gemm", "MatMul", "Mul", "Div") and slot in step.inputs[:2]


def _rises(step: Step) -> bool:
    """Whether it never falls; the standard lets a file give Elu and HardSigmoid a slope below nought."""
    return step.node.op in RISING and not step.node.get("alpha", 0.0) < 0


def _is_linear(net: _Net, step: Step) -> bool:
    op, slots = step.node.op, net.varying(step)
    if len(slots) != 1 or step.inputs.count(slots[0]) != 1:
        return False
    if op in AFFINE:
        return not (op == "Div" and slots[0] != step.inputs[0])
    return op in LINEAR


def _backward(net: _Net, result: int, rows: int, spec: Tensor) -> Tensor:
    """(n, classes) lower bounds of `spec` (n, classes, classes) times the scores."""
    count, specs = spec.shape[:2]
    weights: dict[int, Tensor] = {result: spec}  # by slot: (n, specs, *shape)
    total = torch.zeros(count, specs, dtype=torch.float64)
    for step in reversed(net.steps):
        weight = weights.pop(step.outputs[0], None)
        if weight is None:
            continue
        op, slots = step.node.op, net.varying(step)
        if op == "Relu":
            passed, more = _relu(weight, net.boxes[slots[0]])
            _give(weights, slots[0], passed)
        elif op == "MaxPool" and step.outputs[1:] in ((), (-1,)):
            passed, more = _pool(net, step, slots[0], weight)
            _give(weights, slots[0], passed)
        elif (
            op == "Add"
            and len(slots) == 2
            and all(net.boxes[slot][0].shape == net.boxes[step.outputs[0]][0].shape for slot in slots)
        ):
            more = torch.zeros_like(total)
            for slot in slots:
                _give(weights, slot, weight)
        elif _is_linear(net, step):
            passed, more = _linear(net, step, slots[0], weight)
            _give(weights, slots[0], passed)
        else:
            more = _ended(weight, net.boxes[step.outputs[0]])
        total = total + more
    if rows in weights:
        total = total + _ended(weights[rows], net.boxes[rows])
    return total


def _give(weights: dict[int, Tensor], slot: int, weight: Tensor) -> None:
    weights[slot] = weights[slot] + weight if slot in weights else weight


def _ended(weight: Tensor, box: Box) -> Tensor:
    """The least of a linear function over a box."""
    low, high = box[0].unsqueeze(1), box[1].unsqueeze(1)
    return (weight.clamp(min=0) * low + weight.clamp(max=0) * high).flatten(2).sum(2)


def _relu(weight: Tensor, box: Box) -> tuple[Tensor, Tensor]:
    """Below a positive weight the line through nought that leaves the least area, above a negative one the chord."""
    low, high = box
    crosses = (low < 0) & (high > 0)
    chord = torch.where(crosses, high / (high - low).clamp(min=1e-12), (low >= 0).double())
    under = torch.where(crosses, (high > -low).double(), (low >= 0).double())
    shift = torch.where(crosses, -chord * low, torch.zeros_like(low))
    negative = weight.clamp(max=0)
    passed = weight.clamp(min=0) * under.unsqueeze(1) + negative * chord.unsqueeze(1)
    return passed, (negative * shift.unsqueeze(1)).flatten(2).sum(2)


def _pool(net: _Net, step: Step, slot: int, weight: Tensor) -> tuple[Tensor, Tensor]:
    """A maximum is at least its surest element, and at most the highest end."""
    passed, _ = _led_back(net, step, slot, net.boxes[slot][0], weight.clamp(min=0))
    high = net.boxes[step.outputs[0]][1].unsqueeze(1)
    return passed, (weight.clamp(max=0) * high).flatten(2).sum(2)


def _linear(net: _Net, step: Step, slot: int, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Exactly: the transposed operator, and what it gives for nought."""
    passed, out = _led_back(net, step, slot, torch.zeros_like(net.boxes[slot][0]), weight)
    return passed, (weight * out.unsqueeze(1)).flatten(2).sum(2)


def _led_back(net: _Net, step: Step, slot: int, at: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """`weight` (n, specs, …) times the operator's derivative at the points, and what it gives there.

    As the gradient of a sum: one by outputs that are given makes torch import sympy, a second of CPU.
    """
    at = at.detach().requires_grad_()
    with torch.enable_grad():
        out = net.run(step, {slot: at})
        passed = [
            torch.autograd.grad((out * weight[:, one]).sum(), at, retain_graph=True)[0]
            for one in range(weight.shape[1])
        ]
    return torch.stack(passed, 1), out.detach()
