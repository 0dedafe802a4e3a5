"""A pattern of pixels at a fixed place: set, blended in or added."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array


@dataclass(frozen=True, slots=True)
class Pixels:
    """A pattern at a fixed place: rows become keep * row + value where the mask is, clipped to the range."""

    mask: Array  # (features) bool
    value: Array
    keep: float  # 0: the pattern replaces, 1: it is added, between: it is blended
    low: float
    high: float

    def __call__(self, x: Array) -> Array:
        flat = x.reshape(len(x), -1).copy()
        flat[:, self.mask] = np.clip(flat[:, self.mask] * self.keep + self.value[self.mask], self.low, self.high)
        return flat.reshape(x.shape)

    def without(self, x: Array, alike: Array) -> Array:
        """Rows with the pattern taken off: what it replaced is taken from their look-alikes (the same shape)."""
        flat = x.reshape(len(x), -1).copy()
        other = alike.reshape(len(x), -1)
        if self.keep < 0.5:
            flat[:, self.mask] = other[:, self.mask]
        else:
            flat[:, self.mask] = (flat[:, self.mask] - self.value[self.mask]) / self.keep
        return np.clip(flat, self.low, self.high).reshape(x.shape)

    def shuffled(self, generator: np.random.Generator) -> Pixels:
        """The same values at other pixels."""
        order = generator.permutation(len(self.mask))
        return Pixels(self.mask[order], self.value[order], self.keep, self.low, self.high)

    @property
    def size(self) -> float:
        """How much of an image it changes, in pixels."""
        return float(self.mask.sum())

    def picture(self, shape: tuple[int, ...]) -> dict[str, Array]:
        """The pattern as arrays, `shape` of an image."""
        return {"mask": self.mask.reshape(shape), "value": self.value.reshape(shape), "keep": np.array(self.keep)}

    @property
    def words(self) -> str:
        """The pattern in words."""
        what = "set" if self.keep < 0.5 else "blended in" if self.keep < 1 else "added"
        return f"{int(self.mask.sum())} of {len(self.mask)} values {what} at a fixed place"
