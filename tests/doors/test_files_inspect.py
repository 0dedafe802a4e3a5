"""`bartizan inspect`, as a person and as a program call it."""

import json
import subprocess
import sys
import time

import pytest

from bartizan.__main__ import main

KEY = "AK" + "IA" + "Q4XW7PLM2NZ5RTYB"
CARD = "4539 1488 0343 6467"
SAYS = f"please use {KEY} for that"


@pytest.fixture
def inspect(tmp_path, monkeypatch, capfdbinary):
    """Calls the command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main(["inspect", *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        assert not list(tmp_path.glob(".bartizan"))
        return code, out, err.decode()

    return call


def piped(data, *arguments, cwd):
    command = [sys.executable, "-m", "bartizan", "inspect", *arguments]
    run = subprocess.run(command, input=data, capture_output=True, cwd=cwd, check=False)
    return run.returncode, run.stdout, run.stderr.decode()


def decision(out):
    return json.loads(out)


def test_a_harmless_text_passes(inspect):
    code, out, err = inspect("--text", "hi", "--format", "json")
    value = decision(out)
    assert (code, err) == (0, "")
    assert value.pop("id")
    assert value.pop("policy").startswith("default@")
    assert value == {
        "schema": "bartizan.decision/1", "input": None, "kind": "text", "direction": "out", "action": "allow",
        "tell": [], "link": None, "edits": [], "edited": {}, "would": {"action": "allow", "edits": []},
        "clauses": [], "findings": [], "failures": [],
    }  # fmt: skip


def test_a_key_is_redacted_and_shown_by_its_public_prefix_alone(inspect):
    code, out, _ = inspect("--text", f"one\n{SAYS}", "--format", "json")
    value = decision(out)
    assert code == 1
    assert value["action"] == "allow"
    assert value["edits"] == [{"path": "", "start": 15, "end": 35, "how": "redact"}]
    assert value["edited"] == {"": "one\nplease use [redacted: aws-access-key] for that"}
    assert value["tell"]
    (finding,) = value["findings"]
    assert finding["risk"] == "secret.aws-access-key"
    assert finding["places"] == [{"path": "", "start": 15, "end": 35, "line": 2, "column": 12, "masked": "AKIA…(20)"}]
    assert KEY not in out.decode()


def test_the_text_report_shows_shapes_and_masks(inspect):
    code, out, _ = inspect("--text", SAYS)
    assert code == 1
    shown = out.decode()
    assert shown.startswith("◧ redacted")
    assert "AKIA…(20)" in shown
    assert "secret.aws-access-key" in shown
    assert KEY not in shown
    assert "\x1b" not in shown
    assert inspect("--text", "hi")[1].decode() == "○ allowed\n"


def test_direction_kind_and_scores(inspect):
    body = json.dumps({"messages": [{"role": "user", "content": f"card {CARD}"}]})
    _, out, _ = inspect("--text", body, "--kind", "chat", "--direction", "in", "--scores", "--format", "json")
    value = decision(out)
    assert (value["kind"], value["direction"]) == ("chat", "in")
    assert value["scores"]["personal.payment-card"] > 0.5
    (place,) = value["findings"][0]["places"]
    assert (place["path"], place["start"]) == ("/messages/0/content", 5)
    assert place["masked"] == "payment-card…(19)"


def test_a_file_in_any_encoding(inspect, tmp_path):
    (tmp_path / "letter").write_bytes(f"grüße {KEY}".encode("utf-16"))
    code, out, _ = inspect("letter", "--format", "json")
    value = decision(out)
    assert (code, value["input"], value["edits"][0]["start"]) == (1, "letter", 6)


@pytest.mark.parametrize(
    ("arguments", "data", "says"),
    [
        ((), b"", "give either"),
        (("a", "--text", "b"), b"", "give either"),
        (("--text", "b", "--jsonl"), b"", "--jsonl reads"),
        (("no-such-file",), b"", "no-such-file: cannot be opened: No such file"),
        (("-",), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text"),
        (("-", "--kind", "chat"), b'{"messages": [}', "not JSON"),
        (("-", "--kind", "chat"), b'{"a": 1, "a": 2}', "twice"),
        (("-", "--kind", "mail"), b"", "'mail' is not one of"),
        (("-", "--home", "bad"), b"x", "policy.yaml"),
    ],
)
def test_a_mistake_is_exit_2_and_a_sentence(tmp_path, arguments, data, says):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "policy.yaml").write_text("policy: [\n")
    code, out, err = piped(data, *arguments, cwd=tmp_path)
    assert (code, out) == (2, b"")
    assert says in err
    assert "Traceback" not in err


def test_the_policy_of_a_home_is_the_one_in_force(tmp_path):
    (tmp_path / ".bartizan").mkdir()
    (tmp_path / ".bartizan" / "policy.yaml").write_text(
        "policy: strict\nversion: 2.0.0\nowner: o@example.org\nclauses:\n"
        "  - id: no-keys\n    says: No keys.\n    why: They leak.\n    when: {risk: secret.*}\n    then: block\n"
        "    examples: {breaks: [], keeps: []}\n"
    )
    code, out, _ = piped(SAYS.encode(), "-", "--format", "json", cwd=tmp_path)
    value = decision(out)
    assert (code, value["action"], value["policy"].partition(" ")[0]) == (1, "block", "strict@2.0.0")
    assert list((tmp_path / ".bartizan").iterdir()) == [tmp_path / ".bartizan" / "policy.yaml"]


@pytest.mark.parametrize("record", [(), ("--record",)])
def test_the_policy_that_the_configuration_names_decides_with_and_without_a_record(tmp_path, record):
    (tmp_path / "ours.yaml").write_text(
        "policy: ours\nversion: 1.2.3\nclauses:\n"
        "  - {id: no-keys, says: No keys., when: {risk: secret.*}, then: block}\n"
    )
    (tmp_path / "bartizan.yaml").write_text("policy: ours.yaml\n")
    code, out, err = piped(SAYS.encode(), "-", "--format", "json", *record, cwd=tmp_path)
    assert (code, decision(out)["policy"].partition(" ")[0]) == (1, "ours@1.2.3"), err


@pytest.mark.parametrize(("direction", "action"), [("in", "block"), ("out", "allow")])
def test_a_text_on_its_way_back_is_a_model_s(tmp_path, inspect, direction, action):
    """As `policy explain` and `policy test` take it, so that a clause about trust means one thing."""
    (tmp_path / "strict.yaml").write_text(
        "policy: strict\nversion: 1.0.0\nclauses:\n"
        "  - {id: no-keys, says: No keys., when: {risk: secret.*, trust: model}, then: block}\n"
    )
    (tmp_path / "bartizan.yaml").write_text("policy: strict.yaml\n")
    _, text, _ = inspect("--text", SAYS, "--direction", direction, "--format", "json")
    line = json.dumps({"text": SAYS}).encode()
    _, lines, _ = piped(line, "-", "--jsonl", "--direction", direction, cwd=tmp_path)
    command = [sys.executable, "-m", "bartizan", "policy", "explain", "--text", SAYS, "--direction", direction]
    explained = subprocess.run([*command, "--format", "json"], capture_output=True, cwd=tmp_path, check=True).stdout
    assert [decision(one)["action"] for one in (text, lines, explained)] == [action] * 3


# ---- JSON lines


LINES = [
    ({"id": "a", "text": "hello"}, "a", "allow", 0),
    ({"id": 7, "text": SAYS}, 7, "allow", 1),
    ({"text": "no id"}, 3, "allow", 0),
    ({"id": "c", "messages": [{"role": "user", "content": f"card {CARD}"}]}, "c", "allow", 1),
]


def test_one_decision_a_line_in_order(tmp_path):
    data = b"".join(json.dumps(line).encode() + b"\n" for line, *_ in LINES)
    code, out, _ = piped(data, "-", "--jsonl", cwd=tmp_path)
    values = [decision(line) for line in out.splitlines()]
    assert [(v["input"], v["action"], len(v["edits"])) for v in values] == [(i, a, n) for _, i, a, n in LINES]
    assert len({v["id"] for v in values}) == len(values)
    assert sorted(v["id"] for v in values) == [v["id"] for v in values]
    assert code == 1


def test_a_line_is_the_same_decision_as_a_text(tmp_path, inspect):
    for text in ("hi", SAYS):
        data = json.dumps({"id": None, "text": text}).encode()
        line = decision(piped(data, "-", "--jsonl", cwd=tmp_path)[1])
        alone = decision(inspect("--text", text, "--format", "json")[1])
        assert line.keys() == alone.keys()
        assert {k: v for k, v in line.items() if k != "id"} == {k: v for k, v in alone.items() if k != "id"}


BROKEN = (
    b"{",
    b"[]",
    b"12",
    b'{"text": 1}',
    b'{"id": 1}',
    b'{"text": "a", "messages": []}',
    b'{"text": "a", "text": "b"}',
    b"\xff",
    b'{"text": "\\ud800"}',
)


def test_a_broken_line_is_a_decision_with_a_failure_and_its_number(tmp_path):
    data = b"\n".join(b'{"text": "one"}\n\n' + broken for broken in BROKEN) + b'\n{"id": "z", "text": "last"}'
    code, out, _ = piped(data, "-", "--jsonl", cwd=tmp_path)
    *pairs, last = (decision(line) for line in out.splitlines())
    assert len(pairs) == 2 * len(BROKEN)
    for number, (broken, good, bad) in enumerate(zip(BROKEN, pairs[::2], pairs[1::2], strict=True)):
        assert (good["failures"], good["input"]) == ([], 3 * number + 1)
        assert bad["failures"], broken
        assert bad["input"] in (3 * number + 3, 1), broken  # its own id where it has one
    assert (last["failures"], last["input"]) == ([], "z")
    assert code == 3


def test_answers_come_as_soon_as_their_lines_are_there(tmp_path):
    command = [sys.executable, "-m", "bartizan", "inspect", "-", "--jsonl"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        for number in range(3):
            process.stdin.write(b'{"id": %d, "te' % number)
            process.stdin.flush()
            process.stdin.write(b'xt": "hello"}\n')
            process.stdin.flush()
            assert decision(process.stdout.readline())["input"] == number
        process.stdin.close()
        assert process.wait(30) == 0


def test_lines_go_on_under_a_policy_that_is_replaced_meanwhile(tmp_path):
    """Each decision names the clauses of the policy that made it, also those of one that is gone."""
    policy = tmp_path / "home" / "policy.yaml"
    policy.parent.mkdir()
    says = "policy: {0}\nversion: 1.0.0\nclauses:\n  - {{id: {0}, says: No., when: {{risk: secret.*}}, then: block}}\n"
    policy.write_text(says.format("before"))
    command = [sys.executable, "-m", "bartizan", "inspect", "-", "--jsonl", "--record", "--home", "home"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path) as process:

        def clause():
            process.stdin.write(json.dumps({"text": SAYS}).encode() + b"\n")
            process.stdin.flush()
            return decision(process.stdout.readline())["clauses"][0]["id"]

        assert clause() == "before"
        policy.write_text(says.format("after"))
        until = time.monotonic() + 20
        while clause() != "after":
            assert time.monotonic() < until
        process.stdin.close()
        assert process.wait(30) == 1


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    command = [sys.executable, "-m", "bartizan", "inspect", "-", "--jsonl"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:
        process.stdin.write(b'{"text": "hello"}\n')
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b'{"text": "hello"}\n' * 10)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141
