"""Reads the rows a model is measured with, from whatever file holds them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

MAX_BYTES = 8 * 1024**3  # Of arrays in an archive, unpacked.
PARTS = ("train", "test", "pool")


def read_data(paths: Sequence[Path]) -> Data:
    """The data of one or more files.

    Raises:
        UsageError: a file cannot be used: what, where, what to do.
    """
    [path] = paths
    return _archive(path)


def _archive(path: Path) -> Data:
    """An npz: x_train y_train x_test y_test, and x_pool y_pool for membership."""
    arrays = _arrays(path)
    found: dict[str, Array | None] = {f"{side}_{part}": arrays.get(f"{side}_{part}") for part in PARTS for side in "xy"}
    x = next(value for name, value in found.items() if name.startswith("x") and value is not None)
    form = Form.TEXT if x.dtype.kind == "U" else Form.IMAGES if x.ndim in (3, 4) else Form.TABLE
    return Data(
        form=form,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        **found,  # type: ignore[arg-type]  # by name
    )


def _arrays(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(one.file_size for one in archive.infolist()) > MAX_BYTES:
                raise UsageError(f"{path.name} unpacks to more than {MAX_BYTES:,} bytes")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, OSError, KeyError):
        raise UsageError(f"{path.name} is not an npz archive of plain arrays") from None
