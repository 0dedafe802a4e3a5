"""Hardening against poisoned data: what the scan is sure of is left out, and the model is trained anew.

Rows of a confirmed backdoor go, and rows whose label is wrong. The proof stamps the recovered triggers on test rows:
one stands where the trigger does not move it. Without a backdoor it is plain accuracy on the test rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bartizan.assess.data import Data
from bartizan.assess.how import How
from bartizan.assess.poison.measure import measure
from bartizan.assess.poison.result import Poison
from bartizan.assess.poison.triggers import held_out
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError
from bartizan.harden.hardening import Made
from bartizan.harden.proof import Judged, Proof, accuracies, tested
from bartizan.harden.writing import written

SCANNING = 0.5  # of the time


def harden_against_poison(target: Target, data: Data, how: How) -> tuple[Made, Proof]:
    """The model trained anew without suspects. Raises UsageError where there is nothing to leave out."""
    if target.refit is None:
        raise UsageError(f"{target.name} cannot be trained anew: {'; '.join(target.notes) or target.kind}")
    assert data.x_train is not None and data.y_train is not None
    how.progress("looking for poisoned rows")
    found = measure(target, data, replace(how, budget=how.budget.part(SCANNING)))
    gone = np.unique([one.index for one in found.suspects if one.kind in ("backdoor", "label")]).astype(np.int64)
    if not len(gone):
        raise UsageError("the scan found no backdoor and no wrong label: there is nothing to leave out")
    kept = np.setdiff1d(np.arange(len(data.y_train)), gone)
    how.progress(f"training without {len(gone):,} of {len(data.y_train):,} rows")
    cleaned = replace(data, x_train=data.x_train[kept], y_train=np.asarray(data.y_train, np.int64)[kept])
    assert cleaned.x_train is not None and cleaned.y_train is not None
    name, content, opened = written(target.refit(cleaned.x_train, cleaned.y_train, how.seed), data)
    right, stood, stands = _stamped(target, opened, data, found, how.seed)
    how.progress("looking again")
    again = measure(opened, cleaned, replace(how, progress=lambda text: None)) if how.budget.left > 1 else None
    proof = Proof(
        Judged(right, stood, found.as_json()),
        Judged(right, stands, {} if again is None else again.as_json()),
        accuracies(target, opened, data),
        "poison",
    )
    counts = {kind: found.count(kind) for kind in ("backdoor", "label")}
    details: dict[str, object] = {"left_out": counts, "rows": len(kept), "recipe": target.refit.recipe}
    notes = [f"trained anew without {counts['backdoor']} rows of a backdoor and {counts['label']} with a wrong label"]
    if not found.backdoors:
        notes.append("no backdoor was found: what is compared is accuracy on the test rows")
    return Made({name: content}, opened, "training anew without poisoned rows", details, notes), proof


def _stamped(old: Target, new: Target, data: Data, found: Poison, seed: int) -> tuple[Array, Array, Array]:
    """(n,) all True, and whether each model resists the triggers; or its right test rows, where there is no trigger."""
    x, y = tested(data)
    if not found.backdoors:
        return np.ones(len(x), bool), old.labels(x) == y, new.labels(x) == y
    held = held_out(old, x, np.asarray(y, np.int64), seed)
    stood, stands = [], []
    for one in found.backdoors:
        rows = one.stamp(held.of(one.trial.target_class, one.trial.source))
        stood.append(old.labels(rows) != one.trial.target_class)
        stands.append(new.labels(rows) != one.trial.target_class)
    return np.ones(sum(map(len, stood)), bool), np.concatenate(stood), np.concatenate(stands)
