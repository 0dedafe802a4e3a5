"""`bartizan cases` as people call it."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from bartizan.__main__ import main
from bartizan.cases import Wanted
from bartizan.config import load
from bartizan.core.decision import Action
from bartizan.home import Home
from bartizan.ledger.read import records

ESCAPE = "the text \x1b[31mred\x1b[0m"
CLAUSE = "no-secrets-out"


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a case that asks for a review, in a home here."""
    monkeypatch.chdir(tmp_path)
    return _case(Action.REVIEW)


def _case(action: Action, destination: str = "house") -> str:
    with Home.open(config=load(cwd=Path.cwd()), environ={}) as home:
        wanted = Wanted(action, "ada", destination, {CLAUSE: "d"}, {CLAUSE: frozenset({"a" * 64})}, ("secret.x",))
        return home.desk().open(wanted, ESCAPE.encode(), time.time_ns() // 1000).case.id


def out(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(arguments) == code
    return capsys.readouterr().out


def err(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    capsys.readouterr()
    assert main(arguments) == code
    return capsys.readouterr().err


def test_the_list_shows_what_waits(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    header, row = out(capsys, "cases", "list").splitlines()
    assert header.split()[0] == "case"
    assert row.startswith(case) and "a review" in row and CLAUSE in row and "ada" not in row
    assert out(capsys, "cases", "list", "--state", "granted") == "no granted cases\n"
    value = json.loads(out(capsys, "cases", "list", "--format", "json"))
    assert value["schema"] == "bartizan.cases/1" and [c["id"] for c in value["cases"]] == [case]


def test_show_says_everything_but_the_text(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "cases", "show", case)
    assert "Credentials do not leave the company." in said and "the text" not in said and "ada" not in said
    value = json.loads(out(capsys, "cases", "show", case, "--format", "json"))
    assert value["clauses"] == [CLAUSE] and "opened" not in value


def test_the_text_is_opened_by_name_and_cannot_speak_to_the_terminal(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--open needs --by" in err(capsys, "cases", "show", case, "--open")
    said = out(capsys, "cases", "show", case, "--open", "--by", "bob")
    assert r"the text \x1b[31mred" in said and "\x1b" not in said
    assert "who                    ada (p-" in said
    assert [r["event"] for r in records(Path(".bartizan")) if "case" in r] == ["case-opened"]


def test_somebody_else_decides_once(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "say --approve or --refuse" in err(capsys, "cases", "decide", case, "--by", "bob")
    assert "nobody decides on their own request" in err(capsys, "cases", "decide", case, "--approve", "--by", "ada")
    assert out(capsys, "cases", "decide", case, "--approve", "--by", "bob", "--note", "ok") == f"{case}: granted\n"
    assert "is granted already" in err(capsys, "cases", "decide", case, "--refuse", "--by", "eve")
    assert "there is no such case" in err(capsys, "cases", "decide", "c-0", "--approve", "--by", "bob")
    assert "nothing is sealed" not in out(capsys, "cases", "show", case, "--open", "--by", "bob")
    (granted,) = [r for r in records(Path(".bartizan")) if r.get("event") == "case-granted"]
    assert granted["case"] == case and "bob" not in json.dumps(granted)


POLICY = f"""\
policy: two
version: 1
clauses:
  - {{id: {CLAUSE}, says: x, when: {{risk: secret.*}}, then: review, approvals: 2}}
"""


def test_two_people_approve_where_the_policy_says_so(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(".bartizan/policy.yaml").write_text(POLICY)
    assert "a review (0 of 2)" in out(capsys, "cases", "list")
    first = out(capsys, "cases", "decide", case, "--approve", "--by", "bob")
    assert first == f"{case}: 1 of 2 approvals; somebody else has to approve, too\n"
    assert "approvals              1 of 2 approvals: p-" in out(capsys, "cases", "show", case)
    assert "you approved it already" in err(capsys, "cases", "decide", case, "--approve", "--by", "Bob ")
    second = json.loads(out(capsys, "cases", "decide", case, "--approve", "--by", "eve", "--format", "json"))
    assert (second["state"], second["needs"], len(second["approvals"])) == ("granted", 2, 2)
    assert [r["event"] for r in records(Path(".bartizan")) if "case" in r] == ["case-approved", "case-granted"]


@pytest.mark.parametrize("text", [POLICY.replace(CLAUSE, "other"), "policy: ["], ids=["no such clause", "no policy"])
def test_while_nobody_can_say_how_many_it_takes_two(case: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(out(capsys, "cases", "show", case, "--format", "json"))["needs"] == 1, "of a clause that redacts"
    Path(".bartizan/policy.yaml").write_text(text)
    assert json.loads(out(capsys, "cases", "show", case, "--format", "json"))["needs"] == 2


def test_a_person_gives_a_reason(
    case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = out(capsys, "cases", "reason", case, "--by", "ada", "--reason", "please")
    assert kept == f"{case}: kept; somebody else decides now\n"
    other = _case(Action.JUSTIFY, "b")
    assert "no such case" in err(capsys, "cases", "reason", other, "--by", "bob", "--reason", "mine")
    monkeypatch.setattr("sys.stdin", io.StringIO("for the audit\n"))
    said = out(capsys, "cases", "reason", other, "--by", "ada", "--reason", "-", "--format", "json")
    assert json.loads(said)["state"] == "granted"


def test_without_a_home_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is no Bartizan home here" in err(capsys, "cases", "list")
    assert list(tmp_path.iterdir()) == []
