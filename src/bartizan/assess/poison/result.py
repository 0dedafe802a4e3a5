"""What the poison scan found, as a section of the report and as files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bartizan.assess.poison.inversion import Inverted
from bartizan.assess.poison.triggers import Backdoor

COLUMNS = ("index", "kind", "score", "reason")


@dataclass(frozen=True, slots=True)
class Suspect:
    """One training row. `kind` is backdoor, label or outlier; `score` orders the rows of a kind, higher is surer."""

    index: int
    kind: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Poison:
    """The scan of one training set with one model."""

    rows: int
    classes: tuple[str, ...]
    backdoors: tuple[Backdoor, ...]
    suspects: tuple[Suspect, ...]
    unconfirmed: tuple[dict[str, object], ...]  # groups with something in common that did not move the model
    blind: tuple[str, ...]  # what this scan cannot see
    notes: tuple[str, ...]
    finished: bool
    inverted: tuple[Inverted, ...] = ()  # the smallest patch of each class, where the model alone was at hand

    @property
    def suspected(self) -> tuple[Inverted, ...]:
        """Classes that far less calls up than any other."""
        return tuple(one for one in self.inverted if one.suspected)

    def count(self, kind: str) -> int:
        """How many rows are suspected of this."""
        return sum(one.kind == kind for one in self.suspects)

    def name(self, label: int) -> str:
        """What a class is called."""
        return self.classes[label] if label < len(self.classes) else str(label)

    def as_json(self) -> dict[str, object]:
        """Its section of report.json."""
        return {
            "backdoors": [
                {
                    "target_class": one.trial.target_class,
                    "target_name": self.name(one.trial.target_class),
                    "source_class": one.trial.source,
                    "kind": one.kind,
                    "trigger": one.trigger,
                    "labels": one.label_was,
                    "rows": len(one.rows),
                    "success": one.trial.success.as_json(),
                    "control": one.trial.control.as_json(),
                    "p": one.trial.p,
                    "hangs": one.hangs.as_json(),
                    "success_after_removal": one.after.as_json() if one.after is not None else None,
                    "picture": f"triggers.npz:{at}" if one.picture else None,
                }
                for at, one in enumerate(self.backdoors)
            ],
            "suspected_triggers": [
                {
                    "target_class": one.target_class,
                    "target_name": self.name(one.target_class),
                    "trigger": one.stamp.words,
                    "size": round(one.size, 4),
                    "odd": one.odd,
                    "success": one.success.as_json(),
                    "control": one.control.as_json(),
                }
                for one in self.suspected
            ],
            "rows": {kind: self.count(kind) for kind in ("backdoor", "label", "outlier")},
            "train_rows": self.rows,
            "unconfirmed_groups": list(self.unconfirmed),
            "cannot_see": list(self.blind),
            "notes": list(self.notes),
            "finished": self.finished,
        }

    def write(self, out: Path) -> list[str]:
        """suspects.csv, and triggers.npz where a recovered trigger is a picture."""
        with (out / "suspects.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            for one in self.suspects:  # Names in a reason come from the data: none may steer a terminal.
                reason = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in one.reason)
                writer.writerow((one.index, one.kind, f"{one.score:.4f}", reason))
        pictures = [one.picture for one in self.backdoors] + [one.picture for one in self.suspected]
        arrays = {f"{at}_{name}": value for at, picture in enumerate(pictures) for name, value in picture.items()}
        if not arrays:
            return ["suspects.csv"]
        with (out / "triggers.npz").open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # by name
        return ["suspects.csv", "triggers.npz"]

    def measures(self) -> dict[str, float]:
        """`backdoor_rows`, `backdoors`, `backdoor_success`, `suspected_triggers` (of the model alone), `label_rows`,
        `outlier_rows`, `train_rows`, `poisoned_share`."""
        success = max((one.trial.success.share for one in self.backdoors), default=0.0)
        return {
            "backdoor_rows": float(self.count("backdoor")),
            "backdoors": float(len(self.backdoors)),
            "backdoor_success": success,
            "suspected_triggers": float(len(self.suspected)),
            "label_rows": float(self.count("label")),
            "outlier_rows": float(self.count("outlier")),
            "train_rows": float(self.rows),
            "poisoned_share": self.count("backdoor") / max(1, self.rows),
        }

    def sentence(self) -> str:
        """The result in one plain sentence."""
        if self.rows == 0:
            return self._alone()
        labels, outliers = self.count("label"), self.count("outlier")
        look, are = "row looks" if labels == 1 else "rows look", "is" if outliers == 1 else "are"
        rest = f"{labels} {look} mislabelled and {outliers} {are} like no others"
        if not self.backdoors:
            return f"No backdoor was confirmed among {self.rows:,} training rows; {rest}."
        worst = max(self.backdoors, key=lambda one: one.trial.success.share)
        plural = "a backdoor" if len(self.backdoors) == 1 else f"{len(self.backdoors)} backdoors"
        return (
            f"{self.count('backdoor')} of {self.rows:,} training rows carry {plural}: {worst.trigger} turns "
            f"{worst.trial.success.hits} of {worst.trial.success.of} other rows into "
            f'"{self.name(worst.trial.target_class)}"; {rest}.'
        )

    def _alone(self) -> str:
        if not self.inverted:
            return "Without training rows nothing could be said of backdoors."
        if not self.suspected:
            return (
                f"Without training rows: none of {len(self.inverted)} classes is called up by a patch that is much "
                "smaller than for the others."
            )
        worst = max(self.suspected, key=lambda one: one.odd)
        return (
            f"Without training rows: {worst.stamp.words} turn {worst.success.hits} of {worst.success.of} rows into "
            f'"{self.name(worst.target_class)}", far less than any other class takes; a backdoor is suspected, not '
            "confirmed."
        )
