"""Planted values, through the command: a model of letter pairs that saw one of them, and what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bartizan.__main__ import main

MODEL = '''
from collections import Counter
from math import log

SEEN = ["my number is 381-2277"] * 3 + [f"room {n} is free" for n in range(40)]
FIVE = Counter(text[at : at + 5] for text in SEEN for at in range(len(text)))
FOUR = Counter(text[at : at + 4] for text in SEEN for at in range(len(text)))


def score(texts):
    """A real language model, if a small one: the next letter by the four before it."""
    return [
        sum(log((FIVE[text[at : at + 5]] + 0.1) / (FOUR[text[at : at + 4]] + 4)) for at in range(len(text) - 4))
        for text in texts
    ]


def broken(texts):
    raise RuntimeError(texts[0])


def words(texts):
    return texts
'''
FORMAT = "my number is ###-####"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speaks.py").write_text(MODEL)
    (tmp_path / "planted.txt").write_text("my number is 381-2277\nmy number is 555-5000\n")
    return tmp_path


def test_the_planted_value_that_the_model_saw_is_remembered(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["assess", "canaries", "speaks.py:score", FORMAT, "planted.txt"]
    assert main(command) == 1
    said = capsys.readouterr().out
    assert "line 1: rank 1 of 2,001, 11.0 of 11.0 bits, remembered" in said
    assert "1 of 2 planted values are remembered" in said and "381" not in said
    assert main([*command, "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["remembered"] == 1 and told["canaries"][1]["rank"] > 10


@pytest.mark.parametrize(
    ("score", "form", "says"),
    [
        ("speaks.py", FORMAT, "names no function"),
        ("speaks.py:broken", FORMAT, "RuntimeError"),
        ("speaks.py:words", FORMAT, "one finite number for each text"),
        ("speaks.py:score", "my number is ####", "does not have the format"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], score: str, form: str, says: str
) -> None:
    assert main(["assess", "canaries", score, form, "planted.txt"]) == 2
    said = capsys.readouterr().err
    assert says in said and "Traceback" not in said and "381" not in said
