"""Images that were bent: one smooth displacement for all (Nguyen and Tran 2021, WaNet), estimated from look-alikes.

No two rows differ from their look-alikes in the same pixels, but all in the same direction at each place: the optical
flow (Lucas and Kanade 1981) from look-alike to row, summed over the rows of a group, is the trigger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array

WAVES = 5  # cosines along each side that a displacement is made of
ROUNDS = 4
LOOKUPS = 3
ALIKE = 5
STIFF = 0.02  # what a steep displacement costs, beside what it explains
FARTHEST = 0.2  # of the side


@dataclass(frozen=True, slots=True)
class Warp:
    """Every pixel is taken from `flow` (2: down and right, height, width) pixels away, between four of them."""

    flow: Array

    def __call__(self, x: Array) -> Array:
        return _moved(x, self.flow)

    def without(self, x: Array, alike: Array) -> Array:
        """Rows bent back; look-alikes are not needed."""
        flow = self.flow
        for _ in range(3):  # The way back starts where the way there ended.
            flow = -_moved(self.flow[:, None], flow)[:, 0]
        return _moved(x, flow)

    def shuffled(self, generator: np.random.Generator) -> Warp:
        """As strong a displacement, mirrored and turned round."""
        flow = self.flow[:, :: generator.choice((-1, 1)), :: generator.choice((-1, 1))]
        return Warp(flow[::-1] * generator.choice((-1, 1), (2, 1, 1)).astype(np.float32))

    def as_far_as(self, other: Warp) -> Warp:
        """The same displacement, as strong as another."""
        ratio = float(np.linalg.norm(other.flow)) / max(float(np.linalg.norm(self.flow)), 1e-9)
        return self.times(min(ratio, 3.0))

    def times(self, scale: float) -> Warp:
        """The same displacement, stronger or weaker."""
        limit = FARTHEST * min(self.flow.shape[1:])
        return Warp(np.clip(self.flow * np.float32(scale), -limit, limit))

    def picture(self, shape: tuple[int, ...]) -> dict[str, Array]:
        """The displacement as an array."""
        return {"flow": self.flow}

    @property
    def size(self) -> float:
        """How much of an image it changes, in pixels."""
        return float(self.flow[0].size)

    @property
    def words(self) -> str:
        """The displacement in words."""
        far = float(np.linalg.norm(self.flow, axis=0).mean())
        return f"a smooth bend, the same in each, by {far:.1f} pixels on average"


def planes(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(channels, height, width) of an image; None where channels are not first."""
    if len(shape) == 2:
        return 1, shape[0], shape[1]
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 and shape[0] <= 4 else None


def _moved(x: Array, flow: Array) -> Array:
    """(n, …, height, width) images, each pixel taken from where the flow says."""
    height, width = flow.shape[1:]
    down = np.clip(np.arange(height)[:, None] + flow[0], 0, height - 1)
    right = np.clip(np.arange(width)[None, :] + flow[1], 0, width - 1)
    top, left = np.minimum(down.astype(int), height - 2), np.minimum(right.astype(int), width - 2)
    low, far = (down - top).astype(np.float32), (right - left).astype(np.float32)
    above = x[..., top, left] * (1 - far) + x[..., top, left + 1] * far
    below = x[..., top + 1, left] * (1 - far) + x[..., top + 1, left + 1] * far
    return np.asarray(above * (1 - low) + below * low, dtype=x.dtype)


def fitted(own: Array, among: Array) -> Warp:
    """The displacement that best makes rows out of images like them.

    Look-alikes of a bent image are bent themselves, by chance; so rows are bent back by what is known and looked up
    again.

    Args:
        own: (n, channels, height, width).
        among: (m, channels, height, width) where look-alikes are sought.
    """
    side = own.shape[-2:]
    basis, steep = _cosines(*side)
    weights = np.zeros((2, basis.shape[1]), np.float32)
    bare = own
    for _ in range(LOOKUPS):
        alike = among[_nearest(bare, among)]
        for _ in range(ROUNDS):
            weights = weights + _step(own, _moved(alike, _flow(weights, basis, side)), weights, basis, steep)
        bare = Warp(_flow(weights, basis, side)).without(own, own)
    return Warp(_flow(weights, basis, side)).times(1.0)


def _flow(weights: Array, basis: Array, side: tuple[int, ...]) -> Array:
    return np.asarray((basis @ weights.T).T.reshape(2, *side), np.float32)


def _nearest(rows: Array, among: Array) -> Array:
    """(n, ALIKE) the nearest images by their pixels."""
    here, there = rows.reshape(len(rows), -1), among.reshape(len(among), -1)
    apart = np.einsum("ij,ij->i", there, there) - 2 * (here @ there.T)
    return np.asarray(np.argpartition(apart, ALIKE, axis=1)[:, :ALIKE])


def _step(own: Array, bent: Array, weights: Array, basis: Array, steep: Array) -> Array:
    """By how much the weights of the displacement have to change, (2, terms)."""
    rest = own[:, None] - bent
    down, right = np.gradient(bent, axis=(-2, -1))
    axes = tuple(range(bent.ndim - 2))
    dd, rr, dr = ((a * b).sum(axis=axes).ravel() for a, b in ((down, down), (right, right), (down, right)))
    d, r = (down * rest).sum(axis=axes).ravel(), (right * rest).sum(axis=axes).ravel()
    mixed = basis.T @ (basis * dr[:, None])
    inside = np.block([[basis.T @ (basis * dd[:, None]), mixed], [mixed, basis.T @ (basis * rr[:, None])]])
    cost = np.concatenate([steep, steep]) * np.trace(inside) / len(inside) * STIFF
    toward = np.concatenate([basis.T @ d, basis.T @ r]) - cost * weights.ravel()
    return np.asarray(0.7 * np.linalg.solve(inside + np.diag(cost + 1e-6), toward).reshape(2, -1), np.float32)


def _cosines(height: int, width: int) -> tuple[Array, Array]:
    """(pixels, terms) products of slow cosines, and how steep each is."""
    rows = np.cos(np.pi * (np.arange(height)[:, None] + 0.5) * np.arange(WAVES) / height)
    columns = np.cos(np.pi * (np.arange(width)[:, None] + 0.5) * np.arange(WAVES) / width)
    basis = np.einsum("hi,wj->hwij", rows, columns).reshape(height * width, -1).astype(np.float32)
    number = np.arange(WAVES)
    return basis, (0.1 + number[:, None] ** 2 + number[None, :] ** 2).ravel().astype(np.float32)
