"""How well scores tell members from others, where it counts: at few false alarms.

Source: Carlini et al. 2022, "Membership Inference Attacks From First Principles" (true positives at low false ones).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bartizan.assess.measured import Rate, clopper_pearson
from bartizan.assess.target import Array

EVIDENCE = 10  # False alarms that a rate must allow for: with fewer, one row more or less decides.
POINTS = 60


@dataclass(frozen=True, slots=True)
class Curve:
    """The ROC as counts: at most `false[i]` of `others` raise an alarm where `hits[i]` of `members` do; both rise."""

    hits: Array
    false: Array
    members: int
    others: int

    def hits_at(self, fpr: float) -> int:
        """Members found with no more false alarms than this share allows."""
        allowed = self.false <= int(np.floor(fpr * self.others + 1e-9))
        return int(self.hits[allowed].max()) if allowed.any() else 0

    def share_at(self, fpr: float) -> float:
        """Of the members, 0 to 1."""
        return self.hits_at(fpr) / self.members if self.members else 0.0

    def enough_for(self, fpr: float) -> bool:
        """Whether there are others enough to speak of such a rate at all."""
        return self.others * fpr >= EVIDENCE

    def rate_at(self, fpr: float, of: int | None = None) -> Rate:
        """With a Clopper-Pearson interval; `of`: rows that count as independent, where fewer than there are."""
        whole = self.members if of is None else min(of, self.members)
        return clopper_pearson(round(self.share_at(fpr) * whole), whole)

    @property
    def auc(self) -> float:
        """The area, 0.5 without any leak."""
        if not self.members or not self.others:
            return 0.5
        tpr = np.concatenate([[0.0], self.hits / self.members, [1.0]])
        fpr = np.concatenate([[0.0], self.false / self.others, [1.0]])
        return float(np.trapezoid(tpr, fpr))

    def points(self) -> list[dict[str, float]]:
        """Of the curve, evenly along the logarithm of the false-positive rate, from the first that can be told."""
        if not self.others:
            return []
        rates = np.unique(np.round(np.geomspace(1, self.others, POINTS))) / self.others
        return [{"fpr": round(float(fpr), 7), "tpr": round(self.share_at(float(fpr)), 6)} for fpr in rates]


def curve(scores: Array, member: Array) -> Curve:
    """Of scores (n,), higher is a member, and the truth (n,) bool. Rows with one score fall together."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    inside = np.cumsum(member[order])
    return Curve(inside[ends], (ends + 1) - inside[ends], int(member.sum()), int((~member).sum()))
