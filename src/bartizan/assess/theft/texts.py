"""Copies of models of texts: words and pairs of words, weighted by how rare they are, and a line for each class.

The words and their rarity come from the pool, which costs no query. Words are what stands between spaces, in small
letters: exactly what the written file does.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bartizan.assess.budget import Budget
from bartizan.assess.target import Array
from bartizan.assess.theft.tables import log_odds
from bartizan.assess.theft.writing import Sheet

WORDS = 20000
RIDGES = (0.03, 0.1, 0.3, 1.0)
FOLDS = 5


def split(text: str) -> list[str]:
    """The words of a text: only letters of ASCII are made small, and only its spaces divide, as in ONNX."""
    return [word.decode("utf-8", "replace") for word in text.encode("utf-8", "replace").lower().split()]


def vectors(rows: Array) -> Any:
    """The words of a pool, and what they weigh: scikit-learn's vectorizer, fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says that its own pattern of words is not used.
        made = TfidfVectorizer(
            tokenizer=split, lowercase=False, max_features=WORDS, ngram_range=(1, 2), min_df=2 if len(rows) > 500 else 1
        )
        return made.fit([str(one) for one in rows])


def directions(rows: Array, count: int, seed: int) -> Array:
    """(n, count) float32: the main directions of the texts of a pool."""
    from sklearn.decomposition import TruncatedSVD

    found = vectors(rows).transform([str(one) for one in rows])
    count = min(count, found.shape[1] - 1)
    return np.asarray(TruncatedSVD(count, random_state=seed).fit_transform(found), np.float32)


@dataclass(frozen=True, slots=True)
class TextCopy:
    """A line for each class over weighted words."""

    vectorizer: Any
    weights: Array  # (words, classes)
    bias: Array
    ridge: float
    taught: float = 1.0

    def logits(self, x: Array) -> Array:
        """(n, classes)."""
        return np.asarray(self.vectorizer.transform([str(one) for one in x]) @ self.weights + self.bias)

    def lone(self) -> TextCopy:
        """Later copies are made as this one is."""
        return self

    def draw(self, sheet: Sheet, rows: str) -> str:
        """Small letters, words, counts times rarity, length one, a line."""
        table: dict[str, int] = self.vectorizer.vocabulary_
        singles = sorted((word for word in table if " " not in word), key=table.__getitem__)
        pairs = sorted((word for word in table if " " in word), key=table.__getitem__)
        order = [table[word] for word in (*singles, *pairs)]
        at = sheet.node("StringNormalizer", rows, case_change_action="LOWER", is_case_sensitive=1, locale="C")
        words = sheet.node("StringSplit", at, outputs=2)
        counted = sheet.node(
            "TfIdfVectorizer", words, mode="TFIDF", min_gram_length=1, max_gram_length=2 if pairs else 1,
            max_skip_count=0, pool_strings=[*singles, *(word for pair in pairs for word in pair.split(" "))],
            ngram_counts=[0, len(singles)] if pairs else [0], ngram_indexes=list(range(len(order))),
            weights=[float(self.vectorizer.idf_[one]) for one in order],
        )  # fmt: skip
        length = sheet.node("ReduceL2", counted, sheet.constant([1], np.int64), keepdims=1)
        even = sheet.node("Div", counted, sheet.node("Max", length, sheet.constant(1e-9)))
        return sheet.node("Gemm", even, sheet.constant(self.weights[order]), sheet.constant(self.bias))


@dataclass(frozen=True, slots=True)
class TextThief:
    """Makes copies of a model of texts."""

    vectorizer: Any
    classes: int
    ridge: float = 0.0  # 0: chosen by cross-validation
    method: str = (
        "words and pairs of words weighted by rarity in the pool, and a line for each class (ridge regression)"
    )

    @classmethod
    def of(cls, rows: Array, classes: int) -> TextThief:
        """For a pool."""
        return cls(vectors(rows), classes)

    def quick(self, asked: Array, told: Array, seed: int, budget: Budget) -> list[TextCopy]:
        """A copy good enough to say what to ask next."""
        return [self._line(asked, told, RIDGES[1])]

    def wiser(self, losses: list[float]) -> TextThief:
        """There is nothing to choose."""
        return self

    def best(self, asked: Array, told: Array, seed: int, budget: Budget) -> TextCopy:
        """The copy that is judged; how stiff its line is, is chosen by cross-validation."""
        if self.ridge:
            return self._line(asked, told, self.ridge)
        fold = np.random.default_rng(seed).permutation(len(asked)) % FOLDS
        wrong = dict.fromkeys(RIDGES, 0)
        for ridge in RIDGES:
            for one in range(FOLDS):
                here = fold == one
                said = self._line(asked[~here], told[~here], ridge).logits(asked[here])
                wrong[ridge] += int((said.argmax(axis=1) != told[here].argmax(axis=1)).sum())
        return self._line(asked, told, min(RIDGES, key=lambda ridge: wrong[ridge]))

    def settled(self, copy: TextCopy, whole: bool = True) -> TextThief:
        """With the stiffness of a copy."""
        return replace(self, ridge=copy.ridge)

    def _line(self, asked: Array, told: Array, ridge: float) -> TextCopy:
        from sklearn.linear_model import Ridge

        found = self.vectorizer.transform([str(one) for one in asked])
        model = Ridge(ridge).fit(found, log_odds(told))
        return TextCopy(self.vectorizer, np.asarray(np.atleast_2d(model.coef_).T), np.asarray(model.intercept_), ridge)
