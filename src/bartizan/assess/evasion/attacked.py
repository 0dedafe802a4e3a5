"""Rows under the whole chain: looked at as they are, attacked, the evaluation tested, and what that changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.errors import Spent
from bartizan.assess.evasion import selftests
from bartizan.assess.evasion.ball import Ball
from bartizan.assess.evasion.chain import Chain
from bartizan.assess.evasion.corruptions import corrupted
from bartizan.assess.evasion.minimal import along, curve, distances
from bartizan.assess.evasion.result import Evasion, Tested
from bartizan.assess.evasion.routes import by_answers, firmer, gradients, sparsely
from bartizan.assess.evasion.rows import CLEAN, CLEAR, LOOKS, Rows, leads
from bartizan.assess.evasion.switch import few as few_stand
from bartizan.assess.evasion.switch import switched
from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Output, log_probabilities

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.evasion.view import View
    from bartizan.assess.how import How
    from bartizan.assess.target import Array, Target

LIES = 60  # queries of random search that tell whether gradients lie
FIRM = 7.0  # the most of it, in scores of spread 7
SURELY = 3.0  # standard deviations of a noisy lead that a climb goes for
# Tests of what attacks came to; the others name a mechanism, which attacks may have dealt with from the start.
OUTCOMES = {"large-eps-survivors", "black-box-wins", "robustness-rises", "flat-loss", "transfer-wins"}
UNIT = ("value-range",)  # What no other attack can deal with.


def attacked(target: Target, data: Data, how: How, *, images: bool) -> Evasion:
    """The first rows of x_test under every attack that fits the target.

    Raises Spent where it answers not even the first of them. Where it stops later, what was found until then counts.
    """
    assert data.x_test is not None
    assert data.y_test is not None
    x, notes = data.x_test[: how.rows], list[str]()
    scores = _answers(target, np.ascontiguousarray(x, np.float32))
    if len(scores) < len(x):
        notes.append(f"{len(scores)} of {len(x)} rows were answered; the others are not part of any share")
    x = x[: len(scores)]
    y = np.ascontiguousarray(data.y_test[: len(x)], dtype=np.int64)
    low, high = (min(0.0, float(x.min(initial=0))), max(1.0, float(x.max(initial=1)))) if images else (-np.inf, np.inf)
    rows = Rows(x, y, Ball(how.norm, how.eps, low, high), whole=np.issubdtype(target.dtype, np.integer))
    x = rows.x
    chain = Chain(target, rows, how, np.random.default_rng(how.seed))
    right = np.argmax(scores, axis=1) == y
    tests: list[Tested] = []
    reach, mild = None, tuple[tuple[str, Rate], ...]()
    with one_thread(how.seed), suppress(Spent):
        view, whole = _views(target, x, notes)
        tests += _looked(chain, scores, view, whole, images)
        if how.norm == "l0":
            sparsely(chain, view)
        elif view is not None:
            gradients(chain, view)
        else:
            by_answers(chain, data)
        tests += _tested(chain, view, whole, data)
        tests, view = _settled(chain, tests, view, whole, data)
        if view is not None:
            firmer(chain, view)
        rows.audit(target)
        reach = along(chain) if view is None else distances(chain, view)
        mild = corrupted(target, x, y, chain.rng) if images and not chain.over() else ()
    if chain.over():
        tried = max((attack.tried for attack in chain.attacks.values()), default=0)
        tests.append(selftests.in_time(tried, int(right.sum())))
    return Evasion(
        rows, wilson(int(right.sum()), len(right)), tuple(chain.attacks.values()),
        tuple(sorted(tests, key=lambda test: test.passed)),
        curve(rows.distance if reach is None else reach, how.eps), mild, tuple(notes), not chain.over(),
    )  # fmt: skip


def _answers(target: Target, x: Array) -> Array:
    """(k, classes) scores of the first rows: fewer than there are where the target stops answering."""
    parts: list[Array] = []
    with suppress(Spent):
        parts.extend(target.scores(x[at : at + target.batch]) for at in range(0, len(x), target.batch))
    return np.concatenate(parts) if parts else target.scores(x[:1])


def _looked(chain: Chain, scores: Array, view: View | None, whole: View | None, images: bool) -> list[Tested]:
    """The rows as they are: whether answers repeat, what the scores look like. Those that are wrong have fallen."""
    target, rows = chain.target, chain.rows
    few = scores[: selftests.PROBE]
    again = target.scores(rows.x[: selftests.PROBE])
    if selftests.differs(few, again):  # By chance, or by the rows beside them? The same batch tells.
        few, again = again, target.scores(rows.x[: selftests.PROBE])
    chance = getattr(whole.module, "random", ()) if whole is not None else ()
    if selftests.differs(few, again) or chance:
        rows.looks = LOOKS
        if view is not None:
            first, second = (leads(log_probabilities(one, target.output), rows.y[: len(few)]) for one in (few, again))
            noise = float(np.nan_to_num(np.std(first - second))) / 2**0.5 / view.scale
            rows.need[:] = np.clip(SURELY * noise, CLEAR, FIRM)
    wrong = np.flatnonzero(np.argmax(scores, axis=1) != rows.y)
    rows.fell(target, wrong, rows.x[wrong], CLEAN)
    return [
        selftests.random_answers(few, again, tuple(chance)),
        selftests.value_range(rows.x, images),
        selftests.saturated_scores(target, few),
    ]


def _views(target: Target, x: Array, notes: list[str]) -> tuple[View | None, View | None]:
    try:
        from bartizan.assess.evasion.view import bared, entire
    except ImportError:
        if target.module is not None:
            notes.append("gradient attacks need torch, which is not installed: pip install torch")
        return None, None
    plain = entire(target)
    return (None, None) if plain is None else (bared(plain, x[: selftests.PROBE]), plain)


def _tested(chain: Chain, view: View | None, whole: View | None, data: Data) -> list[Tested]:
    """The tests that need gradients, and those that do without."""
    rows, target = chain.rows, chain.target
    right = np.flatnonzero([name != CLEAN for name in rows.attack])
    probe, few = right[: selftests.PROBE], right[: selftests.FEW]
    random = tuple(getattr(whole.module, "random", ())) if whole is not None else ()
    if chain.over() or not len(right):
        return []
    tests = [selftests.training_mode(target, rows.x, random, rows.looks > 1)]
    if view is None or whole is None:
        unused = ("zero-gradients", "flat-loss", "robustness-rises")
        tests += [selftests.told(one, True, "no gradients are used") for one in unused]
        return [*tests, *_lies(chain, view, data)]
    flat = chain.flat[probe] if chain.flat is not None else None
    return [
        *tests,
        selftests.zero_gradients(whole, rows.x[probe], rows.y[probe], target.output),
        selftests.flat_loss(view, rows.x[probe], rows.y[probe], flat, rows.ball),
        selftests.rises(chain, view, few),
        *_lies(chain, view, data),
    ]


def _lies(chain: Chain, view: View | None, data: Data) -> list[Tested]:
    """The tests of what stands: whether unlimited room, random search or another model's changes bring it down."""
    rows, l0 = chain.rows, chain.rows.ball.norm == "l0"
    if chain.over():
        return []
    tests = [selftests.large_eps(chain, view, rows.standing[-selftests.FEW :])]
    tried = rows.standing[: selftests.PROBE]
    if view is None:
        tests.append(selftests.told("black-box-wins", True, "no gradients are used"))
    else:
        fell = chain.sparse_search(tried, LIES) if l0 else chain.squares(tried, LIES)
        tests.append(selftests.black_box(fell, len(tried), LIES))
    x, y = (data.x_train, data.y_train) if data.x_train is not None else (data.x_test, data.y_test)
    tried = rows.standing
    if x is not None and y is not None and len(tried) and not l0:
        changed = selftests.transferred(rows.x[tried], rows.y[tried], (x, y), rows.ball, chain.target.classes)
        tests.append(selftests.transfer(chain.tried(tried, changed, "transfer"), len(tried), "a linear model"))
    return tests


def _settled(
    chain: Chain, tests: list[Tested], view: View | None, whole: View | None, data: Data
) -> tuple[list[Tested], View | None]:
    """Switches the attack where a test failed; what the failure came to then."""
    failed = {test.check for test in tests if not test.passed}.difference(UNIT)
    if not failed:
        return tests, view
    # Of a mechanism that the view took away, nothing is left to see in what the attacks came to.
    done, lied = _bared(chain, view, whole), bool(failed.intersection(OUTCOMES))
    again: list[Tested] = []
    if view is not None and lied and chain.rows.ball.norm != "l0":
        view, more = switched(chain, view, data)
        done += more
        again = _lies(chain, view, data)
    elif lied:
        again = [test for test in tests if test.check in OUTCOMES]
    stands = f"{len(chain.rows.standing)} of {len(chain.rows.x)} rows stand"
    settled = few_stand(chain) or all(test.passed for test in again)
    resolved = f"{'; '.join(done) or 'attacked further'}: {stands}" if settled else ""
    late = {test.check: test for test in again if not test.passed}
    kept = [late[test.check] if test.passed and test.check in late else test for test in tests]
    return [test if test.passed or test.check in UNIT else replace(test, resolved=resolved) for test in kept], view


def _bared(chain: Chain, view: View | None, whole: View | None) -> list[str]:
    """What was taken away for the attack from the start, in words."""
    if view is None or whole is None:
        return (
            ["searched by labels alone, which finds less than scores would"]
            if chain.target.output is Output.LABELS
            else []
        )
    done = ["scores before the head"] if view.module is not whole.module else ["scores brought to one spread"]
    through = ", ".join(getattr(whole.module, "approximated", ()))
    if through:
        done.append(f"gradients straight through {through}")
    if chain.rows.looks > 1:
        done.append(f"noise off for gradients, {chain.rows.looks} looks at each row that fell")
    return done


@contextmanager
def one_thread(seed: int) -> Iterator[None]:
    """Torch on one core, where small batches cost least in all, and with a seed that nobody else notices."""
    try:
        import torch
    except ImportError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
