"""Rows under the whole chain: looked at as they are, attacked, the evaluation tested, and what that changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.evasion import selftests
from bartizan.assess.evasion.ball import Ball
from bartizan.assess.evasion.chain import Chain, gradients
from bartizan.assess.evasion.result import Evasion, Tested
from bartizan.assess.evasion.rows import CLEAN, LOOKS, Rows
from bartizan.assess.measured import Rate, wilson

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.evasion.view import View
    from bartizan.assess.how import How
    from bartizan.assess.target import Array, Target

LIES = 60  # queries of random search that tell whether gradients lie


def attacked(target: Target, data: Data, how: How, *, images: bool) -> Evasion:
    """The first rows of x_test under every attack that fits the target."""
    assert data.x_test is not None
    assert data.y_test is not None
    x = np.ascontiguousarray(data.x_test[: how.rows], dtype=np.float32)
    y = np.ascontiguousarray(data.y_test[: how.rows], dtype=np.int64)
    low, high = (min(0.0, float(x.min(initial=0))), max(1.0, float(x.max(initial=1)))) if images else (-np.inf, np.inf)
    rows = Rows(x, y, Ball(how.norm, how.eps, low, high))
    chain = Chain(target, rows, how, np.random.default_rng(how.seed))
    notes: list[str] = []
    with one_thread():
        clean, tests = _looked(chain, images)
        view, whole = _views(target, x, notes)
        if view is not None and whole is not None:
            gradients(chain, view)
            tests += _tested(chain, view, whole, data)
    return Evasion(rows, clean, tuple(chain.attacks.values()), tuple(tests), (), (), tuple(notes), not chain.over())


def _looked(chain: Chain, images: bool) -> tuple[Rate, list[Tested]]:
    """The rows as they are: which are right, whether answers repeat, and what the scores look like."""
    target, rows = chain.target, chain.rows
    scores = target.scores(rows.x)
    few = scores[: selftests.PROBE]
    again = target.scores(rows.x[: selftests.PROBE])
    if selftests.differs(few, again):
        rows.looks = LOOKS
    right = np.argmax(scores, axis=1) == rows.y
    wrong = np.flatnonzero(~right)
    rows.fell(target, wrong, rows.x[wrong], CLEAN)
    return wilson(int(right.sum()), len(right)), [
        selftests.random_answers(few, again, rows.looks),
        selftests.value_range(rows.x, images),
        selftests.saturated_scores(target, few),
    ]


def _views(target: Target, x: Array, notes: list[str]) -> tuple[View | None, View | None]:
    try:
        from bartizan.assess.evasion.view import bared, whole
    except ImportError:
        if target.module is not None:
            notes.append("gradient attacks need torch, which is not installed: pip install torch")
        return None, None
    plain = whole(target)
    return (None, None) if plain is None else (bared(plain, x[: selftests.PROBE]), plain)


def _tested(chain: Chain, view: View, whole: View, data: Data) -> list[Tested]:
    rows, target = chain.rows, chain.target
    right = np.flatnonzero([name != CLEAN for name in rows.attack])
    probe, few = right[: selftests.PROBE], right[: selftests.FEW]
    standing = rows.standing
    tests = [
        selftests.training_mode(target, rows.x, tuple(getattr(whole.module, "random", ())), rows.looks > 1),
        selftests.zero_gradients(whole, rows.x[probe], rows.y[probe], target.output),
        selftests.flat_loss(
            view, rows.x[probe], rows.y[probe], chain.flat[probe] if chain.flat is not None else None, rows.ball.eps
        ),
        selftests.large_eps(chain, view, standing[-selftests.FEW :]),
        selftests.rises(chain, view, few),
    ]
    tried = standing[: selftests.PROBE]
    tests.append(selftests.black_box(chain.squares(tried, LIES, "square"), len(tried), LIES))
    return tests


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one core: small batches cost less in all, and the other core is somebody else's."""
    try:
        import torch
    except ImportError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
