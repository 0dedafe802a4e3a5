"""LightGBM models: the same scores from the file, from the tables, and from a refit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from bartizan.assess.target import Output
from bartizan.assess.targets.opening import open_target
from bartizan.core.errors import UsageError

ROWS = 400


def grown(path: Path, classes: int = 2, **told: Any) -> tuple[Path, np.ndarray, np.ndarray]:
    """A small model file, with its rows (zeros, NaN, two columns of categories) and labels."""
    chance = np.random.default_rng(7)
    x = chance.normal(size=(ROWS, 6)).round(1)
    x[:, 4] = chance.integers(0, 40, ROWS)
    x[:, 5] = chance.integers(0, 3, ROWS)
    y = (np.digitize(x[:, 0] + np.isin(x[:, 4] % 5, (1, 3)) * 1.5, np.linspace(-1, 2, classes - 1))).astype(int)
    x[chance.random(x.shape) < 0.1] = np.nan
    x[:, :4][chance.random((ROWS, 4)) < 0.2] = 0
    parameters = {
        "objective": "binary" if classes == 2 else "multiclass", "num_class": classes if classes > 2 else 1,
        "num_leaves": 8, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1, "cat_smooth": 1.0, **told,
    }  # fmt: skip
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y, categorical_feature=[4, 5]), num_boost_round=8)
    booster.save_model(path)
    return path, x, y


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (2, {}),
        (2, {"zero_as_missing": True}),
        (2, {"use_missing": False, "sigmoid": 2.0}),
        (2, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}),
        (4, {}),
        (3, {"objective": "multiclassova"}),
        (3, {"boosting": "dart", "zero_as_missing": True}),
    ],
)
def test_the_tables_say_what_the_library_says(tmp_path: Path, classes: int, told: dict[str, Any]) -> None:
    path, x, _ = grown(tmp_path / "model.txt", classes, **told)
    target = open_target(str(path))
    assert (target.shape, target.classes) == ((6,), classes)
    assert target.forest is not None
    forest = target.forest()
    expected = lightgbm.Booster(model_file=path).predict(x)
    odd = np.array([1e-36, -1e-36, 1e-30, 2.7, -3.0, np.nan])
    for rows in (x, np.random.default_rng(1).choice(odd, size=(200, 6))):
        scores, sums = target.scores(rows), forest.sums(rows)
        if target.output is Output.LOGITS:
            np.testing.assert_allclose(sums[:, 0] if classes == 2 else sums, scores[:, 1] if classes == 2 else scores)
        assert (target.labels(rows) == (sums[:, 0] > 0 if classes == 2 else sums.argmax(1))).all()
    shares = np.exp(target.log_probabilities(x))
    np.testing.assert_allclose(
        shares[:, 1] if classes == 2 else shares,
        expected if classes == 2 else expected / expected.sum(1, keepdims=True),
        atol=1e-9,
    )


def test_a_refit_grows_as_many_trees_with_the_parameters_of_the_file(tmp_path: Path) -> None:
    path, x, y = grown(tmp_path / "model.txt", learning_rate=0.3)
    target = open_target(str(path))
    assert target.refit is not None
    assert "8 rounds" in target.refit.recipe
    again = target.refit(x[:300], y[:300], seed=1)
    assert (again.labels(x[300:]) == y[300:]).mean() > 0.6
    assert again.queries == 100
    assert again.forest is not None
    np.testing.assert_allclose(again.forest().sums(x)[:, 0], again.scores(x)[:, 1])
    soft = np.eye(2)[y[:300]] * 0.6 + 0.2
    np.testing.assert_array_equal(target.refit(x[:300], soft, seed=1).scores(x), again.scores(x))


def test_rows_may_be_images(tmp_path: Path) -> None:
    from bartizan.assess.data import Data, Form

    path, x, _ = grown(tmp_path / "model.txt")
    data = Data(form=Form.IMAGES, digest="", x_test=x.reshape(-1, 2, 3))
    target = open_target(str(path), data=data)
    np.testing.assert_array_equal(target.scores(x.reshape(-1, 2, 3)), open_target(str(path)).scores(x))
    with pytest.raises(UsageError, match="6 columns"):
        open_target(str(path), data=Data(form=Form.TABLE, digest="", x_test=x[:, :4]))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("tree\n", "bush\n", "begin"),
        ("left_child=", "left_child=7 ", "left_child"),
        ("split_feature=0", "split_feature=99", "outside"),
        ("objective=binary sigmoid:1", "objective=regression", "no classification"),
        ("num_leaves=8", "num_leaves=-8", "impossible"),
        ("max_feature_idx=5", "max_feature_idx=x", "holds together"),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path: Path, before: str, after: str, said: str) -> None:
    path, _, _ = grown(tmp_path / "model.txt")
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(UsageError, match=said):
        open_target(str(path))


def test_no_sizes_of_the_file_are_believed(tmp_path: Path) -> None:
    path, x, _ = grown(tmp_path / "model.txt")
    before = open_target(str(path)).scores(x)
    text = path.read_text()
    line = next(one for one in text.split("\n") if one.startswith("tree_sizes="))
    path.write_text(text.replace(line, "tree_sizes=" + " ".join(["999999999"] * 8)))
    np.testing.assert_array_equal(open_target(str(path)).scores(x), before)
