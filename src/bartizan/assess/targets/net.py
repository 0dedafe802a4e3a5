"""A torch module as attacks want it: two columns where it gives one, and a version without the head that hides.

Every module that a target gives has `approximated`, `random` and `batchwise`, the names of what has no true gradient,
of what is random, and of what makes a row's scores depend on the rows beside it, and `peeled()`. A module that somebody
wrote is watched while it runs: the last calls before its result are known, so that a softmax or a temperature at the
end can be left out, and rounding passes its gradient on.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from bartizan.assess.targets.graph import headed
from bartizan.assess.targets.operators import Tensor, through

F = torch.nn.functional
STEPPED = {torch.round, torch.floor, torch.ceil, torch.sign, torch.trunc, torch.Tensor.round, torch.Tensor.floor,
           torch.Tensor.ceil, torch.Tensor.sign, torch.Tensor.trunc}  # fmt: skip
NOISE = {torch.randn, torch.randn_like, torch.rand, torch.rand_like, torch.normal, torch.bernoulli,
         torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.bernoulli_, torch.Tensor.bernoulli}  # fmt: skip
DROPOUT = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout, torch.dropout}
# Calls of one tensor that keep the order of a row's values.
KEEPING = {
    F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, torch.Tensor.softmax, torch.Tensor.log_softmax,
    torch.sigmoid, F.sigmoid, torch.Tensor.sigmoid, torch.tanh, torch.Tensor.tanh, F.softplus, torch.exp,
    torch.Tensor.exp, torch.log, torch.Tensor.log, torch.round, torch.Tensor.round, torch.clamp, torch.Tensor.clamp,
    torch.Tensor.float,
}  # fmt: skip
SCALING = {torch.mul, torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__, torch.div, torch.Tensor.div,
           torch.Tensor.__truediv__, torch.true_divide}  # fmt: skip


class Watch(TorchFunctionMode):
    """What is called while a module runs: straight-through gradients, and how the result came about."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[int, tuple[Tensor, Tensor]] = {}  # result's id: (result, what it came from)
        self.approximated: set[str] = set()
        self.random: set[str] = set()
        self.batchwise: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        out = func(*args, **given)
        name = getattr(func, "__name__", "call")
        if func in NOISE:
            self.random.add(name)
        if func in DROPOUT and (given.get("training", args[2] if len(args) > 2 else True)):
            self.random.add(name)
        if func is F.batch_norm and given.get("training", args[5] if len(args) > 5 else False):
            self.batchwise.add(name)
        if func in STEPPED and torch.is_tensor(args[0]) and args[0].is_floating_point():
            self.approximated.add(name)
            out = through(out, args[0]) if args[0].requires_grad else out
        keeps = func in KEEPING or (func in SCALING and len(args) > 1 and _positive(args[1]))
        if keeps and torch.is_tensor(out) and torch.is_tensor(args[0]) and out.shape == args[0].shape:
            self.before[id(out)] = (out, args[0])
        return out

    def source(self, out: Tensor) -> Tensor:
        """What the result was before calls that keep the order of each row."""
        for _ in range(8):
            if id(out) not in self.before:
                break
            out = self.before[id(out)][1]
        return out


def _positive(value: Any) -> bool:
    if isinstance(value, int | float):
        return value > 0
    return torch.is_tensor(value) and value.numel() == 1 and not value.requires_grad and bool(value.detach() > 0)


class Net(torch.nn.Module):
    """A module of rows to scores.

    Args:
        inner: Gives (n, classes), or one column, or labels.
        head: What makes columns of it (see `graph.headed`).
        softmax: The scores are the softmax of what `inner` gives.
    """

    def __init__(self, inner: Any, head: str = "", classes: int = 0, *, softmax: bool = False) -> None:
        super().__init__()
        self.inner, self.head, self.classes, self.softmax = inner, head, classes, softmax
        self.approximated: list[str] = []
        self.random: list[str] = []
        self.batchwise: list[str] = []
        self.watched = self.hidden = self.bare = False

    def forward(self, x: Tensor) -> Tensor:
        if not (self.watched or (self.bare and self.hidden)):
            out = headed(self.inner(x), self.head, self.classes)
            return out.softmax(dim=1) if self.softmax and not self.bare else out
        watch = Watch()
        with watch:
            out = self.inner(x)
        if not self.bare:
            return headed(out, self.head, self.classes)
        head = "margin" if self.head == "share" else self.head
        return headed(watch.source(out), head, self.classes)

    def watch(self, probe: Tensor) -> Net:
        """Runs the module once to see what it calls: whether it rounds, draws at random, hides scores behind a head."""
        watch = Watch()
        with torch.no_grad(), watch:
            out = self.inner(probe)
        self.approximated, self.random = sorted(watch.approximated), sorted(watch.random)
        self.batchwise = sorted(watch.batchwise)
        self.watched, source = bool(watch.approximated), watch.source(out)
        if source is not out and self.head != "labels":
            head = "margin" if self.head == "share" else self.head
            full, before = (headed(one, how, 0) for one, how in ((out, self.head), (source, head)))
            top = full.max(dim=1, keepdim=True).values
            self.hidden = bool((full.gather(1, before.argmax(dim=1, keepdim=True)) == top).all())
        return self

    def peeled(self) -> Net:
        """The same weights without the head, if it has one."""
        if self.bare or not (self.softmax or self.hidden):
            return self
        made = Net(self.inner, self.head, self.classes, softmax=self.softmax)
        for name in ("approximated", "random", "batchwise", "watched", "hidden"):
            setattr(made, name, getattr(self, name))
        made.bare = True
        return made.train(self.training)
