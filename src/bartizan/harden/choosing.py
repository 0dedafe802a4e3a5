"""How the best of what was tried is chosen, on rows that no training saw."""

from __future__ import annotations

from dataclasses import dataclass

FREE = 0.01  # of accuracy, that robustness may cost before it counts against a model, twice


@dataclass(frozen=True, slots=True)
class Tried:
    """One model on the held-out rows: right, and still right after the attack it was chosen by."""

    name: str
    clean: float
    robust: float

    def better_than(self, other: Tried, free: float) -> bool:
        """By what stands, less twice what it costs in accuracy below `free`."""
        return self.worth(free) > other.worth(free)

    def worth(self, free: float) -> float:
        """What stands, less twice what accuracy lies below `free`."""
        return self.robust - 2 * max(0.0, free - self.clean)
