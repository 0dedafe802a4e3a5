"""What was found out about a model of texts: which fell, in what way, and what is proven of linear models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from bartizan.assess.evasion.bags import Fewest, fewest
from bartizan.assess.evasion.text import KINDS, Spelt, attacked_texts
from bartizan.assess.evasion.wording import ZERO_WIDTH, Worded, worded
from bartizan.assess.measured import Rate, wilson

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.how import How
    from bartizan.assess.target import Array, Target, Words

STEPS = (0.25, 0.5, 0.75, 1.0)  # of the strength, on the curve
NOT_READ = "that an edited text still means the same was not verified by a person"


@dataclass(frozen=True, slots=True)
class Texts:
    """Test texts under edits of at most the share `eps` of their words. `fewest`: by text, exact for linear models."""

    texts: Array
    labels: Array
    spelt: tuple[Spelt, ...]
    eps: float
    fewest: dict[int, Fewest]
    linear: bool

    def robust(self, share: float, kinds: tuple[str, ...] = KINDS) -> Rate:
        """Of the texts that were reached: right, and not flipped by what was tried in these ways."""
        return _rate(self.reached, lambda one: not _fell(one, share, kinds))

    @property
    def accuracy(self) -> Rate:
        """Right before any edit."""
        return _rate(self.spelt, lambda one: True)

    @property
    def reached(self) -> tuple[Spelt, ...]:
        """The texts before the first one that time did not allow to look at."""
        ends = (at for at, one in enumerate(self.spelt) if one.right and not one.looked)
        return self.spelt[: next(ends, len(self.spelt))]

    @property
    def unread(self) -> int:
        """Texts that time did not allow to look at: nothing is said of them."""
        return len(self.spelt) - len(self.reached)

    @property
    def unfinished(self) -> int:
        """Texts that stand, and that more time would have looked at again."""
        return sum(one.right and not one.row and not one.searched for one in self.reached)

    @property
    def readable(self) -> Rate:
        """Right, and proven to stay so whichever words become unreadable to the model."""
        return _rate(self.reached, lambda one: one.index in self.fewest and self.fewest[one.index].below >= one.allowed)

    def as_json(self) -> dict[str, object]:
        """Its section of the report."""
        after = {kind: self.robust(self.eps, KINDS[: at + 1]).as_json() for at, kind in enumerate(KINDS)}
        curve = [{"eps": round(self.eps * step, 9), "robust": self.robust(self.eps * step).as_json()} for step in STEPS]
        exact = {
            "says": "right whichever words, up to the strength, become unreadable to the model: proven",
            "proven": self.readable.as_json(),
            "texts_solved": len(self.fewest),
        }
        return {
            "attack": "edited words",
            "norm": "share of words",
            "eps": self.eps,
            "rows": len(self.spelt),
            "accuracy": self.accuracy.as_json(),
            "robust": self.robust(self.eps).as_json(),
            "robust_after": after,
            "curve": curve,
            "attacks": [{"attack": kind, "fell": sum(one.kind == kind for one in self.spelt)} for kind in KINDS],
            "not_looked_at": self.unread,
            "unfinished": self.unfinished,
            "note": NOT_READ,
            "outcomes": {
                "index": [one.index for one in self.reached],
                "right": [one.right for one in self.reached],
                "robust": [one.right and not _fell(one, self.eps) for one in self.reached],
            },
            "rejected": 0,
            "warnings": [],
            "trusted": True,
        } | ({"unreadable_words": exact} if self.linear else {})

    def write(self, out: Path) -> list[str]:
        """adversarial.npz with texts as numpy strings, and adversarial.jsonl with before and after."""
        fallen = [one for one in self.spelt if one.row]
        np.savez_compressed(
            out / "adversarial.npz",
            index=np.array([one.index for one in fallen], np.int64),
            x_adv=np.array([one.row for one in fallen], dtype=np.str_),
            attack=np.array([one.kind for one in fallen], dtype=np.str_),
            distance=np.array([one.distance for one in fallen], np.float64),
        )
        with (out / "adversarial.jsonl").open("wb") as stream:
            for one in fallen:
                told = {
                    "index": one.index, "label": int(self.labels[one.index]), "attack": one.kind, "words": one.words,
                    "of": one.of, "before": str(self.texts[one.index]), "after": one.row,
                }  # fmt: skip
                stream.write(orjson.dumps(told) + b"\n")
        return ["adversarial.npz", "adversarial.jsonl"]

    def measures(self) -> dict[str, float]:
        """Numbers that a policy clause can ask for."""
        robust = self.robust(self.eps)
        told = {"accuracy": self.accuracy.share}
        return told | {"robust_accuracy": robust.share} if robust.of else told

    def sentence(self) -> str:
        """In one sentence."""
        robust = self.robust(self.eps)
        late = f"; the search through {self.unfinished} of them is unfinished" if self.unfinished else ""
        late += f"; {self.unread} more were not looked at in the time given" if self.unread else ""
        return (
            f"At most {robust.hits} of {robust.of} texts are told right when up to {self.eps:.0%} of their words are "
            f"edited{late}; {NOT_READ}."
        )


def _fell(one: Spelt, share: float, kinds: tuple[str, ...] = KINDS) -> bool:
    return bool(one.row) and one.kind in kinds and one.distance <= share + 1e-9


def _rate(among: Sequence[Spelt], holds: Callable[[Spelt], bool]) -> Rate:
    return wilson(sum(one.right and holds(one) for one in among), len(among))


def texts(target: Target, data: Data, how: How) -> Texts:
    """Edits the test texts; where the model is linear over counted words, the fewest unreadable ones exactly."""
    assert data.x_test is not None
    assert data.y_test is not None
    rows, labels = data.x_test[: how.rows], data.y_test[: how.rows]
    model = target.words() if target.words is not None else None
    if model is None:
        return Texts(rows, labels, tuple(attacked_texts(target, data, how)), how.eps, {}, linear=False)
    exact = _Exact(target, model)
    found = attacked_texts(target, data, how, exact.solve)
    for one in found:  # Those that fell at their first look: perhaps fewer words are enough.
        if one.right and one.looked and one.index not in exact.solved and not how.budget.spent:
            exact.solve(one, worded(str(rows[one.index])), int(labels[one.index]))
    return Texts(rows, labels, tuple(found), how.eps, exact.solved, linear=True)


@dataclass(frozen=True, slots=True)
class _Exact:
    """The fewest unreadable words of texts, and rows made of them where they are within the strength."""

    target: Target
    model: Words
    solved: dict[int, Fewest] = field(default_factory=dict)

    def solve(self, one: Spelt, cut: Worded, label: int) -> None:
        exact = fewest(self.model, cut, label)
        if exact is None:
            return
        self.solved[one.index] = exact
        if exact.words is None or len(exact.words) > one.allowed or (one.row and one.words <= len(exact.words)):
            return
        # Solved with fewer words than the search needed; the model has the last word.
        row = cut.text({at: _unreadable(cut.words[at]) for at in exact.words})
        if int(self.target.labels(np.array([row]))[0]) != label:
            one.row, one.words, one.kind = row, len(exact.words), KINDS[0]


def _unreadable(word: str) -> str:
    """A word whose parts no vocabulary holds, and that reads the same."""
    return "".join(letter + ZERO_WIDTH for letter in word)
