"""Torch modules from code and files: heads taken off, rounding passed through, weights that fit, refits."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bartizan.assess.data import Data, Form
from bartizan.assess.target import Output
from bartizan.assess.targets.callable import open_callable
from bartizan.assess.targets.opening import open_target
from bartizan.core.errors import UsageError

X = np.random.default_rng(0).random((80, 1, 6, 6)).astype(np.float32)
Y = (X[:, 0, :3].mean((1, 2)) > X[:, 0, 3:].mean((1, 2))).astype(int)
DATA = Data(form=Form.IMAGES, digest="", x_test=X, y_test=Y)
CODE = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 4, 3), nn.Linear(64, classes)
        self.norm, self.drop = nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.place = nn.Parameter(torch.zeros(1, 4, 1, 1))

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.conv(x)) + self.place)).flatten(1))

def ready():
    return Small()

def broken():
    raise RuntimeError("secret")

def scores(x):
    return x.reshape(len(x), -1)[:, :2]

def train(x, y, seed):
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression(random_state=seed).fit(x.reshape(len(x), -1), y)

number = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with code of the user's."""
    (tmp_path / "own_net.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = [one for one in sys.path if one != str(tmp_path)]
    sys.modules.pop("own_net", None)


def test_a_factory_with_its_weights(here: Path) -> None:
    torch.manual_seed(0)
    first = open_target("own_net:ready", data=DATA)
    assert first.module is not None
    state = first.module().inner.state_dict()
    save_file(state, here / "w.safetensors")
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, here / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        target = open_target("own_net:Small", data=DATA, weights=here / file)
        np.testing.assert_array_equal(target.scores(X), first.scores(X))
        assert (target.kind, target.output, target.classes, target.notes) == ("torch", Output.LOGITS, 2, [])
        assert target.digest not in ("", first.digest)
    save_file({"a": torch.zeros(1)}, here / "other.safetensors")
    (here / "bad.safetensors").write_bytes(b"nothing")
    (here / "bad.pt").write_bytes(b"nothing")
    for file in ("other.safetensors", "bad.safetensors", "bad.pt"):
        with pytest.raises(UsageError, match="does not fit"):
            open_target("own_net:ready", data=DATA, weights=here / file)


def test_a_refit_begins_again_and_learns(here: Path) -> None:
    for target in (
        open_target("own_net:ready", data=DATA),
        open_callable(open_target("own_net:ready", data=DATA).module().inner, DATA),
    ):
        assert target.refit is not None
        before = target.scores(X)
        refit = target.refit.longer(30)  # type: ignore[attr-defined]
        made = refit(X, Y, seed=1)
        assert (made.labels(X) == Y).mean() > 0.7
        np.testing.assert_array_equal(made.scores(X), refit(X, Y, seed=1).scores(X))
        np.testing.assert_array_equal(before, target.scores(X))


class Headed(nn.Module):
    """A dense layer behind and before whatever is asked."""

    def __init__(self, front: object, head: object) -> None:
        super().__init__()
        self.front, self.head, self.last = front, head, nn.Linear(36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.front(x).flatten(1)))


def plain(x: torch.Tensor) -> torch.Tensor:
    return x


@pytest.mark.parametrize(
    "head",
    [
        lambda z: z.softmax(1).softmax(1),
        lambda z: nn.functional.softmax(z * 500, dim=1),
        lambda z: nn.LogSoftmax(1)(z / 0.01),
        lambda z: torch.round(torch.sigmoid(z) * 20) / 20,
        nn.Softmax(dim=1),
    ],
)
def test_a_head_that_hides_is_taken_off(head: object) -> None:
    torch.manual_seed(1)
    net = Headed(plain, head)
    target = open_callable(net.eval(), DATA)
    assert target.module is not None
    rows = torch.from_numpy(X)
    np.testing.assert_allclose(target.module()(rows).numpy(), target.scores(X), atol=1e-6)
    np.testing.assert_allclose(target.module().peeled()(rows).numpy(), net.last(rows.flatten(1)).numpy(), atol=1e-5)


def test_what_has_no_gradient_passes_one_on_and_says_so() -> None:
    torch.manual_seed(1)
    for front, name in ((lambda x: torch.round(x * 8) / 8, "round"), (lambda x: (x * 8).floor() / 8, "floor")):
        target = open_callable(Headed(front, plain).eval(), DATA)
        assert target.module is not None
        net = target.module()
        assert net.approximated == [name] and "straight through" in target.notes[0]
        rows = torch.from_numpy(X).requires_grad_()
        assert torch.autograd.grad(net.peeled()(rows)[:, 0].sum(), rows)[0].abs().min() > 0
    for front in (lambda x: x + torch.randn_like(x) * 0.1, lambda x: nn.functional.dropout(x, 0.3, True)):
        target = open_callable(Headed(front, plain).eval(), DATA)
        assert target.module is not None
        assert len(target.module().random) == 1 and "random" in target.notes[0]
    assert open_callable(Headed(nn.Dropout(), plain).eval(), DATA).notes == []
    assert "training mode" in open_callable(Headed(nn.Dropout(), plain).train(), DATA).notes[0]


def test_one_column_becomes_two() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 1), nn.Sigmoid()).eval()
    target = open_callable(net, DATA)
    assert target.module is not None and target.output is Output.PROBABILITIES
    bare = target.module().peeled()(torch.from_numpy(X))
    np.testing.assert_allclose(bare.softmax(1).numpy(), target.scores(X), atol=1e-6)


def test_a_script_is_a_program_that_somebody_must_trust(here: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(net).save(str(here / "m.pt"))
    with pytest.raises(UsageError, match="--trust"):
        open_target("m.pt", data=DATA)
    target = open_target("m.pt", data=DATA, trust=True)
    np.testing.assert_allclose(target.scores(X), net(torch.from_numpy(X)).detach().numpy(), atol=1e-5)
    assert target.refit is not None and target.module is not None
    np.testing.assert_allclose(target.module()(torch.from_numpy(X)).numpy(), target.scores(X), atol=1e-5)
    made = target.refit.longer(30)(X, Y, seed=0)  # type: ignore[attr-defined]
    assert (made.labels(X) == Y).mean() > 0.7
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Headed(torch.round, nn.Softmax(1)).eval(), torch.from_numpy(X)).save(str(here / "t.pt"))
    hidden = open_target("t.pt", data=DATA, trust=True)
    assert hidden.module is not None and hidden.output is Output.PROBABILITIES
    assert hidden.module().approximated == ["Round"] and hidden.module().peeled() is not hidden.module()
    (here / "m.pt").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="not a TorchScript file"):
        open_target("m.pt", data=DATA, trust=True)


def test_functions_and_own_training(here: Path) -> None:
    target = open_target("own_net:scores", data=DATA, train="own_net:train")
    assert (target.kind, target.classes, target.module) == ("callable", 2, None)
    assert open_target(f"{here / 'own_net.py'}:scores", data=DATA).classes == 2
    np.testing.assert_array_equal(target.scores(X), X.reshape(80, -1)[:, :2])
    assert target.refit is not None and target.refit.recipe == "trained by own_net:train"
    made = target.refit(X, Y, seed=3)
    assert made.linear is not None and (made.labels(X) == Y).mean() > 0.8


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("own_net:nothing", "has nothing called nothing"),
        ("no_such_code:net", "there is no module no_such_code"),
        ("own_net:broken", "fails when it is called"),
        ("own_net:number", "is a int"),
        ("m.safetensors", "weights alone"),
        ("m.h5", "as ONNX"),
        ("m.strange", "no kind of model"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(here: Path, spec: str, said: str) -> None:
    if ":" not in spec:
        (here / spec).write_bytes(b"x")
    with pytest.raises(UsageError, match=said) as raised:
        open_target(spec, data=DATA)
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)


def test_functions_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="fails on rows of shape"):
        open_callable(lambda x: x @ np.ones((3, 2)), DATA)
    with pytest.raises(UsageError, match="no score per class"):
        open_callable(lambda x: x, DATA)
    with pytest.raises(UsageError, match="does not take rows"):
        open_callable(nn.Linear(3, 2), DATA)
    labels = open_callable(lambda x: (x.reshape(len(x), -1)[:, 0] > 0.5).astype(int), DATA)
    assert labels.output is Output.LABELS
