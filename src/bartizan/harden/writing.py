"""A model that was trained as a file, and opened again as a stranger opens it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bartizan.assess.data import Data
from bartizan.assess.target import Output, Target
from bartizan.assess.targets.opening import open_target
from bartizan.core.errors import UsageError
from bartizan.harden.proof import tested

if TYPE_CHECKING:
    from bartizan.assess.targets.exporting import Front


def trainable(target: Target) -> Any:
    """The net that gives the logits. Raises UsageError where there is none, or nothing in it to train."""
    assert target.module is not None
    whole = target.module()
    net = whole.peeled() if hasattr(whole, "peeled") else whole
    if net is whole and target.output is not Output.LOGITS:
        raise UsageError(f"{target.name} gives {target.output}, and nothing before them that can be trained was found")
    if not any(True for _ in net.parameters()):
        raise UsageError(f"{target.name} has no weights that can be trained")
    return net


def as_files(net: Any, front: Front | None, data: Data) -> tuple[dict[str, bytes], Target, float]:
    """A hardened net by file names, as a stranger opens it, and by how much ONNX Runtime differs.

    Raises UsageError where it cannot be written.
    """
    from bartizan.assess.targets.exporting import NotExported, write_onnx
    from bartizan.assess.targets.onnx import open_onnx

    rows, _ = tested(data)
    with tempfile.TemporaryDirectory(prefix="bartizan-") as folder:
        path = Path(folder) / "hardened.onnx"
        try:
            gap = write_onnx(path, net, rows[:64], front)
        except NotExported as error:
            raise UsageError(f"the hardened model cannot be written: {error}") from None
        opened = open_onnx(path, rows[:64])
        files = {"hardened.onnx": path.read_bytes(), "hardened.safetensors": _safetensors(net, front)}
    return files, opened, gap


def _safetensors(net: Any, front: Front | None) -> bytes:
    from safetensors.torch import save

    about = {"front_low": str(front.low), "front_high": str(front.high)} if front is not None else None
    tensors = {name: value.detach().contiguous().clone() for name, value in net.state_dict().items()}
    return bytes(save(tensors, metadata=about))


def written(model: Target, data: Data) -> tuple[str, bytes, Target]:
    """The file's name and content, and the model opened from it. Raises UsageError where there is no file for it."""
    with tempfile.TemporaryDirectory(prefix="bartizan-") as folder:
        if model.saved is not None:
            ending, content = model.saved()
            path = Path(folder) / f"hardened{ending}"
            path.write_bytes(content)
        elif model.module is not None:
            path = Path(folder) / "hardened.onnx"
            _net(model, data, path)
        else:
            raise UsageError(f"{model.name} cannot be kept in a file")
        return path.name, path.read_bytes(), open_target(str(path), data=data)


def _net(model: Target, data: Data, path: Path) -> None:
    from bartizan.assess.targets.exporting import NotExported, write_onnx

    assert model.module is not None
    whole = model.module()
    try:
        write_onnx(path, whole.peeled() if hasattr(whole, "peeled") else whole, tested(data)[0][:64])
    except NotExported as error:
        raise UsageError(f"the hardened model cannot be written: {error}") from None
