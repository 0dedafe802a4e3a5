"""Linear models over counted words, exactly: the fewest words that must become unreadable to the model.

A word that is misspelt out of the vocabulary adds nothing, and makes the rest of a text of unit length weigh more. The
lead of the right class over a rival is `(lead - removed) / length + start`; multiplied with the length it is linear
in what is removed, but for the length itself, a root. A root is the smallest of its tangents, so sorting for each
tangent decides all of them; what they leave open is said.

Only where every token is one whole word: word n-grams and characters are left to the search.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bartizan.assess.evasion.wording import Worded
from bartizan.assess.target import Array, Words

TANGENTS = 65  # tried between the shortest and the longest text that can be left
MAX_OCCURRENCES = 5000
CLOSE = 1e-9  # of a lead: nearer to a tie is not below it


@dataclass(frozen=True, slots=True)
class Fewest:
    """Words that must go: `below` of them are proven not to be enough, `words` are, where there are such (sorted)."""

    below: int
    words: tuple[int, ...] | None


def fewest(model: Words, text: Worded, label: int) -> Fewest | None:
    """For one text that gets `label`; None where its words are not independent of each other in the model."""
    held = [
        tuple(model.vocabulary[token] for token in model.tokens(word) if token in model.vocabulary)
        for word in text.words
    ]
    whole = Counter(model.vocabulary[token] for token in model.tokens(text.text()) if token in model.vocabulary)
    if sum(whole.values()) > MAX_OCCURRENCES or Counter(column for columns in held for column in columns) != whole:
        return None  # Tokens of several words, such as pairs.
    if any(count > 1 for count in Counter(column for columns in set(held) for column in set(columns)).values()):
        return None  # A token stands in two different words.
    below, words = len(text.words), None
    for rival in range(model.weights.shape[1]):
        if rival != label:
            found = _Removals.of(model, held, whole, label, rival).fewest()
            below = min(below, found.below)
            if found.words is not None and (words is None or len(found.words) < len(words)):
                words = found.words
    return Fewest(below, words)


@dataclass(frozen=True, slots=True)
class _Removals:
    """What each occurrence adds to the lead and to the square of the length, those of one word from the first on."""

    gain: Array
    square: Array
    group: Array
    place: Array  # in the text
    lead: float
    total: float  # square of the length
    start: float

    @classmethod
    def of(cls, model: Words, held: list[tuple[int, ...]], whole: Counter[int], label: int, rival: int) -> _Removals:
        """Against one rival."""
        slope = (model.weights[:, label] - model.weights[:, rival]) * model.factor
        groups: dict[tuple[int, ...], list[int]] = {}
        for at, columns in enumerate(held):
            if columns:
                groups.setdefault(columns, []).append(at)
        rows: list[tuple[float, float, int, int]] = []
        for number, (columns, places) in enumerate(groups.items()):
            each = Counter(columns)
            for taken, place in enumerate(places):
                worth = freed = 0.0
                for column, times in each.items():
                    before = _counted(model, whole[column] - taken * times)
                    after = _counted(model, whole[column] - (taken + 1) * times)
                    worth += float(slope[column]) * (before - after)
                    freed += _size(model, column, before) - _size(model, column, after)
                rows.append((worth, freed, number, place))
        table = np.array(rows, float).reshape(-1, 4)
        gain, size = table[:, 0], table[:, 1]
        lead = sum(float(slope[column]) * _counted(model, count) for column, count in whole.items())
        total = sum(_size(model, column, _counted(model, count)) for column, count in whole.items())
        start = float(model.bias[label] - model.bias[rival])
        if model.norm == "l1":  # The length itself is linear in what is removed.
            gain, lead, start = gain + start * size, lead + start * total, 0.0
        if model.norm != "l2":
            size, total = np.zeros_like(size), 1.0
        return cls(gain, size, table[:, 2].astype(int), table[:, 3].astype(int), lead, total, start)

    def fewest(self) -> Fewest:
        """As many as are proven not to be enough, and the fewest that were met that are."""
        below, closed = 0, False
        for most in range(1, len(self.gain) + 1):
            bound, chosen = self._least(most)
            if chosen is not None:
                return Fewest(below, tuple(sorted(self.place[chosen].tolist())))
            closed = closed or bound <= CLOSE  # A tie may go either way.
            below = below if closed else most
        return Fewest(below if closed else len(self.gain), None)

    def _least(self, most: int) -> tuple[float, Array | None]:
        """A bound from below of lead × length after `most` removals, and removals below 0, where they were met.

        start × root with start > 0 lies above its chord, with start < 0 above its tangents: both are linear.
        """
        shortest = max(self.total - float(np.sort(self.square)[::-1][:most].sum()), 0.0)
        lengths = np.sqrt(np.linspace(shortest, self.total, TANGENTS if self.square.any() else 1))
        bounds = [-np.inf]
        for length in np.maximum(lengths, 1e-9):
            picked, worth = self._picked(self.start / (2 * length), most)
            chosen = self._real(picked)
            left = max(self.total - float(self.square[chosen].sum()), 0.0)
            if self.lead - float(self.gain[chosen].sum()) + self.start * np.sqrt(left) < -CLOSE:
                return -np.inf, chosen
            if self.start <= 0:
                bounds.append(self.lead - worth + self.start * (self.total / length + length) / 2)
        if self.start > 0:  # Each removal leaves a length between two of them, where their chord is below the root.
            ends = lengths if len(lengths) > 1 else np.repeat(lengths, 2)
            chords = []
            for low, high in pairwise(ends):
                rise = 1 / max(high + low, 1e-9)
                _, worth = self._picked(self.start * rise, most)
                chords.append(self.lead - worth + self.start * (low + rise * (self.total - low * low)))
            bounds.append(min(chords))
        return max(bounds), None

    def _picked(self, price: float, most: int) -> tuple[Array, float]:
        """The removals worth most, where freed length has a price."""
        value = self.gain + price * self.square
        order = np.argsort(-value, kind="stable")[:most]
        order = order[value[order] > 0]
        return order, float(value[order].sum())

    def _real(self, picked: Array) -> Array:
        """As many occurrences of each word, but its first ones: all of them look the same to the model."""
        wanted = np.bincount(self.group[picked], minlength=int(self.group.max(initial=-1)) + 1)
        rank = np.arange(len(self.group)) - np.searchsorted(self.group, self.group)
        return np.flatnonzero(rank < wanted[self.group])


def _counted(model: Words, count: int) -> float:
    """What so many occurrences count."""
    if not count or model.binary:
        return float(bool(count))
    return 1.0 + float(np.log(count)) if model.sublinear else float(count)


def _size(model: Words, column: int, counted: float) -> float:
    """What a column adds to the length, for l2 to its square."""
    value = abs(float(model.factor[column]) * counted)
    return value if model.norm == "l1" else value * value
