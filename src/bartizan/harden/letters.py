"""A linear model over pieces of words that was fitted for the worst spelling, not for the texts as they are.

The score of a text is the sum of what its words say, and a word says the sum of its pieces (up to three letters), so an
edit takes away only the pieces it touches. For the weights of each step every word's worst spelling is known, and so
is the worst that a number of edits does to a text: the words that lose most, or words of the corpus added that speak
most against the right class. Each step fits the logistic loss of the texts after that. An attack that knows the weights
and these ways of spelling does no better (robust optimisation; see `words` for whole words).
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from bartizan.assess.evasion.wording import edited, like, neighbours, worded
from bartizan.assess.target import Array
from bartizan.harden.words import Fitted

STEPS = 200
RATE = 0.02
WEIGHT = 1e-3  # of the squares; 1e-5 leaves 3 % less standing of short messages
LONGEST = 120  # words of a text that are spelt anew
COMMON, ADDED = 600, 12  # words that may be added, and how many different ones to a text
BARE = ".,;:!?\"'()"


@dataclass(frozen=True, slots=True)
class Spellings:
    """Texts as words, words as pieces (sparse): `held` (n, width), `offered` (words, ways); -1 where there is none."""

    whole: Any  # (n, pieces)
    held: Array
    words: Any  # (words, pieces)
    ways: Any  # (all ways, pieces)
    offered: Array
    common: Array  # words that may be added


def spellings(reads: Any, texts: Array) -> Spellings:
    """Every word of the texts in every way an edit may spell it, as the fitted vectorizer `reads` sees it."""
    cut = [worded(str(text)).words for text in texts]
    counts = Counter(word for words in cut for word in words)
    names = {word: at for at, word in enumerate(counts)}
    width = max(1, min(LONGEST, max(map(len, cut), default=1)))
    held = np.full((len(texts), width), -1, np.int64)
    for row, words in enumerate(cut):
        held[row, : min(width, len(words))] = [names[word] for word in words[:width]]
    near, seen = neighbours(str(text) for text in texts), reads.build_preprocessor()
    ways: list[str] = []
    each: list[list[int]] = []
    for word in names:
        others = (like(word, other) for other in near.get(word.strip(BARE).lower(), ()))
        told = dict.fromkeys(seen(other) for other in (*edited(word), *others))
        told.pop(seen(word), None)
        each.append(list(range(len(ways), len(ways) + len(told))))
        ways.extend(told)
    offered = np.full((len(names), max(1, max(map(len, each), default=1))), -1, np.int64)
    for row, some in enumerate(each):
        offered[row, : len(some)] = some
    usual = [word for word, _ in counts.most_common() if word.isalnum() and len(word) > 1][:COMMON]
    return Spellings(
        reads.transform(list(texts)).tocsr(), held, reads.transform(list(names)).tocsr(),
        reads.transform(ways or [""]).tocsr(), offered, np.array([names[word] for word in usual], np.int64),
    )  # fmt: skip


def fit(known: Spellings, sign: Array, allowed: Array, seconds: float, steps: int = STEPS) -> Fitted:
    """Fits for the worst edits; `sign` (n,) +1 or -1, `allowed` (n,) edits of each text."""
    pieces, count = known.whole.shape[1], len(sign)
    weights, bias = np.zeros(pieces), 0.0
    first, second, average = np.zeros(pieces + 1), np.zeros(pieces + 1), np.zeros(pieces + 1)
    turned = known.whole.T.tocsr(), known.words.T.tocsr(), known.ways.T.tocsr()
    until, done, averaged = time.monotonic() + seconds, 0, 0
    while done < steps and time.monotonic() < until:
        done += 1
        ramp = np.ceil(allowed * min(1.0, 2 * done / steps)).astype(np.int64)
        score = sign * (known.whole @ weights + bias)
        lost, pulled = _worst(known, weights, sign, np.minimum(ramp, allowed))
        pull = -sign / (1 + np.exp(np.clip(score - lost, -30, 30))) / count
        on_words, on_ways = pulled(pull)
        slope = turned[0] @ pull + turned[1] @ on_words + turned[2] @ on_ways + 2 * WEIGHT * weights
        gradient = np.append(slope, pull.sum())
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        change = RATE * (first / (1 - 0.9**done)) / (np.sqrt(second / (1 - 0.99**done)) + 1e-8)
        weights, bias = weights - change[:-1], bias - float(change[-1])
        if done > steps // 2:
            average, averaged = average + np.append(weights, bias), averaged + 1
    found = average / averaged if averaged else np.append(weights, bias)
    return Fitted(found[:-1], float(found[-1]))


def _worst(known: Spellings, weights: Array, sign: Array, allowed: Array) -> tuple[Array, Any]:
    """(n,) what the worst edits take from each text's lead; and how a pull on texts pulls on words and ways."""
    words, ways = known.words @ weights, np.append(known.ways @ weights, 0.0)
    lost, chosen = np.zeros(len(sign)), {}
    for s in (1, -1):
        mine = np.flatnonzero(sign == s)
        told = np.where(known.offered >= 0, s * ways[known.offered], np.inf)
        best = told.argmin(axis=1)
        gain = np.append(np.maximum(s * words - told[np.arange(len(words)), best], 0.0), 0.0)
        added = known.common[np.argsort(s * words[known.common])[:ADDED]]
        each = np.concatenate(
            [gain[known.held[mine]], np.broadcast_to(np.maximum(-s * words[added], 0.0), (len(mine), len(added)))], 1
        )
        order = np.argsort(-each, axis=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(each.shape[1])[None], axis=1)
        taken = (rank < allowed[mine][:, None]) & (each > 0)
        lost[mine] = (each * taken).sum(axis=1)
        chosen[s] = mine, taken, known.offered[np.arange(len(words)), best], added
    width, total = known.held.shape[1], len(words)

    def pulled(pull: Array) -> tuple[Array, Array]:
        on_words, on_ways = np.zeros(total), np.zeros(len(ways) - 1)
        for mine, taken, best, added in chosen.values():
            rows, places = np.nonzero(taken[:, :width])
            names, force = known.held[mine][rows, places], pull[mine][rows]
            on_words -= np.bincount(names, force, total)
            on_ways += np.bincount(best[names], force, len(on_ways))
            on_words[added] += taken[:, width:].T @ pull[mine]
        return on_words, on_ways

    return lost, pulled
