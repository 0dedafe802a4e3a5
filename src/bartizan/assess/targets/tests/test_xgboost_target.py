"""XGBoost models: the same margins from the file, from the tables, and from a refit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from bartizan.assess.targets import ubjson
from bartizan.assess.targets.opening import open_target
from bartizan.core.errors import UsageError

CHANCE = np.random.default_rng(2)
X = CHANCE.normal(size=(300, 5)).round(1).astype(np.float32)
X[:, 4] = CHANCE.integers(0, 9, 300)
Y = (X[:, 0] + np.isin(X[:, 4], (1, 3, 5)) > 0.4).astype(int) + (X[:, 1] > 0.7)
X[CHANCE.random(X.shape) < 0.1] = np.nan


def grown(path: Path, y: np.ndarray, kinds: list[str] | None = None, **told: Any) -> Path:
    rows = xgboost.DMatrix(X, y, feature_types=kinds, enable_categorical=bool(kinds))
    xgboost.train({"nthread": 1, "eta": 0.2, "verbosity": 0, **told}, rows, 6).save_model(path)
    return path


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ({"objective": "binary:logistic", "max_depth": 3}, None),
        ({"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5, "one_drop": 1}, None),
        ({"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 2, "subsample": 0.5}, None),
        ({"objective": "binary:logistic"}, ["q", "q", "q", "q", "c"]),
        ({"objective": "binary:logistic", "max_cat_to_onehot": 1}, ["q", "q", "q", "q", "c"]),
    ],
)
@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_the_tables_say_what_the_library_says(
    tmp_path: Path, told: dict[str, Any], kinds: list[str] | None, ending: str
) -> None:
    several = "num_class" in told
    target = open_target(str(grown(tmp_path / f"m.{ending}", Y if several else Y > 0, kinds, **told)))
    assert target.forest is not None and target.classes == (3 if several else 2)
    edges = np.nextafter(X, np.float32(9)).astype(np.float64)
    for rows in (X, edges if kinds is None else X[::-1]):
        sums, scores = target.forest().sums(rows), target.scores(rows)
        np.testing.assert_allclose(sums if several else sums[:, 0], scores if several else scores[:, 1], atol=1e-5)


def test_a_linear_booster_is_linear(tmp_path: Path) -> None:
    filled = np.nan_to_num(X)
    for told, y in (({"objective": "binary:logistic"}, Y > 0), ({"objective": "multi:softmax", "num_class": 3}, Y)):
        booster = xgboost.train({"nthread": 1, "booster": "gblinear", **told}, xgboost.DMatrix(filled, y), 4)
        booster.save_model(tmp_path / "m.json")
        target = open_target(str(tmp_path / "m.json"))
        assert target.linear is not None and target.forest is None
        linear = target.linear()
        np.testing.assert_allclose(filled @ linear.weights + linear.bias, target.scores(filled), atol=1e-4)


def test_a_refit_grows_as_the_file_shows(tmp_path: Path) -> None:
    target = open_target(str(grown(tmp_path / "m.json", Y > 0, objective="binary:logistic", max_depth=4)))
    assert target.refit is not None
    assert "6 rounds, depth 4, a learning rate of 0.2" in target.refit.recipe
    made = target.refit(X[:200], np.eye(2)[(Y[:200] > 0).astype(int)], seed=0)
    assert (made.labels(X[200:]) == (Y[200:] > 0)).mean() > 0.7
    assert made.forest is not None
    np.testing.assert_allclose(made.forest().sums(X)[:, 0], made.scores(X)[:, 1], atol=1e-5)


def test_what_is_no_classifier_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"learner": {}}')
    (tmp_path / "c.ubj").write_bytes(b"{L" + b"\xff" * 30)
    for name in ("a.json", "b.json", "c.ubj"):
        with pytest.raises(UsageError, match=name):
            open_target(str(tmp_path / name))
    with pytest.raises(UsageError, match="no classification"):
        open_target(str(grown(tmp_path / "m.json", X[:, 1] > 0, objective="reg:squarederror")))


def test_a_tree_that_leads_out_of_itself_never_reaches_the_library(tmp_path: Path) -> None:
    path = grown(tmp_path / "m.json", Y > 0, ["q", "q", "q", "q", "c"], objective="binary:logistic", max_depth=3)
    plain = json.loads(path.read_text())
    booster = plain["learner"]["gradient_booster"]["model"]
    tree = next(one for one in booster["trees"] if one["categories"])
    changes = [
        (tree["left_children"], 0, 10**6), (tree["left_children"], 0, 0), (tree["right_children"], 1, -1),
        (tree["split_indices"], 0, 999), (tree["categories"], 0, -5), (tree["categories_sizes"], 0, 10**6),
        (tree["categories_nodes"], 0, 10**6), (tree["tree_param"], "size_leaf_vector", "6"),
        (booster["tree_info"], 0, 7),
        (booster["gbtree_model_param"], "num_trees", "99"), (booster["gbtree_model_param"], "num_parallel_tree", "4"),
        (tree, "default_left", []), (plain["learner"]["learner_model_param"], "num_feature", "-3"),
        (plain["learner"], "feature_types", ["c"]), (plain["learner"]["learner_model_param"], "num_target", "2"),
    ]  # fmt: skip
    for holder, key, value in changes:
        before, holder[key] = holder[key], value
        path.write_text(json.dumps(plain))
        with pytest.raises(UsageError, match="holds together"):
            open_target(str(path))
        holder[key] = before
    path.write_text(json.dumps(plain))
    assert open_target(str(path)).forest is not None


def test_binary_files_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    first = ubjson.loads(grown(tmp_path / "m.ubj", Y > 0, objective="binary:logistic").read_bytes())
    second = json.loads(grown(tmp_path / "m.json", Y > 0, objective="binary:logistic").read_text())
    trees = [one["learner"]["gradient_booster"]["model"]["trees"][0] for one in (first, second)]
    assert trees[0].keys() == trees[1].keys()
    np.testing.assert_array_equal(np.float32(trees[0]["split_conditions"]), np.float32(trees[1]["split_conditions"]))
    assert ubjson.loads(b"[i\x01TFZSi\x02abU\xff]") == [1, True, False, None, "ab", 255]
    for raw in (b"", b"[", b"[#L" + b"\x7f" * 8, b"{Si\x01", b"[" * 99, b"[$d#l\x7f\xff\xff\xff", b"?"):
        with pytest.raises(ValueError):
            ubjson.loads(raw)
