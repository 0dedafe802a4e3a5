"""What an attack climbs: a value for each row, and the direction in the scores that raises it.

The direction (n, classes) is the derivative of the value by the scores in closed form, so that one backward pass gives
the gradient and the scores of the same pass say whether the row fell. Scores come here in one spread (`View`), because
a model that multiplies its scores by 1,000 hides from the cross-entropy.

The margin: Carlini and Wagner 2017, "Towards Evaluating the Robustness of Neural Networks".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Tensor = Any  # torch.Tensor: torch is not read by the type checker
# scores (n, classes), labels (n,), rivals (n,) or None -> value (n,), direction (n, classes)
Loss = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
LOWEST = -1e30


def lead(scores: Tensor, y: Tensor) -> Tensor:
    """(n,) by how much the best other class leads the label: above 0 the row has fallen."""
    return _others(scores, y).max(dim=1).values - scores.gather(1, y[:, None])[:, 0]


def rivals(scores: Tensor, y: Tensor) -> Tensor:
    """(n, classes - 1) the other classes, nearest first."""
    return _others(scores, y).argsort(dim=1, descending=True)[:, :-1]


def margin(scores: Tensor, y: Tensor, rival: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """How far the rival (without one: the best other class) leads the label."""
    rival = _others(scores, y).argmax(dim=1) if rival is None else rival
    value = scores.gather(1, rival[:, None])[:, 0] - scores.gather(1, y[:, None])[:, 0]
    direction = torch.zeros_like(scores).scatter_(1, rival[:, None], 1.0).scatter_(1, y[:, None], -1.0)
    return value, direction


def odds(scores: Tensor, y: Tensor, rival: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The cross-entropy as the label's odds: all rivals pull together, each by its share.

    Odds, because the derivative of the probability vanishes where that is 1; the direction is the same.
    """
    others = _others(scores, y)
    value = torch.logsumexp(others, dim=1) - scores.gather(1, y[:, None])[:, 0]
    return value, torch.softmax(others, dim=1).scatter(1, y[:, None], -1.0)


def _others(scores: Tensor, y: Tensor) -> Tensor:
    return scores.scatter(1, y[:, None], LOWEST)
