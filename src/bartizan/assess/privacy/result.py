"""What the privacy check found out, as a section of the report and as a file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from bartizan.assess.measured import Rate
from bartizan.assess.privacy.audit import Audit
from bartizan.assess.privacy.curve import Curve
from bartizan.assess.privacy.exposed import Exposed
from bartizan.assess.privacy.personal import Carried
from bartizan.assess.target import Array

FILE = "membership.csv"
COLUMNS = ("index", "score")


@dataclass(frozen=True, slots=True)
class Privacy:
    """The ranking of candidates by membership, and how well it tells members from others.

    `curve` is of the target itself where the truth is known (`known`), else of shadow models played against each other;
    None where there is neither. `independent` are the members that its interval counts.
    """

    scores: Array
    index: Array
    part: str  # of the data: x_pool, or x_train where no pool was given
    attack: str
    curve: Curve | None
    known: bool
    independent: int
    shadows: int
    shadow_seconds: float
    recipe: str | None
    tried: tuple[tuple[str, Curve], ...]
    exposed: tuple[Exposed, ...]
    classes: tuple[dict[str, object], ...]  # of the rows above 1 % false alarms, by class
    dp: Audit | None
    carried: Carried | None
    notes: tuple[str, ...]
    finished: bool

    def rate(self, fpr: float) -> Rate | None:
        """Members found at this share of false alarms; None where there are too few others to speak of it."""
        if self.curve is None or not self.curve.enough_for(fpr):
            return None
        return self.curve.rate_at(fpr, self.independent)

    def as_json(self) -> dict[str, object]:
        """Its section of report.json; a rate that cannot be claimed is absent."""
        found: dict[str, object] = {}
        for name, fpr in (("tpr_at_1pct", 0.01), ("tpr_at_01pct", 0.001)):
            rate = self.rate(fpr)
            if rate is not None:
                found[name] = rate.as_json()
        if self.curve is not None:
            found |= {"auc": round(self.curve.auc, 4), "roc": self.curve.points(), "others": self.curve.others}
        return found | {
            "attack": self.attack,
            "judged_on": "the truth of the candidates" if self.known else "shadow models" if self.curve else "nothing",
            "candidates": len(self.scores),
            "candidates_of": self.part,
            "shadow_models": self.shadows,
            "seconds_a_shadow": round(self.shadow_seconds, 2),
            "recipe": self.recipe,
            "attacks": [
                {"attack": name, "tpr_at_1pct": round(one.share_at(0.01), 4),
                 "tpr_at_01pct": round(one.share_at(0.001), 4), "auc": round(one.auc, 4)}
                for name, one in self.tried
            ],
            "exposed": [one.as_json() for one in self.exposed],
            "exposed_classes": list(self.classes),
            "differential_privacy": None if self.dp is None else self.dp.as_json(),
            "personal_data": None if self.carried is None else self.carried.as_json(),
            "notes": list(self.notes),
            "finished": self.finished,
        }  # fmt: skip

    def write(self, out: Path) -> list[str]:
        """membership.csv, where a pool was given."""
        if self.part != "x_pool":
            return []
        with (out / FILE).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows((int(at), f"{score:.9g}") for at, score in zip(self.index, self.scores, strict=True))
        return [FILE]

    def measures(self) -> dict[str, float]:
        """`membership_tpr_at_1pct` and its `_low`, the same at 0.1 %, `membership_auc`; more where it was asked for."""
        found: dict[str, float] = {}
        for name, fpr in (("membership_tpr_at_1pct", 0.01), ("membership_tpr_at_01pct", 0.001)):
            rate = self.rate(fpr)
            if rate is not None:
                found |= {name: rate.share, f"{name}_low": rate.low}
        if self.curve is not None:
            found["membership_auc"] = self.curve.auc
        if self.dp is not None:
            found["epsilon_at_least"] = self.dp.least
        if self.carried is not None:
            found["personal_data_rows"] = float(max(self.carried.rows.values(), default=0))
        return found

    def sentence(self) -> str:
        """The result in one plain sentence."""
        rate = self.rate(0.01)
        if rate is not None:
            how = "" if self.known else ", as measured on models trained like it"
            said = (
                f"Whoever holds model and candidates tells {rate.share:.1%} of its training rows from others at 1 % "
                f"false alarms (guessing: 1 %; 95 % interval {rate.low:.1%} to {rate.high:.1%}){how}"
            )
        elif self.curve is not None:
            wide = self.rate(0.1)
            told = "" if wide is None else f"{wide.share:.1%} of its training rows are told at 10 % false alarms; "
            said = (
                f"Membership can be told with an area of {self.curve.auc:.2f} (guessing: 0.50); {told}"
                f"{self.curve.others:,} rows that were not trained on are too few for a rate at 1 %"
            )
        else:
            said = "The candidates were ranked by a weaker attack without models trained like it; how well is not known"
        if self.dp is not None and self.dp.refuted:
            said += f"; the claimed epsilon of {self.dp.claimed:g} is refuted: it is at least {self.dp.least:.2f}"
        if self.carried is not None and self.carried.rows:
            said += f"; {len(self.carried.rows)} kinds of secrets or personal data stand in the training rows"
        return said + "."
