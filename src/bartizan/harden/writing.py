"""A model that was trained anew as a file, and opened again as a stranger opens it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bartizan.assess.data import Data
from bartizan.assess.target import Target
from bartizan.assess.targets.opening import open_target
from bartizan.core.errors import UsageError
from bartizan.harden.proof import tested


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
