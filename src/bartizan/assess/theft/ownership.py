"""Whose model is it: rows on which a copy answers as the original does and an independent model does not.

Keys are rows between two others, of which it is chance to which class an independent model puts them, while copies put
them where the original does (Lukas et al. 2021, conferrable examples; Cao et al. 2021, IPGuard). They are chosen with
some of the independent models; the others say how many keys an independent model meets by chance, and how often it
would be claimed wrongly. Independent models are the model's own architecture trained anew, with true labels and other
halves of the data: models that somebody trained on other data altogether agree less.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import log, sqrt
from zipfile import BadZipFile

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.how import How
from bartizan.assess.measured import Rate, clopper_pearson
from bartizan.assess.target import Array, Target
from bartizan.assess.theft import pools
from bartizan.assess.theft.answers import Answers, told
from bartizan.assess.theft.measure import probabilities
from bartizan.assess.theft.thieves import Copy, Thief, thief_for
from bartizan.core.errors import UsageError

KEYS, CANDIDATES = 100, 4000
INDEPENDENT, CHOOSERS = 42, 12  # Independent models, and those of them that choose.
LEAST = 8  # Independent models without which there is no test.
LEAST_SPREAD = 0.2  # Of log-odds: what 100 coins have.
COPIES = 3
QUERIES = 500  # Of the copies that help to choose.
SURE = 0.5  # What the original gives the likeliest class of a key at least.
CLAIM = 0.001  # The p-value below which a claim is made.
SCHEMA = "bartizan.ownership/1"


@dataclass(frozen=True, slots=True)
class Keys:
    """The secret rows, the original's labels, and how many of them independent models met."""

    model: str
    rows: Array
    labels: Array
    independent: tuple[int, ...]  # keys that each independent model met, of those that chose none
    false_claims: Rate
    survives: Mapping[str, tuple[int, float]]  # what was done to a copy: keys it meets, p-value
    recipe: str

    def content(self) -> bytes:
        """keys.npz: what is kept secret until a claim."""
        stream = io.BytesIO()
        np.savez(stream, rows=self.rows, labels=self.labels)
        return stream.getvalue()

    def as_json(self) -> dict[str, object]:
        """ownership.json: the commitment, which says nothing of the keys but their digest."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "keys": len(self.labels),
            "keys_sha256": hashlib.sha256(self.content()).hexdigest(),
            "independent_models": len(self.independent),
            "independent_matches": list(self.independent),
            "independent_recipe": self.recipe,
            "false_claims": self.false_claims.as_json(),
            "claim_below": CLAIM,
            "survives": [
                {"done": name, "matches": met, "p_value": p, "claimed": p < CLAIM}
                for name, (met, p) in self.survives.items()
            ],
        }


def matches(target: Target, rows: Array, labels: Array) -> int:
    """Keys for which a model gives the original's label."""
    return int((target.labels(rows) == labels).sum())


def p_value(met: int, independent: Sequence[int], keys: int = KEYS) -> float:
    """The chance that one more independent model meets so many keys: Student's t of a new value, on log-odds.

    Models that agree on some keys agree on others like them, so that counts spread more than coins would; log-odds of
    the share that is met spread evenly, and their spread is measured on independent models, not assumed.
    """
    from scipy.stats import t

    values = np.array([_log_odds(one, keys) for one in independent])
    spread = max(float(values.std(ddof=1)), LEAST_SPREAD)
    return float(t.sf((_log_odds(met, keys) - values.mean()) / (spread * sqrt(1 + 1 / len(values))), len(values) - 1))


def _log_odds(met: int, keys: int) -> float:
    return log((met + 0.5) / (keys - met + 0.5))


def keys_for(target: Target, data: Data, how: How) -> Keys:
    """Keys of a model.

    Raises UsageError where the model cannot be trained anew, there are no labelled rows, or there was time for too few
    independent models.
    """
    if target.refit is None or data.x_train is None or data.y_train is None or data.form is Form.TEXT:
        why = "".join(f"; {note}" for note in target.notes) if target.refit is None else ""
        raise UsageError(
            "ownership keys need rows of numbers with labels (x_train, y_train) and a model that can be trained anew"
            + why
        )
    draw = np.random.default_rng(how.seed)
    pool = pools.own(data, how.seed).rows
    candidates = _between(pool, draw)
    said = probabilities(target, candidates)
    sure = said.max(axis=1) >= SURE
    candidates, labels = candidates[sure], said[sure].argmax(axis=1)
    independent = _independent(target, data, candidates, how)
    if len(independent) < LEAST:
        raise UsageError(
            f"there was time for {len(independent)} independent models, and {LEAST} are needed: raise --budget"
        )
    thief = thief_for(data.form, pool, target.classes, [])
    copies = _copies(target, pool, thief, how)
    agreed = np.stack([one == labels for one in independent]).astype(float)
    half = min(CHOOSERS, len(agreed) // 2)
    copied = np.mean([one.logits(candidates).argmax(axis=1) == labels for one in copies], axis=0)
    chosen = _chosen(copied - agreed[:half].mean(axis=0), labels)
    met = [int(count) for count in agreed[half:, chosen].sum(axis=1)]
    wrong = sum(p_value(one, met[:at] + met[at + 1 :], len(chosen)) < CLAIM for at, one in enumerate(met))
    rows, answers = candidates[chosen], labels[chosen]
    survives = _survives(target, data, thief.settled(copies[0]), pool, rows, answers, met, how)
    rate = clopper_pearson(wrong, len(met))
    return Keys(target.digest, rows, answers, tuple(met), rate, survives, target.refit.recipe)


def _chosen(worth: Array, labels: Array) -> Array:
    """The best keys, as many of each label as there are: whoever leans to one class meets no more of them."""
    order = np.argsort(-worth, kind="stable")
    rank = np.empty(len(order), np.int64)
    for label in np.unique(labels):
        here = order[labels[order] == label]
        rank[here] = np.arange(len(here))
    return np.asarray(order[np.argsort(rank[order], kind="stable")][:KEYS])


def _between(pool: Array, draw: np.random.Generator) -> Array:
    """Rows on the line between two rows of the pool."""
    first, second = (np.asarray(pool[draw.integers(0, len(pool), CANDIDATES)], np.float32) for _ in range(2))
    share = draw.uniform(0.3, 0.7, (CANDIDATES, *([1] * (pool.ndim - 1)))).astype(np.float32)
    return np.nan_to_num(first * share + second * (1 - share))


def _copies(target: Target, pool: Array, thief: Thief, how: How) -> list[Copy]:
    """Copies of different rows; what the first chose, the others keep."""
    made: list[Copy] = []
    for seed in range(how.seed + 1, how.seed + 1 + COPIES):
        made.append(_copy(target, pool, thief, seed, QUERIES, Answers.SOFT, how.budget.part(0.1)))
        thief = thief.settled(made[-1])
    return made


def _copy(target: Target, pool: Array, thief: Thief, seed: int, queries: int, answers: Answers, budget: Budget) -> Copy:
    """A copy from rows by chance."""
    rows = np.random.default_rng(seed).choice(len(pool), min(queries, len(pool) // 2), replace=False)
    given = told(probabilities(target, pool[rows]), answers, seed)
    return thief.best(pool[rows], given, seed, budget)


def _independent(target: Target, data: Data, candidates: Array, how: How) -> list[Array]:
    """Labels of the candidates by models trained anew on halves of the data, as many as there is time for."""
    assert target.refit is not None and data.x_train is not None and data.y_train is not None
    found: list[Array] = []
    budget = how.budget.part(0.75)
    draw = np.random.default_rng(how.seed + 100)
    while len(found) < INDEPENDENT and not (budget.spent and found):
        how.progress(f"independent models: {len(found)} of {INDEPENDENT}")
        half = draw.permutation(len(data.x_train))[: len(data.x_train) // 2]
        found.append(
            target.refit(data.x_train[half], data.y_train[half], how.seed + 100 + len(found)).labels(candidates)
        )
    return found


def _survives(
    target: Target, data: Data, thief: Thief, pool: Array, rows: Array, labels: Array, met: list[int], how: How
) -> dict[str, tuple[int, float]]:
    """What copies that were changed still meet, as far as there is time."""
    counts = {"copied as it is": matches(target, rows, labels)}
    for name, queries, answers in (
        ("distilled, 300 queries", 300, Answers.SOFT),
        ("distilled, 1,000 queries", 1000, Answers.SOFT),
        ("distilled from labels, 1,000 queries", 1000, Answers.LABELS),
    ):
        if not how.budget.spent and len(pool) >= 2 * queries:
            how.progress(name)
            copy = _copy(target, pool, thief, how.seed + 50, queries, answers, how.budget.part(0.5))
            counts[name] = int((copy.logits(rows).argmax(axis=1) == labels).sum())
    if target.module is not None and not how.budget.spent:
        counts |= _changed(target, data, rows, labels, how)
    return {name: (count, p_value(count, met, len(labels))) for name, count in counts.items()}


def _changed(target: Target, data: Data, rows: Array, labels: Array, how: How) -> dict[str, int]:
    """Nets whose smallest weights were set to 0, and nets that were trained on."""
    import torch

    from bartizan.assess.targets.training import Recipe, answer_of, fit

    assert target.module is not None and data.x_train is not None and data.y_train is not None
    counts = {}
    for share in (0.3, 0.6):
        net = deepcopy(target.module())
        with torch.no_grad():
            for value in net.parameters():
                if value.dim() > 1:
                    size = value.abs()
                    value.mul_((size > torch.quantile(size.flatten()[:1_000_000], share)).float())
        counts[f"pruned, {share:.0%} of the weights"] = int((answer_of(net)(rows).argmax(axis=1) == labels).sum())
    net = deepcopy(target.module())
    for value in net.parameters():
        value.requires_grad_(True)
    bare = net.peeled() if hasattr(net, "peeled") else net
    half = np.random.default_rng(how.seed).permutation(len(data.x_train))[: len(data.x_train) // 2]
    fit(bare, data.x_train[half], data.y_train[half], how.seed, Recipe(2, 1e-3), target.output)
    counts["fine-tuned, 2 epochs on true labels"] = int((answer_of(net)(rows).argmax(axis=1) == labels).sum())
    return counts


def from_files(commitment: object, content: bytes) -> Keys:
    """Keys out of ownership.json and keys.npz. Raises UsageError for what is no such thing, or not its match."""
    told_ = commitment if isinstance(commitment, dict) else {}
    if told_.get("schema") != SCHEMA:
        raise UsageError("ownership.json is no commitment of ownership keys")
    if hashlib.sha256(content).hexdigest() != told_.get("keys_sha256"):
        raise UsageError("keys.npz is not what ownership.json was made with: nothing can be claimed with it")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            rows, labels = found["rows"], found["labels"]
        independent = tuple(int(one) for one in told_["independent_matches"])
        model = str(told_["model"])
    except (BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"ownership.json or keys.npz is damaged ({type(error).__name__})") from None
    if len(independent) < LEAST // 2 or not all(0 <= one <= len(labels) for one in independent):
        raise UsageError("ownership.json does not say how many keys independent models met: nothing can be compared")
    return Keys(model, rows, labels, independent, clopper_pearson(0, 0), {}, "")
