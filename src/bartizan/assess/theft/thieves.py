"""Who makes copies: what every kind of copy gives, and which kind suits a model."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Form
from bartizan.assess.target import Array
from bartizan.assess.theft.writing import Drawn


class Copy(Drawn, Protocol):
    """A trained copy; `taught` is the share of its training for which there was time."""

    @property
    def taught(self) -> float:
        """0 to 1."""
        ...

    def lone(self) -> Copy:
        """What a copy of a settled thief would have been."""
        ...


class Thief(Protocol):
    """Makes copies out of rows and what the model told about them."""

    @property
    def method(self) -> str:
        """How, in one sentence."""
        ...

    def quick(self, asked: Array, told: Array, seed: int, budget: Budget) -> Sequence[Copy]:
        """Copies good enough to say what to ask next, one for each way that is tried."""
        ...

    def wiser(self, losses: list[float]) -> Thief:
        """The thief that knows which way says best what was asked next: the losses of its quick copies."""
        ...

    def best(self, asked: Array, told: Array, seed: int, budget: Budget) -> Copy:
        """The copy that is judged."""
        ...

    def settled(self, copy: Any, whole: bool = True) -> Thief:
        """The thief that makes further copies as it made this one's `lone`, without choosing again.

        `whole`: of the same answers; else of what a defence leaves of them.
        """
        ...


def thief_for(form: Form, rows: Array, classes: int, notes: list[str]) -> Thief:
    """Who copies a model of such rows."""
    if form is Form.TEXT:
        from bartizan.assess.theft.texts import TextThief

        return TextThief.of(rows, classes)
    if form is Form.IMAGES and rows.ndim in (3, 4):
        if find_spec("torch") is not None:
            from bartizan.assess.theft.pictures import PictureThief

            return PictureThief.of(rows, classes)
        notes.append("without torch the copy of a model of images is one for tables: pip install torch")
    from bartizan.assess.theft.tables import TableThief

    return TableThief.of(rows, classes)


def shares(logits: Array) -> Array:
    """(n, classes) softmax."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def loss(logits: Array, told: Array) -> float:
    """Cross-entropy of what a copy says against what was told, on average."""
    return float(-(told * np.log(np.clip(shares(logits), 1e-9, None))).sum(axis=1).mean())
