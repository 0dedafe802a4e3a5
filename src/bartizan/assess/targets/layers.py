"""ONNX operators with weights or windows: convolutions, products, pools, normalisations, resizing, quantisation."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.assess.targets.operators import Inputs, Node, Operator, Tensor, bounded, through
from bartizan.assess.targets.resizing import resize, word


def _around(node: Node, sizes: list[int], window: list[int], strides: list[int], dilations: list[int]) -> list[int]:
    """Padding before and after each axis, begins first: given, or what `auto_pad` says."""
    auto, count = word(node.get("auto_pad"), "NOTSET"), len(window)
    if auto == "VALID":
        return [0] * (2 * count)
    if auto == "NOTSET":
        return list(node.get("pads") or [0] * (2 * count))
    before, after = [], []
    for size, width, stride, dilation in zip(sizes, window, strides, dilations, strict=True):
        missing = max(0, (ceil(size / stride) - 1) * stride + (width - 1) * dilation + 1 - size)
        small, large = missing // 2, missing - missing // 2
        before.append(small if auto == "SAME_UPPER" else large)
        after.append(large if auto == "SAME_UPPER" else small)
    return before + after


def _pairs(around: list[int]) -> list[int]:
    """In torch's order: the last axis first."""
    half = len(around) // 2
    return [size for at in range(half)[::-1] for size in (around[at], around[half + at])]


CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def convolution(node: Node, x: Inputs) -> Tensor:
    """Conv, grouped and dilated, with padding that may differ at the two ends."""
    weight, count = x[1], x[1].dim() - 2
    strides, dilations = node.get("strides") or [1] * count, node.get("dilations") or [1] * count
    around = _around(node, list(x[0].shape[2:]), list(weight.shape[2:]), strides, dilations)
    rows, padding = x[0], around[:count]
    if padding != around[count:]:
        rows, padding = F.pad(rows, _pairs(around)), [0] * count
    bias = x[2] if len(x) > 2 else None
    return CONVOLUTIONS[count](rows, weight, bias, strides, padding, dilations, node.get("group", 1))


def deconvolution(node: Node, x: Inputs) -> Tensor:
    """ConvTranspose: padding cuts, `output_padding` adds at the end."""
    weight, count = x[1], x[1].dim() - 2
    strides, dilations = node.get("strides") or [1] * count, node.get("dilations") or [1] * count
    extra, sizes, wanted = node.get("output_padding") or [0] * count, x[0].shape[2:], node.get("output_shape")
    auto = word(node.get("auto_pad"), "NOTSET")
    full = [(n - 1) * s + (k - 1) * d + 1 + e for n, s, k, d, e in
            zip(sizes, strides, weight.shape[2:], dilations, extra, strict=True)]  # fmt: skip
    bounded([x[0].shape[0], *full])
    if wanted is None and auto.startswith("SAME"):
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    if wanted is not None:
        bounded([x[0].shape[0], *wanted])
        cut = [have - want for have, want in zip(full, wanted, strict=True)]  # Below 0: zeros are added.
        small, large = [int(one / 2) for one in cut], [one - int(one / 2) for one in cut]
        around = small + large if auto != "SAME_LOWER" else large + small
    else:
        around = node.get("pads") or [0] * (2 * count)
    bias = x[2] if len(x) > 2 else None
    out = TRANSPOSED[count](x[0], weight, bias, strides, 0, 0, node.get("group", 1), dilations)
    out = F.pad(out, _pairs([0] * count + list(extra)))
    return F.pad(out, _pairs([-one for one in around]))


def gemm(node: Node, x: Inputs) -> Tensor:
    """alpha A B + beta C, either transposed."""
    a = x[0].transpose(0, 1) if node.get("transA", 0) else x[0]
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    bias = x[2] if len(x) > 2 else None
    if alpha == 1 and beta == 1 and (bias is None or bias.dim() == 1):
        return F.linear(a, x[1] if node.get("transB", 0) else x[1].transpose(0, 1), bias)
    out = alpha * (a @ (x[1].transpose(0, 1) if node.get("transB", 0) else x[1]))
    return out if bias is None else out + beta * bias


def einsum(node: Node, x: Inputs) -> Tensor:
    """By the equation."""
    return torch.einsum(word(node.get("equation"), ""), *x)


# -------------------------------------------------------------------------------------------------------------- pools


def _overhang(node: Node, x: Tensor, window: list[int], around: list[int], strides: list[int],
              dilations: list[int]) -> list[int]:  # fmt: skip
    """How far the last window reaches past the padding where `ceil_mode` says that it counts."""
    half, out = len(window), []
    for at, (size, width, stride, dilation) in enumerate(zip(x.shape[2:], window, strides, dilations, strict=True)):
        whole, span = size + around[at] + around[half + at], (width - 1) * dilation + 1
        steps = ceil((whole - span) / stride)
        if steps * stride >= size + around[at]:  # A window must begin inside the rows or before them.
            steps -= 1
        out.append(max(0, steps * stride + span - whole) if node.get("ceil_mode", 0) else 0)
    return out


def _windows(node: Node, x: Tensor) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    window = list(node.get("kernel_shape"))
    strides, dilations = node.get("strides") or [1] * len(window), node.get("dilations") or [1] * len(window)
    around = _around(node, list(x.shape[2:]), window, strides, dilations)
    return window, strides, dilations, around, _overhang(node, x, window, around, strides, dilations)


def max_pool(node: Node, x: Inputs) -> Tensor:
    """The largest in each window; padding never wins."""
    window, strides, dilations, around, over = _windows(node, x[0])
    half = len(window)
    ends = [one + more for one, more in zip(around[half:], over, strict=True)]
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[half]
    if around[:half] == ends and all(2 * p <= w for p, w in zip(ends, window, strict=True)):
        # Channels last: torch is six times as fast there on one core.
        rows = x[0].contiguous(memory_format=torch.channels_last) if half == 2 else x[0]
        return pool(rows, window, strides, around[:half], dilations)
    rows = F.pad(x[0], _pairs(around[:half] + ends), value=float("-inf"))
    return pool(rows, window, strides, 0, dilations)


def average_pool(node: Node, x: Inputs) -> Tensor:
    """The mean of each window, with or without the padding; what overhangs never counts."""
    window, strides, dilations, around, over = _windows(node, x[0])
    half = len(window)
    pool: Any = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[half]
    if not any(around) and not any(over) and all(one == 1 for one in dilations):
        return pool(x[0], window, strides)
    outside = _pairs([0] * half + over)
    ones = torch.ones_like(x[0][:1, :1])
    ones = F.pad(F.pad(ones, _pairs(around), value=float(node.get("count_include_pad", 0))), outside)
    rows = F.pad(F.pad(x[0], _pairs(around)), outside)
    sums = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[half]
    kernel = torch.ones([rows.shape[1], 1, *window], dtype=rows.dtype)
    total = sums(rows, kernel, None, strides, 0, dilations, rows.shape[1])
    return total / sums(ones, kernel[:1], None, strides, 0, dilations)


def lp_pool(node: Node, x: Inputs) -> Tensor:
    """The p-norm of each window."""
    window, strides, dilations, around, over = _windows(node, x[0])
    half, p = len(window), node.get("p", 2)
    ends = [one + more for one, more in zip(around[half:], over, strict=True)]
    rows = F.pad(x[0], _pairs(around[:half] + ends)).abs() ** p
    kernel = torch.ones([rows.shape[1], 1, *window], dtype=rows.dtype)
    return CONVOLUTIONS[half](rows, kernel, None, strides, 0, dilations, rows.shape[1]) ** (1 / p)


# ----------------------------------------------------------------------------------------------------- normalisations


def batch_norm(node: Node, x: Inputs) -> Any:
    """By running statistics; in training by the batch's, which the running ones follow."""
    momentum, epsilon = 1 - node.get("momentum", 0.9), node.get("epsilon", 1e-5)
    if node.get("training_mode", 0):  # The file itself says so: its scores depend on the rows beside each row.
        return F.batch_norm(x[0], None, None, x[1], x[2], training=True, eps=epsilon)
    training = node.mode.training and x[0].shape[0] > 1
    return F.batch_norm(x[0], x[3], x[4], x[1], x[2], training, momentum, epsilon)


def layer_norm(node: Node, x: Inputs) -> Tensor:
    """Over the axes from `axis` on."""
    axis = node.get("axis", -1) % x[0].dim()
    bias = x[2] if len(x) > 2 else None
    shape, epsilon = list(x[0].shape[axis:]), node.get("epsilon", 1e-5)
    if list(x[1].shape) == shape and (bias is None or list(bias.shape) == shape):
        return F.layer_norm(x[0], shape, x[1], bias, epsilon)
    out = F.layer_norm(x[0], shape, None, None, epsilon) * x[1]
    return out if bias is None else out + bias


def rms_norm(node: Node, x: Inputs) -> Tensor:
    """Over the axes from `axis` on, without their mean."""
    axis = node.get("axis", -1) % x[0].dim()
    mean = (x[0] * x[0]).mean(tuple(range(axis, x[0].dim())), keepdim=True)
    return x[0] * torch.rsqrt(mean + node.get("epsilon", 1e-5)) * x[1]


def instance_norm(node: Node, x: Inputs) -> Tensor:
    """Each channel of each row by itself."""
    return F.instance_norm(x[0], weight=x[1], bias=x[2], eps=node.get("epsilon", 1e-5))


def group_norm(node: Node, x: Inputs) -> Tensor:
    """Channels in groups; before 21 one scale a group."""
    groups = node.get("num_groups")
    weight, bias = x[1], x[2]
    if weight.shape[0] == groups and x[0].shape[1] != groups:
        weight, bias = (one.repeat_interleave(x[0].shape[1] // groups) for one in (weight, bias))
    return F.group_norm(x[0], groups, weight, bias, node.get("epsilon", 1e-5))


def lp_norm(node: Node, x: Inputs) -> Tensor:
    """Divided by its norm; a norm of zero gives zeros."""
    size = torch.linalg.vector_norm(x[0], ord=node.get("p", 2), dim=node.get("axis", -1), keepdim=True)
    return torch.where(size == 0, torch.zeros_like(x[0]), x[0] / torch.where(size == 0, 1.0, size))


def local_response(node: Node, x: Inputs) -> Tensor:
    """LRN across neighbouring channels."""
    size, alpha = node.get("size"), node.get("alpha", 1e-4)
    around = [(size - 1) // 2, size - 1 - (size - 1) // 2]
    squares = F.pad((x[0] * x[0]).transpose(1, -1), around).unfold(-1, size, 1).sum(-1).transpose(1, -1)
    return x[0] / (node.get("bias", 1.0) + alpha / size * squares) ** node.get("beta", 0.75)


# ----------------------------------------------------------------------------------------------------------- resizing


# ------------------------------------------------------------------------------------------------------- quantisation

RANGES = {torch.uint8: (0, 255), torch.int8: (-128, 127), torch.int16: (-32768, 32767), torch.int32: (-(2**31), 2**31)}


def _along(value: Tensor, like: Tensor, axis: int) -> Tensor:
    """A scale a channel, in the shape that broadcasts along `axis`."""
    if value.numel() == 1:
        return value.reshape(())
    return value.reshape([-1 if at == axis % like.dim() else 1 for at in range(like.dim())])


def quantize(node: Node, x: Inputs) -> Tensor:
    """Kept in floats, on the grid and in the range of the type, so that gradients pass; outside the range they end."""
    scale, axis = _along(x[1], x[0], node.get("axis", 1)), node.get("axis", 1)
    zero = _along(x[2], x[0], axis) if len(x) > 2 and x[2] is not None else torch.zeros((), dtype=torch.uint8)
    low, high = RANGES[zero.dtype]
    place = x[0] / scale + zero.to(x[0].dtype)
    return torch.clamp(through(torch.round(x[0] / scale) + zero.to(x[0].dtype), place), low, high)


def dequantize(node: Node, x: Inputs) -> Tensor:
    """Back to floats."""
    axis = node.get("axis", 1)
    zero = _along(x[2], x[0], axis) if len(x) > 2 and x[2] is not None else torch.zeros(())
    return (x[0].to(x[1].dtype) - zero.to(x[1].dtype)) * _along(x[1], x[0], axis)


def dynamic(node: Node, x: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """DynamicQuantizeLinear: to 8 bits by the smallest and the largest value; scale and zero carry no gradient."""
    low, high = x[0].detach().amin().clamp(max=0), x[0].detach().amax().clamp(min=0)
    scale = (high - low) / 255
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.clamp(torch.round(-low / scale), 0, 255)
    return torch.clamp(through(torch.round(x[0] / scale) + zero, x[0] / scale + zero), 0, 255), scale, zero


def _shifted(value: Tensor, zero: Tensor | None) -> Tensor:
    value = value.to(torch.float32)
    return value if zero is None else value - _along(zero.to(torch.float32), value, 0 if zero.numel() > 1 else -1)


def product_of_integers(node: Node, x: Inputs) -> Tensor:
    """MatMulInteger, in floats: exact up to 2^24."""
    zero_a, zero_b = [*x[2:], None, None][:2]
    b = x[1].to(torch.float32) - (0 if zero_b is None else zero_b.to(torch.float32))
    return _shifted(x[0], zero_a) @ b


def convolution_of_integers(node: Node, x: Inputs) -> Tensor:
    """ConvInteger, in floats."""
    zero_x, zero_w = [*x[2:], None, None][:2]
    return convolution(node, [_shifted(x[0], zero_x), _shifted(x[1], zero_w)])


def _requantized(value: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    place = value / scale + zero.to(torch.float32)
    low, high = RANGES.get(zero.dtype, (0, 255))
    return torch.clamp(through(torch.round(value / scale) + zero.to(torch.float32), place), low, high)


def quantized_convolution(node: Node, x: Inputs) -> Tensor:
    """QLinearConv: x, its scale and zero, w, its scale and zero, the result's scale and zero, bias."""
    rows = _shifted(x[0], x[2]) * x[1]
    weight = _shifted(x[3], x[5]) * _along(x[4], x[3], 0)
    bias = x[8].to(torch.float32) * (x[1] * x[4].reshape(-1)) if len(x) > 8 and x[8] is not None else None
    return _requantized(convolution(node, [rows, weight, bias]), x[6], x[7])


def quantized_product(node: Node, x: Inputs) -> Tensor:
    """QLinearMatMul."""
    a = _shifted(x[0], x[2]) * x[1]
    b = (x[3].to(torch.float32) - x[5].to(torch.float32)) * x[4]
    return _requantized(a @ b, x[6], x[7])


def quantized_gemm(node: Node, x: Inputs) -> Tensor:
    """QGemm of ONNX Runtime: as `gemm`; without a scale for the result it stays a float."""
    a, b = _shifted(x[0], x[2]) * x[1], (x[3].to(torch.float32) - x[5].to(torch.float32)) * x[4]
    bias = None if len(x) < 7 or x[6] is None else x[6].to(torch.float32) * (x[1] * x[4].reshape(-1))
    out = gemm(node, [a, b, bias])
    return _requantized(out, x[7], x[8]) if len(x) > 8 and x[8] is not None else out


def quantized(f: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    """QLinearAdd and QLinearMul of ONNX Runtime: a, its scale and zero, b, its, the result's."""

    def run(node: Node, x: Inputs) -> Tensor:
        return _requantized(f(_shifted(x[0], x[2]) * x[1], _shifted(x[3], x[5]) * x[4]), x[6], x[7])

    return run


def quantized_pool(node: Node, x: Inputs) -> Tensor:
    """QLinearGlobalAveragePool and QLinearAveragePool of ONNX Runtime."""
    rows = _shifted(x[0], x[2]) * x[1]
    out = rows.mean(tuple(range(2, rows.dim())), keepdim=True) if "Global" in node.op else average_pool(node, [rows])
    return _requantized(out, x[3], x[4])


def fused_product(node: Node, x: Inputs) -> Tensor:
    """FusedMatMul of ONNX Runtime."""
    a, b = (one.transpose(-1, -2) if node.get(f"trans{side}", 0) else one for side, one in zip("AB", x, strict=True))
    return node.get("alpha", 1.0) * (a @ b)


def fused(layer: Operator) -> Operator:
    """FusedConv and FusedGemm of ONNX Runtime: an activation behind the layer.

    Raises ValueError for an activation that is not known here.
    """
    known = {"Relu": torch.relu, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid, "": lambda x: x}

    def run(node: Node, x: Inputs) -> Tensor:
        name = word(node.get("activation"), "")
        if name not in known or (len(x) > 3 and x[3] is not None):
            raise ValueError(name)
        return known[name](layer(node, x[:3]))

    return run


LAYERS: dict[str, Operator] = {
    "Conv": convolution, "ConvTranspose": deconvolution, "Gemm": gemm, "Einsum": einsum,
    "MatMul": lambda node, x: x[0] @ x[1], "MaxPool": max_pool, "AveragePool": average_pool, "LpPool": lp_pool,
    "GlobalAveragePool": lambda node, x: x[0].mean(tuple(range(2, x[0].dim())), keepdim=True),
    "GlobalMaxPool": lambda node, x: x[0].amax(tuple(range(2, x[0].dim())), keepdim=True),
    "BatchNormalization": batch_norm, "LayerNormalization": layer_norm, "RMSNormalization": rms_norm,
    "SimplifiedLayerNormalization": rms_norm, "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm, "LpNormalization": lp_norm, "LRN": local_response, "Resize": resize,
    "Upsample": resize, "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "DynamicQuantizeLinear": dynamic,
    "MatMulInteger": product_of_integers, "ConvInteger": convolution_of_integers,
    "QGemm": quantized_gemm, "QLinearAdd": quantized(torch.add), "QLinearMul": quantized(torch.mul),
    "QLinearGlobalAveragePool": quantized_pool, "QLinearAveragePool": quantized_pool, "FusedMatMul": fused_product,
    "FusedConv": fused(convolution), "FusedGemm": fused(gemm), "BiasGelu": lambda node, x: F.gelu(x[0] + x[1]),
    "QuickGelu": lambda node, x: x[0] * torch.sigmoid(node.get("alpha", 1.702) * x[0]),
    "FastGelu": lambda node, x: F.gelu(x[0] + x[1] if len(x) > 1 else x[0], approximate="tanh"),
    "QLinearConv": quantized_convolution, "QLinearMatMul": quantized_product,
}  # fmt: skip
