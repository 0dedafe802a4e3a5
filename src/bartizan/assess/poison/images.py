"""Backdoors in images: patches, scattered pixels, blended and added patterns at a fixed place, smooth bends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.poison import exposed
from bartizan.assess.poison.features import penultimate
from bartizan.assess.poison.groups import LEAST, Group, groups, whitened
from bartizan.assess.poison.looked import Looked
from bartizan.assess.poison.neighbours import nearest
from bartizan.assess.poison.pixels import Pixels
from bartizan.assess.poison.triggers import LEAST_LEAD, LEAST_SUCCESS, Backdoor, Held, Stamp, rate, tried
from bartizan.assess.poison.warps import Warp, fitted, planes
from bartizan.assess.target import Array, Target

PIXEL_FLOOR = 1.5e-3  # variance: what differs by less than 4 % of the range does not count
SEEN = 0.04  # of the range: what a pixel of a trigger differs by at least
ALIKE = 5  # rows that a row is compared with
CONTROLS = 5
SCREEN = 48  # rows that a form of a pattern that did anything is tried on
ENOUGH = 0.6  # of the best form's lead: the smaller form is nearer to what was planted
GLANCE = 16  # rows that every form is tried on first
UNUSUAL = 1e-3  # chance that a class gives a group so many doubted rows
KEPT_CLEAR = 6.0  # standard deviations apart, of groups whose labels may have been kept
KEPT_ROWS = 8
KEPT_SHARE = 0.45  # of the class: what more rows of it have is how it looks
KEPT_SUCCESS = 0.4
ELSEWHERE = 0.05  # of the rows of other classes that hold the same: more is no trigger but how images look
LOOKUP = 2000  # images that look-alikes of bent ones are sought among
FITTED = 40  # rows that a bend is estimated from
LED = 0.6  # of the rows: a trigger that moves so many needs not be made stronger


Form = Pixels | Warp


def backdoors(target: Target, looked: Looked, held: Held, how: How) -> tuple[list[Backdoor], list[Group]]:
    """Confirmed backdoors, and groups that nothing confirmed."""
    confirmed: list[Backdoor] = []
    open_groups: list[Group] = []
    features = penultimate(target, looked.x)
    groups_of_all = [one for one in _candidates(looked, features, how) if _promising(looked, one)]
    how.progress("their patterns on the model")
    for group in sorted(groups_of_all, key=lambda one: (_chance(looked, one), -one.clear)):
        if how.budget.spent:
            break
        taken = np.concatenate([one.rows for one in confirmed]) if confirmed else np.empty(0, np.int64)
        known = np.isin(group.rows, taken)
        if known.mean() > 0.2:
            continue
        if known.any():  # What is left must be worth a trial without them.
            group = replace(group, rows=group.rows[~known], score=group.score[~known])
            if not _promising(looked, group):
                continue
        found = _on_trial(target, looked, held, group, how.seed)
        if found is None:
            open_groups.append(group)
        else:
            confirmed.append(_with_the_rest(_with_carriers(found, looked), features, looked))
            confirmed += _elsewhere(target, looked, held, confirmed, how.seed)
    return confirmed, open_groups


def _doubted(looked: Looked, group: Group) -> float:
    """Share of the rows whose neighbours have another label."""
    return float(np.isin(group.rows, looked.suspects).mean())


def _chance(looked: Looked, group: Group) -> float:
    """How rarely chance draws so many rows with a doubted label from the rest of the class."""
    from scipy.special import bdtrc

    rest = np.setdiff1d(np.flatnonzero(looked.labels == group.label), group.rows)
    usual = float((np.isin(rest, looked.suspects).sum() + 1) / (len(rest) + 2))
    hits = int(np.isin(group.rows, looked.suspects).sum())
    return float(bdtrc(hits - 1, len(group.rows), usual)) if hits else 1.0


def _relabelled(looked: Looked, group: Group) -> bool:
    return _chance(looked, group) < UNUSUAL


def _promising(looked: Looked, group: Group) -> bool:
    """Whether anything that a trial says of the group could be believed."""
    kept = group.clear >= KEPT_CLEAR and len(group.rows) >= KEPT_ROWS
    return kept or _relabelled(looked, group)


def _with_carriers(found: Backdoor, looked: Looked) -> Backdoor:
    """The backdoor with the other rows of its class that hold the same values at the same place."""
    form = found.stamp
    if not isinstance(form, Pixels) or form.keep >= 0.5:
        return found
    away = np.abs(looked.flat[:, form.mask] - form.value[form.mask]).mean(axis=1)
    carries = away <= max(SEEN * looked.span, float(np.median(away[found.rows])))
    mine = looked.labels == found.trial.target_class
    if carries[~mine].mean() > ELSEWHERE:
        return found
    more = np.setdiff1d(np.flatnonzero(carries & mine), found.rows)
    if found.label_was == "changed" and len(more):  # Rows of the class hold it by nature where they look like it.
        own = np.concatenate([found.rows, more])
        more = more[exposed.of_others(looked, own, found.trial.target_class, form.mask)[len(found.rows) :]]
    return _joined(found, more)


def _elsewhere(target: Target, looked: Looked, held: Held, confirmed: list[Backdoor], seed: int) -> list[Backdoor]:
    """What the last confirmed patch does to other classes whose rows hold it, too (each class into the next)."""
    found, form = confirmed[-1], confirmed[-1].stamp
    if not isinstance(form, Pixels) or form.keep >= 0.5 or form.size > 0.2 * len(form.mask):
        return []
    away = np.abs(looked.flat[:, form.mask] - form.value[form.mask]).mean(axis=1)
    carries = away <= max(SEEN * looked.span, float(np.median(away[found.rows])))
    carries[np.concatenate([one.rows for one in confirmed])] = False
    if carries.mean() > ELSEWHERE:
        return []
    more = []
    for label in np.unique(looked.labels[carries]).tolist():
        rows = np.flatnonzero(carries & (looked.labels == label))
        if label == found.trial.target_class or len(rows) < LEAST:
            continue
        others = np.flatnonzero((looked.labels != label) & ~carries)
        bare = form.without(looked.x[rows], _alike(looked, rows, others, label, seed))
        said = target.labels(bare)
        hangs = wilson(int((said != label).sum()), len(rows))
        generator = np.random.default_rng(seed)
        controls: list[Stamp] = [form.shuffled(generator) for _ in range(CONTROLS)]
        source = int(np.bincount(said).argmax())
        trial = tried(target, form, controls, held, label, [source] if source != label else [None])
        if hangs.share >= 0.5 and trial is not None and trial.moved:
            score = np.full(len(rows), found.score.min())
            more.append(Backdoor(rows, score, form.words, "pixels", trial, hangs, form, "changed", found.picture))
    return more


def _joined(found: Backdoor, more: Array) -> Backdoor:
    score = np.full(len(more), found.score.min())
    return replace(found, rows=np.concatenate([found.rows, more]), score=np.concatenate([found.score, score]))


def _with_the_rest(found: Backdoor, features: Array | None, looked: Looked) -> Backdoor:
    """The backdoor with the other rows of its class that lie where its rows lie in the last hidden layer."""
    if features is None:
        return found
    mine = np.flatnonzero(looked.labels == found.trial.target_class)
    inside = np.isin(mine, found.rows)
    here = features[mine]
    if inside.sum() < KEPT_ROWS or (~inside).sum() < KEPT_ROWS:
        return found
    ours, theirs = here[inside], here[~inside]
    rest = np.vstack([ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)])
    spread = rest.T @ rest / len(rest)
    spread += 0.1 * np.trace(spread) / len(spread) * np.eye(len(spread))
    score = here @ np.linalg.solve(spread, ours.mean(axis=0) - theirs.mean(axis=0))
    limit = 0.5 * (np.median(score[inside]) + np.median(score[~inside]))
    more = ~inside & (score > limit)
    if more.sum() > inside.sum():  # That is the class, not the group.
        return found
    return _joined(found, mine[more])


def _candidates(looked: Looked, features: Array | None, how: How) -> Iterator[Group]:
    """Groups in the pixels and, where the model has a last hidden layer, in that."""
    how.progress("groups in the pixels")
    flat = looked.flat
    # Each row less the mean of the class it looks like: what was relabelled stands out by its trigger alone.
    means = _means(flat, looked)
    spaces = [whitened(flat, means[looked.looks_like], PIXEL_FLOOR * looked.span**2, how.seed)]
    if features is not None:
        how.progress("groups in the model's last hidden layer")
        scale = float(features.var(axis=0).mean())
        spaces.append(whitened(features, _means(features, looked)[looked.labels], 0.02 * scale, how.seed))
    for white in spaces:
        for label in range(looked.classes):
            if how.budget.spent:
                return
            rows = np.flatnonzero(looked.labels == label)
            yield from groups(white, rows, label, looked.suspects, how.seed)


def _means(rows: Array, looked: Looked) -> Array:
    """(classes, features) the mean row of each class, zeros for one that the model knows and no row has."""
    known = np.unique(looked.labels)
    found = np.zeros((looked.classes, rows.shape[1]), rows.dtype)
    found[known] = [rows[looked.labels == c].mean(axis=0) for c in known]
    return found


def _alike(looked: Looked, rows: Array, outside: Array, label: int, seed: int) -> Array:
    """For each row the mean of its nearest rows outside the group, of other classes where it was relabelled."""
    among = outside[np.random.default_rng(seed).permutation(len(outside))[:6000]]
    near = nearest(looked.short, rows, among, ALIKE)
    return np.asarray(looked.flat[near.index].mean(axis=1))


def _on_trial(target: Target, looked: Looked, held: Held, group: Group, seed: int) -> Backdoor | None:
    """The group's pattern in its best form, if it is confirmed."""
    label, rows = group.label, group.rows
    outside = np.setdiff1d(np.arange(len(looked.labels)), rows)
    alike = _alike(looked, rows, outside, label, seed)
    forms: list[Form] = list(_forms(looked, rows, alike))
    relabelled = _relabelled(looked, group)
    if not relabelled:  # A blend wipes out what the image shows, too: of kept labels it says nothing.
        forms = [form for form in forms if isinstance(form, Pixels) and form.keep in (0.0, 1.0)]
    found = _confirmed(target, looked, held, group, forms, alike, seed)
    if found is None:
        tries = (exposed.backdoor(target, looked, held, group, form, alike, seed) for form in forms[:2]
                 if isinstance(form, Pixels))  # fmt: skip
        found = next((one for one in tries if one is not None), None)
    if found is None and relabelled and planes(looked.x.shape[1:]) is not None:
        found = _confirmed(target, looked, held, group, _bend(target, looked, held, group, seed), alike, seed)
    return found if found is not None and exposed.varied(looked, rows, found.stamp) else None


def _confirmed(
    target: Target, looked: Looked, held: Held, group: Group, forms: list[Form], alike: Array, seed: int
) -> Backdoor | None:
    generator = np.random.default_rng(seed)
    label, rows = group.label, group.rows
    if not forms:
        return None
    sources = _sources(looked, rows, label)
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
    if not _believed(looked, trial.success.share, trial.control.share, hangs.share, group, best):
        return None
    was = "changed" if hangs.share >= 0.5 else "kept"
    kind = "pixels" if isinstance(best, Pixels) else "bend"
    return Backdoor(rows, group.score, best.words, kind, trial, hangs, best, was, best.picture(looked.x.shape[1:]))


def _believed(looked: Looked, success: float, control: float, hangs: float, group: Group, form: Form) -> bool:
    """Either the labels of the rows hang on the pattern, or it is far stronger than anything of the class.

    The second is what is left to see where the attacker kept the labels; a blend, which also wipes out what the image
    shows, moves models too easily to say that. Labels hang on what a class looks like, too: so most of the rows must
    look like other classes, and what covers the whole image must be strong where many rows of the class have it.
    """
    clearly = success >= LED and control <= success / 4
    if hangs >= 0.5 and _relabelled(looked, group):
        if isinstance(form, Pixels) and form.size < 0.5 * len(form.mask):
            return True
        many = len(group.rows) > 0.25 * (looked.labels == group.label).sum()
        return (clearly and hangs >= 0.7) or (_doubted(looked, group) >= 0.5 and success >= (LED if many else 0.3))
    strong = isinstance(form, Pixels) and form.keep in (0.0, 1.0) and success >= KEPT_SUCCESS and control <= success / 4
    few = len(group.rows) <= KEPT_SHARE * (looked.labels == group.label).sum()
    return strong and few and group.clear >= KEPT_CLEAR and len(group.rows) >= KEPT_ROWS


def _best(
    target: Target,
    looked: Looked,
    held: Held,
    forms: list[Form],
    honest: Array,
    count: int,
    label: int,
    sources: list[int | None],
    generator: np.random.Generator,
) -> Form | None:
    """The form that leads over the same made of honest rows; the smallest of those that do about as much."""
    leads = []
    for form in forms:
        lead = success = _screened(target, form, held, label, sources, GLANCE)
        if success:
            lead = success = _screened(target, form, held, label, sources, SCREEN)
        if success >= LEAST_SUCCESS * 0.75:
            controls = [*_honest(looked, honest, count, form, label, generator, 2), form.shuffled(generator)]
            lead -= max(_screened(target, one, held, label, sources, SCREEN) for one in controls)
        leads.append(lead)
    if max(leads) < LEAST_LEAD / 2:
        return None
    good = [form for form, lead in zip(forms, leads, strict=True) if lead >= ENOUGH * max(leads)]
    return min(good, key=lambda one: one.size)


def _screened(target: Target, stamp: Stamp, held: Held, label: int, sources: list[int | None], most: int) -> float:
    return max(rate(target, stamp, held.of(label, source, most), label).share for source in sources)


def _bend(target: Target, looked: Looked, held: Held, group: Group, seed: int) -> list[Form]:
    """The displacement that makes the rows out of images of other classes; as strong as it takes, for look-alikes
    absorb some of it."""
    rows = np.random.default_rng(seed).permutation(group.rows)[:FITTED]
    bend = fitted(_images(looked, rows), _images(looked, _others(looked, group.label, seed)))
    for times in (1.0, 1.5, 2.0):
        form = bend.times(times)
        if _screened(target, form, held, group.label, [None], SCREEN) >= LED:
            break
    return [form]


def _others(looked: Looked, label: int, seed: int) -> Array:
    return np.random.default_rng(seed).permutation(np.flatnonzero(looked.labels != label))[:LOOKUP]


def _images(looked: Looked, rows: Array) -> Array:
    shape = planes(looked.x.shape[1:])
    assert shape is not None
    return np.asarray(looked.x[rows], np.float32).reshape(len(rows), *shape)


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
    looked: Looked, honest: Array, count: int, like: Form, label: int, generator: np.random.Generator, times: int
) -> Iterator[Form]:
    """Patterns made the same way from rows of the class that are not in the group."""
    for _ in range(times):
        if len(honest) < 4:
            return
        rows = generator.permutation(honest)[: max(4, min(count, len(honest) // 2))]
        seed = int(generator.integers(1 << 30))
        if isinstance(like, Warp):
            made = fitted(_images(looked, rows[:FITTED]), _images(looked, _others(looked, label, seed)))
            yield made.as_far_as(like)
            continue
        alike = _alike(looked, rows, np.flatnonzero(looked.labels != label), label, seed)
        if like.keep < 0.5:
            value = looked.flat[rows[0]]
        elif like.keep == 1:
            value = _without_classes(looked, looked.flat[rows].mean(axis=0) - alike.mean(axis=0))
            size = np.linalg.norm(value[like.mask])
            value = value * min(3.0, np.linalg.norm(like.value[like.mask]) / max(float(size), 1e-9))
        else:
            value = looked.flat[rows].mean(axis=0) - like.keep * alike.mean(axis=0)
        yield Pixels(like.mask, value, like.keep, like.low, like.high)
