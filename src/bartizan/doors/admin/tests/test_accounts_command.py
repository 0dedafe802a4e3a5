"""`bartizan accounts` as people call it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from bartizan.__main__ import main
from bartizan.core.errors import SignInDenied
from bartizan.home import Home
from bartizan.ledger.read import records
from bartizan.vault.accounts import Role

WORDS = " ".join(("quiet", "otter", "paints", "seven"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Home.open() as opened:
        return opened.path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(("accounts", *arguments)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # Any: what JSON holds
    return json.loads(run(capsys, *arguments, "--format", "json")[0])


def events(home: Path) -> list[object]:
    return [record["event"] for record in records(home) if record.get("event") not in (None, "opened")]


def test_a_colleague_is_added_and_let_in_by_a_link(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "accounts link" in run(capsys, "add", "alice@example.org", "--role", "admin", "--role", "analyst")[1]
    out, err = run(capsys, "link", "Alice@example.org")
    base, _, token = out.strip().rpartition("/sign-in/")
    assert base == "http://127.0.0.1:8401" and "10 minutes" in err
    with Home.open(home) as opened:
        _, session = opened.accounts.begin_with_link(token)
        assert session.account.may(Role.ADMIN) and session.account.may(Role.ANALYST)
        assert not session.account.may(Role.PRIVACY)
        with pytest.raises(SignInDenied):
            opened.accounts.begin_with_link(token)
    assert events(home) == ["account-added", "link-made", "signed-in", "sign-in-failed"]
    assert "alice" not in str(list(records(home)))
    assert told(capsys, "link", "alice@example.org", "--minutes", "60")["minutes"] == 60


def test_the_list_says_who_may_what(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    run(capsys, "add", "alice", "--role", "admin", "--role", "viewer")
    added = told(capsys, "add", "bob")
    assert (added["schema"], added["roles"], added["has_password"]) == ("bartizan.account/1", [], False)
    lines = run(capsys, "list")[0].splitlines()
    assert lines[0].split() == ["name", "roles", "password", "created", "disabled"]
    assert lines[1].startswith("alice  viewer, admin") and lines[2].split()[:3] == ["bob", "-", "no"]
    found = told(capsys, "list")["accounts"]
    assert [(one["name"], one["roles"], one["disabled_us"]) for one in found] == [
        ("alice", ["viewer", "admin"], None),
        ("bob", [], None),
    ]


def test_roles_are_given_and_taken(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", "alice", "--role", "admin")
    run(capsys, "add", "bob")
    assert "--no-role" in run(capsys, "change", "bob", code=2)[1]
    run(capsys, "change", "bob", "--role", "viewer", "--no-role", code=2)
    assert told(capsys, "change", "bob", "--role", "admin")["roles"] == ["admin"]
    assert "no role from now on" in run(capsys, "change", "alice", "--no-role")[1]
    assert "last account" in run(capsys, "disable", "bob", code=2)[1]
    assert "guest" in run(capsys, "change", "bob", "--role", "guest", code=2)[1]
    assert events(home).count("account-changed") == 2


def test_a_password_comes_from_standard_input(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "add", "alice", "--role", "admin")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert "at least 12" in run(capsys, "password", "alice", "--stdin", code=2)[1]
    monkeypatch.setattr("sys.stdin", io.StringIO(WORDS + "\n"))
    out, err = run(capsys, "password", "alice", "--stdin")
    assert WORDS not in out + err
    with Home.open(home) as opened:
        assert opened.accounts.begin_with_password("alice", WORDS)
    kept = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
    assert WORDS.encode() not in kept


def test_a_token_is_shown_once_and_ends(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", "alice", "--role", "viewer", "--role", "admin")
    out, err = run(capsys, "token", "alice", "--for", "dashboard", "--days", "30")
    secret = out.strip()
    assert secret.startswith("bz-a-") and "not shown again" in err
    listed = run(capsys, "list", "--tokens")[0]
    assert secret not in listed and "never" in listed
    (held,) = told(capsys, "list", "--tokens")["tokens"]
    assert (held["account"], held["for"], held["seen"]) == ("alice", "dashboard", None)
    with Home.open(home) as opened:
        assert opened.accounts.by_token(secret)
    assert "dashboard" in run(capsys, "end-token", held["id"])[1]
    with Home.open(home) as opened:
        assert opened.accounts.by_token(secret) is None
    assert "no token of that id" in run(capsys, "end-token", held["id"], code=2)[1]
    assert told(capsys, "token", "alice", "--for", "ci")["schema"] == "bartizan.token/1"


def test_what_an_old_copy_of_the_state_brings_back_ends_again(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger knows what ended: the next process that writes it makes that good."""
    for name, role in (("alice", "admin"), ("bob", "analyst"), ("carol", "viewer")):
        run(capsys, "add", name, "--role", role)
    ended, kept = (told(capsys, "token", "alice", "--for", purpose) for purpose in ("a", "b"))
    run(capsys, "disable", "carol")
    copy = (home / "state.sqlite").read_bytes()
    run(capsys, "end-token", ended["id"])
    run(capsys, "disable", "bob")
    run(capsys, "enable", "carol")
    (home / "state.sqlite").write_bytes(copy)
    run(capsys, "link", "alice")
    found = {one["name"]: one["disabled_us"] is None for one in told(capsys, "list")["accounts"]}
    assert found == {"alice": True, "bob": False, "carol": False}, (
        "carol was disabled in the copy; a person enables her"
    )
    assert [one["id"] for one in told(capsys, "list", "--tokens")["tokens"]] == [kept["id"]]
    run(capsys, "enable", "bob")
    run(capsys, "link", "alice")
    assert run(capsys, "link", "bob")[0], "and stays enabled"


def test_mistakes_are_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    for arguments in (
        ("link", "bob"),
        ("disable", "bob"),
        ("token", "bob", "--for", "x"),
        ("change", "bob", "--no-role"),
    ):
        assert "no such account" in run(capsys, *arguments, code=2)[1]
    assert "no Bartizan home" in run(capsys, "list", "--home", "elsewhere", code=2)[1]
