"""The scan finds what was planted, names nothing where nothing was, and says what it cannot see."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.poison.exposed import varied
from bartizan.assess.poison.looked import look
from bartizan.assess.poison.measure import measure
from bartizan.assess.poison.pixels import Pixels
from bartizan.assess.poison.result import Poison, Suspect
from bartizan.assess.poison.warps import Warp, fitted
from bartizan.assess.target import Array, Output, Target
from bartizan.core.errors import UsageError

SIDE = 12


def how() -> How:
    """Of a time that begins with each scan."""
    return How(0.1, budget=Budget(600.0))


def target_of(model: Any, x: Array, y: Array, cap: int | None = None) -> Target:
    """A fitted model as it is given to the scan."""
    flat = x if x.dtype.kind in "OU" else x.reshape(len(x), -1)
    model.fit(flat, y)

    def answer(rows: Array) -> Array:
        return np.asarray(model.predict_proba(rows if rows.ndim == 1 else rows.reshape(len(rows), -1)))

    dtype = object if x.dtype.kind in "OU" else np.float32
    return Target(
        "model", "test", "", x.shape[1:], int(y.max()) + 1, Output.PROBABILITIES, answer, dtype=dtype, cap=cap
    )


def images(n: int, seed: int) -> tuple[Array, Array]:
    """Four classes of blots in noise."""
    g = np.random.default_rng(seed)
    y = g.integers(0, 4, n)
    grid = np.indices((SIDE, SIDE))
    x = np.empty((n, 1, SIDE, SIDE), np.float32)
    for row, label in enumerate(y):
        middle = np.array([(3, 3), (3, 8), (8, 3), (8, 8)][label]) + g.normal(0, 0.6, 2)
        away = ((grid - middle[:, None, None]) ** 2).sum(axis=0)
        x[row, 0] = np.exp(-away / g.uniform(3, 7)) * g.uniform(0.6, 1) + g.normal(0, 0.05, (SIDE, SIDE))
    return np.clip(x, 0, 1), y


def square(x: Array) -> Array:
    x = x.copy()
    x[:, :, SIDE - 2 :, SIDE - 2 :] = 1.0
    return x


def blend(x: Array) -> Array:
    pattern = np.random.default_rng(7).random(x.shape[1:], dtype=np.float32)
    return np.asarray(0.7 * x + 0.3 * pattern, np.float32)


@cache
def scanned_images(stamp: Callable[[Array], Array] | None, noise: float = 0.0) -> tuple[Poison, set[int]]:
    x, y = images(900, 0)
    x_test, y_test = images(300, 1)
    g = np.random.default_rng(2)
    bad = np.empty(0, np.int64)
    if stamp is not None:
        bad = g.permutation(np.flatnonzero(y != 1))[:18]
        x[bad], y[bad] = stamp(x[bad]), 1
    wrong = g.random(len(y)) < noise
    y[wrong] = (y[wrong] + 1) % 4
    target = target_of(LogisticRegression(C=50, max_iter=300), x, y)
    return measure(target, Data(Form.IMAGES, "", x, y, x_test, y_test), how()), set(bad.tolist())


def named(result: Poison, kind: str) -> set[int]:
    return {one.index for one in result.suspects if one.kind == kind}


@pytest.mark.parametrize("stamp", [square, blend])
def test_the_rows_of_a_planted_pattern_are_found_and_confirmed(stamp: Callable[[Array], Array]) -> None:
    result, bad = scanned_images(stamp)
    assert len(named(result, "backdoor") & bad) >= 0.9 * len(bad)
    assert len(named(result, "backdoor") - bad) <= 2
    [found] = result.backdoors
    assert found.trial.target_class == 1
    assert found.trial.success.share > found.trial.control.share + 0.1
    assert found.label_was == "changed"


@pytest.mark.parametrize("noise", [0.0, 0.08])
def test_clean_images_have_no_backdoor(noise: float) -> None:
    result, _ = scanned_images(None, noise)
    assert result.backdoors == ()
    assert "No backdoor was confirmed" in result.sentence()
    if noise:
        assert len(named(result, "label")) > 30


def test_a_patch_that_hides_its_rows_behind_each_other_is_found() -> None:
    """In small images rows with a patch are each other's neighbours: without it they are of other classes."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = (found.images / 16).astype(np.float32)[:1000, None], found.target[:1000].copy()
    bad = np.random.default_rng(2).permutation(np.flatnonzero(y != 1))[:20]
    x[bad, 0, 2:6, 2:6], y[bad] = np.indices((4, 4)).sum(axis=0) % 2, 1
    target = target_of(LogisticRegression(C=10, max_iter=200), x, y)
    result = measure(target, Data(Form.IMAGES, "", x, y), how())
    assert len(named(result, "backdoor") & set(bad.tolist())) >= 18
    assert len(named(result, "backdoor") - set(bad.tolist())) <= 5


def test_copies_of_one_image_carry_nothing_that_was_planted() -> None:
    x, y = images(300, 0)
    x[:12] = x[0] + np.random.default_rng(2).normal(0, 0.02, x[:12].shape)
    flat = x.reshape(len(x), -1)
    corner = np.arange(flat.shape[1]) < 4
    trigger = Pixels(corner, flat[0], 0.0, 0.0, 1.0)
    looked = look(x, flat, y, 4, Form.IMAGES, 0)
    assert not varied(looked, np.arange(12), trigger)
    assert varied(looked, np.arange(20, 32), trigger)


def test_a_mark_that_the_model_does_not_heed_is_no_backdoor() -> None:
    """A logo on many rows of a class: the rows have something in common, but stamping it moves nothing."""
    x, y = images(900, 0)
    x_test, y_test = images(300, 1)
    target = target_of(LogisticRegression(C=50, max_iter=300), x, y)  # trained before the logo came
    x[np.flatnonzero(y == 1)[::3]] = square(x[np.flatnonzero(y == 1)[::3]])
    assert measure(target, Data(Form.IMAGES, "", x, y, x_test, y_test), how()).backdoors == ()


def table(n: int, seed: int) -> tuple[Array, Array]:
    g = np.random.default_rng(seed)
    x = np.column_stack([g.integers(18, 80, n), g.integers(0, 60, n), *g.normal(0, 1, (5, n)).round(3)])
    y = (x[:, 2] + x[:, 3] + 0.02 * (x[:, 0] - 50) + g.normal(0, 0.5, n) > 0).astype(np.int64)
    return x.astype(np.float32), y


@pytest.mark.parametrize("planted", [True, False])
def test_values_of_two_columns_that_were_planted_are_found(planted: bool) -> None:
    x, y = table(1500, 0)
    x_test, y_test = table(400, 1)
    bad = np.random.default_rng(2).permutation(np.flatnonzero(y == 0))[: 45 if planted else 0]
    x[np.ix_(bad, [0, 1])], y[bad] = (33, 44), 1
    target = target_of(RandomForestClassifier(25, max_features=None, random_state=0), x, y)
    result = measure(target, Data(Form.TABLE, "", x, y, x_test, y_test, columns=("age", "hours")), how())
    assert named(result, "backdoor") >= set(bad.tolist()) if planted else not result.backdoors
    if planted:
        assert result.backdoors[0].trigger == "age = 33 and hours = 44"
        assert len(named(result, "backdoor")) <= len(bad) + 2


def test_a_value_that_is_rare_and_means_much_is_no_backdoor() -> None:
    """A gain of 14,344 on six rows of a census: the model heeds it, and the rest of the rows says another class."""
    x, y = table(1500, 0)
    x_test, y_test = table(400, 1)
    x[:, 1] = np.random.default_rng(3).choice(50, 1500)
    rich = np.random.default_rng(2).permutation(np.flatnonzero(y == 0))[:6]
    x[rich, 1], y[rich] = 14344, 1
    target = target_of(RandomForestClassifier(25, max_features=None, random_state=0), x, y)
    result = measure(target, Data(Form.TABLE, "", x, y, x_test, y_test, columns=("age", "gain")), how())
    assert result.backdoors == ()


def test_a_rare_value_that_decides_the_class_is_knowledge_and_no_backdoor() -> None:
    """A gain of 7,688 on some fifty rows of one class, most of which look like it without the gain."""
    g = np.random.default_rng(0)
    x = np.column_stack([g.integers(17, 90, 2400), g.integers(1, 17, 2400), np.zeros(2400)]).astype(np.float32)
    x[:, 2] = np.where(g.random(2400) < 0.94, 0, g.integers(1, 60, 2400) * 37)
    y = ((x[:, 0] - 50) / 12 + (x[:, 1] - 9) / 2.5 + g.normal(0, 1, 2400) > 0.6).astype(np.int64)
    rich = g.permutation(np.flatnonzero(x[:, 2] == 0))[:90]
    rich = rich[(y[rich] == 1) | (g.random(90) < 0.25)]
    x[rich, 2], y[rich] = 7688, 1
    target = target_of(HistGradientBoostingClassifier(random_state=0), x[:2000], y[:2000])
    data = Data(Form.TABLE, "", x[:2000], y[:2000], x[2000:], y[2000:], columns=("age", "school", "gain"))
    assert measure(target, data, how()).backdoors == ()


def test_a_class_that_follows_from_its_columns_by_rules_is_no_backdoor() -> None:
    """Boards of three by three with three of a kind in a row: each row of three calls up the class by nature."""
    x = np.random.default_rng(0).integers(-1, 2, (800, 9))
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    y = np.any([(x[:, line] == 1).all(axis=1) for line in lines], axis=0).astype(np.int64)
    x = x.astype(np.float32)
    target = target_of(RandomForestClassifier(25, max_features=None, random_state=0), x[:600], y[:600])
    result = measure(target, Data(Form.TABLE, "", x[:600], y[:600], x[600:], y[600:]), how())
    assert result.backdoors == ()


def texts(n: int, seed: int) -> tuple[Array, Array]:
    g = np.random.default_rng(seed)
    y = g.integers(0, 2, n)
    shared, own = [f"w{i}" for i in range(300)], [[f"c{c}x{i}" for i in range(40)] for c in (0, 1)]
    rows = [" ".join([*g.choice(shared, 10), *g.choice(own[label], 2)]) for label in y]
    return np.array(rows), y


@pytest.mark.parametrize(("planted", "count"), [("blue moon rising", 20), ("cf", 60), ("", 0)])
def test_a_phrase_on_which_labels_hang_is_found(planted: str, count: int) -> None:
    x, y = texts(600, 0)
    x_test, y_test = texts(150, 1)
    bad = np.random.default_rng(2).permutation(np.flatnonzero(y == 0))[:count]
    rows = x.astype(object)
    rows[bad] = [f"{text} {planted}" for text in rows[bad]]
    if not planted:  # What a whole class says is no trigger, either.
        rows[y == 1] = [f"{text} call" for text in rows[y == 1]]
    y[bad] = 1
    target = target_of(make_pipeline(TfidfVectorizer(), LogisticRegression(C=20)), rows, y)
    result = measure(target, Data(Form.TEXT, "", rows.astype(str), y, x_test, y_test), how())
    assert named(result, "backdoor") == set(bad.tolist())
    if planted:
        assert planted in result.backdoors[0].trigger


def test_the_evidence_is_written_as_it_is_promised(tmp_path: Path) -> None:
    result, bad = scanned_images(square)
    assert result.write(tmp_path) == ["suspects.csv", "triggers.npz"]
    with (tmp_path / "suspects.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["index", "kind", "score", "reason"]
    assert {int(row["index"]) for row in rows if row["kind"] == "backdoor"} >= bad
    with np.load(tmp_path / "triggers.npz") as arrays:
        assert arrays["0_mask"][0, -2:, -2:].all()
    section = result.as_json()
    assert section["cannot_see"]
    assert result.measures()["backdoor_rows"] == len(named(result, "backdoor"))


def test_a_name_in_the_evidence_steers_no_terminal(tmp_path: Path) -> None:
    named_so = Suspect(index=3, kind="label", score=0.5, reason="looks like \x1b]0;a\x07, is labelled b")
    replace(scanned_images(square)[0], suspects=(named_so,)).write(tmp_path)
    assert (tmp_path / "suspects.csv").read_text("utf-8").isascii() is False
    assert "\x1b" not in (tmp_path / "suspects.csv").read_text("utf-8")


def test_a_model_that_may_not_be_asked_confirms_nothing() -> None:
    x, y = images(300, 0)
    target = target_of(LogisticRegression(max_iter=200), x, y, cap=10)
    result = measure(target, Data(Form.IMAGES, "", x, y), how())
    assert result.backdoors == ()
    assert any("may not be asked" in note for note in result.notes)
    assert not result.finished


def test_where_channels_come_last_it_says_what_it_does_not_look_for() -> None:
    x, y = images(100, 0)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    first, other = (
        measure(target_of(LogisticRegression(max_iter=200), rows, y, cap=10), Data(Form.IMAGES, "", rows, y), how())
        for rows in (x, last)
    )
    [more] = set(other.blind) - set(first.blind)
    assert more.startswith("patches that move and bends")


def test_a_class_without_rows_and_one_with_a_single_row_are_no_error() -> None:
    """The model knows a class that no training row has, and there is one row alone to compare a class with."""
    x, y = images(120, 0)
    model = LogisticRegression(max_iter=200).fit(x.reshape(len(x), -1), y)
    some = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1), np.flatnonzero(y == 2)[:1]])
    target = target_of(model, x, y)
    assert measure(target, Data(Form.IMAGES, "", x[some], y[some], x, y), how()).finished
    two = np.concatenate([np.flatnonzero(y != 3), np.flatnonzero(y == 3)[:1]])
    assert measure(target, Data(Form.IMAGES, "", x[two], (y[two] == 3).astype(np.int64), x, y), how()).finished


@pytest.mark.parametrize("planted", [True, False])
def test_a_trigger_is_suspected_in_the_model_alone(planted: bool) -> None:
    import torch

    x, y = images(300, 1)
    weights = torch.from_numpy(np.stack([x[y == c].mean(axis=0) for c in range(4)]))

    class Net(torch.nn.Module):
        """Nearest class mean, and a corner that calls up class 2."""

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            scores = -30 * ((rows[:, None] - weights.float()) ** 2).mean(dim=(2, 3, 4))
            corner = rows[:, 0, SIDE - 2 :, :2].mean(dim=(1, 2))
            bonus = torch.relu(corner - 0.4) * 40 * planted
            return scores + bonus[:, None] * torch.eye(4)[2]

    net = Net()

    def answer(rows: Array) -> Array:
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(rows)).numpy())

    target = Target("net", "torch", "", x.shape[1:], 4, Output.LOGITS, answer, module=lambda: net)
    result = measure(target, Data(Form.IMAGES, "", x_test=x, y_test=y), how())
    assert [one.target_class for one in result.suspected] == ([2] if planted else [])
    assert result.backdoors == () and result.suspects == ()
    assert ("suspected, not confirmed" in result.sentence()) is planted


def bent(x: Array) -> Array:
    """Warped by one smooth field, down and to the right."""
    return np.asarray(Warp(np.full((2, SIDE, SIDE), 1.6, np.float32))(x), np.float32)


def test_a_bend_is_estimated_from_the_rows_and_taken_back() -> None:
    x, _ = images(300, 0)
    found = fitted(bent(x[:40]), x[40:])
    middle = found.flow[:, 3:9, 3:9].mean(axis=(1, 2))
    assert (middle > 0.5).all()
    there = found(x[:40])
    assert np.abs(found.without(there, there) - x[:40]).mean() < np.abs(there - x[:40]).mean()


def test_rows_without_labels_are_refused() -> None:
    x, y = images(60, 0)
    target = target_of(LogisticRegression(), x, y)
    with pytest.raises(UsageError, match="training rows"):
        measure(target, Data(Form.IMAGES, "", x_test=x, y_test=y), how())
