"""Models: every one that was measured, by its newest assessment; one of them over time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from assessed import USUAL, recorded
from running_console import RunningConsole, console

from bartizan.events import Filter
from bartizan.vault.accounts import Role


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with console(tmp_path_factory.mktemp("models") / "home") as running:
        recorded(running.home, "digits")
        recorded(running.home, "digits", {**USUAL, "robust_accuracy": 0.76})
        recorded(running.home, "spam", {"accuracy": 0.9, "robust_accuracy": 0.8}, trusted=False, missing="privacy")
        recorded(running.home, "gate", {"backdoor_rows": 30, "train_rows": 700})
        recorded(running.home, "<b>")
        until = time.monotonic() + 10
        sought = Filter.parse("door:assess", 0)
        while running.console.index.count(sought, 5) < 5 and time.monotonic() < until:
            time.sleep(0.05)
        yield running


def page(up: RunningConsole, path: str, status: int = 200) -> str:
    answer = up.browser(Role.VIEWER).get(path)
    assert answer.status == status, (path, answer.status, answer.text[:300])
    return unescape(answer.text).partition('id="said"')[2]  # Without the menu and what the search box suggests.


def test_every_model_stands_there_by_its_newest_assessment(up: RunningConsole) -> None:
    text = page(up, "/models")
    assert "4 models measured; 1 held by the policy" in text
    assert "1 with an evaluation that is not to be trusted" in text
    assert text.index("gate.onnx") < text.index("spam.onnx") < text.index("digits.onnx")
    assert "76.0 %" in text and "31.0 %" not in text.partition("digits.onnx")[2]
    assert "≤ 80.0 %" in text and "not measured" in text


def test_a_name_is_text(up: RunningConsole) -> None:
    assert "<b>.onnx" not in up.browser(Role.VIEWER).get("/models").text


def test_one_model_over_time_says_what_changed(up: RunningConsole) -> None:
    text = page(up, "/models/digits.onnx")
    assert "76.0 % of its answers stay right under attack; " in text
    assert "Since the one before: robust +45.0 points." in text
    assert text.count('class="dot t0"') == 2 and text.count('class="line t0"') == 2  # one of them in the legend
    assert "Copied" in text and "94.0 %" in text


def test_an_evaluation_that_is_not_to_be_trusted_says_so(up: RunningConsole) -> None:
    text = page(up, "/models/spam.onnx")
    assert (
        "Not trusted: <bdi>evasion</bdi>" in text and "Not measured: <bdi>privacy</bdi>" in text and "≤ 80.0 %" in text
    )


def test_a_model_that_nobody_measured_is_not_found(up: RunningConsole) -> None:
    assert "No assessment of a model of this name" in page(up, "/models/nothing.onnx", 404)


def test_programs_get_the_numbers(up: RunningConsole) -> None:
    who = up.account("token@example.org", Role.VIEWER)
    token = up.console.accounts.add_token(who.person, "t", 1)[1]
    found = up.browser().api("GET", "/models", token).json
    assert found["schema"] == "bartizan.models/1"
    assert {one["name"]: one["assessments"] for one in found["models"]} | {"digits.onnx": 2} == {
        one["name"]: one["assessments"] for one in found["models"]
    }
    one = up.browser().api("GET", "/models/digits.onnx", token).json
    assert [run["measures"]["robust_accuracy"] for run in one["assessments"]] == [0.76, 0.31]
    assert one["assessments"][0]["versions"] == {"bartizan": "0.1.0", "python": "3.11.7"}


def test_the_event_of_an_assessment_opens(up: RunningConsole) -> None:
    found = up.browser(Role.VIEWER).get("/models/gate.onnx").text
    event = found.partition('href="/events/')[2].partition('"')[0]
    assert "backdoor" in page(up, f"/events/{event}").lower()


def test_without_assessments_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    with console(tmp_path / "home") as running:
        text = unescape(running.browser(Role.VIEWER).get("/models").text)
        assert "No model was measured yet." in text and "bartizan assess model.onnx" in text
