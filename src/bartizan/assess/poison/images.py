"""Backdoors in images: patches, scattered pixels, blended and additive patterns at a fixed place, moving patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.poison.features import penultimate
from bartizan.assess.poison.groups import Group, groups, whitened
from bartizan.assess.poison.looked import Looked
from bartizan.assess.poison.neighbours import nearest
from bartizan.assess.poison.triggers import LEAST_LEAD, LEAST_SUCCESS, Backdoor, Held, Stamp, rate, tried
from bartizan.assess.target import Array, Target

PIXEL_FLOOR = 1.5e-3  # variance: what differs by less than 4 % of the range does not count
SEEN = 0.04  # of the range: what a pixel of a trigger differs by at least
ALIKE = 5  # rows that a row is compared with
CONTROLS = 5
SCREEN = 48  # rows that every form of a pattern is tried on first


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
    def words(self) -> str:
        """The pattern in words."""
        what = "set" if self.keep < 0.5 else "blended in" if self.keep < 1 else "added"
        return f"{int(self.mask.sum())} of {len(self.mask)} values {what} at a fixed place"


def backdoors(target: Target, looked: Looked, held: Held, how: How) -> tuple[list[Backdoor], list[Group]]:
    """Confirmed backdoors, and groups that nothing confirmed."""
    confirmed: list[Backdoor] = []
    open_groups: list[Group] = []
    for group in sorted(_candidates(target, looked, how), key=lambda one: -one.clear):
        if how.budget.spent:
            break
        taken = np.concatenate([one.rows for one in confirmed]) if confirmed else np.empty(0, np.int64)
        if np.isin(group.rows, taken).mean() > 0.2:
            continue
        found = _on_trial(target, looked, held, group, how.seed)
        if found is None:
            open_groups.append(group)
        else:
            confirmed.append(found)
    return confirmed, open_groups


def _candidates(target: Target, looked: Looked, how: How) -> Iterator[Group]:
    """Groups in the pixels and, where the model has a last hidden layer, in that."""
    how.progress("groups in the pixels")
    flat = looked.flat
    # Each row less the mean of the class it looks like: what was relabelled stands out by its trigger alone.
    means = np.stack([flat[looked.labels == c].mean(axis=0) for c in range(looked.classes)])
    spaces = [whitened(flat, means[looked.looks_like], PIXEL_FLOOR * looked.span**2, how.seed)]
    features = penultimate(target, looked.x)
    if features is not None:
        how.progress("groups in the model's last hidden layer")
        means = np.stack([features[looked.labels == c].mean(axis=0) for c in range(looked.classes)])
        scale = float(features.var(axis=0).mean())
        spaces.append(whitened(features, means[looked.labels], 0.02 * scale, how.seed))
    for white in spaces:
        for label in range(looked.classes):
            if how.budget.spent:
                return
            rows = np.flatnonzero(looked.labels == label)
            yield from groups(white, rows, label, looked.suspects, how.seed)


def _alike(looked: Looked, rows: Array, outside: Array, label: int, seed: int) -> Array:
    """For each row the mean of its nearest rows outside the group, of other classes where it was relabelled."""
    among = outside[np.random.default_rng(seed).permutation(len(outside))[:6000]]
    near = nearest(looked.short, rows, among, ALIKE)
    return np.asarray(looked.flat[near.index].mean(axis=1))


def _on_trial(target: Target, looked: Looked, held: Held, group: Group, seed: int) -> Backdoor | None:
    """The group's pattern in its best form, if it is confirmed."""
    generator = np.random.default_rng(seed)
    label, rows = group.label, group.rows
    outside = np.setdiff1d(np.arange(len(looked.labels)), rows)
    alike = _alike(looked, rows, outside, label, seed)
    sources = _sources(looked, rows, label)
    forms = list(_forms(looked, rows, alike))
    if not forms:
        return None
    honest = np.setdiff1d(np.flatnonzero(looked.labels == label), rows)
    best = _best(target, looked, held, forms, honest, len(rows), label, sources, generator)
    if best is None:
        return None
    controls: list[Stamp] = list(_honest(looked, honest, len(rows), best, label, generator, CONTROLS))
    controls += [best.shuffled(generator) for _ in range(CONTROLS)]
    trial = tried(target, best, controls, held, label, sources)
    if trial is None or not trial.moved:
        return None
    bare = best.without(looked.x[rows], alike)
    hangs = wilson(int((target.labels(bare) != label).sum()), len(rows))
    if not _believed(trial.success.share, trial.control.share, hangs.share, group, best):
        return None
    picture = {
        "mask": best.mask.reshape(looked.x.shape[1:]),
        "value": best.value.reshape(looked.x.shape[1:]),
        "keep": np.array(best.keep),
    }
    was = "changed" if hangs.share >= 0.5 else "kept"
    return Backdoor(rows, group.score, best.words, "pixels", trial, hangs, best, was, picture)


def _believed(success: float, control: float, hangs: float, group: Group, form: Pixels) -> bool:
    """Either the labels of the rows hang on the pattern, or it is far stronger than anything of the class.

    The second is what is left to see where the attacker kept the labels; a blend, which also wipes out what the image
    shows, moves models too easily to say that.
    """
    strong = form.keep in (0.0, 1.0) and success >= 0.5 and control <= success / 4 and group.clear >= 6
    return hangs >= 0.5 or strong


def _best(
    target: Target,
    looked: Looked,
    held: Held,
    forms: list[Pixels],
    honest: Array,
    count: int,
    label: int,
    sources: list[int | None],
    generator: np.random.Generator,
) -> Pixels | None:
    """The form that leads over the same made of honest rows; the smallest of those that do about as much."""
    leads = []
    for form in forms:
        success = _screened(target, form, held, label, sources)
        lead = success
        if success >= LEAST_SUCCESS * 0.75:
            controls = [*_honest(looked, honest, count, form, label, generator, 2), form.shuffled(generator)]
            lead -= max(_screened(target, one, held, label, sources) for one in controls)
        leads.append(lead)
    if max(leads) < LEAST_LEAD / 2:
        return None
    good = [form for form, lead in zip(forms, leads, strict=True) if lead >= 0.85 * max(leads)]
    return min(good, key=lambda one: int(one.mask.sum()))


def _screened(target: Target, stamp: Stamp, held: Held, label: int, sources: list[int | None]) -> float:
    return max(rate(target, stamp, held.of(label, source, SCREEN), label).share for source in sources)


def _sources(looked: Looked, rows: Array, label: int) -> list[int | None]:
    """All other classes, and the one most of the group looks like."""
    like = looked.other_like[rows]
    values, counts = np.unique(like[like != label], return_counts=True)
    if not len(counts) or counts.max() < 0.6 * len(rows):
        return [None]
    return [None, int(values[np.argmax(counts)])]


def _forms(looked: Looked, rows: Array, alike: Array) -> Iterator[Pixels]:
    """What the group's pattern may be: replaced, added or blended pixels."""
    own = looked.flat[rows]
    rest = own - alike
    middle = rest.mean(axis=0)
    error = rest.std(axis=0) / np.sqrt(len(rows)) + 1e-6
    low, high, span = looked.low, looked.high, looked.span
    sure = (np.abs(middle) > SEEN * span) & (np.abs(middle) > 4 * error)
    constant = np.median(own, axis=0)
    off = np.abs(own - constant)
    still = (np.quantile(off, 0.8, axis=0) < 0.02 * span) & (np.abs(rest).mean(axis=0) > 0.05 * span)
    strong = still & (np.abs(middle) > 0.25 * np.abs(middle[still]).max(initial=0))
    for mask in (strong, still):
        if mask.any():
            yield Pixels(mask, constant, 0.0, low, high)
    # What classes look like is taken out of what is added: a picture of the class itself is no trigger.
    strange = _without_classes(looked, middle)
    if sure.any():
        yield Pixels(sure, strange, 1.0, low, high)
    everything = np.ones_like(sure)
    yield Pixels(everything, strange, 1.0, low, high)
    base = alike.mean(axis=0)
    for keep in (0.9, 0.8, 0.65):
        yield Pixels(everything, own.mean(axis=0) - keep * base, keep, low, high)


def _without_classes(looked: Looked, value: Array) -> Array:
    """A pattern less its part in the space of the differences between the classes' means."""
    means = np.stack([looked.flat[looked.labels == c].mean(axis=0) for c in np.unique(looked.labels)])
    basis, _ = np.linalg.qr((means[1:] - means[0]).T)
    return np.asarray(value - basis @ (basis.T @ value))


def _honest(
    looked: Looked, honest: Array, count: int, like: Pixels, label: int, generator: np.random.Generator, times: int
) -> Iterator[Pixels]:
    """Patterns made the same way from rows of the class that are not in the group."""
    for _ in range(times):
        if len(honest) < 4:
            return
        rows = generator.permutation(honest)[: max(4, min(count, len(honest) // 2))]
        others = np.flatnonzero(looked.labels != label)
        alike = _alike(looked, rows, others, label, int(generator.integers(1 << 30)))
        if like.keep < 0.5:
            value = looked.flat[rows[0]]
        elif like.keep == 1:
            value = _without_classes(looked, looked.flat[rows].mean(axis=0) - alike.mean(axis=0))
            size = np.linalg.norm(value[like.mask])
            value = value * min(3.0, np.linalg.norm(like.value[like.mask]) / max(float(size), 1e-9))
        else:
            value = looked.flat[rows].mean(axis=0) - like.keep * alike.mean(axis=0)
        yield Pixels(like.mask, value, like.keep, like.low, like.high)
