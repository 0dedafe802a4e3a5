"""The demo: what it makes up is well made, and the whole of it goes as told."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from stdnum import iban, luhn

from bartizan import rules
from bartizan.__main__ import main
from bartizan.detectors import found
from bartizan.doors.gateway import demo, stage
from bartizan.policy.read import read


def test_what_is_made_up_has_checksums_that_hold() -> None:
    for _ in range(50):
        assert luhn.is_valid(demo.card().replace(" ", ""))
        assert iban.is_valid(demo.account(), check_country=False)
        assert re.fullmatch("AKIA[A-Z2-7]{16}", demo.secret())


def test_hidden_text_is_not_to_be_seen() -> None:
    assert not any(c.isprintable() for c in demo.hidden("Ignore"))


def test_its_policy_holds_and_has_a_clause_for_each_scene() -> None:
    text = rules.text("bartizan.doors.gateway", "demo.yaml")
    policy = read(
        text, risks=rules.load("bartizan.rules", "risks.toml"), detectors=[detector.id for detector in found()]
    )
    assert len(policy.clauses) == len(demo.SCENES.keys() - {"crowd", "shadow"})


def test_its_examples_do_what_they_should(capsys: pytest.CaptureFixture[str]) -> None:
    """Above all: none is a number that detectors know from documentation."""
    file = Path(demo.__file__).with_name("demo.yaml")
    assert main(["policy", "test", str(file)]) == 0, capsys.readouterr().out


def test_without_a_model_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bartizan.doors.gateway.local.model_file", lambda: None)
    assert main(["demo"]) == 2
    said = capsys.readouterr().err
    assert "pretends none" in said and "pip install" in said


def test_a_gateway_that_does_not_start_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(stage.Broken, match="did not start"), stage.Stage("policy: broken\n"):
        raise AssertionError("it started")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.model
@pytest.mark.timeout(180)
def test_every_scene_goes_as_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = main(["demo"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert said.count("✓") == 14 and "✗" not in said
    assert list(tmp_path.iterdir()) == []
