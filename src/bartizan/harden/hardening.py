"""A whole hardening: the model is judged, made stronger in its own way, written, opened again, judged and compared.

    judge ──▶ net: adversarial training ──▶ hardened.onnx ──▶ opened as a stranger opens it ──▶ judge ──▶ harden.json
              trees, text: see the modules of those names

Against what else a model suffers: `privacy`, `theft` and `poison`, each judged by the check of that name before and
after. Where the difference may be chance nothing is written but the report, and the original is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from bartizan.assess.data import Data, Form
from bartizan.assess.evidence import as_bytes, read_json, remove, write, writing
from bartizan.assess.how import How
from bartizan.assess.target import Target
from bartizan.core.errors import UsageError
from bartizan.harden.proof import Judged, Proof, cpu_seconds, judged, prove, tested
from bartizan.harden.stopping import interruptible

AGAINST = ("evasion", "privacy", "theft", "poison")
METHODS = ("adversarial", "smoothing")
EPSILON = 8.0  # of differential privacy, where no other is asked for
BEFORE, AFTER = 0.15, 0.3  # of the time, for judging; the second attack finds it harder
MOST_CLEAN_COST = 0.03  # of accuracy, above which the original is kept by default
REPORT = "harden.json"
# By check: what its sentence says, the name of its measure, and whether that counts what fell instead of what stands.
WORDS = {
    "evasion": ("{} of {:,} test rows stood before and {} stand now", "robust_accuracy", False),
    "privacy": (
        "{} of {:,} training rows could be told at 1 % false alarms before and {} can now",
        "members_told",
        True,
    ),
    "theft": ("the copy agreed on {} of {:,} new rows before and on {} now", "stolen_fidelity", True),
    "smoothing": ("{} of {:,} test rows were proven before and {} are now", "certified_accuracy", False),
    "poison": ("{} of {:,} rows withstood the triggers before and {} do now", "trigger_withstood", False),
}


@dataclass(frozen=True, slots=True)
class Made:
    """What a way of hardening gives: the files of the new model, the one to judge it by, and what was done."""

    files: dict[str, bytes]
    opened: Target
    method: str  # in one sentence
    details: dict[str, object]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hardening:
    """What came of it. `files`: the new model, empty where it did not help."""

    made: Made
    proof: Proof
    eps: float
    norm: str
    seconds_cpu: float
    most_clean_cost: float = MOST_CLEAN_COST

    @property
    def kept(self) -> str:
        """Which model to use: `hardened`, or `original` where it did not help or cost too much accuracy."""
        return "hardened" if self.proof.helped and self.proof.cost <= self.most_clean_cost else "original"

    def as_json(self) -> dict[str, object]:
        """The section `harden` of the report."""
        return {
            "kept": self.kept,
            "against": self.proof.check,
            "eps": self.eps,
            "norm": self.norm,
            "method": self.made.method,
            "details": self.made.details,
            "notes": self.made.notes,
            "most_clean_cost": self.most_clean_cost,
            "cpu_seconds": round(self.seconds_cpu, 2),
            "cpu_minutes": round(self.seconds_cpu / 60, 2),
            "sha256": {name: sha256(content).hexdigest() for name, content in self._files().items()},
            **self.proof.as_json(),
        }

    def measures(self) -> dict[str, float]:
        """The numbers a policy clause can ask for."""
        proof, (_, name, fell) = self.proof, WORDS[self.proof.check]
        before, after = proof.before.robust.share, proof.after.robust.share
        found = {
            f"hardened_{name}": 1 - after if fell else after,
            "hardened_accuracy": proof.accuracy[1].share,
            "hardening_gain": after - before,
            "hardening_clean_cost": proof.cost,
            "hardening_p": proof.p,
        }
        proven = (proof.after.certificate or {}).get("certified")
        return found | ({"hardened_certified_accuracy": float(proven["share"])} if isinstance(proven, dict) else {})

    def sentence(self) -> str:
        """The result in one plain sentence."""
        proof, (words, _, fell) = self.proof, WORDS[self.proof.check]
        before, after = (
            f"{1 - one.robust.share if fell else one.robust.share:.1%}" for one in (proof.before, proof.after)
        )
        numbers = (
            f"{words.format(before, len(proof.before.stands), after)} (p = {proof.p:.2g}), accuracy went from "
            f"{_percent(proof.accuracy[0])} to {_percent(proof.accuracy[1])}"
        )
        if self.kept == "hardened":
            return f"The hardened model is stronger: {numbers}."
        if proof.helped:
            return f"Hardening costs more accuracy than allowed, the original is kept: {numbers}."
        return f"Hardening did not help, the original is kept: {numbers}."

    def write(self, out: Path) -> list[str]:
        """The new model where it helped, the rows that broke either model, and what was measured.

        A model that an earlier hardening wrote there goes, so that nobody takes it for this one's. Raises UsageError
        where nothing can be written.
        """
        files = self._files()
        for name, one in (("adversarial-before.npz", self.proof.before), ("adversarial-after.npz", self.proof.after)):
            if one.evidence:
                files[name] = one.evidence
        files[REPORT] = as_bytes({**self.as_json(), "sentence": self.sentence()})
        earlier = (read_json(out / REPORT) or {}).get("sha256")
        with writing(out):
            remove(out, earlier if isinstance(earlier, dict) else {})
            for name, content in files.items():
                write(out / name, content)
        return list(files)

    def _files(self) -> dict[str, bytes]:
        return dict(self.made.files) if self.proof.helped else {}


def harden(
    target: Target,
    data: Data,
    how: How,
    *,
    against: str = "evasion",
    method: str = METHODS[0],
    most_clean_cost: float = MOST_CLEAN_COST,
    epsilon: float = EPSILON,
) -> Hardening:
    """Hardens a model within `how.budget`, and proves the difference by the check that `against` names.

    Args:
        against: evasion (changes of `how.eps` under `how.norm`), privacy, theft or poison.
        method: Against evasion: adversarial, or smoothing (nets under l2: trained in noise, judged by certificates).
        most_clean_cost: Accuracy that may be lost, as a share of the test rows.
        epsilon: Of differential privacy, where training with it is tried.

    Raises UsageError for a model that nothing here can harden, and for data without rows to train or to test on.
    """
    began = cpu_seconds()
    tested(data)
    if data.x_train is None or data.y_train is None:
        raise UsageError("hardening needs rows to train on: x_train and y_train in the data")
    for name, known in ((against, AGAINST), (method, METHODS)):
        if name not in known:
            raise UsageError(f"there is no hardening {name}: choose one of {', '.join(known)}")
    if method == "smoothing":
        if against != "evasion":
            raise UsageError(f"smoothing is proven against small changes (--against evasion), not against {against}")
        from bartizan.harden.smoothing import harden_by_smoothing

        made, proof = harden_by_smoothing(target, data, how)
    elif against == "privacy":
        from bartizan.harden.privacy import harden_against_leaks

        made, proof = harden_against_leaks(target, data, how, most_clean_cost, epsilon)
    elif against == "theft":
        from bartizan.harden.theft import harden_against_theft

        made, proof = harden_against_theft(target, data, how)
    elif against == "poison":
        from bartizan.harden.poison import harden_against_poison

        made, proof = harden_against_poison(target, data, how)
    else:
        made, proof = _against_evasion(target, data, how)
    return Hardening(made, proof, how.eps, how.norm, cpu_seconds() - began, most_clean_cost)


def _against_evasion(target: Target, data: Data, how: How) -> tuple[Made, Proof]:
    way = _way(target, data)
    how.progress("judging the model as it is")
    before = judged(target, data, replace(how, budget=how.budget.part(BEFORE)))
    with interruptible(how.progress) as stopped:
        made = way(target, data, how, how.budget.left * (1 - AFTER / (1 - BEFORE)), stopped)
        if stopped():
            made.notes.append("training was interrupted: this is the best it had come to")
    how.progress("judging the hardened model")
    return made, prove(before, target, made.opened, data, how)


def _way(target: Target, data: Data) -> Any:
    if data.form is Form.TEXT:
        from bartizan.harden.text import harden_text

        return harden_text
    if target.forest is not None:
        from bartizan.harden.trees import harden_trees

        return harden_trees
    if target.module is not None:
        return _net
    why = "; ".join(target.notes) or f"it is of the kind {target.kind}"
    raise UsageError(f"{target.name} gives neither gradients nor trees, and cannot be hardened: {why}")


def _net(target: Target, data: Data, how: How, seconds: float, stopped: Callable[[], bool]) -> Made:
    from bartizan.harden.nets import harden_net
    from bartizan.harden.writing import as_files, trainable

    taught = harden_net(trainable(target), data, how.eps, how.norm, how.seed, seconds, how.progress, stopped)
    files, opened, gap = as_files(taught.net, taught.front, data)
    front = taught.front
    details: dict[str, object] = {
        "start": "the given weights",
        "rows": taught.rows,
        "front": {"low": front.low, "high": front.high} if front is not None else None,
        "stages": [one.as_json() for one in taught.stages],
        "held_out": [{"name": one.name, "accuracy": one.clean, "pgd_10": one.robust} for one in taught.tried],
        "onnx_gap": gap,
    }
    notes = [f"the net was trained from the given weights on {taught.rows:,} of the training rows"]
    if front is not None:
        ends = f"values up to {front.low:.3g} become nearly 0 and values from {front.high:.3g} on nearly 1"
        notes.append(f"{ends} before the net sees them")
    method = " then ".join(dict.fromkeys(one.method for one in taught.stages))
    return Made(files, opened, f"adversarial training: {method}", details, notes)


def _percent(rate: Any) -> str:
    return f"{rate.share:.1%}"


__all__ = ["Hardening", "Judged", "Made", "harden"]
