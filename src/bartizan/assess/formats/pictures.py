"""Folders of pictures: one folder a class, all pictures of one size."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from bartizan.assess.errors import Missing
from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
MAX_PIXELS = 64_000_000  # Of one picture.
MAX_HELD = 2 * 1024**3  # Bytes of all of them as float32.


def class_folders(folder: Path) -> tuple[str, ...]:
    """The names of the folders inside that hold pictures, sorted."""
    return tuple(sorted(one.name for one in folder.iterdir() if one.is_dir() and _pictures(one)))


def _pictures(folder: Path) -> list[Path]:
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False))
    return [folder / name for name in names if Path(name).suffix.lower() in ENDINGS]


def read_folder(folder: Path, classes: tuple[str, ...], seed: int, notes: list[str]) -> tuple[Array, Array]:
    """(n, channels, height, width) float32 in [0, 1] and labels by the order of `classes`.

    Raises UsageError where pictures differ in size or one cannot be read. Of more than fit a seeded sample is read.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise Missing("pillow", "a folder of pictures") from None
    files = [(path, label) for label, name in enumerate(classes) for path in _pictures(folder / name)]
    if not files:
        raise UsageError(f"{folder.name} has no pictures of the classes {', '.join(classes)[:80]}")
    rows: list[Array] = []
    labels: list[int] = []
    mode, kept = "", None
    order = np.random.default_rng(seed).permutation(len(files))
    for at in order:
        path, label = files[at]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path) as picture:
                    if picture.width * picture.height > MAX_PIXELS:
                        raise UsageError(f"{path.name} has more than {MAX_PIXELS:,} pixels")
                    mode = mode or ("L" if picture.mode in ("1", "L", "I", "I;16", "F") else "RGB")
                    values = np.asarray(picture.convert(mode), dtype=np.uint8)
        except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombWarning, SyntaxError,
                Image.DecompressionBombError):  # fmt: skip
            raise UsageError(f"{path.name} is not a picture that can be read") from None
        if rows and values.shape != rows[0].shape:
            raise UsageError(
                f"pictures differ in size ({path.name} has {values.shape[1]} × {values.shape[0]}, others "
                f"{rows[0].shape[1]} × {rows[0].shape[0]}): bring them to the size that the model takes"
            )
        kept = kept or max(1, MAX_HELD // (4 * values.size))
        rows.append(values)
        labels.append(label)
        if len(rows) == kept:
            notes.append(f"of {len(files):,} pictures a random {kept:,} were read")
            break
    x = np.stack(rows)
    x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
    back = np.argsort(order[: len(rows)])  # In the order of the files again.
    return np.ascontiguousarray(x[back], dtype=np.float32) / np.float32(255), np.array(labels, np.int64)[back]
