"""Copies of pictures and texts are written as they are, for every way in which rows come."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch.nn import functional

from bartizan.assess.budget import Budget
from bartizan.assess.data import Form
from bartizan.assess.theft import pools
from bartizan.assess.theft.nets import LEAST, Lesson, Net, View, Way, teach
from bartizan.assess.theft.pictures import PictureThief
from bartizan.assess.theft.texts import TextThief
from bartizan.assess.theft.writing import as_onnx

CHANCE = np.random.default_rng(6)


@pytest.mark.parametrize("shape", [(8, 8), (1, 9, 7), (12, 12, 3), (2, 40, 70)])
def test_pictures_of_any_shape_are_copied_and_written(shape: tuple[int, ...]) -> None:
    """Bright and dark ones; ONNX Runtime says what the copy says, or `as_onnx` raises."""
    rows = CHANCE.random((40, *shape)).astype(np.float32) * 0.4
    label = np.arange(40) % 2
    rows[label == 1] += 0.5
    thief = PictureThief.of(rows, 2)
    copies = thief.quick(rows, np.eye(2)[label], 0, Budget(0.2))
    assert all(as_onnx(one, rows, 2) for one in copies)
    assert 0 < copies[0].taught <= 1
    wiser = thief.wiser([2.0, 1.0])
    assert wiser.ways == thief.ways[1:]


def test_a_lesson_without_time_ends_as_one() -> None:
    """It is taught its least, to the end of its cycle; with the same seed, every lesson is the same."""
    rows = torch.rand((30, 1, 8, 8), generator=torch.Generator().manual_seed(0)) * 0.5
    answers = torch.eye(3)[torch.arange(30) % 3]
    for one in range(3):
        rows[one::3, :, one * 2] += 0.5
    begun = Net(View.of((8, 8)), 3, 0.5, 0.3)

    def lesson(steps: int, seconds: float) -> tuple[float, float]:
        net, taught = teach(deepcopy(begun), Lesson(rows, answers), steps, 0, Way(0.4, 1.0), Budget(seconds))
        return float(functional.cross_entropy(net(rows), answers).detach()), taught

    long, short = lesson(2 * LEAST, 600), lesson(2 * LEAST, 0.0)
    assert long == lesson(2 * LEAST, 600)
    assert max(long[0], short[0]) < 0.3
    assert (long[1], short[1]) == (1.0, 0.5)


def test_texts_are_copied_and_written() -> None:
    """Words of ASCII and others; capital letters count as small ones."""
    words = np.array(
        ["free", "money", "now", "ärger", "Größe", "hello", "there", "see", "you", "at", "noon", "prize", "免费"]
    )
    texts = np.array([" ".join(CHANCE.choice(words, 6)) for _ in range(200)] + ["", "  FREE\tMoney "], dtype=object)
    spam = np.array(["free" in one.lower() for one in texts]).astype(int)
    thief = TextThief.of(texts, 2)
    copy = thief.best(texts, np.eye(2)[spam], 0, Budget(10))
    assert (copy.logits(texts).argmax(axis=1) == spam).mean() > 0.97
    assert as_onnx(copy, texts, 2, text=True)
    assert len(pools.alike(pools.Pool(texts, "own", ""), Form.TEXT, 0).rows) == len(texts)


def test_pictures_that_look_alike_are_made_of_quarters() -> None:
    """Each pixel stands where it stood in some row, or mirrored."""
    rows = np.arange(5, dtype=np.float32)[:, None, None, None] * np.ones((5, 1, 6, 6), np.float32)
    made = pools.alike(pools.Pool(rows, "own", ""), Form.IMAGES, 1).rows
    assert made.shape == rows.shape
    assert all(len(np.unique(one[0, :3, :3])) == 1 for one in made)
