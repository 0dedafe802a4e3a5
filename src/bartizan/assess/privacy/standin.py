"""Another kind of model where the target's own cannot be trained: the one that behaves most like it.

A few usual kinds are trained on a half of the candidates. The one whose certainty is spread most like the target's over
all candidates, and surer of the same rows, stands in for its architecture in shadow models. What is measured on these
holds for them; the target is ranked with what they find hard, and with the way in which membership shows in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Form
from bartizan.assess.privacy.forks import results
from bartizan.assess.privacy.pool import Pool
from bartizan.assess.privacy.shadows import halves
from bartizan.assess.privacy.signals import Asking, Signals
from bartizan.assess.target import Array, Output, Refit, Target

SHARE = 0.25  # Of the time.


@dataclass(frozen=True, slots=True)
class Estimator:
    """Trains an estimator of scikit-learn on flattened rows; it answers in the way the target does."""

    like: Target
    make: Callable[[int], Any]
    recipe: str

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        import warnings

        model = self.make(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # That it could be trained for longer is nothing to tell.
            model.fit(_flat(x), y)
        places = np.asarray(model.classes_, np.int64)

        def answer(rows: Array) -> Array:
            shares = np.zeros((len(rows), self.like.classes))
            shares[:, places] = model.predict_proba(_flat(rows))
            if self.like.output is Output.LABELS:
                return np.eye(self.like.classes)[np.argmax(shares, axis=1)]
            return shares

        output = Output.LABELS if self.like.output is Output.LABELS else Output.PROBABILITIES
        return Target(self.recipe, "scikit-learn", "", self.like.shape, self.like.classes, output, answer)


def stand_in(pool: Pool, asking: Asking, target: Target, own: Signals, seed: int, budget: Budget) -> Refit | None:
    """The kind that is most like the target; None where there is none to try."""
    if pool.form is Form.TEXT:
        return None
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return None
    kinds = [Estimator(target, make, name) for name, make in _kinds().items()]
    inside = halves(len(pool), 1, seed + 4)[0]
    plainly = replace(asking, marks=None)

    def job(number: int) -> Callable[[], Signals] | None:
        if number >= len(kinds):
            return None
        return lambda: plainly.ask(kinds[number](pool.x[inside], pool.y[inside], seed))

    apart: dict[int, float] = {}
    for number, signals, _ in results(job, budget.part(SHARE), together=1):
        if signals is not None:
            spread = float(np.abs(np.sort(signals.odds) - np.sort(own.odds)).mean()) / (float(own.odds.std()) + 1e-9)
            apart[number] = spread - float(np.corrcoef(np.argsort(np.argsort(signals.odds)), _ranks(own.odds))[0, 1])
    return kinds[min(apart, key=lambda one: apart[one])] if apart else None


def _ranks(values: Array) -> Array:
    return np.argsort(np.argsort(values))


def _kinds() -> dict[str, Callable[[int], Any]]:
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "a forest of 100 trees": lambda seed: RandomForestClassifier(100, random_state=seed),
        "boosted trees, 100 rounds": lambda seed: HistGradientBoostingClassifier(
            early_stopping=False, random_state=seed
        ),
        "100 extremely random trees": lambda seed: ExtraTreesClassifier(100, random_state=seed),
        "a forest of 100 trees with leaves of at least 5 rows": lambda seed: RandomForestClassifier(
            100, min_samples_leaf=5, random_state=seed
        ),
        "a perceptron with 100 hidden units, 60 epochs": lambda seed: make_pipeline(
            StandardScaler(), MLPClassifier((100,), max_iter=60, random_state=seed)
        ),
        "a logistic regression": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
    }


def _flat(x: Array) -> Array:
    return np.nan_to_num(np.asarray(x, np.float32).reshape(len(x), -1))
