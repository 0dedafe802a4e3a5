"""Edited texts: they fall by the model itself, keep to their share of words; exact answers are those of trying all."""

from __future__ import annotations

import itertools
from itertools import combinations
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.assess.budget import Budget
from bartizan.assess.data import Data, Form
from bartizan.assess.evasion.bags import fewest
from bartizan.assess.evasion.texts import texts
from bartizan.assess.evasion.wording import edited, neighbours, worded
from bartizan.assess.how import How
from bartizan.assess.target import Output, Target, Words

WORDS = [f"{a}{b}" for a in ("win", "cash", "home", "tea", "prize", "walk") for b in ("", "er", "ing", "ful")]
VOCABULARY = {word: at for at, word in enumerate(WORDS)}


def model(norm: str, bias: float, seed: int = 0, classes: int = 2, **how: bool) -> Words:
    rng = np.random.default_rng(seed)
    return Words(
        str.split, VOCABULARY, rng.uniform(0.5, 2.0, len(WORDS)), rng.normal(size=(len(WORDS), classes)),
        np.linspace(bias, 0.0, classes), norm, **how,
    )  # fmt: skip


def scores(words: Words, rows: np.ndarray) -> np.ndarray:
    """As the fields of `Words` say, a text at a time."""
    out = []
    for text in rows:
        found = [VOCABULARY[token] for token in words.tokens(str(text)) if token in VOCABULARY]
        counts = np.bincount(found, minlength=len(WORDS)).astype(float)
        if words.binary:
            counts = (counts > 0) * 1.0
        if words.sublinear:
            counts = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0.0)
        row = counts * words.factor
        length = {"l2": np.linalg.norm(row), "l1": np.abs(row).sum(), "": 1.0}[words.norm]
        out.append((row / (length or 1.0)) @ words.weights + words.bias)
    return np.array(out)


def target(words: Words) -> Target:
    return Target(
        "filter", "callable", "", (), words.weights.shape[1], Output.LOGITS, lambda rows: scores(words, rows),
        dtype=np.str_, words=lambda: words,
    )  # fmt: skip


@pytest.mark.parametrize("norm", ["l2", "l1", ""])
@pytest.mark.parametrize("bias", [-0.4, 0.0, 0.4])
@pytest.mark.parametrize("how", [{}, {"sublinear": True}, {"binary": True}])
def test_the_fewest_unreadable_words_are_those_of_trying_all(norm: str, bias: float, how: dict[str, bool]) -> None:
    rng = np.random.default_rng(4)
    closed = 0
    for seed in range(6):
        words = model(norm, bias, seed, 2 + seed % 2, **how)
        cut = worded(" ".join(rng.choice([*WORDS[:6], "unknown"], size=6)))
        label = int(scores(words, np.array([cut.text()])).argmax())
        found = fewest(words, cut, label)
        assert found is not None
        real = len(cut.words) + 1
        for count in range(len(cut.words), 0, -1):
            ways = [cut.text(dict.fromkeys(which, "?")) for which in combinations(range(len(cut.words)), count)]
            if (scores(words, np.array(ways)).argmax(axis=1) != label).any():
                real = count
        assert found.below < real
        if found.words is not None:
            assert len(found.words) >= real
            assert scores(words, np.array([cut.text(dict.fromkeys(found.words, "?"))])).argmax() != label
        closed += (len(found.words) if found.words is not None else found.below + 1) == found.below + 1
    assert closed >= 4


def test_texts_fall_within_their_share_of_words(tmp_path: Path) -> None:
    words = model("l2", 0.1)
    rng = np.random.default_rng(1)
    x = np.array([" ".join(rng.choice(WORDS, size=11)) for _ in range(40)])
    y = scores(words, x).argmax(axis=1)
    y[0] = 1 - y[0]
    asked = target(words)
    found = texts(asked, Data(Form.TEXT, "", x, y, x, y), How(0.2, budget=Budget(60)))
    assert found.accuracy.hits == 39
    assert 0 < found.robust(0.2).hits < 39
    assert found.readable.hits >= found.robust(0.2).hits
    assert "not verified" in found.sentence()
    assert found.write(tmp_path) == ["adversarial.npz", "adversarial.jsonl"]
    with np.load(tmp_path / "adversarial.npz", allow_pickle=False) as written:
        index, rows, share = written["index"], written["x_adv"], written["distance"]
    assert rows.dtype.kind == "U"
    assert (asked.labels(rows) != y[index]).all()
    for at, row, told in zip(index, rows, share, strict=True):
        before, after = str(x[at]).split(), str(row).split()
        changed = sum(a != b for a, b in zip(before, after, strict=False)) + len(after) - len(before)
        assert changed <= 2
        assert told == pytest.approx(changed / 11)
    lines = [orjson.loads(line) for line in (tmp_path / "adversarial.jsonl").read_bytes().splitlines()]
    assert [line["after"] for line in lines] == rows.tolist()


def test_without_time_texts_are_said_to_be_not_looked_at() -> None:
    words = model("", 0.0)
    x = np.array(["win cash home tea prize walk"] * 3)
    y = scores(words, x).argmax(axis=1)
    found = texts(target(words), Data(Form.TEXT, "", x, y, x, y), How(0.2, budget=Budget(0.0)))
    assert found.unread == 3
    assert "not looked at" in found.sentence()


@given(st.text())
def test_a_text_cut_and_joined_is_the_same(text: str) -> None:
    cut = worded(text)
    assert cut.text() == text
    for word in cut.words[:3]:
        others = list(edited(word))
        assert word not in others
        assert all(len(other.split()) == 1 for other in others)


def test_words_that_keep_the_same_company_are_neighbours() -> None:
    rng = np.random.default_rng(0)
    animals, verbs = ["cat", "dog", "cow", "pig"], ["runs", "eats", "sleeps", "drinks"]
    tools, works = ["saw", "drill", "plane", "file"], ["cuts", "bores", "scrapes", "grinds"]
    lines = [
        f"the {rng.choice(one)} {rng.choice(other)} {rng.choice(one)} often {rng.choice(other)}"
        for _ in range(300)
        for one, other in ((animals, verbs), (tools, works))
    ]
    lines += [f"word{number % 12} word{number % 7} filler{number % 5}" for number in range(200)]
    lines = [line.translate(str.maketrans("0123456789", "abcdefghij")) for line in lines]
    near = neighbours(lines)
    assert set(near["cat"]) <= {*animals, *verbs, "the", "often"}
    assert set(near["cat"]) & set(animals)


def test_a_rate_is_of_the_texts_that_were_reached_and_says_where_the_search_ended() -> None:
    words = model("l2", 0.1)
    rng = np.random.default_rng(1)
    x = np.array([" ".join(rng.choice(WORDS, size=11)) for _ in range(40)])
    y = scores(words, x).argmax(axis=1)
    asked = itertools.count(1)

    class After25Looks(Budget):
        @property
        def spent(self) -> bool:
            return next(asked) > 25

    found = texts(target(words), Data(Form.TEXT, "", x, y, x, y), How(0.2, budget=After25Looks(60)))
    assert 0 < found.robust(0.2).of == 40 - found.unread < 40
    assert found.robust(0.2).hits == found.unfinished > 0
    assert f"{found.unread} more were not looked at" in found.sentence() and "unfinished" in found.sentence()
    assert found.measures()["robust_accuracy"] == found.robust(0.2).share


def test_who_stops_answering_leaves_the_texts_that_were_looked_at() -> None:
    words = model("l2", 0.0)
    x = np.array([" ".join(np.random.default_rng(at).choice(WORDS, 10)) for at in range(12)], object)
    y = scores(words, x).argmax(axis=1)
    asked = target(words)
    asked.words, asked.cap = None, len(x) + len(WORDS) + 900
    found = texts(asked, Data(Form.TEXT, "", x, y, x, y), How(0.2, budget=Budget(60)))
    assert 0 < len(found.reached) < len(x) and found.unread == len(x) - len(found.reached)
    told = found.as_json()["outcomes"]
    assert isinstance(told, dict)
    assert len(told["index"]) == len(found.reached) and sum(told["robust"]) == found.robust(0.2).hits
