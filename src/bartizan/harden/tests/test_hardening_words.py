"""Hardening texts and trees: what is kept in a file opens again and stands more."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.target import Array
from bartizan.assess.targets.opening import open_target
from bartizan.assess.targets.scikit import of_estimator, open_scikit
from bartizan.core.errors import UsageError
from bartizan.harden.text import SPEAKING, _speaking, harden_text
from bartizan.harden.trees import Room, harden_trees
from bartizan.harden.words import fit

SPAM, HAM = ("prize", "cash", "winner", "claim", "urgent"), ("lunch", "meeting", "home", "tomorrow", "thanks")
PLAIN = tuple(f"word{at}" for at in range(40))


def written(count: int, seed: int) -> tuple[Array, Array]:
    """Texts of twelve words, four of which speak for their class."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 2, count)
    texts = [
        " ".join(chance.permutation([*chance.choice(SPAM if label else HAM, 4), *chance.choice(PLAIN, 8)]))
        for label in labels
    ]
    return np.array(texts), labels


@pytest.fixture(scope="module")
def texts() -> Data:
    x, y = written(140, 0)
    x_test, y_test = written(40, 1)
    return Data(Form.TEXT, "", x, y, x_test, y_test)


def test_a_text_model_is_fitted_for_the_worst_edits(texts: Data, tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    assert texts.x_train is not None and texts.x_test is not None
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(list(texts.x_train), texts.y_train)
    target = of_estimator(model, "spam", "", texts.x_train[:8])
    made = harden_text(target, texts, How(0.1, budget=Budget(2)), 1.0)
    assert (made.opened.labels(texts.x_test) == texts.y_test).mean() > 0.9
    path = tmp_path / "hardened.skops"
    path.write_bytes(made.files["hardened.skops"])
    again = open_scikit(path, texts.x_test, False)
    assert np.allclose(again.scores(texts.x_test), made.opened.scores(texts.x_test))


def test_weight_is_spread_where_a_word_may_be_lost() -> None:
    """One word that tells all beside four that tell as much together: the worst edit must not decide."""
    from scipy.sparse import csr_matrix

    sign = np.tile([1.0, -1.0], 60)
    present = csr_matrix(np.where(sign[:, None] > 0, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]))
    found = fit(present, sign, np.ones(120, np.int64), np.random.default_rng(0), 120)
    scores = sign * (present @ found.weights + found.bias)
    worst = np.abs(found.weights).max()
    assert (scores - 2 * worst > 0).all()


def test_which_words_speak_for_a_class_is_the_same_in_every_process() -> None:
    """Of equals those that come first, not those that a set happens to give first."""
    words = [f"w{at}" for at in range(2 * SPEAKING)]
    found = _speaking(np.array([" ".join(words)] * 3 + ["other"] * 3), np.array([0] * 3 + [1] * 3))
    assert found[0] == words[:SPEAKING]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_trees_are_grown_again_on_changed_rows(tmp_path: Path, norm: str) -> None:
    import lightgbm

    chance = np.random.default_rng(0)
    x = chance.random((300, 4))
    y = (x[:, 0] > 0.5).astype(np.int64)
    x[:, 0] += np.where(y, 0.2, -0.2)
    told = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightgbm.train(told, lightgbm.Dataset(x, y), 8).save_model(tmp_path / "model.txt")
    data = Data(Form.TABLE, "", x[:240], y[:240], x[240:], y[240:])
    target = open_target(str(tmp_path / "model.txt"), data=data)
    how = How(0.1, norm=norm, budget=Budget(20))
    if norm == "l2":
        with pytest.raises(UsageError, match="linf"):
            harden_trees(target, data, how, 2.0)
        return
    made = harden_trees(target, data, how, 2.0)
    assert list(made.files) == ["hardened.txt"]
    assert (made.opened.labels(x[240:]) == y[240:]).mean() > 0.9
    assert "held_out" in made.details


def test_columns_that_may_not_move_do_not() -> None:
    x, chance = np.full((50, 3), 0.95), np.random.default_rng(0)
    moved = Room(np.array([1.0, 0.0, 1.0]), 0.1, 0.0, 1.0).corners(x, chance)
    assert (moved[:, 1] == 0.95).all()
    assert moved.max() <= 1.0
    assert moved[:, 0].min() == pytest.approx(0.85)
