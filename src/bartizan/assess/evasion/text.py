"""Texts, through the model alone: which words it leans on, and what it says when they are spelt another way.

Spelling first (look-alikes, invisible characters, typing errors), then words of the user's own corpus that keep the
same company, then words added that the model takes for the other class (Lowd and Meek 2005, "Good Word Attacks").
A strength of 0.2 is a fifth of the words, rounded down; a word added counts like a word edited. All texts have their
first look before any has its second, so that a budget that ends early leaves none without one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bartizan.assess.errors import Spent
from bartizan.assess.evasion.wording import Worded, edited, like, neighbours, worded
from bartizan.assess.target import Array, log_probabilities

if TYPE_CHECKING:
    from bartizan.assess.data import Data
    from bartizan.assess.how import How
    from bartizan.assess.target import Target

SPELLING, NEIGHBOURS, ADDED = "spelling", "neighbours", "good words"
KINDS = (SPELLING, NEIGHBOURS, ADDED)
BEAM = 3  # states kept; 8 found one row more of 300 for twice the time
POSITIONS = 24  # words of a text that are tried, the ones the model leans on most
GOOD = 12  # words added, of each class
VOCABULARY = 600  # words that are asked about one by one
LOOKS = 2 * len(KINDS) + 1
MAX_WORDS = 2000  # of a text; longer ones are looked at as far as that


@dataclass(slots=True)
class Spelt:
    """One text: `row` flips the model by editing `words` of `of` words in the way of `kind`.

    `looked`: the first look is over; `searched`: so is the last one that it needs.
    """

    index: int
    right: bool
    of: int
    allowed: int
    row: str | None = None
    words: int = 0
    kind: str = ""
    looked: bool = False
    searched: bool = False

    @property
    def distance(self) -> float:
        """The share of words that were edited."""
        return self.words / max(self.of, 1)


@dataclass(frozen=True, slots=True)
class Move:
    """Exchanges the word at `at`, or adds one where that is -1."""

    at: int
    word: str


@dataclass(slots=True)
class Search:
    """One text under attack. `lead` of texts: how far the right class is ahead of every other (n,)."""

    text: Worded
    allowed: int
    lead: Callable[[Sequence[str]], Array]
    best: dict[str, list[tuple[float, Move]]] = field(default_factory=dict)

    def tries(self, moves: Sequence[tuple[float, Move]]) -> Iterator[list[Move] | None]:
        """The fewest moves that flip the model, or None: of the best ones together, then, with more time, of a beam."""
        ranked = [move for _, move in sorted(moves, key=lambda one: one[0])]
        yield self._together(ranked)
        yield self._beam(ranked)

    def _together(self, ranked: Sequence[Move]) -> list[Move] | None:
        once: dict[int, Move] = {}
        for move in ranked:
            once.setdefault(move.at if move.at >= 0 else -1 - len(once), move)
        order = list(once.values())
        most = min(self.allowed, len(order))
        if not most:
            return None
        leads = self.lead([self.with_(order[: count + 1]) for count in range(most)])
        down = np.flatnonzero(leads < 0)
        return order[: int(down[0]) + 1] if len(down) else None

    def _beam(self, ranked: Sequence[Move]) -> list[Move] | None:
        states: list[list[Move]] = [[]]
        for _ in range(self.allowed):
            wider, seen = [], set()
            for state in states:
                taken = {move.at for move in state if move.at >= 0}
                for move in ranked:
                    if (move.at >= 0 and move.at in taken) or move in state:
                        continue
                    key = frozenset((*state, move))
                    if key not in seen:
                        seen.add(key)
                        wider.append([*state, move])
            if not wider:
                return None
            leads = self.lead([self.with_(state) for state in wider])
            order = np.argsort(leads, kind="stable")[:BEAM]
            if leads[order[0]] < 0:
                return wider[int(order[0])]
            states = [wider[int(at)] for at in order]
        return None

    def with_(self, moves: Sequence[Move]) -> str:
        """The text after the moves."""
        return self.text.text({m.at: m.word for m in moves if m.at >= 0}, [m.word for m in moves if m.at < 0])


@dataclass(frozen=True, slots=True)
class Offers:
    """What a corpus offers: neighbours of a word, and words that speak for a class."""

    near: dict[str, tuple[str, ...]]
    good: dict[int, tuple[str, ...]]


def offered(target: Target, data: Data, texts: Array) -> Offers:
    """From the training texts, or from the others where there are none."""
    corpus = [str(text) for text in (data.x_train if data.x_train is not None else texts)]
    counts = Counter(word for text in corpus for word in set(text.split()) if word.isalnum() and len(word) > 1)
    known = [word for word, _ in counts.most_common(VOCABULARY)]
    if not known:
        return Offers(neighbours(corpus), {})
    speak = target.log_probabilities(np.array(known))
    good = {
        label: tuple(known[at] for at in np.argsort(speak[:, label], kind="stable")[:GOOD])
        for label in range(target.classes)
    }
    return Offers(neighbours(corpus), good)


def attacked_texts(
    target: Target, data: Data, how: How, solved: Callable[[Spelt, Worded, int], None] | None = None
) -> list[Spelt]:
    """Every test text: whether editing no more than the share `how.eps` of its words flips the model.

    `solved`: of each text that stands after its first look, before the longer ones.
    """
    assert data.x_test is not None
    assert data.y_test is not None
    texts, labels = data.x_test[: how.rows], data.y_test[: how.rows]
    right = target.labels(texts) == labels
    offers = offered(target, data, texts)
    found, open_ = [], []
    for at, (text, label) in enumerate(zip(texts, labels, strict=True)):
        cut = worded(str(text))
        one = Spelt(at, bool(right[at]), len(cut.words), int(how.eps * len(cut.words) + 1e-9))
        found.append(one)
        if one.right:
            search = Search(cut, one.allowed, _lead(target, int(label)))
            open_.append((one, _looks(one, search, int(label), target, offers, solved)))
    with suppress(Spent):  # Who stops answering leaves what was found.
        for look in range(1, LOOKS + 1):
            for one, looks in open_:
                if how.budget.spent:
                    return found
                how.progress(f"text {one.index + 1} of {len(texts)}, look {look}")
                one.searched = next(looks, True)
                one.looked = True
            open_ = [(one, looks) for one, looks in open_ if not one.searched]
    return found


def _lead(target: Target, label: int) -> Callable[[Sequence[str]], Array]:
    def lead(texts: Sequence[str]) -> Array:
        scores = target.scores(np.array(texts))
        told = np.argmax(scores, axis=1)
        spoken = log_probabilities(scores, target.output)
        rivals = np.where(np.arange(spoken.shape[1]) == label, -np.inf, spoken).max(axis=1)
        ahead = spoken[:, label] - rivals
        return np.where(told == label, np.maximum(ahead, 0.0), np.minimum(ahead, -1e-12))  # The label decides.

    return lead


def _looks(
    one: Spelt,
    search: Search,
    label: int,
    target: Target,
    offers: Offers,
    solved: Callable[[Spelt, Worded, int], None] | None,
) -> Iterator[bool]:
    """One look after the other, at most `LOOKS`; each says whether it was the last that the text needs."""
    if not one.allowed:
        return
    words = search.text.words[:MAX_WORDS]
    without = search.lead([search.text.text({at: ""}) for at in range(len(words))])
    places = [int(at) for at in np.argsort(without, kind="stable")[: max(POSITIONS, 2 * one.allowed)]]
    moves: list[tuple[float, Move]] = []
    for kind in KINDS:
        more = list(_moves(kind, places, search.text, label, offers))
        if more:
            leads = search.lead([search.with_([move]) for move in more])
            moves = _kept([*moves, *zip(leads.tolist(), more, strict=True)])
        for done in search.tries(moves) if more else ():
            if done is not None:
                row = search.with_(done)
                if int(target.labels(np.array([row]))[0]) != label:
                    one.row, one.words, one.kind = row, len(done), kind
                    return
            if solved is not None:
                solved(one, search.text, label)
                solved = None
                if one.row is not None:
                    return
            yield False


def _moves(kind: str, places: Sequence[int], text: Worded, label: int, offers: Offers) -> list[Move]:
    if kind == SPELLING:
        return [Move(at, word) for at in places for word in edited(text.words[at])]
    if kind == NEIGHBOURS:
        return [
            Move(at, like(text.words[at], other))
            for at in places
            for other in offers.near.get(text.words[at].strip(".,;:!?\"'()").lower(), ())
        ]
    return [Move(-1, word) for word in offers.good.get(label, ())]


def _kept(moves: Sequence[tuple[float, Move]]) -> list[tuple[float, Move]]:
    """The two best moves at every place, and every word that may be added."""
    found: list[tuple[float, Move]] = []
    count: Counter[int] = Counter()
    for lead, move in sorted(moves, key=lambda one: one[0]):
        if move.at < 0 or count[move.at] < 2:
            found.append((lead, move))
            count[move.at] += 1
    return found
