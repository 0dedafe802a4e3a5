"""What the attacks found out: an upper bound on robust accuracy with its evidence, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bartizan.assess.evasion.chain import Attack
from bartizan.assess.evasion.rows import Rows
from bartizan.assess.measured import Rate, wilson

WORST = 10


@dataclass(frozen=True, slots=True)
class Tested:
    """One test that the evaluation did on itself. `resolved`: what dealt with a failure, "" where nothing did."""

    check: str
    passed: bool
    seen: str  # what was measured
    effect: str = ""
    fix: str = ""
    resolved: str = ""

    def as_json(self) -> dict[str, object]:
        """As a row of the report's table."""
        told = {"check": self.check, "passed": self.passed, "seen": self.seen, "effect": self.effect, "fix": self.fix}
        return told | ({"resolved": self.resolved} if not self.passed else {})


@dataclass(frozen=True, slots=True)
class Evasion:
    """Robust accuracy of n rows of x_test under one ball. Everything in it is an upper bound: attacks prove no more."""

    rows: Rows
    clean: Rate
    attacks: tuple[Attack, ...]
    tests: tuple[Tested, ...]
    curve: tuple[tuple[float, Rate], ...]
    corruptions: tuple[tuple[str, Rate], ...]
    notes: tuple[str, ...] = ()
    finished: bool = True
    changed: tuple[int, ...] = field(default=())  # rows right as they are, the nearest change first

    @property
    def robust(self) -> Rate:
        """Rows that stood every attack."""
        return wilson(int((~self.rows.fallen).sum()), len(self.rows.x))

    @property
    def trusted(self) -> bool:
        """Every test of the evaluation passed, or what made it fail was dealt with."""
        return all(test.passed or test.resolved for test in self.tests)

    def as_json(self) -> dict[str, object]:
        """The section of report.json."""
        rows = self.rows
        warnings = [test.as_json() for test in self.tests if not test.passed]
        return {
            "n": len(rows.x),
            "eps": rows.ball.eps,
            "norm": rows.ball.norm,
            "clean": self.clean.as_json(),
            "robust": self.robust.as_json(),
            "bound": "upper",
            "trusted": self.trusted,
            "finished": self.finished,
            "warnings": warnings,
            "tests": [test.as_json() for test in self.tests],
            "attacks": [attack.as_json() for attack in self.attacks],
            "curve": [{"eps": eps, "robust": rate.as_json()} for eps, rate in self.curve],
            "corruptions": [{"name": name, "robust": rate.as_json()} for name, rate in self.corruptions],
            "rejected": rows.rejected,
            "shaky": int((rows.shaky & ~rows.fallen).sum()),
            "worst": [int(one) for one in self._worst()],
            "notes": list(self.notes),
            "outcomes": {
                "index": list(range(len(rows.x))),
                "right": [name != "none" for name in rows.attack],
                "robust": [bool(one) for one in ~rows.fallen],
            },
        }

    def write(self, out: Path) -> list[str]:
        """adversarial.npz: `index` into x_test, `x_adv` like x_test, `attack`, `distance`."""
        rows = self.rows
        index = np.flatnonzero(rows.fallen).astype(np.int64)
        with (out / "adversarial.npz").open("wb") as stream:
            np.savez_compressed(
                stream, index=index, x_adv=rows.found[index].astype(np.float32),
                attack=np.array([rows.attack[one] for one in index], dtype="<U32"), distance=rows.distance[index],
            )  # fmt: skip
        return ["adversarial.npz"]

    def measures(self) -> dict[str, float]:
        """The numbers a policy clause can ask for."""
        told = {"accuracy": self.clean.share}
        return told | {"robust_accuracy": self.robust.share} if any(one.tried for one in self.attacks) else told

    def sentence(self) -> str:
        """The result in one sentence."""
        robust, ball = self.robust, self.rows.ball
        told = (
            f"At most {robust.share:.1%} of answers stand changes of {ball.eps:g} ({ball.norm}), "
            f"{robust.hits} of {robust.of} rows (95 %: {robust.low:.1%} to {robust.high:.1%}); "
            f"{self.clean.share:.1%} are right without any."
        )
        if not self.finished:
            told = f"{told} The search is unfinished: more time may find more."
        return told if self.trusted else f"{told} Upper bound, not trusted: the evaluation failed its own tests."

    def _worst(self) -> list[int]:
        distance = np.where([name != "none" for name in self.rows.attack], self.rows.distance, np.inf)
        order = np.argsort(distance, kind="stable")[:WORST]
        return [int(one) for one in order if np.isfinite(distance[one])]
