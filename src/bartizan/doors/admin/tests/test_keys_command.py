"""`bartizan keys` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bartizan.__main__ import main
from bartizan.home import Home
from bartizan.ledger.read import records


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Home.open() as opened:
        return opened.path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(("keys", *arguments)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_a_secret_is_shown_once_and_opens(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "add", "laptop", "--user", "alice@example.org", "--group", "eng", "--app", "chat")
    secret = out.strip()
    assert secret.startswith("bz-")
    assert "not shown again" in err
    with Home.open(home) as opened:
        identity = opened.who(secret)
    assert identity
    assert (identity.person, identity.groups, identity.app) == ("alice@example.org", ("eng",), "chat")
    listed, _ = run(capsys, "list")
    assert secret not in listed
    assert "alice@example.org" in listed
    assert secret.encode() not in b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())


def test_a_revoked_key_opens_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "add", "laptop", "--format", "json")
    told = json.loads(out)
    assert told["schema"] == "bartizan.key/1"
    run(capsys, "revoke", "laptop")
    with Home.open(home) as opened:
        assert opened.who(told["secret"]) is None
    keys = json.loads(run(capsys, "list", "--format", "json")[0])["keys"]
    assert [key["revoked"] is None for key in keys if key["id"] == told["id"]] == [False]
    events = [record.get("event") for record in records(home)]
    assert [event for event in events if event != "opened"] == ["key-added", "key-revoked"]


def test_mistakes_are_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    run(capsys, "add", "laptop")
    assert "exists" in run(capsys, "add", "laptop", code=2)[1]
    assert "keys list" in run(capsys, "revoke", "nothing", code=2)[1]
    assert "no Bartizan home" in run(capsys, "list", "--home", "elsewhere", code=2)[1]


def test_a_key_is_paused_and_resumed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = json.loads(run(capsys, "add", "laptop", "--user", "ann@example.org", "--format", "json")[0])["id"]
    assert f"paused key {key} until" in run(capsys, "pause", "laptop", "--for", "15m", "--why", "a loop")[1]
    assert "paused until" in run(capsys, "list")[0]
    run(capsys, "resume", key)
    assert "paused until" not in run(capsys, "list")[0]
    person = run(capsys, "pause", "--person", "ann@example.org", "--why", "lost", "--format", "json")[0]
    assert json.loads(person)["schema"] == "bartizan.pause/1" and json.loads(person)["kind"] == "person"
    told = json.loads(run(capsys, "list", "--format", "json")[0])["keys"]
    assert [one["paused_until"] is not None for one in told if one["id"] == key] == [True]
    run(capsys, "resume", "--person", "ann@example.org")
    assert "not paused" in run(capsys, "resume", "laptop", code=2)[1]
    assert "is a time from" in run(capsys, "pause", "laptop", "--for", "soon", "--why", "x", code=2)[1]
    events = [record.get("event") for record in records(home)]
    assert [one for one in events if one not in ("opened", "key-added")] == [
        "key-paused", "key-resumed", "person-paused", "person-resumed",
    ]  # fmt: skip
