"""`bartizan policy`, as a person and as a program call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bartizan import judge
from bartizan.__main__ import main
from bartizan.policy.read import read

Call = Callable[..., tuple[int, str, str]]
CARD = "5326 9018 4471 2906"


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Calls the command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["policy", *arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def written(policy: Call, change: Callable[[str], str] = str, name: str = "mine.yaml") -> str:
    Path(name).write_text(change(policy("default")[1]), encoding="utf-8")
    return name


def test_the_policy_that_is_built_in_is_checked_and_tested_where_there_is_no_other(policy: Call) -> None:
    assert policy("check") == (0, "default.yaml: no problems\n", "")
    code, out, _ = policy("test")
    clauses = len(read(policy("default")[1]).clauses)
    assert code == 0 and f"examples of {clauses} clauses do what they should" in out
    assert not list(Path().iterdir()), "looking writes nothing"


def test_the_home_s_own_policy_is_the_one_in_force(policy: Call) -> None:
    Path("house").mkdir()
    written(policy, lambda text: text.replace("policy: default", "policy: house"), "house/policy.yaml")
    code, out, _ = policy("show", "--home", "house")
    assert code == 0 and out.startswith("house@1.0.0 sha256:")


def test_all_mistakes_are_told_at_once(policy: Call) -> None:
    name = written(policy, lambda text: text.replace("secret.*", "secert.*").replace("mode: observe", "mode: watch"))
    code, out, err = policy("check", name)
    assert code == 1
    assert out.count("Did you mean") == 2 and "mine.yaml:18:19: clause no-secrets-out, when, risk: there is no" in out
    assert err == "mine.yaml: 9 problems\n"
    value = json.loads(policy("check", name, "--format", "json")[1])
    assert value["schema"] == "bartizan.policy-check/1" and len(value["problems"]) == 9
    code, out, err = policy("test", name)
    assert (code, out) == (2, "") and err.startswith("bartizan: mine.yaml:18:19: ")


def test_an_example_that_fails_is_named_with_its_reason(policy: Call) -> None:
    name = written(
        policy, lambda text: text.replace("please refund order 5326 9018 4471 2905", f"please refund {CARD}")
    )
    code, out, _ = policy("test", name)
    assert code == 1
    assert "clause no-payment-cards: keeps, example 1: does not keep the clause" in out
    assert CARD not in out
    (fault,) = json.loads(policy("test", name, "--format", "json")[1])["faults"]
    assert (fault["clause"], fault["side"], fault["example"]) == ("no-payment-cards", "keeps", 1)


def test_a_decision_is_explained_without_the_text(policy: Call) -> None:
    code, out, err = policy("explain", "--text", f"my card is {CARD}, mail ada@kanzlei-huber.at", "--direction", "in")
    assert (code, err) == (0, "")
    assert out.startswith("action: allow, 1 edit\n")
    assert "no-payment-cards matched 1 time: redact" in out
    assert "watch-personal-data did not match; nearest is a finding of personal.email" in out
    assert "- the direction is in; it would have to be: out" in out
    assert CARD not in out and "ada@" not in out
    value = json.loads(policy("explain", "--text", CARD, "--format", "json")[1])
    assert value["clauses"][0]["id"] == "no-payment-cards" and value["clauses"][0]["did"] == "redact"


def test_a_chat_is_explained_from_a_file(policy: Call) -> None:
    Path("chat.json").write_text(json.dumps({"messages": [{"role": "tool", "content": CARD}]}))
    code, out, _ = policy("explain", "chat.json", "--kind", "chat", "--all")
    assert code == 0 and "no-payment-cards matched 1 time" in out


@pytest.mark.parametrize("direction", ["out", "in"])
def test_a_chat_is_explained_in_both_directions(policy: Call, direction: str) -> None:
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": CARD}}]}
    body = body if direction == "in" else {"messages": [{"role": "user", "content": CARD}]}
    Path("body.json").write_text(json.dumps(body))
    _, out, _ = policy("explain", "body.json", "--kind", "chat", "--direction", direction)
    assert "no-payment-cards matched" in out


def test_a_text_or_policy_that_cannot_be_read_is_a_usage_error(policy: Call) -> None:
    assert policy("explain", "--text", "a", "letter.txt")[0] == 2
    assert "letter.txt: cannot be read: No such file" in policy("explain", "letter.txt")[2]
    assert "none.yaml: there is no such file" in policy("check", "none.yaml")[2]
    Path("latin.yaml").write_bytes(b"policy: \xe4")
    assert "latin.yaml: byte 8 is not UTF-8" in policy("check", "latin.yaml")[2]
    Path("chat.json").write_text("{")
    assert policy("explain", "chat.json", "--kind", "chat")[0] == 2


def test_a_new_version_is_compared_in_words(policy: Call) -> None:
    old = written(policy)
    new = written(policy, lambda text: text.replace("mode: observe", "mode: enforce"), "new.yaml")
    code, out, _ = policy("diff", old, new)
    assert code == 0
    sorts = ("personal-data", "hidden-characters", "blocked-ai", "unusual-uploads")
    watching = (*sorts, "brittle-models", "models-that-leak", "models-that-can-be-copied")
    assert out == "".join(f"clause watch-{what}: stricter\n  mode: observe → enforce\n" for what in watching)
    assert policy("diff", old, old)[1] == "no difference in meaning\n"
    value = json.loads(policy("diff", new, old, "--format", "json")[1])
    assert [change["sort"] for change in value["changes"]] == ["looser"] * 7


def test_a_new_version_is_held_against_what_was_recorded(policy: Call) -> None:
    home = Path("house")
    ids = []
    for text in ("hello", f"card {CARD}", "mail ada@kanzlei-huber.at"):
        judge(text, home=home)
        ids.append(text)
    old = written(policy)
    new = written(
        policy, lambda text: text.replace("mode: observe", "mode: enforce").replace("0\nowner", "1\nowner"), "new.yaml"
    )
    value = json.loads(policy("diff", old, new, "--days", "1", "--home", str(home), "--format", "json")[1])
    effect = value["effect"]
    assert (effect["decided"], effect["stricter"], effect["looser"], effect["edited"]) == (3, 0, 0, 1)
    assert len(effect["ids"]) == 1 and effect["unanswerable"] == {} and effect["unknown"] == 0
    code, out, _ = policy("diff", old, new, "--days", "7", "--home", str(home))
    assert code == 0 and "over 3 recorded decisions of 7 days: 0 stricter, 0 looser, 1 edited otherwise" in out


def test_a_home_that_is_not_there_has_recorded_nothing(policy: Call) -> None:
    old = written(policy)
    code, _, err = policy("diff", old, old, "--days", "7", "--home", "nowhere")
    assert code == 2 and "there is no Bartizan home here" in err


def test_clauses_are_listed(policy: Call) -> None:
    code, out, _ = policy("show")
    assert code == 0 and "no-secrets-out" in out and "observe" in out
    value = json.loads(policy("show", "--format", "json")[1])
    assert value["schema"] == "bartizan.policy/1" and len(value["clauses"]) == len(read(policy("default")[1]).clauses)
    assert value["clauses"][0]["when"] == {"direction": ["out"], "risk": ["secret.*", "unread.encoded"]}


def test_exceptions_are_listed_and_expire(policy: Call) -> None:
    exempt = "{clause: no-secrets-out, who: {group: red-team}, until: 2020-01-31, why: a, approved_by: ciso}"
    name = written(policy, lambda text: f"{text}exceptions:\n  - {exempt}\n")
    code, out, _ = policy("check", name)
    assert code == 1 and "exception for no-secrets-out: expired after 2020-01-31, and does nothing" in out
    assert "exception from no-secrets-out until 2020-01-31 where group is red-team (by ciso)" in policy("show", name)[1]


@pytest.mark.parametrize("command", ["", "check", "test", "explain", "diff", "show", "default"])
def test_help_has_examples(policy: Call, command: str) -> None:
    assert "Examples:\n    bartizan policy" in policy(*filter(None, [command]), "--help")[1]
