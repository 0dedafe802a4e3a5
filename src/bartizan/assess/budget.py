"""Time that is promised: a measurement gives its best answer until then and stops within a tenth of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Budget:
    """`seconds` of wall time from `began` on (monotonic); no part of it ends later than the whole."""

    seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds until it is spent; never below 0."""
        return max(0.0, self.began + self.seconds - time.monotonic())

    @property
    def spent(self) -> bool:
        """Nothing is left."""
        return self.left <= 0

    def part(self, share: float) -> Budget:
        """A share (0 to 1) of what is left, from now on."""
        return Budget(self.left * share)
