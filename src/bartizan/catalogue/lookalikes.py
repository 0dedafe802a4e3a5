"""Hosts that imitate a well-known AI domain: none of them is ever taken for the service it imitates."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from bartizan import rules

# What reads like a letter at a glance.
_GLANCE = {
    "o": "0", "i": "1", "l": "1", "e": "3", "a": "4", "s": "5", "t": "7", "g": "9", "m": "rn", "w": "vv", "d": "cl",
}  # fmt: skip
MAX_GLANCE = 512  # Spellings of one name.
_MARKS = re.compile(r"[\u0300-\u036f]")
MIN_SLIP = 7  # Letters of a name for which any slip counts: shorter ones are one slip from honest names.


@dataclass(frozen=True, slots=True)
class Imitation:
    """Which domain a host imitates, and how. `holds`: it has the name in it, as those who sell AI to others do too."""

    of: str
    because: str
    holds: bool = False


class Lookalikes:
    """Tells imitations of the domains in lookalikes.toml."""

    def __init__(self, table: dict[str, Any], letters: dict[str, str]) -> None:  # Any: TOML
        self._domains: frozenset[str] = frozenset(table["domains"])
        self._brands: dict[str, str] = table["brands"]
        self._words: dict[str, str] = table["words"]
        self._reads = dict(table["slips"])
        for word, domain in (self._brands | self._words).items():
            self._reads |= dict.fromkeys(_at_a_glance(word), domain)
        self._lures = frozenset(table["lures"])
        self._letters = str.maketrans(letters)
        self._second = {domain.rpartition(".")[0]: domain for domain in sorted(self._domains) if domain.count(".") == 1}
        self._inner = {
            (first, second): domain for domain in sorted(self._domains) for first, second, *_ in [domain.split(".")]
        }
        slips = [brand for brand in self._brands if len(brand) >= MIN_SLIP]
        self._starts: dict[str, list[str]] = {}
        self._ends: dict[str, list[str]] = {}
        for brand in slips:
            self._starts.setdefault(brand[:3], []).append(brand)
            self._ends.setdefault(brand[-3:], []).append(brand)

    @classmethod
    def load(cls) -> Lookalikes:
        """With the domains that ship."""
        letters = rules.load("bartizan.readers", "lookalikes.toml")["lookalikes"]
        return cls(
            rules.load("bartizan.catalogue", "data/lookalikes.toml"),
            {look: ascii_ for ascii_, looks in letters.items() for look in looks},
        )

    @property
    def terms(self) -> frozenset[str]:
        """One of these is in every name that imitates without a slip."""
        inner = {f"{first}.{second}." for first, second in self._inner}
        return frozenset(self._brands) | frozenset(self._words) | inner | {"xn--"}

    @property
    def firsts(self) -> frozenset[str]:
        """One of these is a label of every name that has a whole domain before another."""
        return frozenset(first for first, _ in self._inner)

    def near(self, label: str) -> bool:
        """Whether it is worth looking for a slip: cheap, and true for few."""
        return label[:3] in self._starts or label[-3:] in self._ends or label in self._reads

    def imitated(self, name: str, labels: list[str], count: int) -> Imitation | None:
        """What a host imitates whose last `count` labels somebody registered. The host is none of the catalogue."""
        if len(labels) > 3:
            for at in range(len(labels) - 2):
                domain = self._inner.get((labels[at], labels[at + 1]))
                if domain and f".{domain}." in f".{name}":
                    return Imitation(domain, f"{domain} stands inside another domain")
        label = labels[-count] if len(labels) >= count else labels[0]
        if label.startswith("xn--"):
            return self._foreign(label)
        return self._held(label) or self._slip(label)

    def _foreign(self, label: str) -> Imitation | None:
        """Letters of other scripts."""
        try:
            shown = label.encode("ascii").decode("idna")
        except UnicodeError:  # No IDNA label: nobody can be shown it.
            return None
        plain = (
            _MARKS.sub("", unicodedata.normalize("NFKD", shown.translate(self._letters)))
            .translate(self._letters)
            .lower()
        )
        of = self._brands.get(plain) or self._words.get(plain) or self._second.get(plain)
        if of:
            return Imitation(of, f"letters that look like those of {of}")
        return None

    def _held(self, label: str) -> Imitation | None:
        of = self._brands.get(label.replace("-", ""))
        if of:
            return Imitation(of, f"the name of {of} under another domain", holds=True)
        for brand, domain in self._brands.items():
            if brand in label and f"{brand}r" not in label:  # openair…
                return Imitation(domain, f"has the name of {domain} in it", holds=True)
        if "-" in label:
            parts = label.split("-")
            if not self._lures.isdisjoint(parts):
                for part in parts:
                    if part in self._words:
                        return Imitation(self._words[part], f"the name of {self._words[part]} and a lure")
        return None

    def _slip(self, label: str) -> Imitation | None:
        for brand in (*self._starts.get(label[:3], ()), *self._ends.get(label[-3:], ())):
            if one_slip(label, brand):
                return Imitation(self._brands[brand], f"one slip from {self._brands[brand]}")
        return Imitation(self._reads[label], f"reads like {self._reads[label]}") if label in self._reads else None


def _at_a_glance(word: str) -> Iterator[str]:
    """What reads like the word and is not the word."""
    choices = [(char, _GLANCE[char]) if char in _GLANCE else (char,) for char in word]
    yield from islice(map("".join, product(*choices)), 1, MAX_GLANCE)


def one_slip(text: str, other: str) -> bool:
    """Whether one letter left out, put in, changed, or two neighbours swapped make one of the other."""
    if text == other or abs(len(text) - len(other)) > 1:
        return False
    start = 0
    for start, (a, b) in enumerate(zip(text, other, strict=False)):  # noqa: B007 - where they part
        if a != b:
            break
    else:
        return True  # One is the other and a letter more.
    left, right = text[start:], other[start:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (left[:2] == right[1::-1] and left[2:] == right[2:])
    )
