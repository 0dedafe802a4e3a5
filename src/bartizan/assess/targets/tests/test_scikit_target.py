"""scikit-learn models: files and their dangers; tables, nets and refits that say the same as the estimator."""

from __future__ import annotations

import pickle
import re
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
import torch
from lightgbm import LGBMClassifier
from sklearn import (
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_extraction,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)  # fmt: skip
from xgboost import XGBClassifier

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Output, Target
from bartizan.assess.targets.opening import open_target
from bartizan.assess.targets.scikit import of_estimator
from bartizan.core.errors import UsageError

CHANCE = np.random.default_rng(0)
X = CHANCE.random((240, 5)) * 4
Y = np.digitize(X[:, 0] + X[:, 1] * (X[:, 2] > 2), [2.2, 4.5])


def opened(model: Any, classes: int = 3, x: np.ndarray = X) -> Target:
    return of_estimator(model.fit(x, np.minimum(Y, classes - 1)), "m", "", x)


TREES: dict[str, Any] = {
    "tree": lambda: tree.DecisionTreeClassifier(max_depth=4),
    "forest": lambda: ensemble.RandomForestClassifier(7, max_depth=5, random_state=0),
    "extra trees": lambda: ensemble.ExtraTreesClassifier(7, random_state=0),
    "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=5),
    "exponential": lambda: ensemble.GradientBoostingClassifier(n_estimators=5, loss="exponential"),
    "histograms": lambda: ensemble.HistGradientBoostingClassifier(max_iter=5),
    "lightgbm": lambda: LGBMClassifier(n_estimators=5, verbosity=-1, n_jobs=1),
    "xgboost": lambda: XGBClassifier(n_estimators=5, n_jobs=1),
}


@pytest.mark.parametrize("name", TREES)
@pytest.mark.parametrize("classes", [2, 3])
def test_trees_are_tables(name: str, classes: int) -> None:
    if name == "exponential" and classes == 3:
        return
    target = opened(TREES[name](), classes)
    assert target.forest is not None and target.classes == classes
    rows = np.vstack([X, np.float32(X), CHANCE.random((50, 5)) * 5])
    sums, scores = target.forest().sums(rows), target.scores(rows)
    if target.forest().link in ("mean", "softmax"):
        np.testing.assert_allclose(sums, scores, atol=1e-5)
    assert (target.labels(rows) == (sums.argmax(1) if sums.shape[1] > 1 else sums[:, 0] > 0)).all()


def test_missing_values_go_where_they_went() -> None:
    x = X.copy()
    x[CHANCE.random(x.shape) < 0.2] = np.nan
    for name in ("tree", "forest", "histograms", "lightgbm"):
        target = opened(TREES[name](), 2, x)
        assert target.takes_nan and target.forest is not None
        sums = target.forest().sums(x)
        assert (target.labels(x) == (sums.argmax(1) if sums.shape[1] > 1 else sums[:, 0] > 0)).all(), name
    assert not opened(linear_model.LogisticRegression()).takes_nan


def test_categories_inside_a_model_are_not_believed() -> None:
    x = np.floor(X)
    target = opened(ensemble.HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]), 2, x)
    assert target.forest is None and "categories" in target.notes[0]


def piped(*steps: Any) -> Any:
    return pipeline.make_pipeline(*steps)


LINEAR: dict[str, Any] = {
    "logistic": linear_model.LogisticRegression,
    "ridge": linear_model.RidgeClassifier,
    "machine": svm.LinearSVC,
    "descent": lambda: linear_model.SGDClassifier(random_state=0),
    "discriminant": discriminant_analysis.LinearDiscriminantAnalysis,
    "counts": naive_bayes.MultinomialNB,
    "scaled": lambda: piped(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
    "projected": lambda: piped(
        preprocessing.MinMaxScaler(), decomposition.PCA(3, whiten=True), preprocessing.RobustScaler(), svm.LinearSVC()
    ),
}


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("classes", [2, 3])
def test_linear_models_are_linear(name: str, classes: int) -> None:
    target = opened(LINEAR[name](), classes)
    assert target.linear is not None
    table = target.linear()
    scores = X @ table.weights + table.bias
    assert (scores.argmax(1) == target.labels(X)).all()
    if target.output is Output.LOGITS:
        np.testing.assert_allclose(scores, target.scores(X), atol=1e-8)
        assert target.module is not None
        np.testing.assert_allclose(target.module()(torch.from_numpy(X).float()).detach().numpy(), scores, atol=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_a_perceptron_is_a_net(classes: int, activation: str) -> None:
    model = neural_network.MLPClassifier((8, 6), activation=activation, max_iter=1000, tol=1e-2, random_state=1)
    target = opened(piped(preprocessing.StandardScaler(), model), classes)
    assert target.module is not None
    net, rows = target.module(), torch.from_numpy(X).float()
    np.testing.assert_allclose(net(rows).detach().numpy(), target.scores(X), atol=1e-5)
    bare = net.peeled()(rows)
    np.testing.assert_allclose(bare.softmax(1).detach().numpy(), target.scores(X), atol=1e-5)
    assert (net.approximated, net.random) == ([], [])


def test_the_rest_is_a_black_box() -> None:
    knn = opened(neighbors.KNeighborsClassifier(3))
    assert (knn.output, knn.module, knn.linear, knn.forest) == (Output.PROBABILITIES, None, None, None)
    assert opened(svm.SVC()).output is Output.LOGITS
    hidden = opened(piped(preprocessing.PolynomialFeatures(), linear_model.LogisticRegression(max_iter=2000)))
    assert hidden.linear is None and "not linear" in hidden.notes[0]


def test_a_refit_has_the_same_parameters_and_another_seed() -> None:
    target = opened(ensemble.RandomForestClassifier(9, max_depth=3, n_jobs=2))
    assert target.refit is not None and "RandomForestClassifier" in target.refit.recipe
    first, again, other = (target.refit(X[:150], Y[:150], seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.scores(X), again.scores(X))
    assert np.abs(first.scores(X) - other.scores(X)).max() > 0
    assert first.forest is not None and len(first.forest().trees) == 9
    few = target.refit(X[Y != 1], np.eye(3)[Y[Y != 1]], seed=0)
    assert few.classes == 3 and few.scores(X)[:, 1].max() == 0
    two = target.refit(X[Y < 2], Y[Y < 2], seed=0)
    assert two.classes == 3 and (two.labels(X[Y < 2]) == Y[Y < 2]).mean() > 0.7
    with pytest.raises(UsageError, match="the label 0"):
        target.refit(X[Y == 0], Y[Y == 0], seed=0)


TEXTS = np.array(
    [f"{'win money now' if at % 3 == 0 else 'see you at home'} number{at % 7}, ok ok" for at in range(60)], object
)


@pytest.mark.parametrize(
    "front",
    [
        lambda: [feature_extraction.text.TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2))],
        lambda: [feature_extraction.text.CountVectorizer(binary=True)],
        lambda: [feature_extraction.text.CountVectorizer(), feature_extraction.text.TfidfTransformer(norm="l1")],
    ],
)
def test_texts_are_counted_as_the_pipeline_counts(front: Any) -> None:
    labels = (np.arange(60) % 3 == 0).astype(int)
    target = of_estimator(piped(*front(), linear_model.LogisticRegression()).fit(TEXTS, labels), "m", "", TEXTS)
    assert (target.shape, target.dtype, target.output) == ((), object, Output.LOGITS)
    assert target.words is not None and target.refit is not None
    words = target.words()
    counts = np.zeros((60, len(words.vocabulary)))
    for row, text in zip(counts, TEXTS, strict=True):
        for token in words.tokens(text):
            row[words.vocabulary[token]] += 1
    counts = (counts > 0).astype(float) if words.binary else counts
    with np.errstate(divide="ignore"):
        counts = np.where(counts > 0, 1 + np.log(counts), 0) if words.sublinear else counts
    counts = counts * words.factor
    if words.norm:
        counts /= np.linalg.norm(counts, ord=int(words.norm[1]), axis=1, keepdims=True)
    np.testing.assert_allclose(counts @ words.weights + words.bias, target.scores(TEXTS), atol=1e-9)
    made = target.refit(TEXTS[:40], labels[:40], seed=0)
    assert (made.labels(TEXTS) == labels).all() and made.words is not None


class Bomb:
    """Does something when it is loaded."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("went-off"),))


def test_a_pickle_is_loaded_only_where_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UsageError, match="--trust"):
        open_target("bomb.pkl")
    with pytest.raises(UsageError, match=r"calls pathlib\.Path\.touch while it is loaded"):
        open_target("bomb.pkl", trust=True)
    assert not (tmp_path / "went-off").exists()
    joblib.dump(linear_model.LogisticRegression().fit(X, Y), "m.joblib")
    target = open_target("m.joblib", data=Data(form=Form.TABLE, digest="", x_test=X), trust=True)
    assert target.linear is not None and len(target.digest) == 64
    for raw in (b"", b"nothing", b"\x80\x04K\x01."):
        (tmp_path / "m.pkl").write_bytes(raw)
        with pytest.raises(UsageError, match=r"m\.pkl"):
            open_target("m.pkl", trust=True)


@pytest.mark.parametrize(
    ("raw", "called"),
    [
        (b"cposix\nsystem\n(S'touch went-off'\ntR.", "posix.system"),
        (b"\x80\x04\x8c\x08builtins\x94\x8c\x04eval\x94\x93\x8c\x011\x85R.", "builtins.eval"),
        (b"\x80\x04\x8c\x06joblib\x94\x8c\x09os.system\x94\x93\x8c\x0etouch went-off\x85R.", "joblib.os.system"),
        (b"(S'touch went-off'\nios\nsystem\n.", "os.system"),
    ],
)
def test_what_no_model_calls_is_not_called_even_with_trust(raw: bytes, called: str, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(raw)
    with pytest.raises(UsageError, match=rf"m\.pkl calls {re.escape(called)} while"):
        open_target(str(tmp_path / "m.pkl"), trust=True)
    (tmp_path / "packed.joblib").write_bytes(zlib.compress(raw))
    with pytest.raises(UsageError, match=rf"packed\.joblib calls {re.escape(called)} while"):
        open_target(str(tmp_path / "packed.joblib"), trust=True)


def test_a_skops_file_is_loaded_without_trust_unless_it_holds_strange_types(tmp_path: Path) -> None:
    skops.io.dump(tree.DecisionTreeClassifier().fit(X, Y), tmp_path / "m.skops")
    assert open_target(str(tmp_path / "m.skops")).forest is not None
    for name in ("boosting", "histograms"):
        skops.io.dump(TREES[name]().fit(X, Y), tmp_path / "m.skops")
        assert open_target(str(tmp_path / "m.skops")).forest is not None
    model = piped(preprocessing.FunctionTransformer(opened), linear_model.LogisticRegression())
    model.steps[1][1].fit(X, Y)
    skops.io.dump(model, tmp_path / "odd.skops")
    with pytest.raises(UsageError, match="not known to be harmless"):
        open_target(str(tmp_path / "odd.skops"))
    (tmp_path / "m.skops").write_bytes(b"PK")
    with pytest.raises(UsageError, match="not a skops file"):
        open_target(str(tmp_path / "m.skops"))


def test_a_tree_that_leads_out_of_itself_is_refused(tmp_path: Path) -> None:
    for field, value in (("left_child", 0), ("right_child", 10**6), ("feature", 77)):
        model = ensemble.RandomForestClassifier(2, random_state=0).fit(X, Y)
        state = model.estimators_[1].tree_.__getstate__()
        state["nodes"] = state["nodes"].copy()
        state["nodes"][field][0] = value
        model.estimators_[1].tree_.__setstate__(state)
        skops.io.dump(model, tmp_path / "m.skops")
        with pytest.raises(UsageError, match="does not hold together"):
            open_target(str(tmp_path / "m.skops"))


def test_what_is_no_classifier_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="LinearRegression, not a classifier"):
        of_estimator(linear_model.LinearRegression().fit(X, Y), "m", "", X)
    with pytest.raises(UsageError, match="not a classifier that was fitted"):
        of_estimator(tree.DecisionTreeClassifier(), "m", "", X)
    with pytest.raises(UsageError, match="rows of 5 columns"):
        of_estimator(tree.DecisionTreeClassifier().fit(X, Y), "m", "", X[:, :3])
