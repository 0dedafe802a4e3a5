"""Unknown hosts that look like AI, by their names alone: for review, never blocked.

Signs in the name are looked for at the ends of labels and words: `ai` in `dubai.example` or `mail.example` is none.
Each sign has a weight (log-odds), the sum becomes a score between 0 and 1, and the signs are what people are told.
"""

from __future__ import annotations

import math
import re
from typing import Any

from bartizan import rules

_SPLIT = re.compile(r"\d*[-_]+\d*|^\d+|\d+$")
_SECOND = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})  # co.uk, com.au …
MEANING = {
    "top-level .ai": "under .ai",
    "word": "a word of AI in its name",
    "ends with ai": "its name ends with ai",
    "begins with ai": "its name begins with ai",
    "inside": "a term of AI in its name",
    "pair": "a name as products of AI have",
}
MIN_WORD = 3  # Letters of a word that makes a pair with another.


class Candidates:
    """The score of a name, with its reasons."""

    def __init__(self, table: dict[str, Any]) -> None:  # Any: TOML
        self._strong = frozenset(table["strong"])
        self._inside = tuple(table["inside"])
        self._words = frozenset(table["words"])
        self._longest = max(map(len, self._words))
        self._ends_ai = tuple(table["ends_ai"])
        self._friendly = frozenset(table["friendly"])
        self._served = frozenset(table["served"])
        self._shared = frozenset(table["shared"])
        self._seconds = _SECOND.union(domain.partition(".")[0] for domain in self._shared)
        self._ordinary = frozenset(table["ordinary"])
        self._weights: dict[str, float] = table["weights"]
        self.threshold: float = table["threshold"]

    @property
    def terms(self) -> frozenset[str]:
        """One of these is in every name that can be a candidate."""
        return self._strong.union(self._inside)

    @classmethod
    def load(cls) -> Candidates:
        """With the words and weights that ship."""
        return cls(rules.load("bartizan.catalogue", "data/candidates.toml"))

    def registrable(self, labels: list[str]) -> int:
        """How many labels at the end of a name somebody registered: 2 mostly, 3 under co.uk and github.io."""
        second = labels[-2]
        if second not in self._seconds or len(labels) < 3:
            return 2
        return 3 if (second in _SECOND and len(labels[-1]) == 2) or f"{second}.{labels[-1]}" in self._shared else 2

    def signs(self, labels: list[str], count: int) -> list[str]:
        """What in a name looks like AI, or like the opposite. Somebody registered its last `count` labels."""
        if len(labels) < count or (count == 2 and f"{labels[-2]}.{labels[-1]}" in self._ordinary):
            return []
        label, below, top = labels[-count], labels[:-count], labels[-1]
        found = []
        if label.startswith("xn--"):  # What is written there nobody reads.
            return ["top-level .ai"] if top == "ai" else []
        tokens = _SPLIT.split(label)
        strong = not self._strong.isdisjoint(tokens)
        if top == "ai":
            found.append("top-level .ai")
        if strong:
            found.append("word")
        if label.endswith("ai") and len(label) > 5 and not label.endswith(self._ends_ai) and self._anywhere(labels):
            found.append("ends with ai")
        if label.startswith("ai") and self._begins(label[2:].lstrip("-")):
            found.append("begins with ai")
        if not strong and any(map(label.__contains__, self._inside)):
            found.append("inside")
        if self._pair(label.replace("-", "")):
            found.append("pair")
        if top in self._friendly:
            found.append("top-level")
        if below:
            under = {token for one in below for token in _SPLIT.split(one)}
            if not self._strong.isdisjoint(under):
                found.append("below")
            if not self._served.isdisjoint(under):
                found.append("served")
        return found

    def _anywhere(self, labels: list[str]) -> bool:
        """Whether a name is under no country's domain: `-ai` ends words of Japanese, Chinese, French and others."""
        top = labels[-1]
        return len(top) > 2 or top in self._friendly or top == "ai"

    def _begins(self, rest: str) -> bool:
        return any(rest[:end] in self._words for end in range(MIN_WORD, min(len(rest), self._longest) + 1))

    def _pair(self, label: str) -> bool:
        return any(
            label[:cut] in self._words and label[cut:] in self._words
            for cut in range(MIN_WORD, min(len(label) - MIN_WORD, self._longest) + 1)
        )

    def because(self, signs: list[str]) -> str:
        """The signs that speak for AI, for people."""
        return ", ".join(MEANING[sign] for sign in signs if sign in MEANING)

    def score(self, signs: list[str]) -> float:
        """Between 0 and 1: the share of AI among hosts with these signs, were both equally common."""
        if not signs:
            return 0.0
        weights = self._weights
        return 1 / (1 + math.exp(-(weights["bias"] + sum(weights[sign] for sign in signs))))
