"""Keys tell a copy from a model that was trained on its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.ensemble import ExtraTreesClassifier

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.evidence import as_bytes
from bartizan.assess.how import How
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.theft.ownership import CLAIM, Keys, from_files, keys_for, matches, p_value
from bartizan.core.errors import UsageError

CHANCE = np.random.default_rng(4)
X = CHANCE.normal(size=(700, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] + CHANCE.normal(size=700) * 0.5 > 0).astype(np.int64)


@dataclass(frozen=True)
class Refit:
    """Small forests."""

    recipe: str = "12 trees"

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        model = ExtraTreesClassifier(12, random_state=seed, min_samples_leaf=3).fit(x, y)
        return Target("forest", "callable", "", (6,), 2, Output.PROBABILITIES, model.predict_proba, refit=self)


@pytest.fixture(scope="module")
def owned() -> tuple[Target, Keys]:
    target = Refit()(X[:300], Y[:300], 0)
    data = Data(Form.TABLE, "", X[:600], Y[:600], X[600:], Y[600:])
    return target, keys_for(target, data, How(0.0, budget=Budget(600)))


def test_the_model_itself_is_claimed_and_others_are_not(owned: tuple[Target, Keys]) -> None:
    """Of thirty independent models that chose no key, and of one that nobody has seen."""
    target, keys = owned
    assert len(keys.independent) == 30
    assert p_value(matches(target, keys.rows, keys.labels), keys.independent) < CLAIM
    stranger = Refit()(X[300:600], Y[300:600], 999)
    assert p_value(matches(stranger, keys.rows, keys.labels), keys.independent) > CLAIM
    assert keys.false_claims.hits <= 1
    assert {"copied as it is", "distilled, 300 queries"} <= set(keys.survives)


def test_keys_are_read_only_with_their_commitment(owned: tuple[Target, Keys], tmp_path: Path) -> None:
    """One changed byte, and nothing is claimed."""
    _, keys = owned
    content = keys.content()
    again = from_files(keys.as_json(), content)
    assert (again.rows == keys.rows).all()
    assert again.independent == keys.independent
    for commitment, held in ((keys.as_json(), content + b"x"), ({}, content), (None, content)):
        with pytest.raises(UsageError):
            from_files(commitment, held)


def test_without_labels_or_training_there_are_no_keys() -> None:
    target = Refit()(X[:300], Y[:300], 0)
    with pytest.raises(UsageError, match="trained anew"):
        keys_for(target, Data(Form.TABLE, "", X, None), How(0.0))
    with pytest.raises(UsageError, match="raise --budget"):
        keys_for(target, Data(Form.TABLE, "", X, Y), How(0.0, budget=Budget(0.0)))


def test_the_command_claims_copies_alone(owned: tuple[Target, Keys], tmp_path: Path) -> None:
    """A boosted model of other rows is none; changed keys claim nothing."""
    from bartizan.doors.assess.ownership import claim

    _, keys = owned
    (tmp_path / "keys.npz").write_bytes(keys.content())
    (tmp_path / "ownership.json").write_bytes(as_bytes(keys.as_json()))
    stranger = lightgbm.train(
        {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5},
        lightgbm.Dataset(X[300:600], Y[300:600]),
        20,
    )
    stranger.save_model(tmp_path / "model.txt")
    command = [str(tmp_path), str(tmp_path / "model.txt"), "--format", "json"]
    found = CliRunner().invoke(claim, command, standalone_mode=False)
    assert found.exception is None
    assert found.return_value == 0
    assert json.loads(found.stdout)["claimed"] is False
    (tmp_path / "keys.npz").write_bytes(keys.content() + b"x")
    changed = CliRunner().invoke(claim, command, standalone_mode=False)
    assert isinstance(changed.exception, UsageError)
