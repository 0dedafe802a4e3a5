"""Hardening against leaks, theft and poison: what is written says less, and nobody is asked twice to stop."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.target import Output, Target
from bartizan.assess.targets.onnx import open_onnx
from bartizan.core.errors import UsageError
from bartizan.harden.answers import Said, quieter, said
from bartizan.harden.hardening import harden
from bartizan.harden.letters import fit, spellings
from bartizan.harden.privacy import alarms, mixtures
from bartizan.harden.private import train
from bartizan.harden.stopping import interruptible


@pytest.fixture(scope="module")
def data() -> Data:
    """Three classes that one of three columns tells."""
    chance = np.random.default_rng(0)
    x, y = chance.random((240, 3)).astype(np.float32) * 0.6, chance.integers(0, 3, 240)
    x[np.arange(240), y] += 1
    return Data(Form.TABLE, "", x[:160], y[:160], x[160:], y[160:])


@pytest.fixture(scope="module")
def target(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """Its logits are its rows, four times as large."""
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    weights = numpy_helper.from_array(4 * np.eye(3, dtype=np.float32), "w")
    inside = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    outside = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "net", [inside], [outside], [weights])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return open_onnx(path, data.x_test)


@pytest.mark.parametrize("way", list(Said))
def test_a_file_that_says_less_gives_the_same_labels(target: Target, data: Data, way: Said) -> None:
    assert data.x_test is not None
    content, opened = quieter(target, data, way)
    assert content
    wanted = said(target.scores(data.x_test), Output.LOGITS, way)
    assert np.allclose(opened.scores(data.x_test), wanted, atol=1e-4)
    assert (opened.labels(data.x_test) == target.labels(data.x_test)).all()
    assert len(np.unique(np.round(wanted, 5))) <= 30


def test_training_with_differential_privacy_still_learns(target: Target, data: Data) -> None:
    assert data.x_train is not None and data.y_train is not None and data.x_test is not None
    made, noise = train(target, data.x_train, data.y_train, 0, 8.0, 1e-3, 5.0)
    assert noise > 0.3
    assert (made.labels(data.x_test) == data.y_test).mean() > 0.6


def test_mixtures_keep_the_mixed_labels() -> None:
    x, y = np.eye(4, dtype=np.float32), np.arange(4)
    rows, soft = mixtures(x, y, 4, 0)
    assert np.allclose(rows, soft)
    assert (soft[np.arange(4), y] >= 0.5).all()


def test_clean_data_leaves_nothing_to_leave_out(target: Target, data: Data) -> None:
    how = How(0.1, budget=Budget(20))
    with pytest.raises(UsageError, match="nothing to leave out"):
        harden(target, data, how, against="poison")


def test_members_must_be_known(target: Target, data: Data) -> None:
    pool = replace(data, x_pool=data.x_test + 1, y_pool=data.y_test)
    with pytest.raises(UsageError, match=r"who is a member|candidate rows"):
        harden(target, pool, How(0.1, budget=Budget(5)), against="privacy")


def test_few_others_are_more_alarms_than_promised() -> None:
    """Of 1,000 others one in a hundred may be above the bound; of 50 it is three."""
    assert alarms(np.arange(2000) < 1000) == (10, 1000)
    assert alarms(np.arange(100) < 50) == (3, 50)


def test_members_alone_make_no_rate(target: Target, data: Data) -> None:
    assert data.x_train is not None and data.x_test is not None and data.y_train is not None
    x = np.concatenate([data.x_train[:97], data.x_test[:3]])
    pool = replace(data, x_pool=x, y_pool=np.zeros(len(x), np.int64))
    with pytest.raises(UsageError, match="too few"):
        harden(target, pool, How(0.1, budget=Budget(5.0)), against="privacy")


def test_the_worst_spelling_decides() -> None:
    """One sure piece beside several weaker ones: no single edited word may turn a text."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = np.array(["zzz prize cash winner", "zzz lunch meeting home"] * 20)
    texts = np.array([text.replace("zzz", "aaa" if at % 2 else "qqq") for at, text in enumerate(texts)])
    sign = np.array([1.0, -1.0] * 20)
    reads = CountVectorizer(analyzer="char_wb", ngram_range=(1, 2), strip_accents="ascii").fit(list(texts))
    known = spellings(reads, texts)
    found = fit(known, sign, np.ones(40, np.int64), 5.0, 60)
    for text, side in zip(texts[:2], sign[:2], strict=True):
        words = str(text).split()
        for at in range(len(words)):
            less = " ".join(words[:at] + words[at + 1 :])
            assert side * float((reads.transform([less]) @ found.weights)[0] + found.bias) > 0


def test_the_first_interrupt_asks_to_stop_and_the_second_ends(tmp_path: Path) -> None:
    heard: list[str] = []
    with interruptible(heard.append) as stopped:
        assert not stopped()
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert len(heard) == 1
