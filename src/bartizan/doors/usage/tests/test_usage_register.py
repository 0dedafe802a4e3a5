"""`bartizan usage register` as people call it."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from registry import HEAD

from bartizan.__main__ import main
from bartizan.home import Home
from bartizan.home.register import take
from bartizan.inventory.feeding import SourceKind, SourceRead
from bartizan.ledger.read import records
from bartizan.readers.logs.usage import AccountKind, Reached, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence
from bartizan.vault.accounts import Role

BLOCK = ("decide", "deepseek", "--status", "blocked", "--why", "no contract", "--by", "ciso@example.org")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    now_us = time.time_ns() // 1000
    day = now_us // DAY_US

    def used(actor: str, system: str, evidence: Evidence, sort: Sort = Sort.SERVICE) -> Usage:
        to = Reached(system, sort, tier="A", score=0.6)
        return Usage(actor, to, day, evidence, 3, 2_500_000, 1, AccountKind.PERSONAL, now_us, now_us)

    found = [
        used("mara@example.org", "deepseek", Evidence.PROMPT),
        used("bob@example.org", "deepseek", Evidence.CONNECTED),
        used("bob@example.org", "perplexity", Evidence.UPLOADED),
        used("bob@example.org", "ai.example", Evidence.CONNECTED, Sort.CANDIDATE),
    ]
    with Home.open() as opened:
        take(opened, found, SourceRead(SourceKind.LOGS, "squid", HEAD, lines=400), now_us)
        return opened.path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(("usage", "register", *arguments)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # Any: what JSON holds
    return json.loads(run(capsys, *arguments, "--format", "json")[0])


def events(home: Path) -> list[object]:
    return [record["event"] for record in records(home) if record.get("event") not in (None, "opened")]


def test_the_list_says_what_is_used_and_what_waits(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    lines = run(capsys, "list")[0].splitlines()
    assert lines[1].split()[:6] == ["deepseek", "undecided", "2", "6", "5.0", "MB"]
    assert "ai.example (candidate)" in lines[2] + lines[3]
    assert [one["id"] for one in told(capsys, "list", "--waiting")["systems"]] == [
        "deepseek",
        "perplexity",
        "ai.example",
    ]
    assert [one["id"] for one in told(capsys, "list", "--sort", "candidate")["systems"]] == ["ai.example"]
    assert "example.org" not in run(capsys, "list", "--format", "json")[0]


def test_a_decision_is_one_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = ("--alternative", "perplexity", "--set", "owner=it@example.org")
    assert "blocked from now on" in run(capsys, *BLOCK, *other)[1]
    shown = told(capsys, "show", "deepseek", "--people")
    assert (shown["status"], shown["alternative"], shown["owner"]) == ("blocked", "perplexity", "it@example.org")
    assert [one["why"] for one in shown["decisions"]] == ["no contract"]
    assert len(shown["people"]) == 2 and all(one["person"].startswith("p-") for one in shown["people"])
    out = run(capsys, "show", "deepseek", "--people")[0]
    assert "blocked, by p-" in out and "no contract" in out and "mara" not in out
    assert events(home)[-1] == "use-decided"
    assert [one["id"] for one in told(capsys, "list", "--waiting")["systems"]] == ["perplexity", "ai.example"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("decide", "deepseek", "--status", "blocked", "--by", "x"), "say why it is blocked"),
        (("decide", "nobody", "--status", "approved", "--by", "x"), 'no system "nobody"'),
        (("decide", "ai.example", "--status", "blocked", "--why", "x", "--by", "x"), "cannot be blocked"),
        (("decide", "deepseek", "--status", "approved", "--review", "soon", "--by", "x"), "is not a date"),
        (("set", "deepseek", "--by", "x"), "say what to set"),
        (("set", "deepseek", "owner", "--by", "x"), "is not FIELD=VALUE"),
        (("set", "deepseek", "colour=red", "--by", "x"), '"colour" is no field'),
        (("show", "nobody"), 'no system "nobody"'),
        (("exception", "ask", "deepseek", "--until", "2099-01-01", "--why", "x", "--by", "x"), "whom it is for"),
        (("name", "ask", "p-none", "--reason", "x", "--by", "x"), "role privacy"),
        (("name", "show", "n-none", "--by", "x"), "no request"),
        (("import", "missing.csv", "--by", "x"), "missing.csv"),
    ],
)
def test_what_cannot_be_is_said(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], what: str
) -> None:
    told = len(events(home))
    assert what in run(capsys, *arguments, code=2)[1]
    assert len(events(home)) == told


def test_what_is_known_is_written_down(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    run(capsys, "set", "our-bot", "name=Our bot", "risk_tier=limited", "--notes", "made here", "--by", "ada")
    shown = told(capsys, "show", "our-bot")
    assert (shown["sort"], shown["name"], shown["risk_tier"], shown["notes"]) == (
        "own",
        "Our bot",
        "limited",
        "made here",
    )


def test_notes_come_from_standard_input(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del home
    monkeypatch.setattr("sys.stdin", io.StringIO("line one\nline \x1b[2Jtwo\n"))
    run(capsys, "set", "deepseek", "--notes", "-", "--by", "ada")
    assert "\x1b" not in run(capsys, "show", "deepseek")[0]
    assert "line one line \\x1b[2Jtwo" in run(capsys, "show", "deepseek")[0]


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_the_register_goes_out_and_comes_back(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, format_: str
) -> None:
    run(capsys, *BLOCK)
    run(capsys, "set", "perplexity", "purpose==SUM(A1)", "--by", "ada")
    file = tmp_path / "register"
    file.write_text(run(capsys, "export", "--format", format_)[0])
    before = len(events(home))
    assert told(capsys, "import", str(file), "--by", "ada") == {
        "schema": "bartizan.import/1",
        "rows": 3,
        "added": 0,
        "changed": 0,
        "decided": 0,
    }
    assert len(events(home)) == before
    file.write_text(file.read_text().replace("undecided", "approved"))
    assert "0 added, 0 changed, 2 decided" in run(capsys, "import", str(file), "--by", "ada")[1]
    assert told(capsys, "show", "perplexity")["status"] == "approved"


def test_mistakes_of_a_file_come_with_their_lines(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    del home
    file = tmp_path / "register.csv"
    file.write_text("id,status,risk_tier\ndeepseek,maybe,\nperplexity,,huge\n")
    err = run(capsys, "import", str(file), "--by", "ada", code=2)[1]
    assert f"{file}:2:1: status" in err and f"{file}:3:1: risk_tier" in err


def test_an_exception_from_the_question_to_its_end(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, *BLOCK)
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 20 * 86_400))
    for_mara = ("--person", "mara@example.org", "--until", until, "--why", "a study", "--by", "mara@example.org")
    id_ = told(capsys, "exception", "ask", "deepseek", *for_mara)["id"]
    assert "nobody allows" in run(capsys, "exception", "approve", id_, "--by", "mara@example.org", code=2)[1]
    assert "granted" in run(capsys, "exception", "approve", id_, "--by", "ciso", "--note", "until then")[1]
    (row,) = told(capsys, "exception", "list")["exceptions"]
    assert (row["state"], row["why"], row["note"]) == ("granted", "a study", "until then")
    assert until in run(capsys, "exception", "list")[0]
    assert "ended" in run(capsys, "exception", "end", id_, "--by", "ciso")[1]
    assert run(capsys, "exception", "list")[0] == "no exceptions\n"
    assert len(told(capsys, "exception", "list", "--all", "--system", "deepseek")["exceptions"]) == 1
    other = told(capsys, "exception", "ask", "deepseek", *for_mara)["id"]
    assert "refused" in run(capsys, "exception", "refuse", other, "--by", "ciso")[1]
    assert [event for event in events(home) if str(event).startswith("use-exception")] == [
        f"use-exception-{what}" for what in ("asked", "granted", "ended", "asked", "refused")
    ]


def test_a_name_takes_two(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Home.open(home) as opened:
        person = opened.vault.pseudonym("mara@example.org")
        for who in ("ada", "bob"):
            opened.accounts.add(who, [Role.PRIVACY], by="")
    id_ = told(capsys, "name", "ask", person, "--reason", "the upload", "--by", "ada")["id"]
    assert "waits for another" in run(capsys, "name", "show", id_, "--by", "ada", code=2)[1]
    assert "second privacy officer" in run(capsys, "name", "approve", id_, "--by", "ada", code=2)[1]
    assert "the upload" in run(capsys, "name", "list")[0]
    run(capsys, "name", "approve", id_, "--by", "bob")
    assert run(capsys, "name", "show", id_, "--by", "ada")[0] == "mara@example.org\n"
    assert "mara" not in run(capsys, "name", "list", "--format", "json")[0]
    refused = told(capsys, "name", "ask", person, "--reason", "again", "--by", "bob")["id"]
    assert "refused" in run(capsys, "name", "refuse", refused, "--by", "ada")[1]


def test_coverage_says_what_told_and_what_did_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    lines = {line.split("  ")[0]: line for line in run(capsys, "coverage")[0].splitlines()}
    assert lines["logs squid"].endswith("tells") and lines["endpoint"].endswith("never told")
    assert told(capsys, "coverage")["sources"][0]["lines"] == 400


def test_refresh_reads_the_ledger_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    first = told(capsys, "refresh")
    assert first["records"] > 0 and first["new"] == []
    assert "records read" in run(capsys, "refresh")[1]


def test_an_empty_home_has_an_empty_register(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no Bartizan home here" in run(capsys, "list", code=2)[1]
    Home.open().close()
    assert run(capsys, "list")[0] == "no systems\n"
    assert run(capsys, "list", "--waiting")[0] == "nothing waits\n"
    assert run(capsys, "name", "list")[0] == "no requests\n"
    assert run(capsys, "export")[0].count("\n") == 1
