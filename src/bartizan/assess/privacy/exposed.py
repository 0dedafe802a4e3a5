"""Who is exposed, and why: the rows that are told most surely, and the classes they are of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.data import Data
from bartizan.assess.privacy.choosing import Chosen
from bartizan.assess.privacy.pool import Pool
from bartizan.assess.privacy.signals import Signals
from bartizan.assess.target import Array

SHOWN = 20
RARE = 0.5  # Times the share that a class would have if all had the same.
SURER = 0.02
# Of places of trees that name a row; see `grown`.
PLACES = {
    "sure_pair": "a threshold of a tree lies exactly between it and one other candidate",
    "sure_cut": "a threshold lies exactly between it and one other candidate",
    "sure_leaf": "it is the only candidate in a leaf",
}


@dataclass(frozen=True, slots=True)
class Exposed:
    """A row that can be told: `certainty` is the share of members among rows with such a score, on shadow models."""

    index: int
    label: str
    score: float
    certainty: float | None
    without: float | None  # what models without the row give its label, 0 to 1
    why: str  # in words

    def as_json(self) -> dict[str, object]:
        """Its part of the report."""
        return {
            "index": self.index,
            "class": self.label,
            "score": round(self.score, 4),
            "certainty": None if self.certainty is None else round(self.certainty, 4),
            "others_give_its_label": None if self.without is None else round(self.without, 4),
            "why": self.why,
        }


def exposed(
    data: Data, pool: Pool, own: Signals, scores: Array, without: Array | None, chosen: Chosen | None
) -> tuple[Exposed, ...]:
    """The rows that are told most surely; of training rows those alone.

    `without` (n,) is what models without a row give its label; `chosen` None: how sure a score is cannot be said.
    """
    order = np.argsort(-scores, kind="stable")
    if pool.name == "x_train" and pool.truth is not None:
        order = order[pool.truth[order]]
    return tuple(
        Exposed(
            int(pool.index[at]),
            class_name(data, int(pool.y[at])),
            float(scores[at]),
            None if chosen is None else _certainty(chosen, float(scores[at])),
            None if without is None else float(without[at]),
            "; ".join(_reasons(pool, own, int(at), None if without is None else float(without[at]))),
        )
        for at in order[:SHOWN]
    )


def _reasons(pool: Pool, own: Signals, at: int, without: float | None) -> list[str]:
    """What sets a row apart, the strongest first."""
    found = [says for name, says in PLACES.items() if name in own.more and own.more[name][at] > 0][:1]
    sure = float(np.exp(own.sure[at]))
    if without is not None and without < 0.5 <= sure:
        found.append(
            f"models without it mostly get it wrong (its label: {without:.0%}), this one does not ({sure:.0%})"
        )
    elif without is not None and sure > without + SURER:
        found.append(f"the model is surer of it ({sure:.0%}) than models without it are ({without:.0%})")
    share = float(np.mean(pool.y == pool.y[at]))
    if share < RARE / len(np.unique(pool.y)):
        found.append(f"its class is rare ({share:.1%} of the candidates)")
    return found or ["several small differences together"]


def _certainty(chosen: Chosen, score: float) -> float:
    """Of rows with such a score or a higher one on shadow models, the share of members; of the highest few at least."""
    tried, inside = chosen.tried.reshape(-1), chosen.inside.reshape(-1)
    above = tried >= min(score, float(np.partition(tried, -SHOWN)[-SHOWN]))
    return float(inside[above].mean())


def by_class(data: Data, pool: Pool, scores: Array, chosen: Chosen) -> tuple[dict[str, object], ...]:
    """How many candidates of each class are above the score that 1 % of others reach on shadow models."""
    others = np.sort(chosen.tried[~chosen.inside])
    bound = others[int(np.ceil(0.99 * len(others))) - 1] if len(others) else np.inf
    above = scores > bound
    found = [
        {
            "class": class_name(data, int(label)),
            "rows": int(above[pool.y == label].sum()),
            "of": int((pool.y == label).sum()),
        }
        for label in np.unique(pool.y)
    ]
    return tuple(sorted(found, key=lambda one: -int(str(one["rows"])) / max(1, int(str(one["of"])))))


def class_name(data: Data, label: int) -> str:
    """A class by its name, where the data has names."""
    return data.classes[label] if label < len(data.classes) else str(label)
