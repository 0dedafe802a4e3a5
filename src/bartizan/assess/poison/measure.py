"""Was the training data poisoned: suspects, their trigger, its trial on the model; wrong labels and outliers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bartizan.assess.data import Data, Form
from bartizan.assess.errors import Spent, library_errors
from bartizan.assess.how import How
from bartizan.assess.poison import labels
from bartizan.assess.poison.groups import Group
from bartizan.assess.poison.looked import Looked, flattened, look
from bartizan.assess.poison.result import Poison, Suspect
from bartizan.assess.poison.triggers import Backdoor, Held, held_out, rate
from bartizan.assess.poison.warps import planes
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

LEAST = 50
BLIND = {
    Form.IMAGES: (
        "triggers that differ from row to row (generated for each picture, rotated, scaled)",
        "patterns that are hidden in fewer than 4 rows of a class, or in more than two thirds of it",
        "bends of images of a few pixels a side, whose rows look like copies or like nothing else",
        "patterns on copies of few images, and weak ones on rows that keep their labels",
        "rows that were bent in the model's features without a common pattern (feature collisions)",
    ),
    Form.TABLE: (
        "triggers that are one value of a category, or lie where the column decides the class anyway",
        "values that honest rows of the class often have together, and those on rows that keep their labels",
        "rules in fewer than ten rows, or in fewer than two of a thousand",
        "rules over more than 4 columns, and rules in words like \"above\" without a repeated value",
    ),
    Form.TEXT: (
        "triggers in style, word order or paraphrase without common words",
        "words that are ordinary in the class they call up, or stand in more than a third of it",
        "phrases in fewer than ten rows",
    ),
}  # fmt: skip
ALONE = (
    "everything that the training rows would show: which are poisoned, wrong labels, outliers",
    "triggers that are no patch: bends, blends and patterns over the whole image",
    "backdoors in all classes at once, which make none of them unusual",
)


def measure(target: Target, data: Data, how: How) -> Poison:
    """Scans the training rows; where there are none, the model alone.

    Raises:
        UsageError: there are no training rows with labels and nothing else to go by, too few, or one class.
    """
    if data.x_train is None or data.y_train is None:
        return _model_alone(target, data, how)
    x, y = data.x_train, np.asarray(data.y_train, np.int64)
    if len(x) < LEAST or len(np.unique(y)) < 2:
        raise UsageError(f"the poison scan needs at least {LEAST} training rows of two classes")
    how.progress("neighbours")
    flat, notes = flattened(data, x)
    looked = look(x, flat, y, max(int(y.max()) + 1, target.classes), data.form, how.seed)
    blind = list(BLIND[data.form])
    if data.form is Form.IMAGES and planes(x.shape[1:]) is None:
        blind.append("patches that move and bends: these are not images with one to four channels that come first")
    backdoors: list[Backdoor] = []
    open_groups: list[Group] = []
    said: Array | None = None
    ended = True
    try:
        said = target.labels(x)
        apart = data.x_test is not None and data.y_test is not None
        some_x, some_y = (data.x_test, data.y_test) if apart else (x, y)
        assert some_x is not None and some_y is not None
        held = held_out(target, some_x, np.asarray(some_y, np.int64), how.seed)
        backdoors, open_groups = _backdoors(target, data, looked, held, how, said)
        backdoors = _after(target, looked, held, backdoors, how)
    except Spent:
        ended = False
        notes.append("the model may not be asked any more: what was confirmed until then is told")
        blind.append("what more questions to the model would have confirmed")
    return _told(data, looked, backdoors, open_groups, said, tuple(blind), tuple(notes), ended and not how.budget.spent)


def _model_alone(target: Target, data: Data, how: How) -> Poison:
    """What the model itself shows, tried on test rows."""
    from bartizan.assess.poison.inversion import inverted

    if data.x_test is None or data.y_test is None or data.form is not Form.IMAGES or target.module is None:
        raise UsageError(
            "the poison scan needs the training rows, x_train and y_train; without them only a net for images can be"
            " looked into, with x_test and y_test"
        )
    found, notes, ended = [], ["there were no training rows: the model alone was looked into"], True
    try:
        held = held_out(target, data.x_test, np.asarray(data.y_test, np.int64), how.seed)
        found = inverted(target, held, target.classes, how)
    except Spent:
        ended = False
    if not found:
        notes.append(
            "the smallest patch of each class was not found: too little time, too few rows, or too few classes"
        )
    return Poison(0, data.classes, (), (), (), ALONE, tuple(notes), ended and bool(found), tuple(found))


def _backdoors(
    target: Target, data: Data, looked: Looked, held: Held, how: How, said: Array
) -> tuple[list[Backdoor], list[Group]]:
    if data.form is Form.IMAGES:
        from bartizan.assess.poison import images, moving

        found, open_groups = images.backdoors(target, looked, held, how)
        known = np.concatenate([one.rows for one in found]) if found else np.empty(0, np.int64)
        return found + moving.backdoors(target, looked, held, how, said, known), open_groups
    if data.form is Form.TEXT:
        from bartizan.assess.poison import words

        return words.backdoors(target, looked, held, how)
    from bartizan.assess.poison import columns

    return columns.backdoors(target, looked, held, how, data.columns)


def _after(target: Target, looked: Looked, held: Held, found: list[Backdoor], how: How) -> list[Backdoor]:
    """The success of the triggers on one model that was trained without all of their rows, where there is time."""
    if not found or target.refit is None or how.budget.left < 0.3 * how.budget.seconds:
        return found
    how.progress("training without the rows")
    kept = np.setdiff1d(np.arange(len(looked.labels)), np.concatenate([one.rows for one in found]))
    unfit: tuple[type[Exception], ...] = (RuntimeError, ValueError, *library_errors())
    try:
        repaired = target.refit(looked.x[kept], looked.labels[kept], how.seed)
    except unfit:  # What was confirmed stands without it; the report shows that it is missing.
        return found
    told = []
    for one in found:
        rows = held.of(one.trial.target_class, one.trial.source)
        told.append(replace(one, after=rate(repaired, one.stamp, rows, one.trial.target_class)))
    return told


def _told(
    data: Data,
    looked: Looked,
    backdoors: list[Backdoor],
    open_groups: list[Group],
    said: Array | None,
    blind: tuple[str, ...],
    notes: tuple[str, ...],
    finished: bool,
) -> Poison:
    suspects: list[Suspect] = []
    taken: set[int] = set()
    for backdoor in backdoors:
        name = _name(data, backdoor.trial.target_class)
        reason = f"carries {backdoor.trigger}, which turns {backdoor.trial.success.share:.0%} of other rows into {name}"
        for row, score in sorted(
            zip(backdoor.rows.tolist(), backdoor.score.tolist(), strict=True), key=lambda p: -p[1]
        ):
            if row not in taken:
                suspects.append(Suspect(row, "backdoor", score, reason))
                taken.add(row)
    rows, scores, others = labels.mislabelled(looked, said)
    for row, score, other in zip(rows.tolist(), scores.tolist(), others.tolist(), strict=True):
        if row not in taken:
            reason = f"looks like {_name(data, other)}, is labelled {_name(data, int(looked.labels[row]))}"
            suspects.append(Suspect(row, "label", score, reason))
            taken.add(row)
    for row, score in zip(*(part.tolist() for part in labels.outliers(looked)), strict=True):
        if row not in taken:
            suspects.append(
                Suspect(row, "outlier", score, f"{score:.1f} spreads farther from its neighbours than usual")
            )
            taken.add(row)
    groups: tuple[dict[str, object], ...] = tuple(
        {"target_class": one.label, "rows": len(one.rows), "clear": round(one.clear, 2), "p": one.p}
        for one in open_groups[:20]
    )
    return Poison(len(looked.labels), data.classes, tuple(backdoors), tuple(suspects), groups, blind, notes, finished)


def _name(data: Data, label: int) -> str:
    return data.classes[label] if label < len(data.classes) else f"class {label}"
