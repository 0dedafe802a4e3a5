"""Tables under a schema: what is reported is possible, what is proven holds against trying every possible row."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.__main__ import main
from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.relations import relation
from bartizan.assess.evasion.schema import draft, names_of, read_schema
from bartizan.assess.evasion.solved import solved
from bartizan.assess.forest import Forest, Tree
from bartizan.assess.how import How
from bartizan.assess.target import Linear, Output, Target
from bartizan.core.errors import UsageError

NAMES = ("open", "closed", "total", "red", "blue", "green", "age")
SCHEMA = """
columns:
  open: {type: int, min: 0, max: 4}
  closed: {type: int, min: 0, max: 4}
  total: {type: int, min: 0, max: 8}
  red: {type: one-hot, group: colour}
  blue: {type: one-hot, group: colour}
  green: {type: one-hot, group: colour}
  age: {type: int, min: 0, max: 5, direction: up, cost: 0.5}
relations:
  - total == open + closed
  - closed <= 1 + 2 * open
"""


def everything() -> np.ndarray:
    """All rows that are possible."""
    rows = [
        (a, b, a + b, *colour, age)
        for a, b, colour, age in product(range(5), range(5), np.eye(3).tolist(), range(6))
        if b <= 1 + 2 * a
    ]
    return np.array(rows, np.float32)


def stump(rng: np.random.Generator) -> Tree:
    """Two questions, four leaves."""
    features = rng.integers(7, size=3)
    edges = [0.5 if 3 <= f <= 5 else float(rng.integers(0, 5)) + 0.5 for f in features]
    return Tree(
        np.array([*features, -1, -1, -1, -1]), np.array([*edges, 0, 0, 0, 0]), np.array([1, 3, 5, -1, -1, -1, -1]),
        np.array([2, 4, 6, -1, -1, -1, -1]), np.ones(7, bool), rng.normal(size=(7, 1)),
    )  # fmt: skip


def scores(forest: Forest, rows: np.ndarray) -> np.ndarray:
    total = np.zeros(len(rows))
    for tree in forest.trees:
        at = np.zeros(len(rows), int)
        for _ in range(2):
            left = rows[np.arange(len(rows)), tree.feature[at]] <= tree.threshold[at]
            at = np.where(left, tree.left[at], tree.right[at])
        total += tree.value[at, 0]
    return np.stack([-total, total], axis=1)


@pytest.fixture(scope="module")
def asked() -> tuple[Target, Data]:
    rng = np.random.default_rng(2)
    forest = Forest(tuple(stump(rng) for _ in range(12)), np.zeros(1), 1, 7)
    target = Target(
        "trees", "callable", "", (7,), 2, Output.LOGITS, lambda x: scores(forest, x), forest=lambda: forest
    )  # fmt: skip
    rows = everything()[rng.permutation(len(everything()))[:11]]
    return target, Data(Form.TABLE, "", x_test=rows, y_test=target.labels(rows), columns=NAMES)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.5), ("l0", 2.0), ("l2", 1.0)])
def test_the_answer_is_the_one_of_every_possible_row(
    asked: tuple[Target, Data], norm: str, eps: float, tmp_path: Path
) -> None:
    target, data = asked
    assert data.x_test is not None
    assert data.y_test is not None
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    found = solved(target, data, How(eps, norm, budget=Budget(120), schema=tmp_path / "schema.yaml"))
    assert found is not None
    rows, labels = everything(), target.labels(everything())
    weight = np.array([1, 1, 1, *[{"linf": 1.0, "l0": 0.5, "l2": 0.5**0.5}[norm]] * 3, 0.5])
    fell = 0
    for one in found.answers:
        x = data.x_test[one.index]
        change = np.abs(rows - x) * weight
        size = {"linf": change.max(axis=1), "l2": np.sqrt((change**2).sum(axis=1)), "l0": (change > 0) @ weight}[norm]
        near = (size <= eps + 1e-6) & (rows[:, 6] >= x[6])
        falls = bool((labels[near] != data.y_test[one.index]).any())
        assert (one.above <= eps) is falls
        if norm != "l2":
            assert (one.below >= eps) is not falls
        if falls:
            assert one.row is not None
            assert (rows == one.row).all(axis=1).any()
            fell += 1
    assert 0 < fell < 11
    assert found.exact is (norm != "l2")
    assert "changes.jsonl" in found.write(tmp_path)
    assert "→" in found.changes[0][1]


@pytest.mark.parametrize(("norm", "eps", "classes"), [("linf", 1.0, 3), ("l0", 2.0, 2)])
def test_a_linear_model_is_solved_as_trying_every_possible_row_does(
    norm: str, eps: float, classes: int, tmp_path: Path
) -> None:
    """`open` never changes, age only grows and costs half, total follows, and the colour is one of three."""
    rng = np.random.default_rng(classes)
    model = Linear(rng.normal(size=(7, classes)), np.zeros(classes))
    model = Linear(model.weights, -np.median(everything() @ model.weights, axis=0))
    target = Target(
        "line", "callable", "", (7,), classes, Output.LOGITS, lambda x: x.astype(float) @ model.weights + model.bias,
        linear=lambda: model,
    )  # fmt: skip
    x = everything()[rng.permutation(len(everything()))[:12]]
    data = Data(Form.TABLE, "", x_test=x, y_test=target.labels(x), columns=NAMES)
    (tmp_path / "schema.yaml").write_text(SCHEMA.replace("open: {", "open: {mutable: no, ", 1))
    found = solved(target, data, How(eps, norm, budget=Budget(60), schema=tmp_path / "schema.yaml"))
    assert found is not None and found.exact and not found.unknown
    rows, labels = everything(), target.labels(everything())
    weight = np.array([1, 1, 1, *[1.0 if norm == "linf" else 0.5] * 3, 0.5])
    fell = 0
    for one in found.answers:
        change = np.abs(rows - x[one.index]) * weight
        size = change.max(axis=1) if norm == "linf" else (change > 0) @ weight
        near = (rows[:, 0] == x[one.index, 0]) & (rows[:, 6] >= x[one.index, 6]) & (size <= eps + 1e-6)
        nearest = size[near & (labels != labels[(rows == x[one.index]).all(axis=1)])].min(initial=np.inf)
        assert (one.above <= eps) is bool(nearest <= eps) and (one.below >= eps) is not bool(nearest <= eps)
        fell += nearest <= eps
    assert 0 < fell < len(x)


def test_columns_without_names_take_those_of_a_schema_of_as_many(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCHEMA)
    numbers = tuple(f"column{at}" for at in range(7))
    assert tuple(one.name for one in read_schema(tmp_path / "s.yaml", numbers, unnamed=True).columns) == NAMES
    for width, unnamed in ((7, False), (6, True), (8, True)):
        with pytest.raises(UsageError, match="has no column"):
            read_schema(tmp_path / "s.yaml", tuple(f"column{at}" for at in range(width)), unnamed=unnamed)


def test_a_model_without_tables_is_searched(asked: tuple[Target, Data], tmp_path: Path) -> None:
    target, data = asked
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    blind = Target("any", "callable", "", (7,), 2, Output.LOGITS, target.answer)
    how = How(1.0, budget=Budget(60), schema=tmp_path / "schema.yaml")
    found, exact = solved(blind, data, how), solved(target, data, how)
    assert found is not None
    assert exact is not None
    assert not found.exact
    assert exact.robust(1.0).hits <= found.robust(1.0).hits < 11
    assert "certified_accuracy" not in found.measures()
    for one in found.fallen:
        assert one.row is not None
        assert (everything() == one.row).all(axis=1).any()


REFUSED = {
    "no mapping": "- a",
    "another column": "columns:\n  nobody: {type: int}",
    "another field": "columns:\n  age: {kind: int}",
    "another type": "columns:\n  age: {type: date}",
    "no number": "columns:\n  age: {min: young}",
    "the wrong way round": "columns:\n  age: {min: 3, max: 1}",
    "a group of nothing": "columns:\n  red: {type: one-hot}",
    "a category without codes": "columns:\n  age: {type: category}",
    "a call": "relations:\n  - open == __import__('os')",
    "an attribute": "relations:\n  - open.real == 1",
    "a power": "relations:\n  - open == 9 ** 9",
    "two comparisons": "relations:\n  - 0 <= open <= 1",
    "no comparison": "relations:\n  - open + closed",
    "nonsense": "relations:\n  - open == (",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_a_schema_that_means_nothing_is_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"s\.yaml") as refused:
        read_schema(tmp_path / "s.yaml", NAMES)
    assert len(str(refused.value)) < 400


@given(st.text(max_size=60))
def test_any_relation_at_all(text: str) -> None:
    try:
        relation(text, NAMES, "here").holds(np.zeros((2, 7)))
    except UsageError as error:
        assert str(error).startswith("here")


def test_a_relation_is_linear_where_it_is() -> None:
    found = relation("`open` == 2 * (closed - 1) / 4 + -age", NAMES, "here")
    assert found.linear == {-1: 0.5, 0: 1.0, 1: -0.5, 6: 1.0}
    assert found.given == 0
    assert relation("open * closed <= 3", NAMES, "here").linear is None
    assert not relation("open / closed <= 3", NAMES, "here").holds(np.zeros((1, 7))).any()


def test_a_drafted_schema_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = Data(Form.TABLE, "", x_train=everything(), columns=NAMES)
    lines = [(*row, number % 2) for number, row in enumerate(everything().tolist())]
    table = "\n".join(",".join(map(str, line)) for line in [(*NAMES, "label"), *lines])
    (tmp_path / "table.csv").write_text(table)
    assert main(["assess", "schema", str(tmp_path / "table.csv")]) == 0
    drafted = capsys.readouterr().out
    assert [line.split(": ")[0] for line in drafted.splitlines()] == [
        line.split(": ")[0] for line in draft(data).splitlines()
    ]
    (tmp_path / "drafted.yaml").write_text(drafted)
    schema = read_schema(tmp_path / "drafted.yaml", names_of(data, 7))
    assert schema.groups == ((3, 4, 5),)
    assert schema.possible(everything(), everything()[0]).all()


@pytest.mark.parametrize(("more", "looked"), [(0, 0), (60, 1)])
def test_rows_that_nobody_answers_for_any_more_make_no_claim(
    asked: tuple[Target, Data], more: int, looked: int, tmp_path: Path
) -> None:
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    target, data = asked
    capped = Target("box", "http", "", (7,), 2, Output.LOGITS, target.answer, cap=11 + more)
    found = solved(capped, data, How(1.0, budget=Budget(60), schema=tmp_path / "schema.yaml"))
    assert found is not None
    told = found.as_json()
    assert looked <= sum(one.looked for one in found.answers) < len(found.answers)
    assert not told["trusted"] and "not trusted" in found.sentence().lower()
    assert ("robust_accuracy" in found.measures()) == bool(looked)
