"""Answers that say less, with the same labels: shares rounded to tenths, or nothing beside the label.

The change is part of the file, so nobody who asks gets more. It costs no accuracy: where rounding makes two classes
equal, the one that was first keeps a hundredth more. Whoever attacks the model can train its copies with the same
change, and so does the check that judges it (`QuietRefit`).
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from bartizan.assess.data import Data
from bartizan.assess.target import Array, Output, Refit, Target, log_probabilities
from bartizan.core.errors import UsageError
from bartizan.harden.proof import tested

TENTHS, FIRST, REST = 0.98, 0.01, 0.001  # what the rounded share, being first, and nothing at all weigh
SURE = 10.0  # the logit of a label alone


class Said(StrEnum):
    """What an answer still says; the words for the report."""

    ROUNDED = "shares rounded to tenths"
    LABELS = "labels alone"


def said(scores: Array, output: Output, how: Said) -> Array:
    """(n, classes) logits that say no more than `how` of a model's scores."""
    spoken = log_probabilities(scores, output)
    first = np.eye(spoken.shape[1])[spoken.argmax(axis=1)]
    if how is Said.LABELS:
        return np.asarray(SURE * first)
    return np.asarray(np.log(np.round(np.exp(spoken) * 10) / 10 * TENTHS + FIRST * first + REST))


@dataclass(frozen=True, slots=True)
class QuietRefit:
    """Trains the same architecture anew, and lets it say as little."""

    like: Refit
    how: Said

    @property
    def recipe(self) -> str:
        """How it is trained."""
        return f"{self.like.recipe}; then {self.how}"

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        return quiet(self.like(x, y, seed), self.how)

    def longer(self, epochs: int) -> QuietRefit:
        """The same with so many epochs."""
        return QuietRefit(self.like.longer(epochs), self.how)  # type: ignore[attr-defined]  # NetRefit


def quiet(target: Target, how: Said) -> Target:
    """The target with the change around it, asked and trained anew in this process."""
    made = copy.copy(target)
    made.answer, made.output = lambda rows: said(target.answer(rows), target.output, how), Output.LOGITS
    made.module = None
    made.refit = None if target.refit is None else QuietRefit(target.refit, how)
    return made


def quieter(target: Target, data: Data, how: Said) -> tuple[bytes, Target]:
    """The ONNX file of a net that says less, and the model opened from it.

    Raises UsageError for what is no net from an ONNX file.
    """
    from bartizan.assess.targets.exporting import NotExported, as_model
    from bartizan.assess.targets.onnx import open_onnx

    net: Any = target.module() if target.module is not None else None
    net = net.peeled() if hasattr(net, "peeled") else net
    if not hasattr(net, "plan"):
        raise UsageError(f"{target.name} is no ONNX net: let what serves it give no more than {how}")
    rows = tested(data)[0]
    try:
        model = as_model(net, target.shape)
    except NotExported as error:
        raise UsageError(f"the hardened model cannot be written: {error}") from None
    _append(model, how)
    with tempfile.TemporaryDirectory(prefix="bartizan-") as folder:
        path = Path(folder) / "hardened.onnx"
        path.write_bytes(model.SerializeToString())
        opened = open_onnx(path, rows[:64])
        opened.refit = None if target.refit is None else QuietRefit(target.refit, how)
        return path.read_bytes(), opened


def _append(model: Any, how: Said) -> None:
    """Puts the change behind the logits of an ONNX model."""
    from onnx import helper, numpy_helper

    from bartizan.assess.targets.exporting import RESULT

    graph, before = model.graph, f"{RESULT}_before"
    for node in graph.node:
        for at, name in enumerate(node.output):
            if name == RESULT:
                node.output[at] = before

    def step(op: str, inputs: list[str], out: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(op, inputs, [out], **attributes))
        return out

    def number(name: str, value: float) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
        return name

    first = step("Hardmax", [before], "said_first", axis=1)
    if how is Said.LABELS:
        step("Mul", [first, number("said_sure", SURE)], RESULT)
        return
    shares = step("Softmax", [before], "said_shares", axis=1)
    tenths = step("Round", [step("Mul", [shares, number("said_ten", 10.0)], "said_times_ten")], "said_tenths")
    kept = step("Mul", [tenths, number("said_weight", TENTHS / 10)], "said_kept")
    lead = step("Mul", [first, number("said_lead", FIRST)], "said_leading")
    known = step("Add", [step("Add", [kept, lead], "said_sum"), number("said_rest", REST)], "said_known")
    step("Log", [known], RESULT)
