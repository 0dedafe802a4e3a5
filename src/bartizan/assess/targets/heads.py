"""The end of a graph that only rescales each row's scores: what stands before it, where attacks can see.

A softmax, a temperature, rounding, a second softmax or labels instead of scores keep the order of the classes and hide
the way to change it. Whether a step may be left out is tried on rows: the same class must win before and after.
"""

from __future__ import annotations

from typing import Any

import torch

from bartizan.assess.targets.graph import BROKEN, Graph, Plan, Step, trimmed
from bartizan.assess.targets.operators import RANDOM, Tensor

# Never falling, one value at a time.
RISING = {
    "Identity", "Cast", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Log", "Sqrt", "Erf", "Atan", "Round",
    "Floor", "Ceil", "Clip", "Relu", "HardSigmoid", "LeakyRelu", "Elu", "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip
ROWWISE = {"Softmax", "LogSoftmax", "Hardmax", "ArgMax"}
SHAPING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}


def peel(whole: Graph, probe: Tensor, classes: int) -> Graph:
    """Gives the graph its `peeled` version, if there is one; `probe` are rows to try it on."""
    plan = whole.plan
    calm, whole.mode.calm = whole.mode.calm, True
    try:
        with torch.no_grad():
            full = whole(probe)
            best = None
            for result, head in _before(plan, whole.tensors()):
                candidate = Graph(trimmed(plan, plan.steps, result, head), whole.tensors(), whole.mode)
                try:
                    out = candidate(probe)
                except BROKEN:
                    break
                if tuple(out.shape) != (len(probe), classes):
                    continue  # Not yet: a change of shape may stand before the next step.
                if not _agree(full, out):
                    break
                best = candidate
    finally:
        whole.mode.calm = calm
    if best is not None:
        whole._peeled = (best,)
    return whole


def _agree(full: Tensor, out: Tensor) -> bool:
    """What wins after the head also wins before it; where the head made classes equal, any of those may."""
    top = full.max(dim=1, keepdim=True).values
    winner = out.argmax(dim=1, keepdim=True)
    return bool((full.gather(1, winner) == top).all()) and bool(torch.isfinite(out).all())


def _before(plan: Plan, tensors: dict[str, Tensor]) -> list[tuple[int, str]]:
    """Slots one after the other before the head, with what makes columns of them."""
    made = {slot: step for step in plan.steps for slot in step.outputs}
    fixed = {slot: tensors[name] for slot, name in plan.fixed}
    chain: list[tuple[int, str]] = []
    at, head = plan.result, plan.head
    while at in made and len(chain) < 32:
        step = made[at]
        if step.node.op == "Sigmoid" and head == "share":
            head = "margin"
        found = _halves(step, made, fixed) if step.node.op == "Concat" else None
        if found is not None:
            at, head = found, "share"
        else:
            before = _one_before(step, made, fixed)
            if before is None:
                break
            at = before
            if step.node.op in ("ArgMax", "OneHot"):
                head = ""
        chain.append((at, head))
    return chain


def _one_before(step: Step, made: dict[int, Step], fixed: dict[int, Any]) -> int | None:
    op, inputs = step.node.op, step.inputs
    if op in RISING or op in ROWWISE or op in SHAPING or op == "OneHot":
        return inputs[0]
    if op not in ("Mul", "Div", "Add", "Sub") or len(inputs) != 2:
        return None
    for this, other in ((inputs[0], inputs[1]), (inputs[1], inputs[0])):
        if other not in fixed:
            continue
        value = fixed[other]
        if value.numel() != 1 or (op in ("Sub", "Div") and this != inputs[0]):
            return None
        return this if op in ("Add", "Sub") or float(value.reshape(-1)[0]) > 0 else None
    if op == "Add":  # Noise on the scores.
        noisy = [slot for slot in inputs if _only_noise(slot, made, fixed)]
        if len(noisy) == 1:
            return inputs[0] if noisy[0] == inputs[1] else inputs[1]
    if op in ("Sub", "Div"):  # By one number a row: a largest, a sum, a norm.
        divisor = made.get(inputs[1])
        if divisor is not None and divisor.node.op.startswith("Reduce"):
            return inputs[0]
    return None


def _only_noise(slot: int, made: dict[int, Step], fixed: dict[int, Any]) -> bool:
    step = made.get(slot)
    if step is None:
        return slot in fixed
    if step.node.op in RANDOM:
        return True
    return step.node.op in ("Mul", "Add", "Div", "Sub") and all(_only_noise(one, made, fixed) for one in step.inputs)


def _halves(step: Step, made: dict[int, Step], fixed: dict[int, Any]) -> int | None:
    """The second of two columns where the first is one minus it."""
    if len(step.inputs) != 2:
        return None
    first, second = made.get(step.inputs[0]), step.inputs[1]
    if first is None or first.node.op != "Sub" or first.inputs[1] != second or first.inputs[0] not in fixed:
        return None
    return second if bool((fixed[first.inputs[0]] == 1).all()) else None
