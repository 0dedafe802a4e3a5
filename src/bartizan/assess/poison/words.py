"""Backdoors in texts: words that a class has and the others do not, on which the labels of their rows hang."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from bartizan.assess.how import How
from bartizan.assess.measured import wilson
from bartizan.assess.poison.groups import Group
from bartizan.assess.poison.looked import Looked
from bartizan.assess.poison.triggers import Backdoor, Held, Stamp, tried
from bartizan.assess.target import Array, Target

LONGEST = 3  # words of a phrase that is counted; longer ones are grown from these
MOST_WORDS = 12  # of a phrase
MOST_TOKENS = 400  # of a text
LEAST = 4  # rows with the phrase
FEW = 10  # of them: fewer do not tell a trigger from words that rarely meet
PURE = 0.8  # of the rows with it are of the class
SIGNIFICANT = 0.01  # after Holm's correction over all phrases of a class
CANDIDATES = 120
SURPRISING = 5.0  # standard deviations
ASKED = 16  # rows of a candidate that the model is asked about without it
HANGS = 0.5
USUAL = 1 / 3  # of a class: a word in more of its rows is an ordinary one
CONTROLS = 8

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Insert:
    """Puts a phrase into texts, each time at another place."""

    phrase: Phrase
    seed: int = 0

    def __call__(self, x: Array) -> Array:
        generator = np.random.default_rng(self.seed)
        out = np.empty(len(x), dtype=object)
        for row, text in enumerate(x):
            parts = str(text).split()
            at = int(generator.integers(0, len(parts) + 1))
            out[row] = " ".join([*parts[:at], *self.phrase, *parts[at:]])
        return out.astype(x.dtype if x.dtype.kind == "O" else str)


def backdoors(target: Target, looked: Looked, held: Held, how: How) -> tuple[list[Backdoor], list[Group]]:
    """Confirmed backdoors, and phrases that nothing confirmed."""
    how.progress("words and phrases")
    tokens = [str(text).split()[:MOST_TOKENS] for text in looked.x]
    where = _occurrences(tokens)
    confirmed: list[Backdoor] = []
    unconfirmed: list[Group] = []
    for label in range(looked.classes):
        candidates = _enriched(where, looked.labels == label, _likely(looked, label))
        ordinary = _ordinary(where, looked.labels == label)
        hanging = _hanging(target, looked, tokens, candidates, label, how)
        for phrase, p, hangs in hanging:
            rows = np.array(sorted(where[phrase]), np.int64)
            rows = rows[looked.labels[rows] == label]
            taken = np.concatenate([one.rows for one in confirmed]) if confirmed else np.empty(0, np.int64)
            if how.budget.spent or len(rows) < FEW or np.isin(rows, taken).mean() > 0.5:
                continue
            whole = _grown(phrase, rows, tokens)
            stamp = Insert(whole, how.seed)
            honest = np.setdiff1d(np.flatnonzero(looked.labels == label), rows)
            # A trigger on many rows is itself a word that the class is known by, and no control of itself; one that
            # most of the class has is what the class is.
            usual = [one for one, share in ordinary if share > USUAL or one[0] not in whole]
            controls: list[Stamp] = [Insert(one, how.seed) for one in usual]
            controls += [Insert(one, how.seed) for one in _spans(tokens, honest, len(whole), how.seed)]
            trial = tried(target, stamp, controls, held, label)
            if trial is not None and trial.moved and (hangs >= HANGS or trial.success.share >= 0.6):
                bare = np.array([" ".join(_removed(tokens[row], whole)) for row in rows], dtype=object)
                left = wilson(int((target.labels(_like(bare, looked.x)) != label).sum()), len(rows))
                if left.share < HANGS and trial.control.share > trial.success.share / 2:
                    continue
                words = f'the {"word" if len(whole) == 1 else "words"} "{" ".join(whole)[:80]}"'
                was = "changed" if left.share >= HANGS else "kept"
                score = np.full(len(rows), float(-np.log10(max(p, 1e-300))))
                confirmed.append(Backdoor(rows, score, words, "words", trial, left, stamp, was))
            elif len(unconfirmed) < 20 and hangs >= HANGS:
                unconfirmed.append(Group(label, rows, np.ones(len(rows)), hangs, p))
    return confirmed, unconfirmed


def _occurrences(tokens: list[list[str]]) -> dict[Phrase, set[int]]:
    """The rows of every phrase of up to `LONGEST` words in at least `LEAST` rows."""
    once: Counter[str] = Counter(word for words in tokens for word in set(words))
    where: dict[Phrase, set[int]] = defaultdict(set)
    for row, words in enumerate(tokens):
        for size in range(1, LONGEST + 1):
            for at in range(len(words) - size + 1):
                phrase = tuple(words[at : at + size])
                if all(once[word] >= LEAST for word in phrase):
                    where[phrase].add(row)
    return {phrase: rows for phrase, rows in where.items() if len(rows) >= LEAST}


def _likely(looked: Looked, label: int) -> Array:
    """How likely each row has the label, by rows like it."""
    return np.asarray(np.clip(0.5 * (looked.opinion[:, label] + looked.expected[:, label]), 0.02, 0.98))


def _enriched(where: dict[Phrase, set[int]], mine: Array, likely: Array) -> list[tuple[Phrase, float]]:
    """Phrases that a class has more than chance gives it (Fisher's exact test, Holm), the surest first."""
    from scipy.stats import hypergeom

    phrases = list(where)
    total = np.array([len(where[phrase]) for phrase in phrases])
    inside = np.array([int(mine[list(where[phrase])].sum()) for phrase in phrases])
    p = hypergeom.sf(inside - 1, len(mine), int(mine.sum()), total)
    order = np.argsort(p)
    kept = []
    for rank, at in enumerate(order):
        if p[at] * (len(phrases) - rank) > SIGNIFICANT:
            # Of a class that most rows have, only rows that should not have it are a surprise.
            share = likely[list(where[phrases[at]])]
            if inside[at] - share.sum() < SURPRISING * np.sqrt((share * (1 - share)).sum()):
                continue
        if inside[at] >= LEAST and inside[at] >= PURE * total[at]:
            kept.append((phrases[at], float(p[at])))
    return kept


def _ordinary(where: dict[Phrase, set[int]], mine: Array) -> list[tuple[Phrase, float]]:
    """The words a class is known by, with the share of its rows that have them: many, and few others."""
    scored = []
    for phrase, rows in where.items():
        if len(phrase) == 1:
            inside = int(mine[list(rows)].sum())
            scored.append((inside - 3 * (len(rows) - inside), phrase, inside / max(1, int(mine.sum()))))
    return [(phrase, share) for _, phrase, share in sorted(scored, reverse=True)[:CONTROLS]]


def _spans(tokens: list[list[str]], honest: Array, length: int, seed: int) -> list[Phrase]:
    """As many words as the trigger has, as they stand in honest rows of the class."""
    generator = np.random.default_rng(seed)
    out = []
    for row in generator.permutation(honest)[:CONTROLS]:
        words = tokens[row]
        at = int(generator.integers(0, max(1, len(words) - length + 1)))
        out.append(tuple(words[at : at + length]))
    return out


def _hanging(
    target: Target,
    looked: Looked,
    tokens: list[list[str]],
    candidates: list[tuple[Phrase, float]],
    label: int,
    how: How,
) -> list[tuple[Phrase, float, float]]:
    """Candidates with the share of their rows that the model puts elsewhere without them, the highest first."""
    found, texts, spans = [], [], []
    generator = np.random.default_rng(how.seed)
    rows_of = _rows_of([phrase for phrase, _ in candidates], tokens, looked.labels == label)
    # A phrase that hides in few rows is no less a trigger than one in many: both ends of the list are looked at.
    doubt = looked.opinion[:, label]
    ranked = sorted(candidates, key=lambda one: (float(np.mean(doubt[rows_of[one[0]]])), one[1]))[: CANDIDATES // 2]
    ranked += [one for one in candidates[: CANDIDATES // 2] if one not in ranked]
    for phrase, p in ranked:
        rows = generator.permutation(rows_of[phrase])[:ASKED]
        texts += [" ".join(_removed(tokens[row], phrase)) for row in rows]
        spans.append((phrase, p, len(rows)))
    if not texts:
        return []
    said, at = target.labels(_like(np.array(texts, dtype=object), looked.x)), 0
    for phrase, p, count in spans:
        found.append((phrase, p, float((said[at : at + count] != label).mean())))
        at += count
    return sorted(found, key=lambda one: (-round(one[2], 1), one[1]))[:25]


def _rows_of(phrases: list[Phrase], tokens: list[list[str]], mine: Array) -> dict[Phrase, list[int]]:
    wanted = set(phrases)
    rows: dict[Phrase, list[int]] = {phrase: [] for phrase in phrases}
    for row in np.flatnonzero(mine):
        words = tokens[row]
        here = {tuple(words[at : at + size]) for size in range(1, LONGEST + 1) for at in range(len(words) - size + 1)}
        for phrase in here & wanted:
            rows[phrase].append(int(row))
    return rows


def _removed(words: list[str], phrase: Phrase) -> list[str]:
    """The text without the phrase, wherever it is."""
    out, at, size = [], 0, len(phrase)
    while at < len(words):
        if tuple(words[at : at + size]) == phrase:
            at += size
        else:
            out.append(words[at])
            at += 1
    return out


def _grown(phrase: Phrase, rows: Array, tokens: list[list[str]]) -> Phrase:
    """The phrase with the words that nine in ten of its rows have before and behind it."""
    while len(phrase) < MOST_WORDS:
        before: Counter[str] = Counter()
        behind: Counter[str] = Counter()
        for row in rows:
            words = tokens[row]
            at = next((i for i in range(len(words)) if tuple(words[i : i + len(phrase)]) == phrase), -1)
            if at < 0:  # one of the few that the grown phrase does not fit
                continue
            if at:
                before[words[at - 1]] += 1
            if at + len(phrase) < len(words):
                behind[words[at + len(phrase)]] += 1
        left, right = before.most_common(1), behind.most_common(1)
        if left and left[0][1] >= 0.9 * len(rows):
            phrase = (left[0][0], *phrase)
        elif right and right[0][1] >= 0.9 * len(rows):
            phrase = (*phrase, right[0][0])
        else:
            break
    return phrase


def _like(texts: Array, x: Array) -> Array:
    return texts if x.dtype.kind == "O" else texts.astype(str)
