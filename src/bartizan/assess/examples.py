"""What the page of an assessment shows of the evidence: the rows that fell first, and recovered triggers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.target import Array, Target

SHOWN = 10
WRONG = "none"  # What stands in `attack` for rows that the model gets wrong as they are.
FILE = "adversarial.npz"
TRIGGERS = "triggers.npz"
MAX_TRIGGERS = 12


@dataclass(frozen=True, slots=True)
class Example:
    """One row before and after: `label` is right, `answer` is what the model says afterwards."""

    index: int
    attack: str
    distance: float
    label: str
    answer: str
    before: Any  # a row of numbers, or a text
    after: Any
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """Rows before and after, and pictures of triggers by their names."""

    rows: tuple[Example, ...] = ()
    triggers: tuple[tuple[str, Array], ...] = ()


def shown(folder: Path, data: Data, target: Target) -> Shown:
    """What is to be seen in a folder that an assessment wrote."""
    return Shown(tuple(worst(folder, data, target)), tuple(pictures(folder)))


def pictures(folder: Path) -> list[tuple[str, Array]]:
    """The triggers that the poison scan recovered as pictures."""
    import numpy as np

    path = folder / TRIGGERS
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as found:
        return [(name, found[name]) for name in found.files[:MAX_TRIGGERS]]


def worst(folder: Path, data: Data, target: Target) -> list[Example]:
    """The rows that fell to the smallest changes, at most ten; one of each label before a second of any."""
    import numpy as np

    from bartizan.assess.errors import Spent
    from bartizan.core.errors import UsageError

    path = folder / FILE
    if not path.is_file() or data.x_test is None or data.y_test is None:
        return []
    with np.load(path, allow_pickle=False) as found:
        index, after = found["index"], found["x_adv"]
        attack, distance = found["attack"].astype(str), found["distance"]
    turn = {int(label): 0 for label in np.unique(data.y_test)}
    order: list[tuple[int, int, int]] = []
    for at in np.argsort(distance, kind="stable"):
        if attack[at] == WRONG:
            continue
        label = int(data.y_test[index[at]])
        order.append((turn[label], len(order), int(at)))
        turn[label] += 1
    picked = [at for _, _, at in sorted(order)[:SHOWN]]
    if not picked:
        return []
    try:
        answers = target.labels(after[picked])
    except (Spent, UsageError):  # An endpoint that may not be asked any more, or is gone.
        answers = np.full(len(picked), -1)
    return [
        Example(
            int(index[at]),
            str(attack[at]),
            float(distance[at]),
            name_of(data, int(data.y_test[index[at]])),
            name_of(data, int(answer)),
            data.x_test[index[at]],
            after[at],
            data.columns,
        )
        for at, answer in zip(picked, answers, strict=True)
    ]


def name_of(data: Data, label: int) -> str:
    """What a class is called; its number where it has no name."""
    if 0 <= label < len(data.classes):
        return data.classes[label]
    return str(label) if label >= 0 else "another"
