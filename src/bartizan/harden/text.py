"""Hardening a text classifier: read in a way that edits change little, and fitted for edited texts.

    spelling     letters beyond ASCII are reduced or left out where the corpus is ASCII: invisible characters and
                 look-alikes that stand for accents lose their hold
    pieces       of two classes: a linear model of pieces of words, fitted for the worst spelling (see `letters`)
    words        of two classes: a linear model of words, fitted for the worst that as many edits can do (see `words`)
    copies       the given pipeline on copies that are misspelt, or that hold words which speak for other classes

Everything is scikit-learn's own, so the hardened model is one skops file with nothing of ours in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data
from bartizan.assess.evasion.text import attacked_texts
from bartizan.assess.evasion.wording import edited, worded
from bartizan.assess.how import How
from bartizan.assess.target import Array, Target
from bartizan.core.errors import UsageError
from bartizan.harden import letters
from bartizan.harden.choosing import FREE, Tried
from bartizan.harden.hardening import Made
from bartizan.harden.words import STEPS, Fitted, fit

COPIES = 4
HELD, MOST_HELD = 0.15, 120
MOST_TEXTS = 40_000
MOST_WORDS = 50_000
LETTERS = 3
SPELT = 6000  # texts whose words are spelt in every way: a second or two for each thousand
SPEAKING = 200  # words for each class
ASCII_SHARE = 0.995


def harden_text(
    target: Target, data: Data, how: How, seconds: float, stopped: Callable[[], bool] = lambda: False
) -> Made:
    """A pipeline of scikit-learn that stands more; the best of what was tried on texts held back.

    Raises UsageError where the model is no pipeline of scikit-learn with a vectorizer.
    """
    from bartizan.assess.targets.scikit import of_estimator

    model = getattr(target.refit, "model", None)
    if model is None or not hasattr(model, "steps"):
        raise UsageError(f"{target.name} is no pipeline of scikit-learn; texts are hardened for those")
    assert data.x_train is not None and data.y_train is not None
    chance = np.random.default_rng(how.seed)
    order = chance.permutation(len(data.x_train))
    held = max(1, min(MOST_HELD, int(HELD * len(order))))
    x, y = np.array([str(one) for one in data.x_train]), np.asarray(data.y_train, np.int64)
    choosing = replace(data, x_test=x[order[:held]], y_test=y[order[:held]])
    rest = order[held:][:MOST_TEXTS]
    texts, labels = x[rest], y[rest]
    time, part = Budget(seconds), seconds / 6

    def judge(name: str, one: Target) -> Tried:
        told = replace(how, budget=Budget(part), rows=held, progress=lambda text: None)
        found = [row for row in attacked_texts(one, choosing, told) if row.looked or not row.right]
        clean = float((one.labels(np.array(choosing.x_test)) == choosing.y_test).mean())
        stands = sum(row.right and row.row is None for row in found)
        tried = Tried(name, clean, stands / max(1, len(found)))
        how.progress(f"{name}: {clean:.1%} right, {tried.robust:.1%} stand of {len(found)} texts held back")
        return tried

    before = judge("as given", target)
    tried, free = [before], before.clean - FREE
    best: tuple[Any, Target, Tried] | None = None
    ways = [("the given pipeline on edited copies", _given)]
    if target.classes == 2:
        ways.insert(0, ("a linear model of words fitted for the worst edits", _for_the_worst))
        ways.insert(0, ("a linear model of pieces of words fitted for the worst spelling", _for_the_worst_spelling))
    for name, way in ways:
        if best is not None and (time.left < 2.5 * part or stopped()):
            break
        made = way(model, texts, labels, replace(how, budget=time), chance)
        one = of_estimator(made, target.name, "", texts[:8])
        result = judge(name, one)
        tried.append(result)
        if best is None or result.better_than(best[2], free):
            best = (made, one, result)
    assert best is not None
    return _made(best, tried, len(texts))


def _made(best: tuple[Any, Target, Tried], tried: Sequence[Tried], rows: int) -> Made:
    from bartizan.assess.errors import Missing

    try:
        from skops.io import dumps
    except ImportError:
        raise Missing("skops", "writing the hardened model") from None
    content: bytes = dumps(best[0])
    details: dict[str, object] = {
        "held_out": [{"name": one.name, "accuracy": one.clean, "stand": one.robust} for one in tried],
        "rows": rows,
    }
    opened = best[1]
    opened.name = "hardened.skops"
    notes = [
        f"fitted anew with {best[2].name}",
        "whether edited texts still mean the same was not verified by a person",
    ]
    return Made({"hardened.skops": content}, opened, f"text model: {best[2].name}", details, notes)


def _for_the_worst_spelling(model: Any, texts: Array, labels: Array, how: How, chance: np.random.Generator) -> Any:
    """Pieces of up to three letters within words, counted, capitals kept: no edit changes those."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline

    reads = CountVectorizer(
        analyzer="char_wb", ngram_range=(1, LETTERS), strip_accents=_accents(texts), lowercase=False,
        min_df=min(3, max(1, len(texts) // 100)), max_features=MOST_WORDS,
    )  # fmt: skip
    texts, labels = texts[:SPELT], labels[:SPELT]
    reads.fit(list(texts))
    allowed = np.array([int(how.eps * len(worded(text).words) + 1e-9) for text in texts])
    found = letters.fit(
        letters.spellings(reads, texts), np.where(labels == 1, 1.0, -1.0), allowed, 0.3 * how.budget.left
    )
    return make_pipeline(reads, _linear(found))


def _for_the_worst(model: Any, texts: Array, labels: Array, how: How, chance: np.random.Generator) -> Any:
    """Which words there are, and a linear model (see `words`)."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline

    reads = CountVectorizer(binary=True, strip_accents=_accents(texts), min_df=2, max_features=MOST_WORDS)
    present = reads.fit_transform(list(texts)).tocsr()
    allowed = np.array([int(how.eps * len(worded(text).words) + 1e-9) for text in texts])
    found = fit(present, np.where(labels == 1, 1.0, -1.0), allowed, chance)
    return make_pipeline(reads, _linear(found))


def _linear(found: Fitted) -> Any:
    """scikit-learn's own model with these weights."""
    from sklearn.linear_model import LogisticRegression

    linear = LogisticRegression()
    linear.coef_, linear.intercept_ = found.weights[None], np.array([found.bias])
    linear.classes_, linear.n_features_in_, linear.n_iter_ = np.array([0, 1]), len(found.weights), np.array([STEPS])
    return linear


def _given(model: Any, texts: Array, labels: Array, how: How, chance: np.random.Generator) -> Any:
    """The given pipeline, fitted on edited copies as well."""
    from sklearn.base import clone

    speaking = _speaking(texts, labels)
    copies = max(1, min(COPIES, MOST_TEXTS // max(1, len(texts))))
    edits = [_changed(text, int(label), how.eps, speaking, chance) for _ in range(copies)
             for text, label in zip(texts, labels, strict=True)]  # fmt: skip
    given = clone(model)
    if "strip_accents" in given.steps[0][1].get_params():
        given.steps[0][1].set_params(strip_accents=_accents(texts))
    return _fitted(given, np.concatenate([texts, np.array(edits)]), np.tile(labels, copies + 1))


def _accents(texts: Array) -> str:
    letters = "".join(texts[:2000])
    return "ascii" if sum(one.isascii() for one in letters) >= ASCII_SHARE * max(1, len(letters)) else "unicode"


def _fitted(model: Any, texts: Array, labels: Array) -> Any:
    import warnings

    from sklearn.base import clone

    made = clone(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Not converged: held-out texts say whether it is of use.
        return made.fit(list(texts), labels)


def _speaking(texts: Array, labels: Array) -> dict[int, list[str]]:
    """By class: words that are much more usual in it than elsewhere."""
    counts: dict[int, dict[str, int]] = {}
    totals = {int(label): int((labels == label).sum()) for label in np.unique(labels)}
    for text, label in zip(texts, labels, strict=True):
        mine = counts.setdefault(int(label), {})
        for word in dict.fromkeys(text.split()):  # Not a set, whose order is another in every process.
            mine[word] = mine.get(word, 0) + 1
    found = {}
    for label, mine in counts.items():
        rest = max(1, len(texts) - totals[label])

        def odds(word: str, label: int = label, mine: dict[str, int] = mine, rest: int = rest) -> float:
            elsewhere = sum(other.get(word, 0) for name, other in counts.items() if name != label)
            return ((mine[word] + 0.5) / (totals[label] + 1)) / ((elsewhere + 0.5) / (rest + 1))

        found[label] = sorted((word for word in mine if mine[word] > 2), key=odds, reverse=True)[:SPEAKING]
    return found


def _changed(text: str, label: int, share: float, speaking: dict[int, list[str]], chance: np.random.Generator) -> str:
    """The text with as many edits as an attack may make: words misspelt at random, or words of another class added."""
    cut = worded(text)
    count = int(share * len(cut.words) + 1e-9)
    others = [word for other, words in speaking.items() if other != label for word in words]
    added = int(chance.integers(0, count + 1)) if others else 0
    edits: dict[int, str] = {}
    for at in chance.permutation(len(cut.words))[: count - added]:
        ways = list(edited(cut.words[at]))
        if ways:
            edits[int(at)] = ways[int(chance.integers(len(ways)))]
    return cut.text(edits, [others[int(chance.integers(len(others)))] for _ in range(added)])
