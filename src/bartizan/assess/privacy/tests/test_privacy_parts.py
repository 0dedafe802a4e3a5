"""The formulas of the attacks, the audit of epsilon, exposure by rank, what rows carry, jobs side by side."""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Callable, Sequence
from math import log2
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from lightgbm.basic import LightGBMError
from onnx import TensorProto, helper, numpy_helper
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.privacy import attacks, forks
from bartizan.assess.privacy.audit import audit, least_epsilon, p_value
from bartizan.assess.privacy.bare import bare
from bartizan.assess.privacy.canaries import exposures
from bartizan.assess.privacy.choosing import AROUND, FPRS, choose
from bartizan.assess.privacy.curve import curve
from bartizan.assess.privacy.forks import results
from bartizan.assess.privacy.personal import carried
from bartizan.assess.privacy.shadows import Length, halves
from bartizan.assess.privacy.signals import Signals, of_label
from bartizan.assess.privacy.stacking import table_of
from bartizan.assess.target import Array, Output
from bartizan.assess.targets.opening import open_target
from bartizan.core.errors import UsageError

# ---- rates


def test_rows_with_one_score_fall_together() -> None:
    member = np.array([True] * 50 + [False] * 50)
    assert curve(np.zeros(100), member).share_at(0.5) == 0
    assert curve(np.zeros(100), member).auc == pytest.approx(0.5)
    assert curve(member.astype(float), member).share_at(0.001) == 1


def test_few_others_make_no_rate() -> None:
    member = np.arange(1500) < 500
    found = curve(np.random.default_rng(0).random(1500), member)
    assert found.enough_for(0.01) and not found.enough_for(0.001)
    rate = found.rate_at(0.01)
    assert rate.low <= rate.share <= rate.high and rate.share < 0.05


# ---- attacks


@pytest.fixture(scope="module")
def world() -> tuple[Array, Array, Array, Array]:
    """Log-odds of 2,000 rows, each as hard as it is, with members one higher; 8 shadows and a target."""
    chance = np.random.default_rng(3)
    hard = chance.normal(size=2000) * 3
    inside = halves(2000, 4, 1)
    member = chance.random(2000) < 0.5
    shadows = hard + inside + 0.4 * chance.normal(size=(8, 2000))
    return hard + member + 0.4 * chance.normal(size=2000), member, shadows, inside


def test_each_row_is_in_half_of_the_shadows() -> None:
    inside = halves(101, 3, 0)
    assert (inside.sum(axis=0) == 3).all() and np.array_equal(inside[0], ~inside[1])


def test_comparison_with_shadows_beats_certainty(world: tuple[Array, Array, Array, Array]) -> None:
    target, member, shadows, inside = world
    plain = curve(target, member).auc
    assert curve(attacks.lira(target, shadows, inside), member).auc > plain + 0.2
    assert curve(attacks.lira_offline(target, shadows, inside), member).auc > plain + 0.2
    sure, others = -np.log1p(np.exp(-target)), -np.log1p(np.exp(-shadows))
    for scores in (
        attacks.rmia(sure, others, inside, sure[~member], others[:, ~member]),
        attacks.rmia_offline(sure, others, inside, sure[~member], others[:, ~member], 0.3),
        attacks.beyond(sure, others, inside, np.random.default_rng(0).integers(0, len(sure), (len(sure), 15))),
    ):
        assert curve(scores, member).auc > plain + 0.1


def test_a_region_that_was_learned_better_by_chance_is_no_membership() -> None:
    """Rows in groups of twenty, each group surer or less sure by chance: what a row has beyond its group counts."""
    chance = np.random.default_rng(5)
    inside, member = halves(2000, 4, 1), chance.random(2000) < 0.5
    of = np.repeat(np.arange(100), 20)
    sure = 0.1 * member + 0.3 * chance.normal(size=100)[of] - 2
    shadows = 0.1 * inside + 0.05 * chance.normal(size=(8, 2000)) - 2
    near = (of * 20)[:, None] + (np.arange(2000)[:, None] % 20 + np.arange(1, 16)) % 20
    ratio = attacks.rmia(sure, shadows, inside, sure[~member], shadows[:, ~member])
    assert curve(attacks.beyond(sure, shadows, inside, near), member).auc > curve(ratio, member).auc + 0.01


@pytest.mark.parametrize("own_recipe", [True, False])
def test_shadows_of_another_recipe_choose_the_usual_attack(own_recipe: bool) -> None:
    """One that is barely better on shadows is taken for targets of the shadows' own recipe alone."""
    chance = np.random.default_rng(0)
    inside = halves(4000, 3, 1)
    odds = 0.8 * inside + chance.normal(size=(6, 4000)) * np.where(inside, 0.7, 1.0)
    made = [Signals(one, -np.logaddexp(0, -one), -np.logaddexp(0, -one[:500]), {}) for one in odds]
    table = table_of(made, inside, chance.integers(0, 4000, (4000, 50)))
    found = choose(table, made, made[0], 0, Budget(0), own_recipe=own_recipe)
    worth = {name: sum(one.share_at(fpr) for fpr in FPRS) for name, one in found.others}
    best = max(worth, key=lambda name: worth[name])
    assert worth[AROUND] < worth[best] < 1.15 * worth[AROUND]
    assert found.name == (best if own_recipe else AROUND)


# ---- differential privacy


def test_right_guesses_bound_epsilon_and_guessing_does_not() -> None:
    assert least_epsilon(50, 100, 1000, 0.0) == 0
    assert 1.5 < least_epsilon(90, 100, 1000, 0.0) < 2.2  # log(90/10) is 2.2.
    assert least_epsilon(90, 100, 1000, 1e-5) <= least_epsilon(90, 100, 1000, 0.0)
    assert p_value(100, 100, 1000, 1.0, 0.1) == 1.0


def test_a_false_claim_is_refuted_and_a_true_one_hardly_ever() -> None:
    chance = np.random.default_rng(0)
    refuted = 0
    for _ in range(30):  # Randomised response with epsilon 1: the best that is allowed.
        member = chance.random(500) < 0.5
        said = np.where(chance.random(500) < 1 / (1 + np.exp(-1.0)), member, ~member)
        scores = said + 0.1 * chance.random(500)
        refuted += audit(scores, member, 1.0, 0.0).refuted
    assert refuted <= 3
    found = audit(member + 0.1 * chance.random(500), member, 1.0, 1e-6)
    assert found.refuted and found.least > 3 and found.as_json()["refuted"] is True


# ---- canaries


def test_a_canary_that_was_learned_is_exposed_and_another_is_not() -> None:
    def score(texts: Sequence[str]) -> Array:
        return np.array([9.0 if text == "my number is 381-2277" else int(text[-4:]) / 1e4 for text in texts])

    known, fresh = exposures(score, "my number is ###-####", ["my number is 381-2277", "my number is 555-5000"])
    assert known.rank == 1 and known.bits == pytest.approx(log2(known.among))
    assert 0.7 < fresh.bits < 1.4 and known.p_value < 0.001 < fresh.p_value
    assert "381" not in str(known.as_json())


@pytest.mark.parametrize(
    ("template", "canary", "says"),
    [("pin ####", "pin 12a4", "does not have the format"), ("pin #", "pin 1", "at least 100")],
)
def test_a_canary_of_no_format_is_refused(template: str, canary: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        exposures(lambda texts: np.zeros(len(texts)), template, [canary])


# ---- what rows carry


def test_personal_data_of_texts_is_counted_and_not_shown() -> None:
    texts = np.array(
        ["write to mara.lind@bank-of-north.com", "nothing here", "AKIA" + "QYLPMN5HHHFPZAM2"], dtype=object
    )
    found = carried(Data(Form.TEXT, "", x_train=texts), Budget(20))
    assert found is not None and found.rows["personal.email"] == 1 and found.looked == 3 and found.whole
    assert "mara" not in str(found.as_json())


def test_named_values_of_a_table_are_counted_by_row() -> None:
    x = np.array([[0, 1.5], [1, 2.5], [1, 3.5]], dtype=np.float32)
    data = Data(Form.TABLE, "", x_train=x, columns=("contact", "size"),
                categories={"contact": ("none", "mara.lind@bank-of-north.com")})  # fmt: skip
    found = carried(data, Budget(20))
    assert found is not None and found.rows == {"personal.email": 2} and found.looked == 3
    assert carried(Data(Form.TABLE, "", x_train=x), Budget(20)) is None


# ---- shadow models


def test_a_head_that_rounds_certainty_away_hides_nothing_from_who_holds_the_file(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Mul", ["a", "s"], ["b"]),
        helper.make_node("Softmax", ["b"], ["y"]),
    ]
    rows = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    held = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.array(1000, np.float32), "s")]
    model = helper.make_model(helper.make_graph(nodes, "g", [rows], [out], held),
                              opset_imports=[helper.make_opsetid("", 17)], ir_version=8)  # fmt: skip
    x = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    path = tmp_path / "saturated.onnx"
    onnx.save(model, str(path))
    target = open_target(str(path), data=Data(Form.TABLE, "", x_test=x))
    labels = target.labels(x)
    hidden, seen = (of_label(one.log_probabilities(x), labels)[1] for one in (target, bare(target)))
    assert len(np.unique(hidden.round(1))) < 5 < len(np.unique(seen.round(1)))
    assert (bare(target).labels(x) == labels).all() and bare(target).output is Output.LOGITS


def test_nets_of_other_kinds_are_asked_bare_too(tmp_path: Path) -> None:
    """Of scikit-learn with its softmax, and of torch with chance in it."""
    chance = np.random.default_rng(0)
    x = chance.normal(size=(300, 5)).astype(np.float32)
    fitted = MLPClassifier((8,), max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(x, x[:, 0] > 0)
    (tmp_path / "mlp.pkl").write_bytes(pickle.dumps(fitted))
    target = open_target(str(tmp_path / "mlp.pkl"), data=Data(Form.TABLE, "", x_test=x), trust=True)
    assert bare(target).output is Output.LOGITS and (bare(target).labels(x) == target.labels(x)).all()

    class Noisy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = torch.nn.Linear(5, 3)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.last(rows)
            return out + torch.randn_like(out)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(Noisy()).save(str(tmp_path / "noisy.pt"))
    noisy = bare(open_target(str(tmp_path / "noisy.pt"), data=Data(Form.TABLE, "", x_test=x), trust=True))
    assert (noisy.scores(x) == noisy.scores(x)).all()


def test_a_recipe_begins_short_and_finds_its_length() -> None:
    length = Length(10, 6.0)
    assert length.next() == 3
    for _ in range(8):
        epochs = length.next()
        length.tried.append((epochs, 2 * float(np.log(epochs))))  # As sure as wanted at 20 epochs.
    assert 15 <= length.next() <= 25
    assert Length(10, 0.6, [(10, 0.61)]).next() == 10


@pytest.mark.parametrize("error", [ValueError(), UsageError("no"), LightGBMError("no")])
@pytest.mark.parametrize("cores", [1, 2])
def test_jobs_give_results_failures_and_nothing_when_time_is_over(
    cores: int, error: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On one core, where all is done here, a job that fails is a failure as well; it cannot be ended, though."""
    monkeypatch.setattr(forks, "AT_ONCE", cores)

    def failing() -> int:
        raise error

    def endless() -> int:
        while True:
            time.monotonic()

    def job(number: int) -> Callable[[], int] | None:
        return [lambda: 7, failing][number] if number < 2 else None

    assert sorted(one[:2] for one in results(job, Budget(60), together=1)) == [(0, 7), (1, None)]
    assert capfd.readouterr().err == ""
    if cores == 1:
        return
    assert list(results(lambda number: endless if number < 2 else None, Budget(0.2))) == []
