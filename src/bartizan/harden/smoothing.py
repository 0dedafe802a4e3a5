"""Hardening a net for smoothing: it is trained in Gaussian noise, and judged by what is proven of its votes (L2).

The certificate belongs to the smoothed model, the label that most noisy copies of a row get, and not to the net
alone: before and after are both the votes of a net, at the same noise, on the same rows. The file that is written maps
rows to the logits of the net that votes; who wants what is proven has to let it vote.

Source: Cohen, Rosenfeld and Kolter 2019, "Certified Adversarial Robustness via Randomized Smoothing".
"""

from __future__ import annotations

from dataclasses import replace

from bartizan.assess.certify.certifying import SIGMA, smoothed
from bartizan.assess.certify.smoothing import ALPHA, LOTS
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.target import Target
from bartizan.core.errors import UsageError
from bartizan.harden.adversary import NOISE
from bartizan.harden.hardening import Made
from bartizan.harden.nets import harden_net
from bartizan.harden.proof import Judged, Proof, tested
from bartizan.harden.stopping import interruptible
from bartizan.harden.writing import as_files, trainable

BEFORE, TRAINING = 0.25, 0.5  # of the time; of what is then left


def harden_by_smoothing(target: Target, data: Data, how: How) -> tuple[Made, Proof]:
    """A net that is right in noise, and how many rows its votes are proven for, beside the votes of the given net.

    Raises UsageError for what is no net, and under another norm than l2: noise proves a radius in L2 alone.
    """
    if how.norm != "l2":
        raise UsageError(f"what noisy votes prove is a radius in L2: ask for --norm l2, not {how.norm}")
    if target.module is None or data.form is Form.TEXT:
        raise UsageError(f"{target.name} is no net that can be trained in noise")
    sigma = how.eps / SIGMA
    how.progress("votes of the model as it is")
    before = _judged(target, data, replace(how, budget=how.budget.part(BEFORE)))
    with interruptible(how.progress) as stopped:
        seconds = how.budget.left * TRAINING
        taught = harden_net(trainable(target), data, sigma, NOISE, how.seed, seconds, how.progress, stopped)
    files, opened, gap = as_files(taught.net, None, data)
    how.progress("votes of the hardened model")
    after = _judged(opened, data, how)
    assert before.looked is not None
    assert after.looked is not None
    both = before.looked & after.looked
    before, after = before.among(both), after.among(both)
    rows, labels = tested(data)
    rows, labels = rows[: len(both)][both], labels[: len(both)][both]
    alone, given = opened.labels(rows) == labels, target.labels(rows) == labels
    details: dict[str, object] = {
        "start": "the given weights",
        "rows": taught.rows,
        "sigma": sigma,
        "votes": LOTS[-1],
        "alpha": ALPHA,
        "stages": [one.as_json() for one in taught.stages],
        "accuracy_of_the_net_alone": {"before": wilson(int(given.sum()), len(given)).as_json(),
                                      "after": wilson(int(alone.sum()), len(alone)).as_json()},
        "accuracy_of_the_votes": {"before": before.clean.as_json(), "after": after.clean.as_json()},
        "onnx_gap": gap,
    }  # fmt: skip
    notes = [
        f"the certificate belongs to the smoothed model: the label that most of up to {LOTS[-1]:,} copies with "
        f"Gaussian noise of standard deviation {sigma:g} get, values not cut to their range; each row's proof errs "
        f"with a chance of at most {ALPHA:g}",
        "hardened.onnx maps rows to the logits of the net that votes: asked once, without noise, it proves nothing",
        f"the net was trained from the given weights on {taught.rows:,} of the training rows",
    ]
    if not both.all():
        notes.append(f"time was spent after {int(both.sum())} of {len(both)} rows; the others count for neither model")
    accuracy = wilson(int(given.sum()), len(given)), after.clean  # What is given, against the votes that replace it.
    method = f"randomised smoothing, trained in Gaussian noise of standard deviation {sigma:g}"
    return Made(files, opened, method, details, notes), Proof(before, after, accuracy, "smoothing")


def _judged(target: Target, data: Data, how: How) -> Judged:
    """A net's votes: right, and proven for the radius."""
    rows, labels = tested(data)
    rows, labels = rows[: how.rows], labels[: how.rows]
    told, found = smoothed(target, how, rows, labels)
    right = found.label == labels
    section = {**told.as_json(), "sentence": told.sentence(), "rows_asked": found.asked, "looked": found.looked}
    looked = right.copy()
    looked[:] = False
    looked[: found.looked] = True
    return Judged(right, told.proven, section, certificate=section, looked=looked)
