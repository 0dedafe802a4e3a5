"""What a whole assessment is asked to do, and how its time is shared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bartizan.core.errors import UsageError
from bartizan.readers.assessment import CHECKS

NORMS = ("linf", "l2", "l0")
BUDGET_S = 120.0
ROWS = 300
# Of the time that is there. In this order: what is quick leaves its rest to what can use any amount (shadow models).
SHARES = {"evasion": 0.3, "poison": 0.12, "theft": 0.23, "privacy": 0.35}


@dataclass(frozen=True, slots=True)
class Options:
    """How to assess. `asked`: somebody named the checks, so that one that cannot run is a failure.

    `eps` None: a tenth of an image's range for one channel, 8/255 for several; for tables see `facts.eps_for`.
    """

    checks: tuple[str, ...] = CHECKS
    asked: bool = False
    eps: float | None = None
    norm: str = "linf"
    budget_s: float = BUDGET_S
    rows: int = ROWS
    seed: int = 0
    schema: Path | None = None
    price: float | None = None  # money for 1,000 queries
    dp_epsilon: float | None = None  # of the differential privacy that is claimed of the training

    def __post_init__(self) -> None:
        """Raises UsageError for what means nothing."""
        for name in self.checks:
            if name not in CHECKS:
                raise UsageError(f'there is no check called "{name}"; there are {", ".join(CHECKS)}')
        if not self.checks:
            raise UsageError(f"name at least one check of {', '.join(CHECKS)}")
        if self.norm not in NORMS:
            raise UsageError(f'there is no norm called "{self.norm}"; there are {", ".join(NORMS)}')
        if self.eps is not None and not 0 < self.eps < float("inf"):
            raise UsageError(f"eps is a number above 0, not {self.eps:g}")
        if not 1 <= self.budget_s < 10**7:
            raise UsageError(f"a budget is at least one second, not {self.budget_s:g}")
        if self.dp_epsilon is not None and not 0 <= self.dp_epsilon < float("inf"):
            raise UsageError(f"the epsilon of a claim of privacy is a number of at least 0, not {self.dp_epsilon:g}")
        if not 0 <= self.seed < 2**32:  # What numpy, torch and scikit-learn all take.
            raise UsageError(f"a seed is a whole number from 0 to {2**32 - 1}, not {self.seed}")
        if self.rows < 1:
            raise UsageError(f"at least one row is looked at, not {self.rows}")

    @property
    def order(self) -> tuple[str, ...]:
        """The checks as they are run."""
        return tuple(name for name in SHARES if name in self.checks)


def share(name: str, rest: tuple[str, ...]) -> float:
    """Of the time that is left, the part of a check that runs before the `rest`."""
    return SHARES[name] / (SHARES[name] + sum(SHARES[one] for one in rest))
