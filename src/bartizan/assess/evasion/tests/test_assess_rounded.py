"""Rows in double precision before a model of single precision: rounding is no change of a column."""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.ensemble import ExtraTreesClassifier

from bartizan.assess.assessment import assess


def test_columns_that_are_only_rounded_have_not_changed() -> None:
    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(x))
    train, test = order[:100], order[100:]
    model = ExtraTreesClassifier(10, random_state=1).fit(x[train], y[train])
    found = assess(
        model, {"x_test": x[test], "y_test": y[test]}, checks=["evasion"], norm="l0", eps=2, rows=50, budget=10
    )
    section = found.report["evasion"]
    assert section["robust"]["hits"] < section["accuracy"]["hits"]
