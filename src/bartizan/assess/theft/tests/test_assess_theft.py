"""A copy is written, judged on rows the thief never saw, and says what it cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.theft.answers import Answers, told
from bartizan.assess.theft.measure import measure
from bartizan.assess.theft.result import Theft, price_of
from bartizan.core.errors import UsageError

CHANCE = np.random.default_rng(3)


def table(output: Output = Output.LOGITS, cap: int | None = None) -> tuple[Target, Data]:
    """A line with three classes over six numbers, some missing, and rows of it."""
    weights = CHANCE.normal(size=(6, 3))

    def answer(x: Array) -> Array:
        scores = np.asarray(np.nan_to_num(x) @ weights * 2, np.float64)
        return np.eye(3)[scores.argmax(axis=1)] if output is Output.LABELS else scores

    target = Target("line", "callable", "", (6,), 3, output, answer, cap=cap, takes_nan=True)
    rows = CHANCE.normal(size=(900, 6)).astype(np.float32)
    rows[::50, 2] = np.nan
    data = Data(Form.TABLE, "", rows[:600], np.zeros(600, np.int64), rows[600:], np.zeros(300, np.int64))
    target.queries = 0
    return target, data


def judged_again(path: Path, target: Target, rows: Array) -> float:
    """What a stranger finds: how often the file gives the model's label."""
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: rows})[0]
    return float((found.argmax(axis=1) == target.labels(rows)).mean())


@pytest.fixture(scope="module")
def stolen() -> tuple[Theft, Target, Data]:
    """A table's model, copied once."""
    target, data = table()
    return measure(target, data, How(0.1, budget=Budget(600), price=2.0)), target, data


def test_a_stranger_finds_the_fidelity_that_is_reported(stolen: tuple[Theft, Target, Data], tmp_path: Path) -> None:
    """For every copy on the curve, from the files alone."""
    theft, target, data = stolen
    assert data.x_test is not None
    assert "stolen.onnx" in theft.write(tmp_path)
    for point in theft.points:
        found = judged_again(tmp_path / point.file, target, data.x_test)
        assert found == pytest.approx(point.fidelity.share, abs=0.005)
    assert theft.stolen.queries == 300
    assert theft.stolen.fidelity.share >= 0.95


def test_the_section_has_what_is_drawn(stolen: tuple[Theft, Target, Data]) -> None:
    """Curve, prices in queries and money, defences with the labels they change."""
    section = stolen[0].as_json()
    curve = section["curve"]
    assert isinstance(curve, list)
    assert {"queries", "fidelity", "pool", "answers"} <= set(curve[0])
    assert {one["pool"] for one in curve} == {"own", "look-alike", "random"}
    prices, defences = section["prices"], section["defences"]
    assert isinstance(prices, list)
    assert isinstance(defences, list)
    assert prices[0]["money"] == pytest.approx(prices[0]["queries"] * 2 / 1000)
    assert [one["answers"] for one in defences] == ["soft", "rounded", "top1", "labels", "noise"]
    assert "300 rows" in stolen[0].sentence()


def test_test_rows_are_never_asked_by_the_thief(stolen: tuple[Theft, Target, Data]) -> None:
    """The model is asked each row of the pool once, and the test rows to judge; without time the best copy is told."""
    _, _, data = stolen
    target, _ = table()
    seen: list[Array] = []
    answer = target.answer
    target.answer = lambda x: (seen.append(x), answer(x))[1]
    theft = measure(target, data, How(0.1, budget=Budget(0.0)))
    assert theft.stolen.fidelity.share == max(one.fidelity.share for one in theft.points)
    assert data.x_test is not None
    asked = np.concatenate(seen)
    assert len(asked) == len(data.x_test) + 300
    judged = {row.tobytes() for row in data.x_test}
    assert sum(row.tobytes() in judged for row in asked) == len(data.x_test)


def test_a_model_of_labels_is_copied_from_labels() -> None:
    """There is nothing to defend, and the report says what the answers were."""
    target, data = table(Output.LABELS)
    theft = measure(target, data, How(0.1, budget=Budget(0.0)))
    assert theft.stolen.answers == "labels"
    assert not theft.defences
    assert theft.stolen.fidelity.share > 0.8
    assert any("labels only" in one for one in theft.notes)


def test_a_cap_of_queries_ends_in_the_best_copy_so_far() -> None:
    """And in one sentence where it allows no copy at all."""
    target, data = table(cap=300 + 250)
    theft = measure(target, data, How(0.1, budget=Budget(5.0)))
    assert theft.stolen.queries == 200
    assert target.queries <= 550
    target, data = table(cap=310)
    with pytest.raises(UsageError, match="limit of queries"):
        measure(target, data, How(0.1, budget=Budget(5.0)))


def test_without_rows_to_ask_with_there_is_one_sentence() -> None:
    """The test rows are for judging."""
    target, data = table()
    with pytest.raises(UsageError, match="x_pool or x_train"):
        measure(target, Data(Form.TABLE, "", x_test=data.x_test), How(0.1))


@pytest.mark.parametrize("kind", list(Answers))
def test_what_a_defence_leaves_is_a_distribution_with_the_same_label(kind: Answers) -> None:
    """Noise may change the label, nothing else may."""
    p = CHANCE.dirichlet(np.ones(4) * 0.5, 200)
    left = told(p, kind, 1)
    assert left.sum(axis=1) == pytest.approx(np.ones(200))
    assert kind is Answers.NOISY or (left.argmax(axis=1) == p.argmax(axis=1)).all()


def test_a_price_lies_between_the_copies_beside_it() -> None:
    """On a scale of factors; none where no copy got there, the first where it is already enough."""
    points = [(100, 0.85), (300, 0.95), (900, 0.97)]
    assert price_of(0.9, points) == round(100 * 3**0.5)
    assert price_of(0.95, points) == 300
    assert price_of(0.99, points) is None
    assert price_of(0.8, points) == 100
