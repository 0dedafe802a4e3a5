"""What was found out about a model that can be solved: rows that fall, rows that are proven, rows not yet decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.evasion.exact import Answer, answers, solver
from bartizan.assess.measured import Rate, wilson

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.how import How
    from bartizan.assess.target import Target

STEPS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # of the strength, on the curve


@dataclass(frozen=True, slots=True)
class Solved:
    """Rows of x_test under an exact attack of one `norm` and strength `eps`."""

    name: str
    answers: tuple[Answer, ...]
    eps: float
    norm: str

    def robust(self, radius: float) -> Rate:
        """Right, and no change of at most the radius was found that flips them."""
        return self._rate(lambda one: one.above > radius)

    def proven(self, radius: float) -> Rate:
        """Right, and there is no such change."""
        return self._rate(lambda one: one.below >= radius)

    @property
    def unknown(self) -> int:
        """Rows for which the time ended before either was shown."""
        return sum(one.right and one.below < self.eps < one.above for one in self.answers)

    @property
    def accuracy(self) -> Rate:
        """Right without any change."""
        return self._rate(lambda one: True)

    @property
    def fallen(self) -> list[Answer]:
        """The rows that a change within the strength flips."""
        return [one for one in self.answers if one.row is not None and one.above <= self.eps]

    def as_json(self) -> dict[str, object]:
        """Its section of the report."""
        curve = [
            {"eps": round(self.eps * step, 9), "robust": self.robust(self.eps * step).as_json(),
             "proven": self.proven(self.eps * step).as_json()}
            for step in STEPS
        ]  # fmt: skip
        smallest = sorted(one.above for one in self.answers if one.right and one.above < np.inf)
        return {
            "attack": self.name,
            "norm": self.norm,
            "eps": self.eps,
            "rows": len(self.answers),
            "accuracy": self.accuracy.as_json(),
            "robust": self.robust(self.eps).as_json(),
            "proven": self.proven(self.eps).as_json(),
            "unknown": self.unknown,
            "curve": curve,
            "median_smallest_change": smallest[len(smallest) // 2] if smallest else None,
            "attacks": {self.name: len(self.fallen)},
            "rejected": 0,
            "warnings": [],
            "trusted": True,
        }

    def write(self, out: Path) -> list[str]:
        """adversarial.npz: the nearest row that was found for each that fell."""
        fallen = self.fallen
        rows = [one.row for one in fallen if one.row is not None]
        np.savez_compressed(
            out / "adversarial.npz",
            index=np.array([one.index for one in fallen], np.int64),
            x_adv=np.stack(rows) if rows else np.zeros((0,), np.float32),
            attack=np.array([self.name] * len(fallen), dtype=np.str_),
            distance=np.array([one.above for one in fallen], np.float64),
        )
        return ["adversarial.npz"]

    def measures(self) -> dict[str, float]:
        """Numbers that a policy clause can ask for."""
        return {
            "accuracy": self.accuracy.share,
            "robust_accuracy": self.robust(self.eps).share,
            "certified_accuracy": self.proven(self.eps).share,
        }

    def sentence(self) -> str:
        """In one sentence."""
        robust, proven = self.robust(self.eps), self.proven(self.eps)
        if not self.unknown:
            return (
                f"Exactly {robust.hits} of {robust.of} answers are right and stay so under every change of up to "
                f"{self.eps:g} ({self.norm}): proven row by row."
            )
        return (
            f"Between {proven.hits} (proven) and {robust.hits} of {robust.of} answers are right and stay so under "
            f"every change of up to {self.eps:g} ({self.norm}); {self.unknown} rows need more time."
        )

    def _rate(self, holds: Callable[[Answer], bool]) -> Rate:
        return wilson(sum(one.right and holds(one) for one in self.answers), len(self.answers))


def solved(target: Target, data: Data, how: How) -> Solved | None:
    """The exact answers for a forest or a linear model; None for every other model."""
    solve = solver(target, data, how.norm)
    if solve is None or data.x_test is None or data.y_test is None:
        return None
    return Solved(solve.name, tuple(answers(solve, target, data, how)), how.eps, how.norm)
