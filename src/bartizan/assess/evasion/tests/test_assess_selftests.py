"""Models that hide behind broken gradients: each is named, and falls to the attack that is switched to."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.attacked import OUTCOMES
from bartizan.assess.evasion.measure import measure
from bartizan.assess.evasion.result import Evasion
from bartizan.assess.how import How
from bartizan.assess.target import Output, Target
from bartizan.assess.targets.torch import of_module

N = 50
EPS = 0.3
F = nn.functional


@pytest.fixture(scope="module")
def data() -> Data:
    held = load_digits()
    x, y = (held.images / 16).astype(np.float32)[:, None], held.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:900], order[900:]
    return Data(Form.IMAGES, "", x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test])


@pytest.fixture(scope="module")
def net(data: Data) -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    rows, labels = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
    optimizer = torch.optim.Adam(made.parameters(), 5e-3)
    for _ in range(12):
        for some in torch.randperm(len(rows)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(made(rows[some]), labels[some]).backward()
            optimizer.step()
    return made.eval()


class Masked(nn.Module):
    """A module with something around it."""

    def __init__(self, inner: nn.Module, around: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.inner, self.around = inner, around

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.around(self.inner, x)


MASKS: dict[str, tuple[str, Callable[[nn.Module, torch.Tensor], torch.Tensor]]] = {
    "scores times 1,000": ("saturated-scores", lambda f, x: f(x) * 1000),
    "probabilities": ("saturated-scores", lambda f, x: f(x).softmax(1)),
    "softmax of a softmax": ("saturated-scores", lambda f, x: f(x).softmax(1).softmax(1)),
    "saturated sigmoid": ("saturated-scores", lambda f, x: torch.sigmoid(f(x) * 9)),
    "quantised rows": ("zero-gradients", lambda f, x: f(torch.round(x * 8) / 8)),
    "noise on rows": ("random-answers", lambda f, x: f(x + 0.05 * torch.randn_like(x))),
    "noise on scores": ("random-answers", lambda f, x: f(x) + torch.randn(len(x), 10)),
    "dropout on": ("training-mode", lambda f, x: f(F.dropout(x, 0.1, training=True))),
    "steep steps": ("zero-gradients", lambda f, x: f(torch.clamp((x - 0.2) * 1e5, 0, 1))),
    "shattered gradient": ("flat-loss", lambda f, x: f(x + 0.05 * torch.sin(400 * x))),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_named_and_falls(name: str, net: nn.Module, data: Data) -> None:
    check, around = MASKS[name]
    torch.manual_seed(0)
    target = of_module(Masked(net, around), name, "", data.x_test, least=10)
    result = measure(target, data, How(eps=EPS, rows=N))
    assert isinstance(result, Evasion)
    told = result.as_json()
    warnings = {one["check"]: one for one in told["warnings"]}
    assert check in warnings
    assert warnings[check]["effect"]
    assert warnings[check]["fix"]
    assert result.robust.share <= 0.1
    assert result.trusted
    assert warnings[check]["resolved"]
    if OUTCOMES.isdisjoint(warnings):  # What was taken away needs no other attack.
        assert not {"long search", "gradient of a copy"}.intersection(one.attack for one in result.attacks)


def test_random_models_count_what_falls_nearly_always(net: nn.Module, data: Data) -> None:
    target = of_module(Masked(net, MASKS["noise on scores"][1]), "noisy", "", data.x_test, least=10)
    result = measure(target, data, How(eps=0.1, rows=N))
    assert isinstance(result, Evasion)
    fallen = np.flatnonzero(result.rows.fallen)
    looks = np.mean([target.labels(result.rows.found[fallen]) != result.rows.y[fallen] for _ in range(50)], axis=0)
    assert looks.mean() > 0.9
    assert looks.min() > 0.7


def test_gradients_that_lie_are_found_out_by_search(net: nn.Module, data: Data) -> None:
    """The module leads uphill in another model: random search and another model's changes do better."""
    target = of_module(net, "net", "", data.x_test, least=10)

    class Astray(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = net(x)
            return scores.detach() - (scores - scores.detach())

    target.module = Astray
    result = measure(target, data, How(eps=EPS, rows=N))
    assert isinstance(result, Evasion)
    failed = {test.check for test in result.tests if not test.passed}
    assert {"black-box-wins", "flat-loss"} <= failed
    assert result.robust.share <= 0.2


def test_a_model_that_ignores_its_rows_is_not_called_robust() -> None:
    """Nothing moves its scores: what stands stands even where all is allowed, which no attack resolves."""
    rows = np.random.default_rng(0).random((60, 1, 6, 6)).astype(np.float32)
    labels = np.zeros(60, np.int64)
    data = Data(Form.IMAGES, "", x_test=rows, y_test=labels)
    always = np.eye(3)[[0] * 512]
    target = Target("constant", "callable", "", (1, 6, 6), 3, Output.LOGITS, lambda x: always[: len(x)])
    result = measure(target, data, How(eps=0.1, rows=20))
    assert isinstance(result, Evasion)
    assert "large-eps-survivors" in {test.check for test in result.tests if not test.passed}
    assert not result.trusted
