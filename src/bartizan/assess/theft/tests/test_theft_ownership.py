"""Keys tell a copy from a model that was trained on its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("change", [{"independent_matches": []}, {"independent_matches": [10**6] * 20}, {"model": 0}])
def test_what_others_made_up_as_keys_is_one_sentence(owned: tuple[Target, Keys], change: dict[str, object]) -> None:
    """Counts that no model can have met, none at all, and a file that is none."""
    _, keys = owned
    content = b"no archive" if "model" in change else keys.content()
    made_up = keys.as_json() | {"keys_sha256": sha256(content).hexdigest()} | change
    with pytest.raises(UsageError):
        from_files(made_up, content)


def test_without_labels_or_training_there_are_no_keys() -> None:
    target = Refit()(X[:300], Y[:300], 0)
    with pytest.raises(UsageError, match="trained anew"):
        keys_for(target, Data(Form.TABLE, "", X, None), How(0.0))
    with pytest.raises(UsageError, match="raise --budget"):
        keys_for(target, Data(Form.TABLE, "", X, Y), How(0.0, budget=Budget(0.0)))


def boosted(path: Path, rows: Array, labels: Array, leaf: int) -> Path:
    """A model file of somebody's."""
    given = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "min_data_in_leaf": leaf}
    lightgbm.train(given, lightgbm.Dataset(rows, labels, params=given), 20).save_model(path)
    return path


def test_the_command_claims_copies_alone(owned: tuple[Target, Keys], tmp_path: Path) -> None:
    """A boosted model of other rows is none; what has learnt the keys' labels is, if the keys are the older ones."""
    from bartizan.doors.assess.ownership import _committed, claim, committed

    _, keys = owned
    commitment = tmp_path / "ownership.json"
    (tmp_path / "keys.npz").write_bytes(keys.content())
    commitment.write_bytes(as_bytes(keys.as_json()))
    stranger = boosted(tmp_path / "stranger.txt", X[300:600], Y[300:600], 5)
    copy = boosted(tmp_path / "copy.txt", keys.rows, keys.labels, 1)

    def claimed(suspect: Path, *more: str) -> dict[str, Any]:
        command = [str(tmp_path), str(suspect), "--home", str(tmp_path / "home"), "--format", "json", *more]
        found = CliRunner().invoke(claim, command, standalone_mode=False)
        if found.exception is not None:
            raise found.exception
        told: dict[str, Any] = json.loads(found.stdout)
        assert found.return_value == int(told["claimed"])
        return told

    assert claimed(stranger)["claimed"] is False
    unproved = claimed(copy)
    assert (unproved["claimed"], unproved["committed"]) == (True, None)
    assert claimed(copy, "--appeared", "2999-01-01")["claimed"] is False
    _committed(tmp_path / "home", keys.as_json())
    proved = claimed(copy, "--appeared", "2999-01-01")
    assert proved["claimed"] is True
    assert proved["committed"]["faults"] == 0
    assert claimed(copy, "--appeared", "2020-01-01")["claimed"] is False
    _committed(tmp_path / "home", {**keys.as_json(), "model": "ab" * 32})
    known = committed(tmp_path / "home", "ab" * 32)
    assert known is not None and known["keys"] == len(keys.labels) and "bartizan assess claim" in known["sentence"]
    assert committed(tmp_path / "home", "cd" * 32) is None and committed(tmp_path / "nowhere", "ab" * 32) is None
    told = json.loads(commitment.read_bytes()) | {"independent_matches": [1] * len(keys.independent)}
    commitment.write_bytes(as_bytes(told))
    assert claimed(copy)["committed"] is None
    (tmp_path / "keys.npz").write_bytes(keys.content() + b"x")
    with pytest.raises(UsageError, match=r"keys\.npz"):
        claimed(copy)
