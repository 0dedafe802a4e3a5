"""Resize as the standard defines it: axis by axis, each as one product with a matrix of weights."""

from __future__ import annotations

from math import floor
from typing import Any

import torch

from bartizan.assess.targets.operators import Inputs, Node, Tensor, bounded, integers

TAPS = 4096  # Of a filter stretched over what is made smaller: more would be a matrix without zeros.


def word(value: Any, default: str) -> str:
    """A text attribute."""
    return default if value is None else value.decode() if isinstance(value, bytes) else str(value)


def resize(node: Node, x: Inputs) -> Tensor:
    """Nearest, linear or cubic, with any coordinates but those of a crop; also Upsample.

    Raises ValueError for what is asked and not known here.
    """
    inputs = [*x, None, None, None, None]
    scales, sizes = (inputs[1], None) if node.opset < 11 else (inputs[2], inputs[3])
    factors = [float(one) for one in scales.reshape(-1).tolist()] if scales is not None and scales.numel() else None
    if node.get("scales") is not None:  # Upsample 7
        factors = list(node.get("scales"))
    wanted = integers(sizes) if sizes is not None and sizes.numel() else None
    if word(node.get("keep_aspect_ratio_policy"), "stretch") != "stretch":
        raise ValueError("aspect ratio")
    over = [one % x[0].dim() for one in node.get("axes") or range(x[0].dim())]
    out = x[0]
    for at, axis in enumerate(over):
        before = out.shape[axis]
        after = wanted[at] if wanted is not None else floor(before * factors[at]) if factors else before
        factor = after / before if wanted is not None or not factors else factors[at]
        if after != before or factor != 1:
            bounded([*out.shape[:axis], after, *out.shape[axis + 1 :]])
            bounded([before, after])
            weights = _interpolation(node, before, after, factor).to(out.dtype)
            out = torch.movedim(torch.movedim(out, axis, -1) @ weights, -1, axis)
    return out


def _places(node: Node, before: int, after: int, factor: float, how: str) -> Tensor:
    """Where each new place lies among the old ones."""
    place = torch.arange(after, dtype=torch.float64)
    if how == "align_corners":
        whole = factor * before
        return place * ((before - 1) / (whole - 1) if whole != 1 else 0.0)
    if how == "asymmetric":
        return place / factor
    if how == "pytorch_half_pixel" and after == 1:
        return place * 0 - 0.5
    if how not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        raise ValueError(how)
    place = (place + 0.5) / factor - 0.5
    if how == "half_pixel_symmetric":
        place = place + before / 2 * (1 - after / (factor * before))
    return place


def _interpolation(node: Node, before: int, after: int, factor: float) -> Tensor:
    """(before, after): how much of each old place is in each new one."""
    old = "asymmetric" if node.op == "Upsample" or node.opset < 11 else "half_pixel"
    how, mode = word(node.get("coordinate_transformation_mode"), old), word(node.get("mode"), "nearest")
    place = _places(node, before, after, factor, how)
    out, column = torch.zeros(before, after, dtype=torch.float64), torch.arange(after)
    if mode == "nearest":
        rounding = word(node.get("nearest_mode"), "floor" if old == "asymmetric" else "round_prefer_floor")
        nearest = {
            "floor": torch.floor, "ceil": torch.ceil, "round_prefer_ceil": lambda p: torch.floor(p + 0.5),
            "round_prefer_floor": lambda p: torch.ceil(p - 0.5),
        }[rounding](place)  # fmt: skip
        out[nearest.long().clamp(0, before - 1), column] = 1.0
        return out
    stretch = 1 / factor if node.get("antialias", 0) and factor < 1 else 1.0
    reach = 1 if mode == "linear" else 2
    width = min(TAPS, int(reach * stretch) + 2)
    base, a = torch.floor(place), float(node.get("cubic_coeff_a", -0.75))
    total = torch.zeros(after, dtype=torch.float64)
    weights = []
    for k in range(1 - width, width + 1):
        distance = (place - base - k).abs() / stretch
        weight = torch.clamp(1 - distance, min=0) if mode == "linear" else _cubic(distance, a)
        inside = ((base + k >= 0) & (base + k < before)).double()
        if node.get("exclude_outside", 0):
            weight = weight * inside
        weights.append((k, weight))
        total = total + weight
    for k, weight in weights:
        out.index_put_(((base + k).long().clamp(0, before - 1), column), weight / total, accumulate=True)
    return out


def _cubic(d: Tensor, a: float) -> Tensor:
    """Keys 1981, "Cubic convolution interpolation for digital image processing"."""
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    return torch.where(d <= 1, near, torch.where(d < 2, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a, 0.0))
