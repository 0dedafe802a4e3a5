"""ONNX operators that move values about without changing them: shapes, slices, joins, padding."""

from __future__ import annotations

from math import ceil

import torch
import torch.nn.functional as F  # noqa: N812

from bartizan.assess.targets.operators import Inputs, Node, Operator, Tensor, axes, bounded, integers
from bartizan.core.errors import LimitError


def reshape(node: Node, x: Inputs) -> Tensor:
    """-1 is what is left over, 0 the size the axis had (unless `allowzero`)."""
    wanted = integers(x[1]) if len(x) > 1 else list(node.get("shape"))
    assert wanted is not None
    if not node.get("allowzero", 0):
        wanted = [x[0].shape[at] if size == 0 else size for at, size in enumerate(wanted)]
    return x[0].reshape(wanted)


def flatten(node: Node, x: Inputs) -> Tensor:
    """To two axes."""
    axis = node.get("axis", 1)
    axis = axis + x[0].dim() if axis < 0 else axis
    return x[0].reshape(1, -1) if axis == 0 else x[0].reshape(x[0].shape[:axis].numel(), -1)


def transpose(node: Node, x: Inputs) -> Tensor:
    """Backwards where no order is given."""
    return x[0].permute(node.get("perm") or list(range(x[0].dim()))[::-1])


def squeeze(node: Node, x: Inputs) -> Tensor:
    """All axes of size 1 where none are given."""
    over = axes(node, x)
    if over is None:
        return x[0].squeeze()
    return x[0].squeeze(tuple(over)) if over else x[0]


def unsqueeze(node: Node, x: Inputs) -> Tensor:
    """Axes count in the result."""
    over = axes(node, x) or []
    out = x[0]
    for axis in sorted(one % (x[0].dim() + len(over)) for one in over):
        out = out.unsqueeze(axis)
    return out


def split(node: Node, x: Inputs) -> tuple[Tensor, ...]:
    """By sizes, or evenly into as many as there are outputs."""
    axis = node.get("axis", 0)
    sizes = node.get("split") or (integers(x[1]) if len(x) > 1 else None)
    if sizes is None:
        whole = x[0].shape[axis]
        each = ceil(whole / node.outputs)
        sizes = [each] * (whole // each) + ([whole % each] if whole % each else [])
    return tuple(torch.split(x[0], sizes, dim=axis))


def sliced(node: Node, x: Inputs) -> Tensor:
    """Starts, ends, axes, steps: attributes before 10, inputs since."""
    if node.opset < 10:
        starts, ends, over, steps = node.get("starts"), node.get("ends"), node.get("axes"), None
    else:
        starts, ends = integers(x[1]), integers(x[2])
        over = integers(x[3]) if len(x) > 3 else None
        steps = integers(x[4]) if len(x) > 4 else None
    over, steps = over or list(range(len(starts))), steps or [1] * len(starts)
    out = x[0]
    for start, end, axis, step in zip(starts, ends, over, steps, strict=True):
        places = range(*slice(start, end, step).indices(out.shape[axis]))
        if step < 0 and end < -out.shape[axis]:  # Below the first: as if left out.
            places = range(*slice(start, None, step).indices(out.shape[axis]))
        if step == 1:
            out = out.narrow(axis, places.start, len(places))
        else:
            out = out.index_select(axis, torch.tensor(list(places), dtype=torch.long, device=out.device))
    return out


def gather(node: Node, x: Inputs) -> Tensor:
    """Whole slices by their places; negative places count from the end."""
    axis, places = node.get("axis", 0), x[1].long()
    axis = axis + x[0].dim() if axis < 0 else axis
    places = torch.where(places < 0, places + x[0].shape[axis], places)
    out = x[0].index_select(axis, places.reshape(-1))
    return out.reshape([*x[0].shape[:axis], *places.shape, *x[0].shape[axis + 1 :]])


def gather_elements(node: Node, x: Inputs) -> Tensor:
    """Single values by their places."""
    axis, places = node.get("axis", 0), x[1].long()
    return torch.gather(x[0], axis, torch.where(places < 0, places + x[0].shape[axis], places))


def pad(node: Node, x: Inputs) -> Tensor:
    """Around the given axes; a negative size cuts."""
    sizes = list(node.get("pads") or node.get("paddings") or integers(x[1]) or [])
    over = integers(x[3]) if len(x) > 3 else None
    value = node.get("value", 0.0)
    if len(x) > 2 and x[2] is not None and x[2].numel():
        value = x[2].reshape(-1)[0].item()
    mode = node.get("mode", b"constant")
    mode = mode.decode() if isinstance(mode, bytes) else mode
    over = [one % x[0].dim() for one in over] if over else list(range(x[0].dim()))
    pairs = dict(zip(over, zip(sizes[: len(over)], sizes[len(over) :], strict=True), strict=True))
    bounded([x[0].shape[at] + sum(pairs.get(at, (0, 0))) for at in range(x[0].dim())])
    if mode == "constant":
        return F.pad(x[0], [size for at in range(x[0].dim())[::-1] for size in pairs.get(at, (0, 0))], value=value)
    out = x[0]
    for at, (before, after) in pairs.items():
        if before or after:
            out = out.index_select(at, _mirrored(out.shape[at], before, after, mode))
    return out


def _mirrored(size: int, before: int, after: int, mode: str) -> Tensor:
    places = torch.arange(-before, size + after)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return torch.remainder(places, size)
    places = torch.remainder(places, max(2 * (size - 1), 1))  # reflect
    return torch.where(places >= size, 2 * (size - 1) - places, places)


def expand(node: Node, x: Inputs) -> Tensor:
    """Broadcasts both ways: a size of 1 keeps the axis as it is."""
    shape = torch.broadcast_shapes(x[0].shape, bounded(integers(x[1]) or []))
    return x[0].expand(bounded(shape))


def tile(node: Node, x: Inputs) -> Tensor:
    """Repeats along each axis."""
    times = integers(x[1]) or []
    bounded([size * count for size, count in zip(x[0].shape, times, strict=True)])
    return x[0].repeat(times)


def shape(node: Node, x: Inputs) -> Tensor:
    """Sizes as integers; since 15 a part of them."""
    return torch.tensor(list(x[0].shape)[node.get("start", 0) : node.get("end")], dtype=torch.long)


def filled(node: Node, x: Inputs) -> Tensor:
    """ConstantOfShape: zeros unless a value is given."""
    value = node.get("value")
    value = torch.zeros(1) if value is None else torch.as_tensor(value)
    return value.reshape(-1)[0].expand(bounded(integers(x[0]) or [])).clone()


def counted(node: Node, x: Inputs) -> Tensor:
    """Range."""
    start, limit, step = (one.reshape(-1)[0].item() for one in x)
    if step == 0 or (limit - start) / step > 1e7:
        raise LimitError("a range of the graph has more than 10,000,000 numbers")
    return torch.arange(start, limit, step, dtype=x[0].dtype)


def depth_to_space(node: Node, x: Inputs) -> Tensor:
    """Channels become pixels, in the order of `mode`."""
    side, (n, c, h, w) = node.get("blocksize"), x[0].shape
    if node.get("mode", b"DCR") in (b"CRD", "CRD"):
        return F.pixel_shuffle(x[0], side)
    parts = x[0].reshape(n, side, side, c // side**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // side**2, h * side, w * side)


def space_to_depth(node: Node, x: Inputs) -> Tensor:
    """Pixels become channels."""
    side, (n, c, h, w) = node.get("blocksize"), x[0].shape
    parts = x[0].reshape(n, c, h // side, side, w // side, side).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * side**2, h // side, w // side)


def triangle(node: Node, x: Inputs) -> Tensor:
    """Trilu."""
    k = int(x[1].reshape(-1)[0]) if len(x) > 1 and x[1] is not None else 0
    return torch.triu(x[0], k) if node.get("upper", 1) else torch.tril(x[0], k)


SHAPES: dict[str, Operator] = {
    "Reshape": reshape, "Flatten": flatten, "Transpose": transpose, "Squeeze": squeeze, "Unsqueeze": unsqueeze,
    "Concat": lambda node, x: torch.cat(list(x), dim=node.get("axis", 1)), "Split": split, "Slice": sliced,
    "Gather": gather, "GatherElements": gather_elements, "Pad": pad, "Expand": expand, "Tile": tile, "Shape": shape,
    "Size": lambda node, x: torch.tensor(x[0].numel()), "ConstantOfShape": filled, "Range": counted,
    "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth, "Trilu": triangle,
}  # fmt: skip
