"""ONNX operators in torch, so that a graph has gradients: what an operator computes is what the standard says it does.

What has no useful derivative (rounding, casts to integers, comparisons, quantisation, the largest of a row) passes the
gradient straight through: Athalye et al. 2018, "Obfuscated Gradients Give a False Sense of Security" (BPDA). Names,
attributes and defaults: https://onnx.ai/onnx/operators. An operator takes its node and its inputs (None where one is
left out) and returns a tensor, or a tuple of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (everybody's name for it)

from bartizan.core.errors import LimitError

Tensor = Any  # torch.Tensor: torch is not read by the type checker
Inputs = Sequence[Tensor]
MAX_ELEMENTS = 1 << 28  # One gibibyte of float32: what a small file may ask for with a large shape.


@dataclass(slots=True)
class Mode:
    """`training`: batch statistics, dropout. `calm`: what is random gives its mean, for a gradient without noise."""

    training: bool = False
    calm: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a graph: attributes as Python values, the version of the operator set, what it shares."""

    op: str
    attributes: dict[str, Any]
    opset: int
    outputs: int = 1
    mode: Mode = field(default_factory=Mode)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or what the standard says when it is left out."""
        return self.attributes.get(name, default)


Operator = Callable[[Node, Inputs], Any]


class _Through(torch.autograd.Function):
    """`value` forward; backward the gradient goes to `like`, as if it were the same."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, like: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, gradient


def through(value: Tensor, like: Tensor) -> Tensor:
    """`value`, exactly, with the gradient of `like` (of the same shape)."""
    value = value.detach()
    if not (torch.is_grad_enabled() and like.requires_grad):
        return value
    return _Through.apply(value.to(like.dtype), like)


def truth(x: Tensor) -> Tensor:
    """A comparison's result as booleans: ours are 0 and 1 in floats where they carry a gradient."""
    return x if x.dtype is torch.bool else x > 0.5


def integers(x: Tensor | None) -> list[int] | None:
    """A tensor of shapes or axes as Python numbers."""
    return None if x is None else [int(one) for one in x.reshape(-1).tolist()]


def bounded(shape: Sequence[int]) -> list[int]:
    """The shape, unless it would fill the memory: shapes are part of a file that may be hostile."""
    count = 1
    for size in shape:
        count *= max(int(size), 1)
    if count > MAX_ELEMENTS:
        raise LimitError(f"a tensor of the graph would have more than {MAX_ELEMENTS:,} elements")
    return [int(size) for size in shape]


def axes(node: Node, x: Inputs, at: int = 1) -> list[int] | None:
    """Axes from the attribute (older operator sets) or the input (newer); None where both are left out."""
    given = node.get("axes")
    if given is not None:
        return list(given)
    return integers(x[at]) if len(x) > at else None


# ---------------------------------------------------------------------------------------------- one value at a time


def unary(f: Callable[[Tensor], Tensor]) -> Operator:
    """An operator of one tensor without attributes."""
    return lambda node, x: f(x[0])


def stepped(f: Callable[[Tensor], Tensor]) -> Operator:
    """An operator that is flat almost everywhere: the gradient goes straight through."""
    return lambda node, x: through(f(x[0]), x[0]) if x[0].is_floating_point() else f(x[0])


def binary(f: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """An operator of two tensors that are broadcast."""
    return lambda node, x: f(x[0], x[1])


def folded(f: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """An operator of any number of tensors, two at a time."""

    def run(node: Node, x: Inputs) -> Tensor:
        out = x[0]
        for one in x[1:]:
            out = f(out, one)
        return out

    return run


def compared(f: Callable[[Tensor, Tensor], Tensor], sign: int) -> Operator:
    """A comparison; where it depends on the rows it becomes 0 and 1 with the gradient of the difference."""

    def run(node: Node, x: Inputs) -> Tensor:
        out = f(x[0], x[1])
        if torch.is_grad_enabled() and (x[0].requires_grad or x[1].requires_grad):
            return through(out.to(torch.float32), sign * (x[0] - x[1]))
        return out

    return run


def divide(node: Node, x: Inputs) -> Tensor:
    """Integers are divided towards zero."""
    if x[0].is_floating_point() or x[1].is_floating_point():
        return x[0] / x[1]
    return torch.div(x[0], x[1], rounding_mode="trunc")


def modulo(node: Node, x: Inputs) -> Tensor:
    """`fmod` has the sign of the dividend, else of the divisor."""
    return torch.fmod(x[0], x[1]) if node.get("fmod", 0) else torch.remainder(x[0], x[1])


def power(node: Node, x: Inputs) -> Tensor:
    """The result has the type of the base."""
    return torch.pow(x[0], x[1].to(x[0].dtype) if x[0].is_floating_point() else x[1]).to(x[0].dtype)


def clip(node: Node, x: Inputs) -> Tensor:
    """Bounds are attributes (before 11) or inputs, and may be left out."""
    low = x[1] if len(x) > 1 else node.get("min")
    high = x[2] if len(x) > 2 else node.get("max")
    if low is None and high is None:
        return x[0]
    bounds = [one.to(x[0].dtype) if isinstance(one, torch.Tensor) else one for one in (low, high)]
    if all(one is None or isinstance(one, torch.Tensor) for one in bounds):
        return torch.clamp(x[0], *bounds)
    return torch.clamp(x[0], *(one.item() if isinstance(one, torch.Tensor) else one for one in bounds))


def gelu(node: Node, x: Inputs) -> Tensor:
    """Exact unless `approximate` says tanh."""
    return F.gelu(x[0], approximate=_text(node.get("approximate", "none")))


def leaky(node: Node, x: Inputs) -> Tensor:
    """LeakyRelu."""
    return F.leaky_relu(x[0], node.get("alpha", 0.01))


def elu(node: Node, x: Inputs) -> Tensor:
    """Elu; its alpha scales the negative part."""
    return F.elu(x[0], node.get("alpha", 1.0))


def selu(node: Node, x: Inputs) -> Tensor:
    """Selu with its two constants."""
    alpha, gamma = node.get("alpha", 1.6732632423543772), node.get("gamma", 1.0507009873554805)
    return gamma * torch.where(x[0] > 0, x[0], alpha * torch.expm1(torch.clamp(x[0], max=0)))


def celu(node: Node, x: Inputs) -> Tensor:
    """Celu."""
    return F.celu(x[0], node.get("alpha", 1.0))


def prelu(node: Node, x: Inputs) -> Tensor:
    """The slope is broadcast as the standard broadcasts: from the last axis."""
    return torch.where(x[0] >= 0, x[0], x[0] * x[1])


def hard_sigmoid(node: Node, x: Inputs) -> Tensor:
    """A line cut at 0 and 1."""
    return torch.clamp(node.get("alpha", 0.2) * x[0] + node.get("beta", 0.5), 0, 1)


def thresholded(node: Node, x: Inputs) -> Tensor:
    """ThresholdedRelu."""
    return torch.where(x[0] > node.get("alpha", 1.0), x[0], torch.zeros_like(x[0]))


def where(node: Node, x: Inputs) -> Tensor:
    """Chosen by the condition; a condition that depends on the rows passes its gradient on where nothing else does."""
    chosen = torch.where(truth(x[0]), x[1], x[2])
    if x[0].is_floating_point() and x[0].requires_grad and not x[1].requires_grad and not x[2].requires_grad:
        span = torch.nan_to_num(x[1] - x[2], posinf=0.0, neginf=0.0)
        return through(chosen, x[0] * span + torch.zeros_like(chosen))
    return chosen


TYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64, 12: torch.int32, 13: torch.int64, 16: torch.bfloat16,
}  # fmt: skip
# What is computed in float32 although the file says half precision: the CPU has no fast halves.
FLOATS = {torch.float16, torch.bfloat16, torch.float64}


def converted(x: Tensor, to: Any) -> Tensor:
    """A cast; from floats to whole numbers it cuts, and the gradient goes straight through."""
    if to in FLOATS or to is torch.float32:
        return x if x.is_floating_point() else x.to(torch.get_default_dtype())
    if x.is_floating_point() and torch.is_grad_enabled() and x.requires_grad:
        return through((x != 0) if to is torch.bool else x.detach().to(to), x)
    return x.to(to)


def cast(node: Node, x: Inputs) -> Tensor:
    """To the type the attribute names."""
    return converted(x[0], TYPES[node.get("to")])


# ------------------------------------------------------------------------------------------- along the axes of a row


def softmax(f: Callable[..., Tensor]) -> Operator:
    """Softmax and its logarithm; before 13 over all axes from `axis` on."""

    def run(node: Node, x: Inputs) -> Tensor:
        if node.opset >= 13:
            return f(x[0], dim=node.get("axis", -1))
        axis = node.get("axis", 1) % x[0].dim()
        return f(x[0].flatten(axis), dim=-1).reshape(x[0].shape)

    return run


def hardmax(node: Node, x: Inputs) -> Tensor:
    """1 at the first largest, straight through."""
    axis = node.get("axis", -1 if node.opset >= 13 else 1)
    hot = torch.zeros_like(x[0]).scatter(axis, x[0].argmax(axis, keepdim=True), 1.0)
    return through(hot, x[0])


def reduced(f: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    """Reduce…: over the axes, all of them where none are given (unless `noop_with_empty_axes`)."""

    def run(node: Node, x: Inputs) -> Tensor:
        over, keep = axes(node, x), bool(node.get("keepdims", 1))
        if not over:
            if node.get("noop_with_empty_axes", 0):
                return x[0]
            over = list(range(x[0].dim()))
        return f(x[0], over, keep) if over else x[0]

    return run


def _product(x: Tensor, over: list[int], keep: bool) -> Tensor:
    for axis in sorted((one % x.dim() for one in over), reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def largest(f: Callable[..., Tensor]) -> Operator:
    """ArgMax and ArgMin; which of equals is the first unless `select_last_index`."""

    def run(node: Node, x: Inputs) -> Tensor:
        axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
        if node.get("select_last_index", 0):
            return x[0].shape[axis] - 1 - f(x[0].flip(axis), dim=axis, keepdim=keep)
        return f(x[0], dim=axis, keepdim=keep)

    return run


def top(node: Node, x: Inputs) -> tuple[Tensor, Tensor]:
    """TopK: values and their places."""
    count = integers(x[1]) if len(x) > 1 else [node.get("k")]
    assert count is not None
    found = torch.topk(x[0], count[0], dim=node.get("axis", -1), largest=bool(node.get("largest", 1)))
    return found.values, found.indices


def one_hot(node: Node, x: Inputs) -> Tensor:
    """Off and on values come as a pair; places may be negative."""
    depth = int(x[1].reshape(-1)[0])
    places = torch.remainder(x[0].long(), depth)
    hot = F.one_hot(places, bounded([depth, places.numel()])[0])
    axis = node.get("axis", -1)
    if axis not in (-1, x[0].dim()):
        hot = hot.movedim(-1, axis)
    return torch.where(hot.bool(), x[2][1], x[2][0])


def cumulated(node: Node, x: Inputs) -> Tensor:
    """CumSum, also from behind and without the element itself."""
    axis = int(x[1].reshape(-1)[0])
    values = x[0].flip(axis) if node.get("reverse", 0) else x[0]
    out = values.cumsum(axis)
    if node.get("exclusive", 0):
        out = out - values
    return out.flip(axis) if node.get("reverse", 0) else out


# ------------------------------------------------------------------------------------------------------------- random


def normal(node: Node, x: Inputs) -> Tensor:
    """Noise, or its mean where the runner is calm."""
    mean, scale = node.get("mean", 0.0), node.get("scale", 1.0)
    out = x[0].detach() if x else torch.empty(bounded(node.get("shape")))
    return torch.full_like(out, mean) if node.mode.calm else torch.randn_like(out) * scale + mean


def uniform(node: Node, x: Inputs) -> Tensor:
    """As `normal`."""
    low, high = node.get("low", 0.0), node.get("high", 1.0)
    out = x[0].detach() if x else torch.empty(bounded(node.get("shape")))
    return torch.full_like(out, (low + high) / 2) if node.mode.calm else torch.rand_like(out) * (high - low) + low


def bernoulli(node: Node, x: Inputs) -> Tensor:
    """0 or 1 with the probability that is given, which also carries the gradient."""
    return x[0] if node.mode.calm else through(torch.bernoulli(x[0].detach()), x[0])


def dropout(node: Node, x: Inputs) -> Any:
    """Nothing, unless the graph itself says that it drops while it serves."""
    on = len(x) > 2 and x[2] is not None and bool(x[2].reshape(-1)[0])
    share = float(x[1].reshape(-1)[0]) if len(x) > 1 and x[1] is not None else node.get("ratio", 0.5)
    out = F.dropout(x[0], share, training=on and not node.mode.calm)
    return (out, torch.ones_like(x[0], dtype=torch.bool)) if node.outputs > 1 else out


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


VALUES: dict[str, Operator] = {
    "Abs": unary(torch.abs), "Neg": unary(torch.neg), "Sqrt": unary(torch.sqrt), "Exp": unary(torch.exp),
    "Log": unary(torch.log), "Reciprocal": unary(torch.reciprocal), "Relu": unary(torch.relu),
    "Sigmoid": unary(torch.sigmoid), "Tanh": unary(torch.tanh), "Erf": unary(torch.erf),
    "Softplus": unary(lambda x: F.softplus(x, threshold=40.0)), "Softsign": unary(F.softsign), "Sin": unary(torch.sin),
    "Cos": unary(torch.cos), "Tan": unary(torch.tan), "Atan": unary(torch.atan), "Asin": unary(torch.asin),
    "Acos": unary(torch.acos), "Sinh": unary(torch.sinh), "Cosh": unary(torch.cosh), "Mish": unary(F.mish),
    "HardSwish": unary(lambda x: x * torch.clamp(x / 6 + 0.5, 0, 1)), "Identity": unary(lambda x: x),
    "Not": unary(lambda x: ~x if x.dtype is torch.bool else 1 - x), "IsNaN": unary(torch.isnan),
    "IsInf": unary(torch.isinf), "Round": stepped(torch.round), "Floor": stepped(torch.floor),
    "Ceil": stepped(torch.ceil), "Sign": stepped(torch.sign), "LeakyRelu": leaky, "Elu": elu, "Selu": selu,
    "Celu": celu, "PRelu": prelu, "Gelu": gelu, "HardSigmoid": hard_sigmoid, "ThresholdedRelu": thresholded,
    "Swish": lambda node, x: x[0] * torch.sigmoid(node.get("alpha", 1.0) * x[0]),
    "Clip": clip, "Cast": cast, "CastLike": lambda node, x: converted(x[0], x[1].dtype), "Where": where,
    "Add": binary(torch.add), "Sub": binary(torch.sub), "Mul": binary(torch.mul), "Div": divide, "Pow": power,
    "Mod": modulo, "Min": folded(torch.minimum), "Max": folded(torch.maximum), "Sum": folded(torch.add),
    "Mean": lambda node, x: sum(x[1:], x[0]) / len(x), "Equal": binary(torch.eq),
    "Less": compared(torch.lt, -1), "LessOrEqual": compared(torch.le, -1), "Greater": compared(torch.gt, 1),
    "GreaterOrEqual": compared(torch.ge, 1), "And": binary(lambda a, b: truth(a) & truth(b)),
    "Or": binary(lambda a, b: truth(a) | truth(b)), "Xor": binary(lambda a, b: truth(a) ^ truth(b)),
    "Softmax": softmax(F.softmax), "LogSoftmax": softmax(F.log_softmax), "Hardmax": hardmax,
    "ReduceSum": reduced(lambda x, over, keep: x.sum(over, keepdim=keep)),
    "ReduceMean": reduced(lambda x, over, keep: x.mean(over, keepdim=keep)),
    "ReduceMax": reduced(lambda x, over, keep: x.amax(over, keepdim=keep)),
    "ReduceMin": reduced(lambda x, over, keep: x.amin(over, keepdim=keep)), "ReduceProd": reduced(_product),
    "ReduceL1": reduced(lambda x, over, keep: x.abs().sum(over, keepdim=keep)),
    "ReduceL2": reduced(lambda x, over, keep: torch.linalg.vector_norm(x, dim=over, keepdim=keep)),
    "ReduceSumSquare": reduced(lambda x, over, keep: (x * x).sum(over, keepdim=keep)),
    "ReduceLogSum": reduced(lambda x, over, keep: x.sum(over, keepdim=keep).log()),
    "ReduceLogSumExp": reduced(lambda x, over, keep: torch.logsumexp(x, over, keepdim=keep)),
    "ArgMax": largest(torch.argmax), "ArgMin": largest(torch.argmin), "TopK": top, "OneHot": one_hot,
    "CumSum": cumulated, "RandomNormal": normal, "RandomNormalLike": normal, "RandomUniform": uniform,
    "RandomUniformLike": uniform, "Bernoulli": bernoulli, "Dropout": dropout,
}  # fmt: skip

# What is given a gradient it does not have; said wherever the result depends on the rows.
APPROXIMATED = frozenset({
    "Round", "Floor", "Ceil", "Sign", "Hardmax", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "ArgMax",
    "ArgMin", "OneHot", "QuantizeLinear", "DynamicQuantizeLinear", "Bernoulli", "QLinearConv", "QLinearMatMul", "QGemm",
    "QLinearAdd", "QLinearMul", "QLinearGlobalAveragePool", "QLinearAveragePool",
})  # fmt: skip
RANDOM = frozenset({
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial",
})  # fmt: skip
