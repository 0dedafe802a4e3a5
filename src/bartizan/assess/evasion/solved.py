"""What was found out about a model that can be solved: rows that fall, rows that are proven, rows not yet decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from bartizan.assess.data import Form
from bartizan.assess.evasion import selftests
from bartizan.assess.evasion.exact import Answer, Solver, answers, solver
from bartizan.assess.evasion.result import Tested
from bartizan.assess.evasion.schema import Schema, names_of, read_schema
from bartizan.assess.evasion.table import Possible, decided, values_to_try
from bartizan.assess.measured import Rate, wilson

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.evasion.clique import Clock
    from bartizan.assess.evasion.trees import Verdict
    from bartizan.assess.forest import Tree
    from bartizan.assess.how import How
    from bartizan.assess.target import Array, Target

STEPS = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # of the strength, on the curve
SHOWN = 20  # cheapest changes that the report tells


@dataclass(frozen=True, slots=True)
class Solved:
    """Rows of x_test under an exact attack of one `norm` and strength `eps`."""

    name: str
    answers: tuple[Answer, ...]
    eps: float
    norm: str
    exact: bool = True
    changes: tuple[tuple[int, str], ...] = ()  # of a table: the cheapest that flip, by row, in words
    dropped: int = 0  # rows that flip the model but are not possible
    notes: tuple[str, ...] = ()

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
    def in_time(self) -> Tested:
        """Whether every row was searched. What is solved says itself which rows need more time."""
        right = [one for one in self.answers if one.right]
        return selftests.in_time(len(right) if self.exact else sum(one.looked for one in right), len(right))

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
            "attacks": [{"attack": self.name, "fell": len(self.fallen)}],
            "rejected": self.dropped,
            "cheapest_changes": [{"index": at, "change": words} for at, words in self.changes[:SHOWN]],
            "notes": list(self.notes),
            "outcomes": {
                "index": [one.index for one in self.answers],
                "right": [one.right for one in self.answers],
                "robust": [bool(one.right and one.above > self.eps) for one in self.answers],
            },
            "warnings": [] if self.in_time.passed else [self.in_time.as_json()],
            "trusted": self.in_time.passed,
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
        if not self.changes:
            return ["adversarial.npz"]
        with (out / "changes.jsonl").open("wb") as stream:
            for at, words in self.changes:
                stream.write(orjson.dumps({"index": at, "change": words}) + b"\n")
        return ["adversarial.npz", "changes.jsonl"]

    def measures(self) -> dict[str, float]:
        """Numbers that a policy clause can ask for."""
        told = {"accuracy": self.accuracy.share}
        if self.exact or any(one.looked for one in self.answers):
            told["robust_accuracy"] = self.robust(self.eps).share
        return told | ({"certified_accuracy": self.proven(self.eps).share} if self.exact else {})

    def sentence(self) -> str:
        """In one sentence."""
        robust, proven = self.robust(self.eps), self.proven(self.eps)
        if not self.exact:
            return (
                f"At most {robust.hits} of {robust.of} answers are right and stay so under every possible change of up "
                f"to {self.eps:g} ({self.norm}); more time may find more."
                + ("" if self.in_time.passed else f" Not trusted: only {self.in_time.seen}.")
            )
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
    """The answers for a table under a schema, a forest or a linear model; None for every other model."""
    if data.x_test is None or data.y_test is None:
        return None
    if how.schema is not None and data.form is Form.TABLE:
        return _possible(target, data, how)
    solve = solver(target, data, how.norm)
    return None if solve is None else Solved(solve.name, tuple(answers(solve, target, data, how)), how.eps, how.norm)


def _possible(target: Target, data: Data, how: How) -> Solved:
    """Only rows that the schema allows."""
    assert how.schema is not None
    assert data.x_test is not None
    width = int(np.prod(data.x_test.shape[1:]))
    names = names_of(data, width)
    schema = read_schema(how.schema, names, unnamed=names != data.columns)
    possible = Possible(schema, how.norm)
    known = data.x_train if data.x_train is not None else data.x_test
    tries = values_to_try(schema, known.reshape(len(known), -1))
    grown = target.forest() if target.forest is not None and possible.solvable else None
    if grown is not None and any(_fixed(tree, schema) for tree in grown.trees):
        grown = None
    forest = None if grown is None else (grown, possible.leaves(grown))
    linear = target.linear() if forest is None and target.linear is not None else None
    exact = forest is not None or (linear is not None and how.norm != "l2" and possible.solvable)

    def decide(x: Array, label: int, radius: float, spent: Clock) -> Verdict:
        flat = x.reshape(-1).astype(np.float32)
        return decided(target, possible, flat, label, radius, forest, linear, tries, spent)

    def distance(x: Array, row: Array) -> float:
        flat = x.reshape(-1).astype(np.float32)
        return possible.space(flat, 0.0).distance(row.reshape(-1))

    name = "table under a schema, exact" if exact else "table under a schema, searched"
    found = answers(Solver(name, decide, distance), target, data, how)
    changes = [
        (one.index, schema.told(data.x_test[one.index].reshape(-1).astype(np.float32), one.row.reshape(-1)))
        for one in sorted(found, key=lambda one: one.above)
        if one.row is not None and one.above <= how.eps
    ]
    fixed = [one.name for one in schema.columns if not one.mutable]
    notes = [f"columns that never change: {', '.join(fixed[:20])}"] if fixed else []
    if schema.columns[0].name != names[0]:
        notes.append(f"the data names no columns; those of {how.schema.name} stand for them in their order")
    return Solved(name, tuple(found), how.eps, how.norm, exact, tuple(changes), possible.dropped, tuple(notes))


def _fixed(tree: Tree, schema: Schema) -> bool:
    """Whether a tree asks for sets of a category that may change: those are searched, not solved."""
    asked = tree.categories or ()
    return any(one is not None and schema.columns[int(tree.feature[node])].mutable for node, one in enumerate(asked))
