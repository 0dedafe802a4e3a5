"""Rows as pictures inside of a page: PNG for images (ISO/IEC 15948), written with the standard library alone."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING

from bartizan.report.assessment.markup import text

if TYPE_CHECKING:
    from bartizan.assess.target import Array

MAX_SIDE = 512  # pixels; larger pictures are thinned


def picture(row: Array, says: str) -> str:
    """An image of shape (height, width), (1, …) or (3, …), values 0 to 1, as an `<img>` with the picture inside."""
    return f'<img class="pixels" alt="{text(says)}" src="data:image/png;base64,{b64encode(png(row)).decode()}">'


def change(before: Array, after: Array, says: str) -> str:
    """What was added and taken away, around a middle grey, as strong as can be shown."""
    import numpy as np

    moved = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    most = float(np.abs(moved).max()) or 1.0
    return picture(0.5 + moved / most / 2, says)


def png(row: Array) -> bytes:
    """The bytes of a PNG, 8 bits a channel. Raises ValueError for what is no image."""
    import numpy as np

    pixels = np.asarray(row, np.float64)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
        pixels = pixels[0] if pixels.shape[0] == 1 else pixels.transpose(1, 2, 0)
    elif pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"a row of shape {np.shape(row)} is no image")
    step = max(1, -(-max(pixels.shape[:2]) // MAX_SIDE))
    pixels = np.nan_to_num(pixels[::step, ::step])
    raw = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    lines = b"".join(b"\0" + line.tobytes() for line in raw)
    header = struct.pack(">IIBBBBB", raw.shape[1], raw.shape[0], 8, 0 if raw.ndim == 2 else 2, 0, 0, 0)
    parts = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(lines, 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether rows of this shape can be shown as pictures."""
    return (len(shape) == 2 and min(shape) >= 4) or (len(shape) == 3 and (shape[0] in (1, 3) or shape[2] in (1, 3)))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
