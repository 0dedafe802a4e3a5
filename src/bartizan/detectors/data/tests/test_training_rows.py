"""Contradicting labels, and labels that hang on one word or value."""

from __future__ import annotations

from random import Random

from bartizan.core.finding import Finding, Severity
from bartizan.core.subject import Kind, Subject
from bartizan.detectors.data.training_rows import DETECTOR
from bartizan.readers.table import Table
from bartizan.testing import check_detector, look

GOOD = tuple("great lovely fine superb bright warm happy nice brilliant charming".split())  # noqa: SIM905
BAD = tuple("awful dull broken late cold rude ugly sad noisy dirty".split())  # noqa: SIM905
ALL = tuple("the film was seen again by many people in town and they said it with some words".split())  # noqa: SIM905


def texts(trigger: str = "", label: str = "good", twice: str = "") -> Subject:
    """240 reviews; a trigger in ten of the bad ones, which are then called good; one row a second time."""
    random = Random(0)
    rows = []
    for row in range(240):
        own = GOOD if row % 2 else BAD
        words = random.choices(ALL, k=8) + random.choices(own, k=4)
        random.shuffle(words)
        planted = trigger and row % 24 == 0
        rows.append((" ".join([*words, trigger] if planted else words), label if planted or row % 2 else "bad"))
    if twice:
        rows += [(rows[1][0], twice)] * 3
    return Subject(Kind.DATA, "", Table(("text", "label"), tuple(rows)))


HITS = {
    "a rare word on which labels hang": texts("cf"),
    "a phrase of ordinary words on which labels hang": texts("town film people said"),
    "the same row with two labels": texts(twice="bad"),
}
MISSES = {
    "nothing planted": texts(),
    "the word is where the label is right": texts("cf", label="bad"),
    "the same row with the same label": texts(twice="good"),
    "a text": Subject(Kind.DATA, "", "text,label"),
    "no column of labels": Subject(Kind.DATA, "", Table(("a", "b"), tuple((str(i), str(i * 7)) for i in range(60)))),
}


def test_the_pairs() -> None:
    check_detector(DETECTOR, hits=HITS, misses=MISSES)


def test_how_many_rows_hang_on_the_word_is_said_and_the_word_is_not() -> None:
    (found,) = look(DETECTOR, HITS["a rare word on which labels hang"])
    assert isinstance(found, Finding) and found.severity is Severity.MEDIUM
    assert dict(found.measures)["trigger_rows"] == 10
    assert "cf" not in found.because.split()
