"""What can be proven of a model: exactly (trees, linear), by bounds (small nets, linf), or smoothed (any model, L2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.certify.smoothing import ABSTAINED, FIRST, LOTS, Smoothed, smooth
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.measured import Rate, wilson
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError

AT_ONCE = 16  # rows
SIGMA = 2.0  # times smaller than eps the noise is: then eps is proven from 98 % of the copies on


@dataclass(frozen=True, slots=True)
class Certificates:
    """Of the rows looked at: right and proven for `eps`. `smoothed`: of the smoothed model, not of the model alone."""

    how: str
    eps: float
    norm: str
    proven: Array  # (n,) bool
    looked: int
    abstained: int = 0
    smoothed: bool = False
    why_not: str = ""

    @property
    def certified(self) -> Rate:
        """Right and proven."""
        return wilson(int(self.proven.sum()), self.looked)

    def gap(self, robust: Rate) -> float:
        """What lies between what is proven and what attacks have not broken: nobody knows these rows."""
        return robust.share - self.certified.share

    def as_json(self) -> dict[str, object]:
        """For the report."""
        return {
            "how": self.how, "eps": self.eps, "norm": self.norm, "certified": self.certified.as_json(),
            "abstained": self.abstained, "smoothed": self.smoothed, "why_not": self.why_not,
        }  # fmt: skip

    def sentence(self, robust: Rate | None = None) -> str:
        """In words, with the gap to the attacks where they ran."""
        if self.why_not:
            return f"Nothing is proven: {self.why_not}."
        whose = "of the smoothed model " if self.smoothed else ""
        share = f"{self.certified.share:.0%} of {self.looked} rows"
        said = f"{share} {whose}are proven for {self.norm} {self.eps:g} ({self.how})"
        if robust is None or self.smoothed:
            return f"{said}."
        return f"{said}; attacks left {robust.share:.0%}, so {max(0.0, self.gap(robust)):.0%} are neither."


def certify(target: Target, data: Data, how: How, stands: Array | None = None) -> Certificates:
    """The strongest certificate there is for this kind of model, on the first `how.rows` test rows, as time allows.

    Args:
        stands: (n,) rows that no attack changed enough; the others are known to have no proof, and cost nothing.
    """
    if data.x_test is None or data.y_test is None:
        raise UsageError("certificates are given for test rows: x_test and y_test in the data")
    x, y = data.x_test[: how.rows], data.y_test[: how.rows]
    right = target.labels(x) == y
    if target.forest is not None or target.linear is not None:
        return _exact(target, data, how, right)
    if how.norm == "linf" and target.module is not None:
        return _bounded(target, data, how, x, y, right if stands is None or len(stands) != len(x) else right & stands)
    if how.norm == "l2" and data.form is not Form.TEXT:
        return _smoothed(target, how, x, y)
    return _nothing(how, len(x), f"there is no certificate for this kind of model under {how.norm}")


def _nothing(how: How, count: int, why: str) -> Certificates:
    return Certificates("none", how.eps, how.norm, np.zeros(count, bool), count, why_not=why)


def _exact(target: Target, data: Data, how: How, right: Array) -> Certificates:
    from bartizan.assess.evasion.exact import answers, solver

    solve = solver(target, data, how.norm)
    if solve is None:
        return _nothing(how, len(right), "the model gives no tables")
    found = answers(solve, target, data, how)
    proven = np.array([one.right and one.below >= how.eps for one in found])
    return Certificates(solve.name, how.eps, how.norm, proven, len(right))


def _bounded(target: Target, data: Data, how: How, x: Array, y: Array, among: Array) -> Certificates:
    """`among`: (n,) rows that may be proven; the others, and all behind a lot without a proof, count as not proven."""
    from bartizan.assess.certify.bounds import bounds
    from bartizan.assess.evasion.ball import Ball
    from bartizan.assess.targets.graph import BROKEN, Graph, Unsupported

    assert target.module is not None
    net = target.module()
    net = net.peeled() if hasattr(net, "peeled") else net
    if not isinstance(net, Graph):
        return _nothing(how, len(x), "bounds are known for nets from ONNX files")
    limits = (0.0, 1.0) if data.form is Form.IMAGES else (-np.inf, np.inf)
    low, high = Ball("linf", how.eps, *limits).box(x.astype(np.float32))
    proven = np.zeros(len(x), bool)
    order = np.flatnonzero(among)
    order = order[np.argsort(-_ahead(target, x[order], y[order]), kind="stable")]
    try:
        for at in range(0, len(order), AT_ONCE):
            if how.budget.spent:
                break
            some = order[at : at + AT_ONCE]
            found = bounds(net, low[some], high[some], y[some])
            proven[some] = found.interval > 0
            if not proven[some].all():
                proven[some] = found.tightened() > 0
            how.progress(f"bounds: {int(proven.sum())} of {len(x)} rows are proven")
            if not proven[some].any():  # The surest rows come first: the rest are taken for not proven.
                break
    except (Unsupported, *BROKEN) as error:
        why = str(error) if isinstance(error, Unsupported) else f"the bounds ended ({type(error).__name__})"
        return _nothing(how, len(x), why)
    return Certificates("CROWN-IBP", how.eps, how.norm, proven, len(x))


def _ahead(target: Target, x: Array, y: Array) -> Array:
    """(n,) by how much the label leads."""
    scores = target.log_probabilities(x).copy()
    own = np.take_along_axis(scores, y[:, None], 1)[:, 0]
    np.put_along_axis(scores, y[:, None], -np.inf, 1)
    return np.asarray(own - scores.max(axis=1))


def _smoothed(target: Target, how: How, x: Array, y: Array) -> Certificates:
    room = None if target.cap is None else target.cap - target.queries
    if room is not None and room < FIRST + LOTS[-1]:
        return _nothing(how, len(x), "smoothing asks more rows than the endpoint may be asked")
    return smoothed(target, how, x, y)[0]


def smoothed(target: Target, how: How, x: Array, y: Array) -> tuple[Certificates, Smoothed]:
    """What is proven of the votes over noisy copies of these rows, and the votes' own answers."""
    found = smooth(target, x, how.eps / SIGMA, how.eps, how.seed, how.budget)
    proven = (found.label == y) & (found.radius >= how.eps)
    told = Certificates(
        f"smoothing, sigma {found.sigma:g}", how.eps, how.norm, proven, len(x),
        abstained=int((found.label == ABSTAINED).sum()), smoothed=True,
    )  # fmt: skip
    return told, found
