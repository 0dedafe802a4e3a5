"""Members are told from others, by the attack that is best on shadow models, and the rates are what a judge finds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.privacy import shadows as shadow_models
from bartizan.assess.privacy.curve import curve
from bartizan.assess.privacy.measure import measure
from bartizan.assess.privacy.result import Privacy
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.scikit import of_estimator
from bartizan.core.errors import UsageError

ROWS = 600
SOME = 300


@pytest.fixture(scope="module")
def rows() -> tuple[Array, Array]:
    x, y = make_classification(900, 10, n_informative=5, flip_y=0.2, random_state=1)
    return x.astype(np.float32), y.astype(np.int64)


@pytest.fixture(scope="module")
def inside() -> Array:
    member = np.zeros(ROWS, bool)
    member[np.random.default_rng(5).permutation(ROWS)[: ROWS // 2]] = True
    return member


@pytest.fixture(scope="module")
def forest(rows: tuple[Array, Array], inside: Array) -> Target:
    x, y = rows
    model = RandomForestClassifier(12, random_state=3).fit(x[:ROWS][inside], y[:ROWS][inside])
    return of_estimator(model, "forest", "", x[:10])


def data_of(rows: tuple[Array, Array], **more: object) -> Data:
    x, y = rows
    given = {"x_test": x[ROWS:], "y_test": y[ROWS:], "x_pool": x[:ROWS], "y_pool": y[:ROWS]} | more
    return Data(Form.TABLE, "", **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def few() -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(shadow_models, "MOST", 4)
    return patch


@pytest.fixture(scope="module")
def measured(forest: Target, rows: tuple[Array, Array], few: pytest.MonkeyPatch) -> Privacy:
    return measure(forest, data_of(rows), How(eps=0.1, budget=Budget(300)))


def test_a_forest_s_members_are_told(measured: Privacy, inside: Array) -> None:
    assert measured.attack == "stacked" and measured.shadows == 4
    assert curve(measured.scores, inside).share_at(0.01) > 0.5


def test_what_is_said_of_shadows_holds_for_the_target(measured: Privacy, inside: Array) -> None:
    assert measured.curve is not None and not measured.known
    told = measured.curve.share_at(0.05)
    assert abs(told - curve(measured.scores, inside).share_at(0.05)) < 0.1


def test_the_ranking_is_written_for_every_candidate(measured: Privacy, tmp_path: Path) -> None:
    assert measured.write(tmp_path) == ["membership.csv"]
    with (tmp_path / "membership.csv").open() as stream:
        found = list(csv.DictReader(stream))
    assert [int(one["index"]) for one in found] == list(range(ROWS))
    assert float(found[0]["score"]) == pytest.approx(measured.scores[0], rel=1e-6)


def test_the_section_names_attack_rates_and_who_is_exposed(measured: Privacy, inside: Array) -> None:
    section = measured.as_json()
    assert section["attack"] == "stacked" and section["judged_on"] == "shadow models"
    exposed = section["exposed"]
    assert isinstance(exposed, list) and np.mean([inside[one["index"]] for one in exposed]) > 0.9
    assert any("models without it" in one["why"] or "threshold" in one["why"] for one in exposed)
    assert measured.measures()["membership_auc"] > 0.8
    assert "tpr_at_01pct" not in section  # 1,200 others on shadows are too few for it.


def test_the_truth_judges_where_it_is_known_and_ranks_nothing(
    forest: Target, rows: tuple[Array, Array], inside: Array, measured: Privacy, few: pytest.MonkeyPatch
) -> None:
    x, y = rows
    known = data_of(rows, x_train=x[:ROWS][inside], y_train=y[:ROWS][inside])
    found = measure(forest, known, How(eps=0.1, budget=Budget(300), dp_epsilon=0.5))
    assert found.known and found.curve is not None and found.curve.members == inside.sum()
    assert np.array_equal(found.scores, measured.scores)
    assert found.dp is not None and found.dp.refuted and found.dp.least > 1


def test_without_training_anew_the_attack_is_weaker_and_says_so(
    rows: tuple[Array, Array], inside: Array, forest: Target
) -> None:
    x, y = rows
    model = RandomForestClassifier(10, random_state=3).fit(x[:ROWS][inside], y[:ROWS][inside])
    bare = Target("bare", "callable", "", (10,), 2, Output.PROBABILITIES, model.predict_proba)
    found = measure(bare, data_of(rows), How(eps=0.1))
    assert found.curve is None and not found.measures()
    assert "weaker" in found.sentence()
    assert curve(found.scores, inside).auc > 0.6


def test_two_models_of_another_kind_make_no_rate(
    rows: tuple[Array, Array], forest: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they give away of their own rows is nothing that the model was seen to give away."""
    monkeypatch.setattr(shadow_models, "MOST", 2)
    bare = Target("bare", "callable", "", (10,), 2, Output.PROBABILITIES, forest.answer)
    found = measure(bare, data_of(rows), How(eps=0.1))
    assert found.shadows == 2 and found.tried
    assert found.curve is None and not found.measures()
    assert "another kind" in found.attack


def test_labels_alone_are_enough_for_an_attack(rows: tuple[Array, Array], inside: Array) -> None:
    x, y = rows
    model = RandomForestClassifier(10, random_state=3).fit(x[:ROWS][inside], y[:ROWS][inside])

    def answer(asked: Array) -> Array:
        return np.eye(2)[model.predict(asked).astype(int)]

    bare = Target("labels", "callable", "", (10,), 2, Output.LABELS, answer)
    found = measure(
        bare, data_of(rows, x_pool=x[:SOME], y_pool=y[:SOME], x_test=x[-150:], y_test=y[-150:]), How(eps=0.1)
    )
    assert any("labels alone" in one for one in found.notes)
    assert curve(found.scores, inside[:SOME]).auc > 0.55


def test_training_and_test_rows_make_a_pool(forest: Target, rows: tuple[Array, Array], inside: Array, tmp_path: Path,
                                            few: pytest.MonkeyPatch) -> None:  # fmt: skip
    x, y = rows
    data = Data(Form.TABLE, "", x[:ROWS][inside], y[:ROWS][inside], x[ROWS:], y[ROWS:])
    found = measure(forest, data, How(eps=0.1, budget=Budget(300)))
    assert found.known and found.part == "x_train" and found.write(tmp_path) == []
    assert found.curve is not None and found.curve.auc > 0.7
    assert "told at 10 % false alarms; 300 rows that were not trained on are too few" in found.sentence()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"x_pool": None, "x_train": None}, "needs candidates"),
        ({"y_pool": None}, "have no labels"),
        ({"y_pool": np.full(ROWS, 7)}, "not among the model's 2 classes"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    forest: Target, rows: tuple[Array, Array], more: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        measure(forest, data_of(rows, **more), How(eps=0.1))


def test_a_cap_on_queries_is_kept(rows: tuple[Array, Array]) -> None:
    asked = Target("net", "callable", "", (10,), 2, Output.PROBABILITIES, lambda x: np.full((len(x), 2), 0.5), cap=50)
    with pytest.raises(UsageError, match="may be asked 50"):
        measure(asked, data_of(rows), How(eps=0.1))
    asked.cap = 950
    measure(asked, data_of(rows), How(eps=0.1, budget=Budget(1)))
    assert asked.queries <= 950
