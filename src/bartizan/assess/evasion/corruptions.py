"""What pictures go through without an attacker: shift, rotation, light, contrast, blur, noise, JPEG.

Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions", at one mild strength
each. No row of the report is further from an attack: these are changes that nobody chose.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Array, Target

AT_MOST = 150
TURN = 10.0  # degrees
NOISE = 0.08
QUALITY = 40


def corrupted(target: Target, x: Array, y: Array, rng: np.random.Generator) -> tuple[tuple[str, Rate], ...]:
    """Accuracy under each corruption and under the worst of them for each row; nothing for rows that are no images."""
    x, y = x[:AT_MOST], y[:AT_MOST]
    planes = _planes(x)
    if planes is None:
        return ()
    worst, told = np.ones(len(x), bool), []
    for name, change in _changes(planes, rng):
        made = np.clip(change(planes), 0, 1).astype(np.float32)
        right = target.labels(made.reshape(x.shape)) == y
        worst &= right
        told.append((name, wilson(int(right.sum()), len(x))))
    return (*told, ("the worst of these", wilson(int(worst.sum()), len(x))))


def _planes(x: Array) -> Array | None:
    if x.ndim == 3:
        return x[:, None]
    return x if x.ndim == 4 and x.shape[1] <= 4 else None


def _changes(x: Array, rng: np.random.Generator) -> list[tuple[str, Callable[[Array], Array]]]:
    far = max(1, round(x.shape[-1] / 14))
    changes: list[tuple[str, Callable[[Array], Array]]] = [
        (f"shift by {far} right and down", lambda rows: _moved(rows, far, far)),
        (f"shift by {far} left and up", lambda rows: _moved(rows, -far, -far)),
        (f"rotation by {TURN:g}°", lambda rows: _turned(rows, TURN)),
        (f"rotation by -{TURN:g}°", lambda rows: _turned(rows, -TURN)),
        ("brighter by 0.15", lambda rows: rows + 0.15),
        ("contrast at 60 %", lambda rows: (rows - 0.5) * 0.6 + 0.5),
        ("blur", _blurred),
        (f"noise of {NOISE:g}", lambda rows: rows + rng.normal(0, NOISE, rows.shape)),
    ]
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        return changes
    return [*changes, (f"JPEG at quality {QUALITY}", _jpeg)] if x.shape[1] in (1, 3) else changes


def _moved(x: Array, down: int, right: int) -> Array:
    out = np.zeros_like(x)
    high, wide = x.shape[-2:]
    out[..., max(down, 0) : high + min(down, 0), max(right, 0) : wide + min(right, 0)] = x[
        ..., max(-down, 0) : high + min(-down, 0), max(-right, 0) : wide + min(-right, 0)
    ]
    return out


def _turned(x: Array, degrees: float) -> Array:
    """Rotation about the middle, bilinear; what comes from outside is 0."""
    high, wide = x.shape[-2:]
    angle = np.deg2rad(degrees)
    down, right = np.meshgrid(np.arange(high) - (high - 1) / 2, np.arange(wide) - (wide - 1) / 2, indexing="ij")
    source = (
        down * np.cos(angle) - right * np.sin(angle) + (high - 1) / 2,
        down * np.sin(angle) + right * np.cos(angle) + (wide - 1) / 2,
    )
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    at = [np.clip(one + 1, 0, size) for one, size in zip(source, (high, wide), strict=True)]
    top, left = (np.floor(one).astype(int) for one in at)
    a, b = at[0] - top, at[1] - left
    return np.asarray(
        padded[..., top, left] * (1 - a) * (1 - b) + padded[..., top + 1, left] * a * (1 - b)
        + padded[..., top, left + 1] * (1 - a) * b + padded[..., top + 1, left + 1] * a * b
    )  # fmt: skip


def _blurred(x: Array) -> Array:
    """A binomial kernel of 3, along both axes."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    down = padded[..., :-2, :] / 4 + padded[..., 1:-1, :] / 2 + padded[..., 2:, :] / 4
    return np.asarray(down[..., :-2] / 4 + down[..., 1:-1] / 2 + down[..., 2:] / 4)


def _jpeg(x: Array) -> Array:
    from PIL import Image

    out = np.empty_like(x)
    for at, row in enumerate((np.clip(x, 0, 1) * 255).round().astype(np.uint8)):
        stream = io.BytesIO()
        Image.fromarray(row[0] if len(row) == 1 else row.transpose(1, 2, 0)).save(stream, "JPEG", quality=QUALITY)
        read = np.asarray(Image.open(stream), dtype=np.float32) / 255
        out[at] = read if len(row) == 1 else read.transpose(2, 0, 1)
    return out
