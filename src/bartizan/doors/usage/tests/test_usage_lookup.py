"""`bartizan usage lookup`: one answer a line, whatever the line holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartizan.core.errors import InputError, UsageError
from bartizan.doors.usage.lookup import lookup

KEYS = ["host", "service", "vendor", "category", "tier"]


def run(*arguments: object, given: bytes = b"") -> Result:
    return CliRunner().invoke(lookup, [str(one) for one in arguments], input=given, standalone_mode=False)


def rows(done: Result) -> list[dict[str, object]]:
    assert done.exception is None, done.exception
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_has_the_promised_keys_first(tmp_path: Path) -> None:
    done = run("-", "--format", "jsonl", "--home", tmp_path, given=b"chatgpt.com\nexample.com\nfoo.ai\n")
    first, second, third = rows(done)
    assert list(first)[:5] == KEYS
    assert {key: first[key] for key in KEYS} == {
        "host": "chatgpt.com", "service": "ChatGPT", "vendor": "OpenAI", "category": "chat", "tier": "A",
    }  # fmt: skip
    assert {key: second[key] for key in KEYS} == {
        "host": "example.com", "service": None, "vendor": None, "category": None, "tier": None,
    }  # fmt: skip
    assert (third["service"], third["tier"]) == (None, "candidate")
    assert third["because"] == "under .ai"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b""))))
def test_every_line_gets_one_answer_in_its_order(tmp_path: Path, lines: list[bytes]) -> None:
    told = rows(run("-", "--format", "jsonl", "--home", tmp_path, given=b"".join(line + b"\n" for line in lines)))
    assert [row["host"] for row in told] == [line.decode("utf-8", "replace").strip() for line in lines]


def test_hostile_lines_end_nothing(tmp_path: Path) -> None:
    lines = (b"x" * (1 << 20), b"\0\xff\xfe", b"", b"chatgpt.com." + b"a" * 5000, b"\x1b[2J", b'"}{', b"claude.ai:443")
    told = rows(run("-", "--format", "jsonl", "--home", tmp_path, given=b"\n".join(lines)))
    assert [row["service"] for row in told] == [None] * 6 + ["Claude"]
    assert max(len(str(row["host"])) for row in told) <= 4096


def test_answers_come_while_lines_still_come(tmp_path: Path) -> None:
    """A hundred lines and no end yet: answers are not held back until there is one."""
    command = [sys.executable, "-m", "bartizan", "usage", "lookup", "-", "--format", "jsonl", "--home", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"chatgpt.com\n" * 100)
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["service"] == "ChatGPT"
        process.stdin.close()
        assert sum(1 for _ in process.stdout) == 99
    assert process.returncode == 0


def test_the_table_says_why(tmp_path: Path) -> None:
    hosts = ("chatgpt.com", "openai.com.evil.example", "foo.ai", "example.com", "127.0.0.1")
    lines = run(*hosts, "--home", tmp_path).stdout.splitlines()
    assert lines[0].split() == ["host", "service", "vendor", "category", "tier", "why"]
    assert "chatgpt.com, named by v2fly/domain-list-community and 9 more" in lines[1]
    assert lines[2].endswith("look-alike: openai.com stands inside another domain")
    assert lines[3].endswith("under .ai (0.99)")
    assert lines[5].endswith("no name of a host")


def test_the_document_has_all_hosts(tmp_path: Path) -> None:
    told = json.loads(run("claude.ai", "x.example", "--format", "json", "--home", tmp_path).stdout)
    assert told["schema"] == "bartizan.lookup/1"
    assert [row["tier"] for row in told["hosts"]] == ["A", None]


def test_a_document_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bartizan.doors.usage.lookup.MAX_AT_ONCE", 3)
    assert isinstance(run(*"abcd", "--format", "json", "--home", tmp_path).exception, UsageError)


def test_the_overlay_of_the_home_counts(tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_text('[[host]]\nhost = "foo.ai"\nis = "none"\n')
    (row,) = rows(run("foo.ai", "--format", "jsonl", "--home", tmp_path))
    assert (row["tier"], row["because"]) == (None, "no AI")
    (tmp_path / "catalogue.toml").write_text("[[host")
    assert isinstance(run("foo.ai", "--home", tmp_path).exception, InputError)
