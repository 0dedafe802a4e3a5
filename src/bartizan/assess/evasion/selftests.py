"""The evaluation tested by itself: ten ways in which attacks fail and a model looks robust.

Carlini et al. 2019, "On Evaluating Adversarial Robustness"; Pintor et al. 2022, "Indicators of Attack Failure"; the
checks of AutoAttack. Each takes few queries, and each has a name, an effect and a remedy. A healthy model passes all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bartizan.assess.evasion import square
from bartizan.assess.evasion.ball import Ball
from bartizan.assess.evasion.result import Tested
from bartizan.assess.target import Array, Output, Target

if TYPE_CHECKING:
    from bartizan.assess.evasion.chain import Chain
    from bartizan.assess.evasion.view import View

PROBE = 48  # rows that a test looks at
FEW = 24
REPEATED = 1e-4  # of the spread of scores: more is no rounding
APART = 1e-2  # of it, between a row alone and in a batch
ZERO = 0.05  # of the rows may have no gradient
FLAT = 0.1  # of the rows may not rise
STEEP = 100.0  # lead in scores at which float32 has no cross-entropy left: exp(-103) is 0
WINS = 0.02  # of the survivors that a black box may still fell
LARGE = 0.05  # of the rows that may stand where everything is allowed
RIDGE = 2000  # rows that another, simple model is trained on
FOLLOWS = 0.2  # of what the gradient promises that a small step has to give

REMEDIES: dict[str, tuple[str, str]] = {
    "zero-gradients": (
        "gradient attacks do not move and call every row robust",
        "attack the scores before the head, pass gradients through what rounds, or attack without gradients",
    ),
    "random-answers": (
        "an attack sees another model at each step, and a row falls or stands by luck",
        "attack the mean of the answers (noise off, or averaged gradients) and judge by repeated looks",
    ),
    "large-eps-survivors": (
        "rows stand even where any change is allowed: the attack is stuck, not the model strong",
        "give smoothed gradients or a black-box attack a longer search",
    ),
    "black-box-wins": (
        "random search fells what gradients could not: the gradients mislead",
        "search longer without gradients, or repair the gradients",
    ),
    "robustness-rises": (
        "more room makes the attack weaker, which no model does: the attack loses its way",
        "take smaller steps, more of them, or smoothed gradients",
    ),
    "flat-loss": (
        "steps along the gradient do not raise the loss: the gradient says nothing about the model",
        "smooth the gradient over the neighbourhood, or attack without gradients",
    ),
    "saturated-scores": (
        "the cross-entropy of such scores is exactly 0 in float32, and so is its gradient",
        "attack scores before the head, divided to an ordinary size",
    ),
    "transfer-wins": (
        "changes made for another, simple model work better than those made for this one: its gradients mislead",
        "attack with the gradients of a copy that is trained on the model's answers",
    ),
    "training-mode": (
        "answers depend on chance or on the other rows of a batch: the model runs as in training",
        "export the model in evaluation mode: dropout off, running statistics",
    ),
    "value-range": (
        "eps means something else in this unit, and attacks leave or do not fill the real range",
        "give the pixels as float32 in [0, 1] and scale inside the model",
    ),
    "time": (
        "rows that nothing was tried on count as standing",
        "give it a longer --budget, or fewer --rows",
    ),
}  # fmt: skip


def told(check: str, passed: bool, seen: str) -> Tested:
    """A result, with the effect and remedy of its kind."""
    return Tested(check, passed, seen, *REMEDIES[check])


def random_answers(first: Array, second: Array, random: tuple[str, ...]) -> Tested:
    """(b) The same rows asked twice; operators that draw at random."""
    seen = f"scores of the same row differ by {_relative(first, second):.1%} of their spread"
    seen += f" ({', '.join(random)})" if random else ""
    return told("random-answers", not (random or differs(first, second)), seen)


def differs(first: Array, second: Array) -> bool:
    """Whether two looks at the same rows are more apart than rounding."""
    return _relative(first, second) > REPEATED


def training_mode(target: Target, x: Array, random: tuple[str, ...], chance: bool) -> Tested:
    """(i) A row alone against the same in a batch; dropout that is on."""
    dropping = [name for name in random if "dropout" in name.lower()]
    if chance:
        return told("training-mode", not dropping, f"random: {', '.join(random) or 'of unknown origin'}")
    rows = x[:8]
    alone = np.concatenate([target.scores(one[None]) for one in rows])
    apart = _relative(alone, target.scores(rows))
    return told(
        "training-mode", apart <= APART and not dropping, f"alone and in a batch differ by {apart:.1%} of their spread"
    )


def value_range(x: Array, images: bool) -> Tested:
    """(j) Pixels outside [0, 1]."""
    low, high = float(x.min(initial=0)), float(x.max(initial=0))
    return told("value-range", not images or (low >= 0 and high <= 1), f"values from {low:g} to {high:g}")


def in_time(tried: int, right: int) -> Tested:
    """(k) A search that ended before any attack had its turn at every row."""
    return told("time", tried >= right, f"{tried} of {right} rows were attacked before the time was over")


def saturated_scores(target: Target, scores: Array) -> Tested:
    """(g) Scores too far apart for float32, or probabilities that stand where scores should."""
    ordered = np.sort(scores, axis=1)
    gap = float(np.median(ordered[:, -1] - ordered[:, -2]))
    unit = bool((scores >= 0).all() and (scores <= 1).all())
    ends = float(np.isin(scores, (0.0, 1.0)).all(axis=1).mean()) if unit else 0.0
    double = unit and target.output is Output.PROBABILITIES and float(ordered[:, -1].max()) < _twice(scores.shape[1])
    seen = f"the best score leads by {gap:.3g}"
    if target.output is Output.LABELS:
        return told("saturated-scores", False, "answers are labels alone")
    if unit:
        seen = f"answers lie in [0, 1], {ends:.0%} of them at its ends" + (
            ", as a softmax of a softmax does" if double else ""
        )
    # A forest's or a classifier's own answers are shares; a net that gives them hides its scores.
    net = target.module is not None and target.kind in ("onnx", "torch")
    return told("saturated-scores", not (gap > STEEP or ends > ZERO or (unit and net)), seen)


def zero_gradients(whole: View | None, x: Array, y: Array, output: Output) -> Tested:
    """(a) The cross-entropy's own gradient through the model as it answers, in float32."""
    if whole is None:
        return told("zero-gradients", True, "no gradients are used")
    import torch

    def plain(scores: Any, labels: Any, rival: Any = None) -> tuple[Any, Any]:
        if output is Output.PROBABILITIES:
            own = scores.gather(1, labels[:, None]).clamp_min(1e-12)
            return -own.log()[:, 0], torch.zeros_like(scores).scatter(1, labels[:, None], -1 / own)
        told = torch.log_softmax(scores, dim=1)
        one = torch.zeros_like(scores).scatter(1, labels[:, None], 1.0)
        return -(told * one).sum(dim=1), told.exp() - one

    slope = whole.slope(torch.from_numpy(x), torch.from_numpy(y), plain)[2].flatten(1)
    none = float((slope.abs().max(dim=1).values == 0).float().mean())
    through = ", ".join(getattr(whole.module, "approximated", ()))
    seen = f"{none:.0%} of {len(x)} rows have a gradient of exactly 0" + (
        f"; none leads through {through}" if through else ""
    )
    return told("zero-gradients", none <= ZERO and not through, seen)


def flat_loss(view: View, x: Array, y: Array, flat: Array | None, ball: Ball) -> Tested:
    """(f) Whether the loss rises at all, and by what the gradient promises over a small step."""
    import torch

    from bartizan.assess.evasion.losses import margin

    rows, labels = torch.from_numpy(x), torch.from_numpy(y)
    _, before, slope = view.slope(rows, labels, margin)
    # Less than a level of what rounds is no step at all.
    step = _each(ball, x) / (2 if getattr(view.module, "approximated", ()) else 20)
    after = margin(view.scores(rows + step * slope.sign()), labels)[0]
    promised = (step * slope.flatten(1).abs().sum(dim=1)).clamp_min(1e-30)
    gained = float(((after - before) / promised).median())
    still = float(flat.mean()) if flat is not None and len(flat) else 0.0
    seen = f"{still:.0%} of the rows did not rise; a small step gives {gained:.0%} of what the gradient promises"
    return told("flat-loss", still <= FLAT and gained >= FOLLOWS, seen)


def large_eps(chain: Chain, view: View | None, index: Array) -> Tested:
    """(c) Nearly everything is allowed: hardly anything may stand."""
    rows = chain.rows
    x, y = rows.x[index], rows.y[index]
    ball = _wide(rows.ball, rows.x)
    if not len(x):
        return told("large-eps-survivors", True, "no row stands")
    if view is None and chain.target.output is Output.LABELS:
        return told("large-eps-survivors", True, "the search by labels begins at rows of other classes")
    if view is None:
        _, lead = square.search(chain.ask, x, y, ball, 100, chain.rng, over=chain.over)
        stands = lead <= 0
    else:
        stands = _climbed(view, x, y, ball, ((0.3, rows.at[index]), (1.0, x)), 16) <= 0
    seen = f"{int(stands.sum())} of {len(x)} rows stand changes of {ball.eps:.3g}"
    return told("large-eps-survivors", stands.sum() <= max(1, LARGE * len(x)), seen)


def rises(chain: Chain, view: View, index: Array) -> Tested:
    """(e) The same short attack with half, once and twice the room."""
    rows = chain.rows
    x, y = rows.x[index], rows.y[index]
    reach = _each(rows.ball, x)
    balls = [Ball("linf", reach * times, rows.ball.low, rows.ball.high) for times in (0.5, 1.0, 2.0)]
    fell = [int((_climbed(view, x, y, ball, ((1.0, x),), 5) > 0).sum()) for ball in balls]
    noise = max(2.0, float(np.sqrt(len(x))) / 2)
    good = fell[1] >= fell[0] - noise and fell[2] >= fell[1] - noise
    seen = f"{fell[0]}, {fell[1]} and {fell[2]} of {len(x)} rows fall at half, once and twice eps"
    return told("robustness-rises", good, seen)


def _climbed(view: View, x: Array, y: Array, ball: Ball, tries: tuple[tuple[float, Array], ...], steps: int) -> Array:
    """(n,) the lead that climbs of so many steps reach, each from its own start, while the row stands."""
    from bartizan.assess.evasion.climb import Slopes, climb
    from bartizan.assess.evasion.losses import odds

    low, high = ball.box(x)
    lead = np.full(len(x), -np.inf)
    for first, start in tries:
        left = np.flatnonzero(lead <= 0)
        if len(left):
            lead[left] = climb(
                view, x[left], y[left], low[left], high[left], Slopes(odds, steps, first),
                radius=np.full(len(left), ball.eps), norm=ball.norm, start=start[left],
            ).lead  # fmt: skip
    return lead


def _each(ball: Ball, x: Array) -> float:
    """A change of every value that is about as large as eps allows."""
    if ball.norm == "linf":
        return ball.eps
    size = x[0].size
    return ball.eps / size**0.5 if ball.norm == "l2" else _span(ball, x) * min(1.0, ball.eps / size)


def _span(ball: Ball, x: Array) -> float:
    return ball.high - ball.low if np.isfinite(ball.high - ball.low) else float(x.max() - x.min())


def _wide(ball: Ball, x: Array) -> Ball:
    """A ball in which a row may become nearly any other."""
    span = _span(ball, x)
    if ball.norm == "l2":
        return ball.wider(max(0.4 * span * x[0].size ** 0.5, 2 * ball.eps))
    return Ball("linf", max(0.75 * span, 2 * ball.eps if ball.norm == "linf" else 0.0), ball.low, ball.high)


def black_box(found: int, tried: int, queries: int) -> Tested:
    """(d) Random search on what gradients left standing."""
    seen = f"{found} of {tried} survivors fell to {queries} queries of random search"
    return told("black-box-wins", found <= max(1, WINS * tried), seen)


def transfer(found: int, tried: int, name: str) -> Tested:
    """(h) Changes made for another model on what stands."""
    return told(
        "transfer-wins", found <= max(1, WINS * tried), f"{found} of {tried} survivors fell to changes made for {name}"
    )


def transferred(x: Array, y: Array, train: tuple[Array, Array], ball: Ball, classes: int) -> Array:
    """Rows changed along the weights of a ridge regression on the labels, from their class to the nearest other."""
    rows, labels = (one[:RIDGE] for one in train)
    flat = rows.reshape(len(rows), -1).astype(np.float32)
    middle = flat.mean(axis=0)
    flat = flat - middle
    share = flat.T @ flat
    share[np.diag_indices_from(share)] += np.float32(0.05 * np.trace(share) / len(share) + 1e-9)
    weight = np.linalg.solve(share, flat.T @ np.eye(classes, dtype=np.float32)[labels])
    scores = (x.reshape(len(x), -1) - middle) @ weight
    scores[np.arange(len(x)), y] = -np.inf
    way = (weight[:, scores.argmax(axis=1)] - weight[:, y]).T
    if ball.norm == "linf":
        way = np.sign(way)
    else:
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-30)
    return np.asarray((x + ball.eps * way.reshape(x.shape)).astype(np.float32))


def _relative(first: Array, second: Array) -> float:
    spread = float(np.median(first.max(axis=1) - first.min(axis=1))) if len(first) else 0.0
    return float(np.abs(first - second).max(initial=0.0)) / max(spread, 1e-12)


def _twice(classes: int) -> float:
    """The highest probability that a softmax of probabilities can give."""
    return float(np.e / (np.e + classes - 1)) + 1e-6
