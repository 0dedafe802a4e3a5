"""Words a person still reads and a model may not: typing errors, look-alikes, invisible characters, and neighbours.

Every edit keeps the number of words, so how many of a text were edited can be counted by anybody. That a text still
means the same is not verified by a person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bartizan.assess.target import Array

LOOK_ALIKES = str.maketrans("aceopxyijsAEOPCXTHKMB", "асеорхуіјѕАЕОРСХТНКМВ")  # Latin to Cyrillic (UTS 39)
LEET = str.maketrans("aeiostAEIOST", "431057431057")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
ZERO_WIDTH = "\u200b"
COMMON = 1500  # words that get neighbours
WINDOW = 4  # words on each side that count as company
DEPTH = 40  # dimensions of a word
ALIKE = 0.5  # cosine from which a word counts as a neighbour
MAX_CORPUS = 20_000  # texts
_PARTS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Worded:
    """A text as words and what stands between them: `gaps` has one more than `words`."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    def text(self, edits: dict[int, str] | None = None, added: Sequence[str] = ()) -> str:
        """The text with some words exchanged, and others added at its end."""
        words = list(self.words)
        for at, word in (edits or {}).items():
            words[at] = word
        whole = self.gaps[0] + "".join(word + gap for word, gap in zip(words, self.gaps[1:], strict=True))
        return whole if not added else " ".join([whole.rstrip(), *added])


def worded(text: str) -> Worded:
    """A text, cut at white space."""
    gaps = _PARTS.findall(text)
    words = [word for word in _PARTS.split(text) if word]
    first = gaps.pop(0) if text[:1].isspace() else ""
    return Worded(tuple(words), (first, *gaps, *[""] * (len(words) - len(gaps))) if words else (text,))


def edited(word: str) -> Iterator[str]:
    """Other spellings of a word, the least conspicuous first; none of them has white space."""
    seen = {word}
    for other in _spellings(word):
        if other not in seen:
            seen.add(other)
            yield other


def _spellings(word: str) -> Iterator[str]:
    letters = [at for at, letter in enumerate(word) if letter.isalnum()]
    for at in letters:  # one letter that looks the same
        swapped = word[at].translate(LOOK_ALIKES)
        if swapped != word[at]:
            yield word[:at] + swapped + word[at + 1 :]
            break
    yield word.translate(LOOK_ALIKES)
    middle = letters[len(letters) // 2] if letters else 0
    if len(letters) > 1:
        yield word[:middle] + ZERO_WIDTH + word[middle:]
        yield word[:middle] + "." + word[middle:]
        yield word[:1] + "".join(ZERO_WIDTH + letter for letter in word[1:])
    inner = letters[1:-1]
    if len(inner) > 1:
        at = inner[len(inner) // 2 - 1]
        yield word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if inner:
        at = inner[len(inner) // 2]
        yield word[:at] + word[at + 1 :]
        yield word[:at] + word[at] + word[at:]
    for at in (letters[0], middle) if letters else ():
        for key in _near(word[at])[:2]:
            yield word[:at] + key + word[at + 1 :]
    yield word.translate(LEET)
    if word.isdigit():  # A number for another reads as well; letters for digits look alike.
        yield word.translate(str.maketrans("01258", "OlZSB"))
        yield word[:middle] + ZERO_WIDTH + word[middle:] if len(word) > 1 else word + ZERO_WIDTH
    yield word + ZERO_WIDTH


def _near(letter: str) -> str:
    """The keys left and right of a letter."""
    for row in KEYS:
        at = row.find(letter.lower())
        if at >= 0:
            found = row[max(0, at - 1) : at] + row[at + 1 : at + 2]
            return found.upper() if letter.isupper() else found
    return ""


def neighbours(texts: Iterable[str], most: int = 4) -> dict[str, tuple[str, ...]]:
    """Of each common word of a corpus the words that keep the same company, closest first.

    Positive pointwise mutual information over a window, its singular vectors, cosine (Levy, Goldberg 2014).
    """
    corpus = [[_bare(word) for word in text.split()] for text, _ in zip(texts, range(MAX_CORPUS), strict=False)]
    counts = Counter(word for words in corpus for word in words if word.isalpha())
    names = [word for word, count in counts.most_common(COMMON) if count > 2]
    if len(names) < 20:
        return {}
    index = {word: at for at, word in enumerate(names)}
    together = np.zeros((len(names), len(names)))
    for words in corpus:
        known = [index.get(word, -1) for word in words]
        for step in range(1, WINDOW + 1):
            for one, other in zip(known, known[step:], strict=False):
                if one >= 0 and other >= 0:
                    together[one, other] += 1
                    together[other, one] += 1
    vectors = _vectors(together)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -1.0)
    order = np.argsort(-alike, axis=1)[:, :most]
    return {
        word: tuple(names[other] for other in order[at] if alike[at, other] >= ALIKE) for at, word in enumerate(names)
    }


def _vectors(together: Array) -> Array:
    from scipy.sparse.linalg import svds

    margin = np.maximum(together.sum(axis=1), 1.0)
    company = margin**0.75  # Rare company says less than it seems to.
    with np.errstate(divide="ignore"):
        mutual = np.log(together * company.sum() / np.outer(margin, company))
    mutual = np.maximum(np.where(np.isfinite(mutual), mutual, 0.0), 0.0)
    left, size, _ = svds(mutual, k=min(DEPTH, len(mutual) - 1), v0=np.ones(len(mutual)))
    vectors = left * np.sqrt(size)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _bare(word: str) -> str:
    return word.strip(".,;:!?\"'()").lower()


def like(word: str, other: str) -> str:
    """`other` in the place of `word`: with its capitals and what stands around it."""
    bare = word.strip(".,;:!?\"'()")
    shaped = other.upper() if bare.isupper() and len(bare) > 1 else other.capitalize() if bare[:1].isupper() else other
    return word.replace(bare, shaped, 1) if bare else word
