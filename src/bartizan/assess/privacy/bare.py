"""A net that is at hand, asked before the head that hides its certainty, and without the chance it draws.

Whoever holds the file can look before a softmax that rounds everything to one, a scale, a choice of the label, and can
leave out noise: what membership shows in is still there. Other models are asked as they answer.
"""

from __future__ import annotations

from typing import Any

from bartizan.assess.target import Array, Output, Target


def bare(target: Target) -> Target:
    """The same weights with plain logits where there is such a head, else the target itself."""
    net: Any = target.module() if target.module is not None else None
    if net is None or not hasattr(net, "peeled") or (net.peeled() is net and not net.random):
        return target
    from bartizan.assess.evasion.softened import Softened
    from bartizan.assess.targets.nets import replace_target
    from bartizan.assess.targets.training import answer_of

    inner = net.peeled()
    plain = answer_of(inner)

    def answer(x: Array) -> Array:
        with Softened(calm=True):
            return plain(x)

    made = replace_target(target, answer, target.module, target.refit)
    made.name = target.name
    if inner is not net:
        made.output = Output.LOGITS
    return made
