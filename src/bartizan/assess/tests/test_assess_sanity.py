"""Model and data are looked at before anything is claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bartizan.assess.data import Data, Form
from bartizan.assess.sanity import agreement, check
from bartizan.assess.target import Output, Target
from bartizan.core.errors import UsageError

CHANCE = np.random.default_rng(3)
X = CHANCE.random((120, 4, 4)).astype(np.float32)
Y = (X[:, 0, 0] > 0.5).astype(np.int64) + (X[:, 0, 1] > 0.8)


def right(x: np.ndarray) -> np.ndarray:
    """A model that knows the rule."""
    return np.eye(3)[(x[:, 0, 0] > 0.5).astype(int) + (x[:, 0, 1] > 0.8)] * 3.0


def target(answer: Any = right, **more: Any) -> Target:
    return Target("model.onnx", "onnx", "", (4, 4), 3, Output.LOGITS, answer, **more)


def data(**more: Any) -> Data:
    return Data(**{"form": Form.IMAGES, "digest": "", "x_test": X, "y_test": Y, **more})


def changed(value: float) -> np.ndarray:
    x = X.copy()
    x[3, 1, 1] = value
    return x


def test_a_model_that_fits_its_data_passes() -> None:
    given, model = data(x_train=X, y_train=Y), target()
    check(given, model)
    assert given.notes == [] and model.notes == []


def test_rows_in_the_order_of_their_labels_are_named() -> None:
    order = np.argsort(Y, kind="stable")
    given = data(x_test=X[order], y_test=Y[order])
    check(given, target())
    assert "order of their labels" in given.notes[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"x_test": changed(np.nan)}, "1 of 120 test rows hold NaN"),
        ({"x_test": changed(np.inf)}, "hold infinity"),
        ({"x_test": changed(-0.2)}, "normalisation into the model"),
        ({"x_test": X * 255}, "divide by 255"),
        ({"x_test": X[:, 1:]}, "takes rows of shape"),
        ({"y_test": Y + 1}, "label 3"),
        ({"y_test": Y - 1}, "label -1"),
        ({"y_test": Y * 0}, "all test rows have the label 0"),
        ({"x_test": X[:49], "y_test": Y[:49]}, "49 test rows"),
        ({"x_pool": X[:5], "y_pool": Y[:5]}, "5 pool rows"),
        ({"x_test": None, "y_test": None}, "neither training nor test"),
        ({"y_test": CHANCE.permutation(Y)}, "assessing a broken model"),
        ({"y_test": (Y + 1) % 3}, "assessing a broken model"),
        ({"classes": tuple("abcd")}, "knows 3 classes"),
    ],
)
def test_data_that_does_not_fit_is_one_sentence(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        check(data(**more), target())
    assert "\n" not in str(raised.value)


def test_a_constant_model_and_one_of_nan_are_broken() -> None:
    with pytest.raises(UsageError, match="every row the label 0"):
        check(data(), target(lambda x: np.ones((len(x), 3))))
    with pytest.raises(UsageError, match="NaN or infinity for 120 rows"):
        check(data(), target(lambda x: np.full((len(x), 3), np.nan)))


def test_the_usual_mistakes_are_named() -> None:
    y = np.minimum(Y, 1)
    with pytest.raises(UsageError, match="labels count from 1"):
        check(data(y_test=y + 1), target(lambda x: np.eye(3)[np.minimum(right(x).argmax(1), 1)]))
    with pytest.raises(UsageError, match="pixels of 0 to 255"):
        check(data(), target(lambda x: right(x / 255) + np.array([0, 0, 0.1])))


def test_what_is_odd_but_bearable_is_noted() -> None:
    noise = np.random.default_rng(0)
    model = target(lambda x: right(x) + noise.normal(size=(len(x), 3)) * 0.1)
    check(data(), model)
    assert "the model is random" in model.notes[0]
    model = target(lambda x: right(x) + x.mean() * 9)
    check(data(), model)
    assert "rows beside it" in model.notes[0]
    model = target(lambda x: right(x) / 3)
    model.output = Output.PROBABILITIES
    check(data(), model)
    assert "probabilities, not logits" in model.notes[0]
    given = data(x_test=changed(np.nan))
    check(given, target(takes_nan=True))
    assert "missing values" in given.notes[0]


def test_agreement_of_chance_has_the_spread_that_it_has() -> None:
    labels, y = CHANCE.integers(0, 3, 90), CHANCE.choice(3, 90, p=[0.7, 0.2, 0.1])
    _, mean, spread = agreement(labels, y, 3)
    dealt = [(labels == CHANCE.permutation(y)).mean() for _ in range(4000)]
    assert mean == pytest.approx(np.mean(dealt), abs=0.005)
    assert spread == pytest.approx(np.std(dealt), rel=0.05)
