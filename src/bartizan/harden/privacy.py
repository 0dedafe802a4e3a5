"""Hardening against leaking members: answers that say less, training on mixtures, training with differential privacy.

Each way that costs no more accuracy than allowed is attacked by the whole check, with copies trained in the same way
where that can be. Which one leaks least is chosen on half of the candidates and proved on the other half: a training
row stands where its score is below what 1 % of the others reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from bartizan.assess.data import Data
from bartizan.assess.how import How
from bartizan.assess.privacy.measure import measure
from bartizan.assess.privacy.pool import pool_of
from bartizan.assess.privacy.result import Privacy
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError
from bartizan.harden.answers import Said, quieter
from bartizan.harden.hardening import Made
from bartizan.harden.proof import Judged, Proof, accuracies
from bartizan.harden.writing import written

ALARMS = 0.01  # of the rows that were not trained on
FEWEST = 3  # of them above the bound, at least
MIXED = 0.5  # Beta(1, 1) mixtures, weighed towards one of the two rows by half
Way = Callable[[], tuple[str, bytes, Target, list[str]]]


def harden_against_leaks(
    target: Target, data: Data, how: How, most_clean_cost: float, epsilon: float
) -> tuple[Made, Proof]:
    """The net that gives away least. Raises UsageError for what is no net, and where no members are known."""
    if target.module is None:
        raise UsageError(f"{target.name} is no net: let what serves it round its answers, or give labels alone")
    truth = pool_of(data, target, how.seed).truth
    if truth is None:
        raise UsageError("who is a member is not known: x_pool must hold rows of x_train and others, or be left out")
    order = np.random.default_rng(how.seed).permutation(len(truth))
    choosing, proving = (np.sort(part) for part in np.array_split(order, 2))
    allowed, others = alarms(truth[proving])
    if others <= FEWEST or alarms(truth[choosing])[1] <= FEWEST:
        raise UsageError(
            "too few of the candidates were not trained on for a rate of false alarms: give more in x_pool"
        )

    def attacked(name: str, model: Target, share: float) -> Privacy:
        how.progress(f"attacking: {name}")
        return measure(model, data, replace(how, budget=how.budget.part(share), progress=lambda text: None))

    before = attacked("the model as it is", target, 0.25)
    tried: list[dict[str, object]] = []
    kept: list[tuple[float, str, bytes, Target, list[str], Privacy, str]] = []
    ways = list(_ways(target, data, how, epsilon))
    for at, (name, way) in enumerate(ways):
        if kept and how.budget.left < 0.1 * how.budget.seconds:
            tried.append({"name": name, "why_not": "no time was left for it"})
            continue
        how.progress(name)
        try:
            file, content, opened, notes = way()
        except UsageError as error:  # Also `Missing`: this way is closed, others are not.
            tried.append({"name": name, "why_not": str(error)})
            continue
        old, new = accuracies(target, opened, data)
        if old.share - new.share > most_clean_cost:
            tried.append({"name": name, "accuracy": new.share, "why_not": "costs more accuracy than allowed"})
            continue
        found = attacked(name, opened, 0.9 / (len(ways) - at))
        leaked = float(_told(found, truth, choosing).mean())
        tried.append({"name": name, "accuracy": new.share, "told": leaked})
        kept.append((leaked, file, content, opened, notes, found, name))
    if not kept:
        raise UsageError("; ".join(f"{one['name']}: {one['why_not']}" for one in tried))
    _, file, content, opened, notes, found, name = min(kept, key=lambda one: one[0])
    right = np.ones(int(truth[proving].sum()), bool)
    proof = Proof(
        Judged(right, ~_told(before, truth, proving), before.as_json()),
        Judged(right, ~_told(found, truth, proving), found.as_json()),
        accuracies(target, opened, data),
        "privacy",
    )
    if allowed > ALARMS * others:
        notes.append(
            f"{allowed} of {others} rows that were not trained on may be above the bound: {allowed / others:.1%} false "
            f"alarms, not {ALARMS:.0%}; more such rows say it more finely"
        )
    details: dict[str, object] = {"chosen_on": len(choosing), "tried": tried, "alarms": allowed, "others": others}
    return Made({file: content}, opened, name, details, notes), proof


def alarms(truth: Array) -> tuple[int, int]:
    """How many of the rows that were not trained on may be above the bound, and how many there are."""
    others = int((~truth).sum())
    return max(FEWEST, int(ALARMS * others)), others


def _told(found: Privacy, truth: Array, part: Array) -> Array:
    """(members of `part`,) whether each is above the score that as many of the others reach as `alarms` allows."""
    scores, inside = found.scores[part], truth[part]
    others = np.sort(scores[~inside])[::-1]
    bound = others[alarms(inside)[0]]
    return np.asarray(scores[inside] > bound)


def _ways(target: Target, data: Data, how: How, epsilon: float) -> Iterator[tuple[str, Way]]:
    """By name, the cheapest first."""
    x, y = data.x_train, data.y_train
    assert x is not None and y is not None
    labels = np.asarray(y, np.int64)

    def says(way: Said) -> Way:
        def made() -> tuple[str, bytes, Target, list[str]]:
            content, opened = quieter(target, data, way)
            return "hardened.onnx", content, opened, [f"the same weights; the file gives {way}"]

        return made

    def mixed() -> tuple[str, bytes, Target, list[str]]:
        if target.refit is None:
            raise UsageError("it cannot be trained anew")
        rows, soft = mixtures(x, labels, target.classes, how.seed)
        note = "trained anew on mixtures of two rows each; copies that attack it were trained on plain rows"
        return *written(target.refit(rows, soft, how.seed), data), [note]

    def private() -> tuple[str, bytes, Target, list[str]]:
        from bartizan.harden.private import train

        made, noise = train(target, x, labels, how.seed, epsilon, 1 / (2 * len(x)), 0.3 * how.budget.left)
        note = f"differentially private training: epsilon {epsilon:g}, delta 1/{2 * len(x)}, noise {noise:.2f} lengths"
        return *written(made, data), [note]

    for way in Said:
        yield str(way), says(way)
    yield "training on mixtures (MixUp)", mixed
    yield f"DP-SGD, epsilon {epsilon:g}", private


def mixtures(x: Array, y: Array, classes: int, seed: int) -> tuple[Array, Array]:
    """Each row mixed with another, as its label is (Zhang et al. 2018, "mixup"); the first row weighs most."""
    chance = np.random.default_rng(seed)
    other = chance.permutation(len(x))
    share = np.maximum(chance.random(len(x)), MIXED)
    wide = share.reshape(-1, *[1] * (x.ndim - 1))
    known = np.eye(classes)
    rows = (wide * x + (1 - wide) * x[other]).astype(np.float32)
    return rows, share[:, None] * known[y] + (1 - share[:, None]) * known[y[other]]
