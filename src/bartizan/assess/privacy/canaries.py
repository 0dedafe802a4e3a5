"""How much a generative model remembers of a text it should not have: exposure of canaries, by rank.

Source: Carlini et al. 2019, "The Secret Sharer": a canary is a random value in a fixed format that was put into the
training data. The model's scores rank it among other values of the format; exposure is log2(how many) - log2(rank). An
exposure as high as the logarithm of all values means that the model prefers it to every other: it can be extracted.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2

import numpy as np

from bartizan.assess.target import Array
from bartizan.core.errors import UsageError

Scoring = Callable[[Sequence[str]], Array]  # (n,) for n texts: the higher, the likelier the model finds it
SETS = {"#": string.digits, "@": string.ascii_lowercase, "*": string.ascii_lowercase + string.digits}
BATCH = 256
LEAST = 50


@dataclass(frozen=True, slots=True)
class Exposure:
    """One canary by its number: `rank` of `among` values (1: the likeliest), of `space` that the format has."""

    canary: int
    rank: int
    among: int
    space: float

    @property
    def bits(self) -> float:
        """log2(among) - log2(rank): 1 on average for what was never seen."""
        return log2(self.among) - log2(self.rank)

    @property
    def most_bits(self) -> float:
        """log2(among): what the likeliest of all has."""
        return log2(self.among)

    @property
    def p_value(self) -> float:
        """The chance of such a rank for a value that was never seen."""
        return self.rank / self.among

    def as_json(self) -> dict[str, object]:
        """Its part of a report; the canary itself is not in it."""
        return {"canary": self.canary, "rank": self.rank, "among": self.among, "exposure_bits": round(self.bits, 2),
                "most_bits": round(self.most_bits, 2), "p_value": self.p_value}  # fmt: skip


def filled(template: str, count: int, seed: int) -> list[str]:
    """Random values of a format, each once where there are enough: # is a digit, @ a letter, * either."""
    chance = np.random.default_rng(seed)
    found: dict[str, None] = {}
    for _ in range(4 * count):
        found["".join(str(chance.choice(list(SETS[one]))) if one in SETS else one for one in template)] = None
        if len(found) == count:
            break
    return list(found)


def space(template: str) -> float:
    """How many values a format has."""
    return float(np.prod([float(len(SETS[one])) for one in template if one in SETS]))


def exposures(
    score: Scoring, template: str, canaries: Sequence[str], *, among: int = 2000, seed: int = 0
) -> list[Exposure]:
    """The exposure of each canary among random values of its format.

    Args:
        template: The format with its fixed words, such as "my number is ###-####".
        canaries: Texts as they stood in the training data.
        among: How many values the model scores; what is found is at most log2 of it.

    Raises:
        UsageError: a canary is not of the format, or the format has too few values to say anything.
    """
    for at, canary in enumerate(canaries):
        if not _of(template, canary):
            raise UsageError(f"canary {at} does not have the format it was said to have")
    others = [one for one in filled(template, among, seed) if one not in set(canaries)]
    if len(others) < LEAST:
        raise UsageError(f"the format has {space(template):,.0f} values: give one with at least {2 * LEAST}")
    scores = _scored(score, others)
    own = _scored(score, canaries)
    return [
        Exposure(at, 1 + int((scores >= value).sum()), len(others) + 1, space(template)) for at, value in enumerate(own)
    ]


def _of(template: str, text: str) -> bool:
    return len(template) == len(text) and all(
        have in SETS[want] if want in SETS else have == want for have, want in zip(text, template, strict=True)
    )


def _scored(score: Scoring, texts: Sequence[str]) -> Array:
    try:
        parts = [np.asarray(score(texts[at : at + BATCH]), np.float64) for at in range(0, len(texts), BATCH)]
        found = np.concatenate(parts) if parts else np.zeros(0)
    except (TypeError, ValueError):  # No numbers, or none that hang together.
        found = np.zeros(0)
    if found.shape != (len(texts),) or not np.isfinite(found).all():
        raise UsageError("the scoring function gives one finite number for each text")
    return found
