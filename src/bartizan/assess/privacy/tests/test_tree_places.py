"""Thresholds between two training rows name both of them."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from bartizan.assess.data import Data, Form
from bartizan.assess.privacy.curve import curve
from bartizan.assess.privacy.grown import Marks, marks_of
from bartizan.assess.target import Array
from bartizan.assess.targets.opening import open_target
from bartizan.assess.targets.scikit import of_estimator

ROWS = 400


@pytest.fixture(scope="module")
def rows() -> tuple[Array, Array, Array]:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(ROWS, 5)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] ** 2 + chance.normal(size=ROWS) > 1).astype(np.int64)
    return x, y, chance.random(ROWS) < 0.5


def test_every_row_of_a_sure_pair_in_one_tree_was_trained_on(rows: tuple[Array, Array, Array]) -> None:
    x, y, inside = rows
    model = DecisionTreeClassifier(random_state=0).fit(x[inside], y[inside])
    forest = of_estimator(model, "tree", "", x[:9]).forest
    assert forest is not None
    marks = marks_of(forest(), x, y)
    assert marks is not None
    found = marks.of(forest())
    sure = found["sure_pair"] > 0
    assert sure.sum() > 20 and inside[sure].all()
    assert not inside[found["kept_out"] > 0].any()
    assert inside[found["sure_leaf"] > 0].all()


def test_a_forest_is_told_by_its_places_alone(rows: tuple[Array, Array, Array]) -> None:
    x, y, inside = rows
    model = RandomForestClassifier(20, random_state=0).fit(x[inside], y[inside])
    forest = of_estimator(model, "forest", "", x[:9]).forest
    assert forest is not None
    found = Marks(x.astype(np.float64), y, 20).of(forest())
    assert curve(found["sure_pair"], inside).share_at(0.001) > 0.9


def test_histograms_are_cut_in_the_middle_of_training_rows(
    rows: tuple[Array, Array, Array], tmp_path_factory: pytest.TempPathFactory
) -> None:
    x, y, inside = rows
    path = tmp_path_factory.mktemp("places") / "model.txt"
    told = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "min_data_in_bin": 1}
    lightgbm.train(told, lightgbm.Dataset(x[inside], y[inside]), num_boost_round=40).save_model(str(path))
    forest = open_target(str(path), data=Data(Form.TABLE, "", x_test=x)).forest
    assert forest is not None
    marks = marks_of(forest(), x, y)
    assert marks is not None
    assert curve(marks.of(forest())["sure_cut"], inside).share_at(0.01) > 0.8


def test_whole_numbers_name_nobody(rows: tuple[Array, Array, Array]) -> None:
    x, y, inside = rows
    whole = np.round(x)
    model = RandomForestClassifier(20, random_state=0).fit(whole[inside], y[inside])
    forest = of_estimator(model, "forest", "", whole[:9]).forest
    assert forest is not None
    found = Marks(whole.astype(np.float64), y, 20).of(forest())
    assert found["sure_pair"].mean() < 0.05


def test_rows_of_another_width_and_missing_values_are_no_error(rows: tuple[Array, Array, Array]) -> None:
    x, y, inside = rows
    model = DecisionTreeClassifier(random_state=0).fit(x[inside], y[inside])
    forest = of_estimator(model, "tree", "", x[:9]).forest
    assert forest is not None
    assert marks_of(forest(), x[:, :3], y) is None
    holes = x.copy()
    holes[::3, 0] = np.nan
    marks = marks_of(forest(), holes, y)
    assert marks is not None and all(np.isfinite(value).all() for value in marks.of(forest()).values())
