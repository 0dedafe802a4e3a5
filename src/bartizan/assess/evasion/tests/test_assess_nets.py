"""Nets under the whole chain: what is reported can be judged again from files, and healthy models raise no alarm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.measure import measure
from bartizan.assess.evasion.result import Evasion
from bartizan.assess.how import How
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.torch import of_module
from bartizan.core.errors import UsageError

N = 60
CHECKS = {
    "zero-gradients", "random-answers", "large-eps-survivors", "black-box-wins", "robustness-rises", "flat-loss",
    "saturated-scores", "transfer-wins", "training-mode", "value-range",
}  # fmt: skip


def taught(net: nn.Module, x: Array, y: Array, eps: float = 0.0, epochs: int = 15) -> nn.Module:
    """The module after a short training; with eps on rows that one step of ascent changed."""
    torch.manual_seed(0)
    rows, labels = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(epochs):
        for some in torch.randperm(len(rows)).split(64):
            given = rows[some]
            if eps:
                moved = (given + eps * (torch.rand_like(given) * 2 - 1)).requires_grad_()
                (slope,) = torch.autograd.grad(nn.functional.cross_entropy(net(moved), labels[some]), moved)
                given = (given + eps * slope.sign()).clamp(0, 1)
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(given), labels[some]).backward()
            optimizer.step()
    return net.eval()


@pytest.fixture(scope="module")
def digits() -> Data:
    held = load_digits()
    x = (held.images / 16).astype(np.float32)[:, None]
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:900], order[900:]
    y = held.target.astype(np.int64)
    return Data(Form.IMAGES, "", x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test])


@pytest.fixture(scope="module")
def net(digits: Data) -> nn.Module:
    torch.manual_seed(1)
    made = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    return taught(made, digits.x_train, digits.y_train)


def target_of(net: nn.Module, data: Data) -> Target:
    return of_module(net, "net", "", data.x_test, least=int(data.y_test.max()) + 1)


def run(target: Target, data: Data, **how: object) -> Evasion:
    result = measure(target, data, replace(How(eps=0.1, rows=N), **how))
    assert isinstance(result, Evasion)
    return result


def judged(net: nn.Module, data: Data, file: Path, eps: float, norm: str) -> Array:
    """Whether each row is right, as a stranger sees it: from the file, one row at a time, false claims not counted."""
    with torch.no_grad():
        right = np.array([int(net(torch.from_numpy(row[None])).argmax()) for row in data.x_test[:N]]) == data.y_test[:N]
        with np.load(file) as found:
            for index, row, distance in zip(found["index"], found["x_adv"], found["distance"], strict=True):
                change = row.astype(np.float64) - data.x_test[index]
                size = {"linf": np.abs(change).max(), "l2": np.sqrt((change**2).sum()), "l0": (change != 0).sum()}[norm]
                assert size <= eps
                assert np.isclose(size, distance, rtol=1e-6)
                assert row.min() >= 0
                assert row.max() <= 1
                assert int(net(torch.from_numpy(row[None])).argmax()) != data.y_test[index]
                right[index] = False
    return right


@pytest.mark.parametrize(("norm", "eps", "at_most"), [("linf", 0.1, 0.7), ("l2", 0.6, 0.7), ("l0", 2.0, 0.6)])
def test_a_stranger_comes_to_the_same_number(
    net: nn.Module, digits: Data, tmp_path: Path, norm: str, eps: float, at_most: float
) -> None:
    result = run(target_of(net, digits), digits, norm=norm, eps=eps)
    assert result.write(tmp_path) == ["adversarial.npz"]
    right = judged(net, digits, tmp_path / "adversarial.npz", eps, norm)
    told = result.as_json()
    assert right.sum() == told["robust"]["hits"]
    assert told["outcomes"]["robust"] == right.tolist()
    assert 0 < result.robust.share < at_most
    assert result.measures()["robust_accuracy"] == result.robust.share


def test_the_curve_never_rises_and_meets_what_was_measured(net: nn.Module, digits: Data) -> None:
    result = run(target_of(net, digits), digits)
    rates = [rate.hits for _, rate in result.curve]
    assert rates == sorted(rates, reverse=True)
    known = {eps: rate.hits for eps, rate in result.curve}
    assert known[0.0] == result.clean.hits
    assert known[0.1] == result.robust.hits
    half = run(target_of(net, digits), digits, eps=0.05)
    assert known[0.05] - half.robust.hits <= 0.05 * N


def test_a_seed_makes_it_repeatable(net: nn.Module, digits: Data) -> None:
    first, again = (run(target_of(net, digits), digits) for _ in range(2))
    assert np.array_equal(first.rows.found, again.rows.found)
    assert first.rows.attack == again.rows.attack


def test_a_row_that_is_wrong_as_it_is_has_fallen_at_no_distance(net: nn.Module, digits: Data, tmp_path: Path) -> None:
    labels = digits.y_test.copy()
    labels[3] = (labels[3] + 1) % 10
    data = replace(digits, y_test=labels)
    result = run(target_of(net, data), data)
    result.write(tmp_path)
    with np.load(tmp_path / "adversarial.npz") as found:
        at = int(np.flatnonzero(found["index"] == 3)[0])
        assert found["attack"][at] == "none"
        assert found["distance"][at] == 0
        assert np.array_equal(found["x_adv"][at], data.x_test[3])


def test_training_against_changes_helps_and_is_no_alarm(net: nn.Module, digits: Data) -> None:
    torch.manual_seed(1)
    fresh = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    hard = run(target_of(taught(fresh, digits.x_train, digits.y_train, eps=0.1), digits), digits)
    assert hard.robust.hits > run(target_of(net, digits), digits).robust.hits
    assert [test.check for test in hard.tests if not test.passed] == []
    assert {test.check for test in hard.tests} == CHECKS
    assert hard.trusted


def smooth(data: Data) -> nn.Module:
    torch.manual_seed(2)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.GELU(), nn.Linear(32, 10))
    return taught(net, data.x_train, data.y_train)


def linear(data: Data) -> nn.Module:
    return taught(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data.x_train, data.y_train)


@pytest.mark.parametrize("make", [smooth, linear])
def test_healthy_models_of_other_kinds_are_no_alarm(digits: Data, make: Callable[[Data], nn.Module]) -> None:
    result = run(target_of(make(digits), digits), digits)
    assert [test.check for test in result.tests if not test.passed] == []
    assert result.robust.share < 0.9


def test_two_classes_and_a_table_without_bounds() -> None:
    chance = np.random.default_rng(3)
    x = chance.normal(0, 40, (500, 6))  # float64, of any size
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64)
    data = Data(Form.TABLE, "", x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    net = taught(nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2)), x[:400].astype(np.float32), y[:400])
    result = run(target_of(net, data), data, eps=8.0)
    assert result.trusted
    assert 0.3 < result.robust.share < 0.95
    fallen = result.rows.fallen
    assert (np.abs(result.rows.found[fallen].astype(np.float64) - x[400 : 400 + N][fallen]) <= 8.0).all()


def test_nothing_may_change(net: nn.Module, digits: Data) -> None:
    result = run(target_of(net, digits), digits, eps=0.0)
    assert result.robust.hits == result.clean.hits


def test_a_spent_budget_still_gives_an_answer(net: nn.Module, digits: Data) -> None:
    result = run(target_of(net, digits), digits, budget=Budget(0.0))
    assert result.robust.hits == result.clean.hits
    assert result.as_json()["finished"] is False
    assert "unfinished" in result.sentence()


def test_a_model_that_sees_another_in_a_batch_is_told(digits: Data, net: nn.Module) -> None:
    class Batched(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return net(x) - net(x).mean(dim=0) * 2

    result = run(target_of(Batched(), digits), digits)
    assert "training-mode" in [test.check for test in result.tests if not test.passed]


def test_an_attack_only_counts_if_the_model_itself_agrees(net: nn.Module, digits: Data) -> None:
    """The differentiable copy is wrong here: what falls on it alone is rejected, and the alarm rings."""
    target = target_of(net, digits)

    class Other(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return net(x.flip(-1)) + 0 * x.flatten(1)[:, :10]

    target.module = Other
    result = run(target, digits, eps=0.06)
    assert result.rows.rejected > 0
    seen = target.labels(result.rows.found[result.rows.fallen])
    assert (seen != result.rows.y[result.rows.fallen]).all()


def test_pixels_of_another_range_are_an_alarm(digits: Data) -> None:
    data = replace(digits, x_train=digits.x_train * 16, x_test=digits.x_test * 16)
    torch.manual_seed(1)
    net = taught(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data.x_train, data.y_train, epochs=8)
    result = run(target_of(net, data), data)
    assert [test.check for test in result.tests if not test.passed] == ["value-range"]
    assert not result.trusted
    assert "not trusted" in result.sentence()


def test_rows_without_labels_are_refused(net: nn.Module, digits: Data) -> None:
    with pytest.raises(UsageError, match="x_test and y_test"):
        measure(target_of(net, digits), replace(digits, y_test=None), How(eps=0.1))


def test_a_model_of_whole_numbers_gets_whole_numbers(net: nn.Module, digits: Data) -> None:
    data = replace(digits, x_train=digits.x_train * 16, x_test=digits.x_test * 16)

    class Sixteenths(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return net(x / 16)

    made = target_of(Sixteenths(), data)
    target = Target("net", "torch", "", made.shape, 10, Output.LOGITS, lambda x: made.answer(x.astype(np.float32)),
                    dtype=np.uint8, module=made.module)  # fmt: skip
    result = run(target, replace(data, form=Form.TABLE), eps=2.0)
    assert result.rows.fallen.sum() > 5
    assert np.array_equal(result.rows.found, np.round(result.rows.found))


@pytest.mark.parametrize("norm", ["linf", "l0"])
def test_rows_that_are_all_wrong_leave_nothing_to_attack(digits: Data, net: nn.Module, norm: str) -> None:
    target = target_of(net, digits)
    wrong = replace(digits, y_test=(target.labels(digits.x_test) + 1) % 10)
    found = measure(target, wrong, How(2.0, norm=norm, rows=2))
    assert isinstance(found, Evasion)
    assert (found.robust.hits, found.clean.hits) == (0, 0) and not found.attacks
