"""Hardening against theft: answers that say less, where a copy learns less from them.

Each way is stolen anew by the whole check. Which one is best is chosen on half of the test rows, and proved on the
other half: rows on which the thief's copy gives another label than the model stand.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bartizan.assess.data import Data
from bartizan.assess.how import How
from bartizan.assess.target import Array, Target
from bartizan.assess.theft.measure import JUDGED, measure
from bartizan.assess.theft.result import Theft
from bartizan.core.errors import UsageError
from bartizan.harden.answers import Said, quieter
from bartizan.harden.hardening import Made
from bartizan.harden.proof import Judged, Proof, accuracies, tested


def harden_against_theft(target: Target, data: Data, how: How) -> tuple[Made, Proof]:
    """The net with the answers that were hardest to copy from. Raises UsageError for what is no net from a file."""
    rows = tested(data)[0][:JUDGED]
    made = {way: quieter(target, data, way) for way in Said}
    order = np.random.default_rng(how.seed).permutation(len(rows))
    choosing, proving = np.array_split(order, 2)

    def stolen(name: str, model: Target, share: float) -> tuple[Theft, Array]:
        how.progress(f"stealing the model that answers with {name}")
        found = measure(model, data, replace(how, budget=how.budget.part(share), progress=lambda text: None))
        stands = _apart(found, model, rows)
        how.progress(f"{name}: a copy from {found.stolen.queries:,} questions agrees on {1 - stands.mean():.1%}")
        return found, stands

    before, stood = stolen("all it knows", target, 1 / 3)
    tried = {way: stolen(str(way), made[way][1], 1 / (2 - at)) for at, way in enumerate(Said)}
    best = max(tried, key=lambda way: float(tried[way][1][choosing].mean()))
    found, stands = tried[best]
    content, opened = made[best]
    details: dict[str, object] = {
        "chosen_on": len(choosing),
        "tried": [{"name": str(way), "agrees": 1 - float(one[1][choosing].mean())} for way, one in tried.items()],
    }
    notes = ["labels stay the same, so whoever asks often enough still gets a copy: see the price in the report"]
    right = np.ones(len(proving), bool)
    proof = Proof(
        Judged(right, stood[proving], before.as_json()),
        Judged(right, stands[proving], found.as_json()),
        accuracies(target, opened, data),
        "theft",
    )
    return Made({"hardened.onnx": content}, opened, f"answers: {best}", details, notes), proof


def _apart(found: Theft, model: Target, rows: Array) -> Array:
    """(n,) where the copy and the model disagree."""
    import onnxruntime

    if not found.stolen.content:
        raise UsageError(f"the copy of {model.name} has no file, so the rows it gets right cannot be compared")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(found.stolen.content, options, providers=["CPUExecutionProvider"])
    given = np.ascontiguousarray(rows, dtype=np.float32)
    copied = session.run(None, {session.get_inputs()[0].name: given})[0].argmax(axis=1)
    return np.asarray(copied != model.labels(rows))
