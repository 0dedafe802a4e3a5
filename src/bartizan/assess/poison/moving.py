"""Patches that lie at another place in every image: found by what the model's answer hangs on, then by their look.

For rows whose neighbours have another label, windows are filled from a look-alike until the model changes its mind; the
window that did it is pasted onto other images (Chou et al. 2020, SentiNet). One that moves those too is cut to its
core, and every image that holds the core somewhere is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.poison.looked import Looked
from bartizan.assess.poison.neighbours import nearest
from bartizan.assess.poison.triggers import Backdoor, Held, Stamp, tried
from bartizan.assess.poison.warps import planes
from bartizan.assess.target import Array, Target

EACH = 10  # rows of a class that are looked into
WINDOWS = 24  # of a row and size, those that differ most from the look-alike
PASTED = 20  # images that a window is pasted onto
MOVES = 0.4  # of them
ALIKE = 0.06  # of the range: mean difference to the core, at most
LEAST = 4
CONTROLS = 6


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch (channels, height, width) that is pasted into each image, at a place of its own."""

    content: Array
    seed: int = 0

    def __call__(self, x: Array) -> Array:
        out = x.reshape(len(x), -1, *x.shape[-2:]).copy()
        _, height, width = self.content.shape
        generator = np.random.default_rng(self.seed)
        for row in out:
            top, left = (
                generator.integers(0, row.shape[1] - height + 1),
                generator.integers(0, row.shape[2] - width + 1),
            )
            row[:, top : top + height, left : left + width] = self.content
        return out.reshape(x.shape)


def backdoors(target: Target, looked: Looked, held: Held, how: How, said: Array, known: Array) -> list[Backdoor]:
    """Confirmed ones among the classes; rows that are `known` to be poisoned are left out."""
    how.progress("patches that move")
    if planes(looked.x.shape[1:]) is None:
        return []
    doubt = np.setdiff1d(looked.suspects[said[looked.suspects] == looked.labels[looked.suspects]], known)
    found = []
    for label in range(looked.classes):
        rows = doubt[looked.labels[doubt] == label]
        rows = rows[np.argsort(looked.opinion[rows, label], kind="stable")][: 2 * EACH]
        rows = np.random.default_rng(how.seed).permutation(rows)[:EACH]
        if len(rows) < 2 or how.budget.spent:
            continue
        one = _in_class(target, looked, held, rows, label, how)
        if one is not None:
            found.append(one)
    return found


def _in_class(target: Target, looked: Looked, held: Held, rows: Array, label: int, how: How) -> Backdoor | None:
    sides = looked.x.shape[-2:]
    others = np.flatnonzero(looked.labels != label)[:6000]
    alike = nearest(looked.short, rows, others, 1).index[:, 0]
    images = looked.x.reshape(len(looked.x), -1, *sides)
    paste_on = held.of(label, most=PASTED)
    if len(paste_on) < 8:
        return None
    paste_on = paste_on.reshape(len(paste_on), -1, *sides)
    best: tuple[float, Array] | None = None
    for row, other in zip(rows, alike, strict=True):
        place = _decisive(target, looked.x.shape[1:], images[row], images[other], label)
        if place is None:
            continue
        content = _cut(images[row], place)
        moved = _moves(target, looked.x.shape[1:], paste_on, content, label, place)
        if moved >= MOVES and (best is None or moved > best[0]):
            best = (moved, _core(target, looked.x.shape[1:], paste_on, images[row], place, label, moved))
        if best is not None and best[0] > 0.85:
            break
    return None if best is None else _on_trial(target, looked, held, best[1], label, how)


def _decisive(
    target: Target, shape: tuple[int, ...], image: Array, other: Array, label: int
) -> tuple[int, int, int, int] | None:
    """The window without which the model gives the image another class: (top, left, height, width)."""
    apart = np.abs(image - other).sum(axis=0)
    side = apart.shape[0]
    places: list[tuple[int, int, int, int]] = []
    for size in sorted({max(2, round(side / 7)), max(3, round(side / 4.5))}):
        step = max(1, size // 3)
        corners = [(i, j) for i in range(0, side - size + 1, step) for j in range(0, apart.shape[1] - size + 1, step)]
        energy = [apart[i : i + size, j : j + size].sum() for i, j in corners]
        places += [(*corners[at], size, size) for at in np.argsort(energy)[::-1][:WINDOWS]]
    filled = np.repeat(image[None], len(places), axis=0)
    for at, (i, j, h, w) in enumerate(places):
        filled[at, :, i : i + h, j : j + w] = other[:, i : i + h, j : j + w]
    scores = target.log_probabilities(filled.reshape(len(places), *shape))
    at = int(np.argmin(scores[:, label]))
    return places[at] if scores[at].argmax() != label else None


def _cut(image: Array, place: tuple[int, int, int, int]) -> Array:
    i, j, h, w = place
    return image[:, i : i + h, j : j + w]


def _moves(
    target: Target, shape: tuple[int, ...], images: Array, content: Array, label: int, place: tuple[int, int, int, int]
) -> float:
    """Share of the images that the patch moves, pasted where it was found."""
    i, j, h, w = place
    pasted = images.copy()
    pasted[:, :, i : i + h, j : j + w] = content
    return float((target.labels(pasted.reshape(len(images), *shape)) == label).mean())


def _core(
    target: Target,
    shape: tuple[int, ...],
    images: Array,
    image: Array,
    place: tuple[int, int, int, int],
    label: int,
    moved: float,
) -> Array:
    """The window cut from all sides for as long as it moves the images as well."""
    for _ in range(40):
        i, j, h, w = place
        smaller = [(i + 1, j, h - 1, w), (i, j, h - 1, w), (i, j + 1, h, w - 1), (i, j, h, w - 1)]
        smaller = [one for one in smaller if one[2] >= 2 and one[3] >= 2]
        if not smaller:
            break
        shares = [_moves(target, shape, images, _cut(image, one), label, one) for one in smaller]
        if max(shares) < 0.9 * moved:
            break
        place = smaller[int(np.argmax(shares))]
    return _cut(image, place).copy()


def _distance(images: Array, content: Array) -> tuple[Array, Array]:
    """(n) the mean difference at the place where the patch fits best, and (n, 2) that place."""
    _, height, width = content.shape
    n, _, tall, wide = images.shape
    best, place = np.full(n, np.inf, np.float32), np.zeros((n, 2), np.int64)
    for i in range(tall - height + 1):
        for j in range(wide - width + 1):
            apart = np.abs(images[:, :, i : i + height, j : j + width] - content).mean(axis=(1, 2, 3))
            nearer = apart < best
            best[nearer], place[nearer] = apart[nearer], (i, j)
    return best, place


def _on_trial(target: Target, looked: Looked, held: Held, content: Array, label: int, how: How) -> Backdoor | None:
    generator = np.random.default_rng(how.seed)
    shape, (tall, wide) = looked.x.shape[1:], looked.x.shape[-2:]
    mine = np.flatnonzero(looked.labels == label)
    rest = generator.permutation(np.flatnonzero(looked.labels != label))[:2000]
    images = looked.x.reshape(len(looked.x), -1, tall, wide)
    distance, place = _distance(images[mine], content)
    far, _ = _distance(images[rest], content)
    # Where honest images hold something like it, only what is nearer than nearly all of those counts.
    limit = min(ALIKE * looked.span, float(np.quantile(far, 0.002)) * 0.8)
    inside = distance <= limit
    rows, at = mine[inside], place[inside]
    if len(rows) < LEAST:
        return None
    stamp = Patch(content, how.seed)
    honest = generator.permutation(np.setdiff1d(mine, rows))[:CONTROLS]
    _, height, width = content.shape
    controls: list[Stamp] = []
    for row in honest:
        i, j = int(generator.integers(0, tall - height + 1)), int(generator.integers(0, wide - width + 1))
        controls.append(Patch(images[row][:, i : i + height, j : j + width], how.seed))
        mixed = generator.permutation(content.reshape(content.shape[0], -1), axis=1)
        controls.append(Patch(mixed.reshape(content.shape), how.seed))
    trial = tried(target, stamp, controls, held, label, usual=0.75)
    if trial is None or not trial.moved:
        return None
    others = np.flatnonzero(looked.labels != label)[:6000]
    alike = nearest(looked.short, rows, others, 1).index[:, 0]
    bare = images[rows].copy()
    for one, (i, j), other in zip(bare, at, alike, strict=True):
        one[:, i : i + height, j : j + width] = images[other][:, i : i + height, j : j + width]
    hangs = wilson(int((target.labels(bare.reshape(len(rows), *shape)) != label).sum()), len(rows))
    if hangs.share < 0.5:
        return None
    words = f"a patch of {height} x {width} at any place"
    return Backdoor(rows, 1 - distance[inside] / max(limit, 1e-9), words, "moving patch", trial, hangs, stamp,
                    "changed", {"patch": content})  # fmt: skip
