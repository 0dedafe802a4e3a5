"""What each part of the order of attacks is there for, on models small enough to know what falls."""

import numpy as np
import pytest
import torch
from torch import nn

from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.ball import Ball
from bartizan.assess.evasion.chain import Chain
from bartizan.assess.evasion.measure import measure
from bartizan.assess.evasion.result import Evasion
from bartizan.assess.evasion.routes import gradients, rivals_of, search
from bartizan.assess.evasion.rows import Rows
from bartizan.assess.evasion.view import View, averaged, bared, entire
from bartizan.assess.how import How
from bartizan.assess.target import Array, Output, Target
from bartizan.assess.targets.torch import of_module

ROWS = np.full((8, 1, 2, 2), 0.5, np.float32)
LABELS = np.zeros(8, np.int64)
DATA = Data(Form.IMAGES, "", x_test=ROWS, y_test=LABELS)


class Decoy(nn.Module):
    """Class 1 comes near to class 0 on one side and never gets there; class 2, far behind, overtakes on the other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = x.flatten(1).mean(dim=1) - 0.5
        return torch.stack([torch.zeros_like(side), side - 1, -6 - 20 * side], dim=1)


class Shifted(nn.Module):
    """At one of three draws class 1 wins on the left, at the others a little farther on the right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = x.flatten(1).mean(dim=1) - 0.5
        draw = torch.randint(0, 3, side.shape) == 0
        return torch.stack([torch.zeros_like(side), torch.where(draw, -20 * side, 30 * side) - 1], dim=1)


def chain_of(target: Target, eps: float) -> Chain:
    return Chain(target, Rows(ROWS, LABELS, Ball("linf", eps, 0, 1)), How(eps), np.random.default_rng(0))


@pytest.fixture(scope="module")
def decoy() -> Target:
    return of_module(Decoy(), "decoy", "", ROWS, least=3)


def test_a_row_is_aimed_at_classes_that_do_not_come_next(decoy: Target) -> None:
    plain = entire(decoy)
    assert plain is not None
    view = bared(plain, ROWS)
    assert rivals_of(view, ROWS, LABELS)[0].tolist() == [1, 2]
    chain = chain_of(decoy, 0.4)
    assert gradients(chain, view) == 8
    assert chain.attacks["gradient, aimed"].fell == 8
    assert [one.fell for name, one in chain.attacks.items() if "aimed" not in name] == [0] * (len(chain.attacks) - 1)
    assert (decoy.labels(chain.rows.found) == 2).all()


def test_no_row_is_climbed_on_that_cannot_get_there(decoy: Target) -> None:
    chain, plain = chain_of(decoy, 0.02), entire(decoy)
    assert plain is not None
    assert gradients(chain, bared(plain, ROWS)) == 0
    assert chain.attacks["gradient"].passes < 4 * 8
    assert chain.attacks["gradient, aimed"].passes <= 2 * 8


def test_a_search_that_finds_nothing_ends_early() -> None:
    def answer(x: Array) -> Array:
        return np.eye(2)[[0] * len(x)] + x.reshape(len(x), -1)[:, :2] * 1e-3

    target = Target("constant", "callable", "", (1, 2, 2), 2, Output.LOGITS, answer)
    assert search(chain_of(target, 0.2)) == ["random search with 200 queries a row (0 more fell)"]


def test_draws_on_which_a_row_stands_lead_the_mean() -> None:
    torch.manual_seed(0)
    net, x, y = Shifted(), torch.from_numpy(ROWS), torch.from_numpy(LABELS)
    view = averaged(View("random", net), 32)
    right = x + 0.06  # Two of three draws have fallen here: what is left to do is the third.

    def lead(scores: torch.Tensor, labels: torch.Tensor, rival: object = None) -> tuple[torch.Tensor, torch.Tensor]:
        return scores[:, 1] - scores[:, 0], torch.tensor([[-1.0, 1.0]]).repeat(len(scores), 1)

    scores, _, slope = view.slope(right, y, lead)
    assert (scores[:, 1] < scores[:, 0]).all()
    assert (slope.flatten(1).mean(dim=1) < 0).all()


@pytest.mark.parametrize(("inner", "fallen"), [(5.0, 8), (0.0, 0)])
def test_a_lead_that_the_head_flattens_counts_where_it_is_clear_before(inner: float, fallen: int) -> None:
    last = np.float32(1) - 3 * np.finfo(np.float32).epsneg

    def answer(x: Array) -> Array:
        far = np.abs(x - 0.5).reshape(len(x), -1).max(axis=1) > 0.05
        return np.stack([np.where(far, last, 1.0), np.where(far, 1.0, 0.0), np.zeros(len(x))], axis=1)

    target = Target("flat", "callable", "", (1, 2, 2), 3, Output.LOGITS, answer)
    rows = chain_of(target, 0.1).rows
    assert rows.fell(target, np.arange(8), ROWS + np.float32(0.08), "test", np.full(8, inner)).sum() == fallen


def test_the_whole_chain_comes_to_the_same(decoy: Target) -> None:
    result = measure(decoy, DATA, How(0.4, rows=8))
    assert isinstance(result, Evasion)
    assert result.robust.hits == 0
