"""What is measured: one model, whatever it was made with, as scores for rows.

A kind of model is an adapter in `targets/` that fills in a `Target`; everything else asks the target alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bartizan.assess.errors import Spent, no_memory
from bartizan.core.errors import UsageError

if TYPE_CHECKING:
    from bartizan.assess.budget import Budget
    from bartizan.assess.forest import Forest

Array = NDArray[Any]  # rows first: (n, …)
BATCH = 512
# What a model may raise for rows; somebody's own code may even want to end the program.
FAILURES: tuple[type[BaseException], ...] = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, NameError, OSError,
    RuntimeError, SyntaxError, SystemExit, TypeError, ValueError,
)  # fmt: skip


class Output(StrEnum):
    """What a model's answer is."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    LABELS = "labels"  # one-hot rows


class Refit(Protocol):
    """Trains the same architecture anew: shadow models, a thief's copy, a repaired model."""

    @property
    def recipe(self) -> str:
        """How it is trained, in one sentence for the report."""
        ...

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        """A new target of the same kind, trained on rows `x` and labels `y` (ints) or soft labels (n, classes)."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """scores = x @ weights + bias: `weights` (features, classes), `bias` (classes), float64, over flattened rows."""

    weights: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class Words:
    """A linear model over the words of a text: scores = scaled(counts) @ weights + bias.

    `tokens` cuts a text; each token in `vocabulary` counts at its place (`binary`: once; `sublinear`: 1 + log), counts
    are multiplied with `factor` (terms,), the row is divided by its `norm` (l2, l1 or ""), then by `weights` (terms,
    classes) and `bias` (classes), float64.
    """

    tokens: Callable[[str], list[str]]
    vocabulary: dict[str, int]
    factor: Array
    weights: Array
    bias: Array
    norm: str = ""
    sublinear: bool = False
    binary: bool = False


@dataclass(slots=True)
class Target:
    """A model under measurement. `answer` maps (n, *shape) rows of `dtype` to (n, classes) scores, as the model does.

    What a kind of model cannot do stays None: `module` gives a torch module in evaluation mode that maps the same rows
    to scores, differentiably (it has `approximated`, `random` and `peeled()`, see `targets.net`; called once);
    `forest`, `linear` and, for texts, `words` give the model as tables, exactly; `refit` trains it anew. `queries`
    counts rows asked; over `cap` raises Spent.
    """

    name: str
    kind: str  # onnx, lightgbm, xgboost, scikit-learn, torch, callable, http
    digest: str  # sha256 of the file or source, hex; "" for a callable
    shape: tuple[int, ...]  # of one row
    classes: int
    output: Output
    answer: Callable[[Array], Array]
    dtype: Any = np.float32
    module: Callable[[], Any] | None = None
    forest: Callable[[], Forest] | None = None
    linear: Callable[[], Linear] | None = None
    words: Callable[[], Words] | None = None
    refit: Refit | None = None
    saved: Callable[[], tuple[str, bytes]] | None = None  # of a refit: the ending of its file, and its content
    gone: str = ""  # why it does not answer any more, where it did before
    cap: int | None = None
    queries: int = 0
    until: Budget | None = None  # where asking takes long: no question is asked beyond it, which raises Spent
    notes: list[str] = field(default_factory=list)  # what the adapter noticed and the report must say
    batch: int = BATCH
    takes_nan: bool = False  # missing values are numbers like any other to it

    def scores(self, x: Array) -> Array:
        """(n, classes) float64 of (n, *shape) rows, in batches that are halved where memory runs out."""
        rows = np.ascontiguousarray(x, dtype=self.dtype)
        if rows.shape[1:] != self.shape:
            raise UsageError(f"{self.name} takes rows of shape {self.shape}, not {rows.shape[1:]}")
        if self.cap is not None and self.queries + len(rows) > self.cap:
            raise Spent(f"{self.name} may be asked {self.cap:,} rows, and was asked {self.queries:,}")
        out, at = np.empty((len(rows), self.classes), np.float64), 0
        while at < len(rows):
            if self.until is not None and self.until.spent:
                raise Spent(f"the time to ask {self.name} is over")
            part = rows[at : at + self.batch]
            try:
                found = self.answer(part)
            except FAILURES as error:
                if not no_memory(error):
                    raise UsageError(
                        f"{self.name} fails on {len(part)} rows of shape {self.shape} ({type(error).__name__})"
                    ) from None
                if self.batch == 1:
                    raise UsageError(f"there is no memory for one row of {self.name}") from None
                self.batch //= 2
                continue
            if np.shape(found) != (len(part), self.classes):
                raise UsageError(
                    f"{self.name} answers an array of {np.shape(found)} for {len(part)} rows and {self.classes} classes"
                )
            out[at : at + len(part)] = found
            self.queries += len(part)
            at += len(part)
        return out

    def log_probabilities(self, x: Array) -> Array:
        """(n, classes) log-probabilities, whatever the model's answers are."""
        return log_probabilities(self.scores(x), self.output)

    def labels(self, x: Array) -> Array:
        """(n,) the class each row is given: the first of the highest scores."""
        return np.argmax(self.scores(x), axis=1)


def log_probabilities(scores: Array, output: Output) -> Array:
    """Scores as log-probabilities: a stable log-softmax of logits; logarithms, bounded below at 1e-12, of the rest."""
    if output is Output.LOGITS:
        shifted = scores - scores.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
    return np.asarray(np.log(np.clip(scores, 1e-12, None)))
