"""Refitting a net: a new target of the same architecture, trained by the stated recipe."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bartizan.assess.target import Array, Output, Target

LOOKED_AT = 1000  # Rows on which a head is compared with what stands before it.
MUCH = 0.02


@dataclass(frozen=True, slots=True)
class NetRefit:
    """`begin(seed, rows)` gives a module with new weights that may change; `trained` is what is taught of it."""

    like: Target
    begin: Callable[[int, Array], Any]
    epochs: int | None = None  # None: by the number of rows
    recipe: str = field(init=False)

    def __post_init__(self) -> None:
        from bartizan.assess.targets.training import Recipe

        object.__setattr__(self, "recipe", str(Recipe(self.epochs)))

    def __call__(self, x: Array, y: Array, seed: int) -> Target:
        from bartizan.assess.targets.training import Recipe, fit

        net = self.begin(seed, x)
        bare = net.peeled() if hasattr(net, "peeled") else net
        recipe = Recipe(self.epochs)
        fit(bare, x, y, seed, recipe, self.like.output if bare is net else Output.LOGITS)
        if bare is not net and _lost(net, bare, x, y):  # The head cuts scores off: it has to be trained with it.
            fit(net, x, y, seed, recipe, self.like.output)
        return self.target(net)

    def longer(self, epochs: int) -> NetRefit:
        """The same recipe with so many epochs."""
        return replace(self, epochs=epochs)

    def target(self, net: Any) -> Target:
        """The module as a target like the one it was begun from."""
        from bartizan.assess.targets.training import answer_of

        for parameter in net.parameters():
            parameter.requires_grad_(False)
        net.eval()
        return replace_target(self.like, answer_of(net), lambda: net, self)


def _lost(net: Any, bare: Any, x: Array, y: Array) -> bool:
    """Whether the head makes rows wrong that were right before it, on the first of them."""
    import numpy as np

    from bartizan.assess.targets.training import answer_of

    labels = np.argmax(y[:LOOKED_AT], axis=1) if np.ndim(y) == 2 else y[:LOOKED_AT]
    whole, before = (np.mean(answer_of(one)(x[:LOOKED_AT]).argmax(axis=1) == labels) for one in (net, bare))
    return bool(whole < before - MUCH)


def replace_target(like: Target, answer: Any, module: Any, refit: Any) -> Target:
    """A target of the same kind and shape with another model in it: nobody's queries, no cap, no file."""
    made = copy.copy(like)
    made.answer, made.module, made.refit = answer, module, refit
    made.name, made.digest, made.queries, made.cap, made.notes = f"{like.name} (refitted)", "", 0, None, []
    return made
