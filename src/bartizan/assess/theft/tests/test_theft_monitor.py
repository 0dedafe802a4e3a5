"""The monitor sees thieves, lets honest accounts ask, and says of how many it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bartizan.assess.target import Array
from bartizan.assess.theft.monitoring import Monitor, Traffic, monitor
from bartizan.core.errors import InputError
from bartizan.profiles.asking import NUMBERS, as_json, from_json, normality
from bartizan.profiles.sessions import Sessions
from bartizan.readers.predictions import prediction

CHANCE = np.random.default_rng(8)
CENTRES = CHANCE.normal(size=(4, 5)) * 4


def said(rows: Array) -> Array:
    """Softmax of likeness to four centres."""
    likeness = -((rows[:, None] - CENTRES) ** 2).sum(axis=2) / 4
    powers = np.exp(likeness - likeness.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def honest(count: int) -> Array:
    return CENTRES[CHANCE.integers(0, 4, count)] + CHANCE.normal(size=(count, 5))


def made_up(count: int) -> Array:
    """Between the classes: nearly the same likeness to two of them."""
    pairs = CHANCE.permuted(np.tile(np.arange(4), (count, 1)), axis=1)[:, :2]
    return CENTRES[pairs].mean(axis=1) + CHANCE.normal(size=(count, 5)) * 0.3


@pytest.fixture(scope="module")
def calibrated() -> Monitor:
    """With its thieves."""
    own, test, thief = honest(800), honest(600), made_up(300)
    other = honest(300)
    thieves = {"borders": Traffic(thief, said(thief)), "honest": Traffic(other, said(other))}
    found = monitor("ab" * 32, own, Traffic(test, said(test)), thieves, 0)
    assert found is not None
    return found


def log(account: str, rows: Array, name: str = "vector") -> bytes:
    """Lines as a server writes them."""
    lines = [
        json.dumps({"account": account, "time": 1000 + at, name: row.tolist(), "scores": scores.tolist()})
        for at, (row, scores) in enumerate(zip(rows, said(rows), strict=True))
    ]
    return "\n".join(lines).encode() + b"\n"


def test_false_alarms_are_counted_and_thieves_seen(calibrated: Monitor) -> None:
    """Rows between the classes give a thief away; honest rows do not."""
    assert calibrated.false_alarms.share <= 0.03
    assert calibrated.seen_at["borders"] is not None
    assert calibrated.seen_at["honest"] is None
    assert calibrated.as_json()["file"] == "theft-monitor.json"


def test_too_few_honest_rows_calibrate_nothing() -> None:
    few = honest(50)
    assert monitor("", few, Traffic(few, said(few)), {}, 0) is None


def test_the_profile_is_the_same_out_of_its_file(calibrated: Monitor) -> None:
    assert from_json(json.loads(json.dumps(as_json(calibrated.profile)))) == calibrated.profile


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "x"},
        {"cells": []},
        {"cells": [["a"]]},
        {"columns": [99]},
        {"usual": 3},
        {"limit": "nan"},
        {"far": "inf"},
        {"usual": [{"queries": 0} | {name: [0.0, 1.0] for name in NUMBERS}]},
        {"columns": [], "shift": [], "projection": [[]], "features": 0},
    ],
)
def test_what_is_no_profile_is_refused(calibrated: Monitor, change: dict[str, object]) -> None:
    """Also one with a limit that nothing passes, and one whose sessions have room for no query."""
    with pytest.raises(InputError):
        from_json(as_json(calibrated.profile) | change)


def test_the_command_finds_the_account_that_copies(calibrated: Monitor, tmp_path: Path) -> None:
    """Among honest ones, and says which lines it could not read."""
    from bartizan.doors.assess.monitor import monitor as command

    profile, predictions = tmp_path / "theft-monitor.json", tmp_path / "predictions.jsonl"
    profile.write_text(json.dumps(calibrated.file()))
    predictions.write_bytes(log("thief", made_up(100)) + b"{}\n" + log("ada", honest(100)) + log("bo", honest(60)))
    found = CliRunner().invoke(command, [str(profile), str(predictions), "--format", "json"], standalone_mode=False)
    assert found.exception is None
    told = [json.loads(line) for line in found.stdout.splitlines()]
    assert {one["account"] for one in told} == {"thief"}
    assert told[0]["risk"] == "theft.extraction-attempt"
    assert "could not be read, and were not looked at: 1\n" in found.stderr


def test_a_session_ends_after_a_long_silence(calibrated: Monitor) -> None:
    """And another begins; points are taken as they are."""
    sessions = Sessions(calibrated.profile)
    row = tuple(honest(1)[0].tolist())
    for time_us in (0, 10, 40 * 60 * 1_000_000):
        sessions.add("a", time_us, row, (0.9, 0.1))
    assert sessions.begun == 2
    with pytest.raises(InputError, match="5"):
        sessions.add("a", 0, (1.0,), (1.0, 0.0))


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{",
        "A1V[]S[1]",
        'A1V["1"]S[1]',
        'A1V[1]S"3"',
        "A-1V[1]S[1]",
        "A1V[true]S[1]",
        "A1V[[[[[1]]]]]S[1]",
        '{"account":"","time":1,"vector":[1],"scores":[1]}',
    ],
)
def test_a_line_that_is_no_prediction_is_refused(line: str) -> None:
    if line.startswith("A"):
        line = (
            line.replace("A", '{"account":"a","time":', 1).replace("V", ',"vector":').replace("S", ',"scores":') + "}"
        )
    with pytest.raises(InputError):
        prediction(line.encode())


def test_pictures_are_read_flat() -> None:
    found = prediction(b'{"account":"a","time":1.5,"vector":[[1,2],[3,null]],"scores":[0.2,0.8]}')
    assert (found.row, found.time_us) == ((1.0, 2.0, 3.0, 0.0), 1_500_000)


def test_normal_distances_are_normal() -> None:
    """And distances that are all the same, or of two kinds, are not."""
    values = CHANCE.normal(size=200).tolist()
    assert normality(values) > 0.97
    assert normality([1.0] * 200) == 0.0
    assert normality([0.0] * 100 + [1.0] * 100) < 0.8
