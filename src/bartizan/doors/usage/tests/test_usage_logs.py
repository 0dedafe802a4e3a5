# ruff: noqa: E501 (a line of a log is as long as it is)
"""`bartizan usage logs`: files, folders and pipes in; services, people and what was left out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bartizan.core.errors import InputError, UsageError
from bartizan.doors.usage.logs import logs
from bartizan.home.logs.sources import Sources, rotation

KEYS = ["file", "actor", "host", "service", "evidence", "count", "bytes_up", "first", "last"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARTIZAN_HOME", str(tmp_path / "home"))


def squid(host: str, user: str = "mara@corp.example", second: int = 0, code: str = "TCP_TUNNEL/200") -> str:
    return f"17676072{second:02}.000 1 10.0.0.7 {code} 9 CONNECT {host}:443 {user} HIER_DIRECT/203.0.113.9 -\n"


def usage_logs(*arguments: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(logs, [str(one) for one in arguments], input=data, standalone_mode=False)


def rows(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    path = tmp_path / "proxy.log"
    path.write_text(
        squid("chatgpt.com", second=5)
        + squid("ChatGPT.com", second=3)
        + squid("claude.ai", "jonas", code="TCP_DENIED/403")
        + squid("www.bbc.co.uk")
        + squid("chatgpt.com.evil.example")
    )
    return path


def test_observations_have_the_promised_keys_first(proxy: Path) -> None:
    result = usage_logs("--observations", "--format", "jsonl", proxy)
    first, second = rows(result)
    assert list(first)[: len(KEYS)] == KEYS
    assert {key: first[key] for key in KEYS} == {
        "file": str(proxy), "actor": "mara@corp.example", "host": "chatgpt.com", "service": "ChatGPT", "evidence": "connected",
        "count": 2, "bytes_up": 0, "first": "2026-01-05T10:00:03Z", "last": "2026-01-05T10:00:05Z",
    }  # fmt: skip
    assert (second["actor"], second["host"], second["denied"]) == ("jonas", "claude.ai", 1)
    assert result.return_value == 0


def test_look_alikes_are_told_when_asked_for_and_never_as_the_service(proxy: Path) -> None:
    found = rows(usage_logs("--observations", "--candidates", "--format", "jsonl", proxy))
    (imitation,) = [row for row in found if row["service"] is None]
    assert imitation["host"] == "chatgpt.com.evil.example"
    assert imitation["lookalike_of"]


def test_people_read_services_and_how_surely(proxy: Path) -> None:
    result = usage_logs(proxy)
    assert "ChatGPT" in result.stdout
    assert "connected: a connection is not a prompt" in result.stdout
    assert "chatgpt.com.evil.example" in result.stdout.partition("Look-alikes")[2]
    assert "www.bbc.co.uk" not in result.stdout
    assert "1 source, 5 lines; squid" in result.stderr


def test_the_answer_as_json(proxy: Path) -> None:
    value = json.loads(usage_logs("--format", "json", proxy).stdout)
    assert [(one["service"], one["people"], one["denied"]) for one in value["services"]] == [
        ("ChatGPT", 1, 0),
        ("Claude", 1, 1),
    ]
    assert value["sources"][0]["formats"] == {"squid": 5}


def test_a_folder_is_read_from_the_oldest_to_the_newest(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "sub").mkdir(parents=True)
    for name in ("access.log", "access.log.1", "access.log.10", "sub/other.log"):
        (folder / name).write_text(squid("chatgpt.com"))
    (folder / "access.log.2.gz").write_bytes(gzip.compress(squid("claude.ai").encode()))
    (folder / "again.log").hardlink_to(folder / "access.log")
    (folder / "link").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    found = Sources([os.fsencode(folder)])
    names = [Path(one.name).name for one in found]
    assert names == ["access.log.10", "access.log.2.gz", "access.log.1", "access.log", "other.log"]
    assert (found.links, found.twice) == (1, 1)
    result = usage_logs("--jobs", "2", "--format", "json", folder)
    value = json.loads(result.stdout)
    assert "1 link in folders not followed" in result.stderr
    assert "1 file met under another name as well: read once" in result.stderr
    assert [Path(one["file"]).name for one in value["sources"]] == names
    assert value["services"][0]["count"] == 4


def test_dates_in_names_are_in_order() -> None:
    names = [b"access.log-20260105.gz", b"access.log-20251231", b"access.log-20260104"]
    assert sorted(names, key=rotation)[0] == b"access.log-20251231"


def test_several_processes_and_one_tell_the_same(proxy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    other.write_text(squid("api.openai.com", "lea"))
    arguments = ("--observations", "--format", "jsonl", proxy, other)
    assert usage_logs("--jobs", "2", *arguments).stdout == usage_logs("--jobs", "1", *arguments).stdout


def test_what_cannot_be_read_is_said(proxy: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.log.gz"
    broken.write_bytes(gzip.compress(squid("claude.ai").encode() * 50_000)[:-2000])
    letter = tmp_path / "letter"
    letter.write_text("Dear all,\nuse chatgpt.com no more.\n")
    result = usage_logs(proxy, broken, letter, tmp_path / "missing")
    assert result.return_value == 3
    assert "broken.log.gz: archive ends too early" in result.stderr
    assert "letter: no known format" in result.stderr
    assert "missing: not read to its end: no such file or directory" in result.stderr
    assert "Claude" in result.stdout


def test_a_silent_source_is_named(tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.log"
    quiet.write_text(squid("www.bbc.co.uk"))
    result = usage_logs(quiet)
    assert result.return_value == 0
    assert f"no AI service in 1: {quiet}" in result.stderr


def test_standard_input_is_a_source(proxy: Path) -> None:
    command = [sys.executable, "-m", "bartizan", "usage", "logs", "--observations", "--format", "jsonl", "-"]
    done = subprocess.run(command, input=gzip.compress(proxy.read_bytes()), capture_output=True, check=False)
    assert done.returncode == 0
    assert [json.loads(line)["host"] for line in done.stdout.splitlines()] == ["chatgpt.com", "claude.ai"]


def test_hostile_names_stay_in_their_cell(tmp_path: Path) -> None:
    path = tmp_path / "bad.log"
    path.write_text(
        squid("chatgpt.com", "=cmd|'/c'!A1") + squid("chatgpt.com", "\x1b[2J\u202eevil") + squid("claude.ai", "@SUM(1)")
    )
    table = usage_logs("--observations", "--format", "csv", path).stdout
    cells = [row["actor"] for row in csv.DictReader(io.StringIO(table))]
    assert cells == ["'=cmd|'/c'!A1", " [2J evil", "'@SUM(1)"]
    for format_ in ("text", "csv"):
        assert "\x1b" not in usage_logs("--observations", "--format", format_, path).stdout


def test_a_zone_is_for_logs_without_one(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "time,user,url\n2026-07-05 10:00:00,mara@corp.example,https://chatgpt.com/\n2026-01-05 10:00:00,lea@corp.example,https://claude.ai/\n"
    )
    found = rows(usage_logs("--observations", "--format", "jsonl", "--timezone", "Europe/Berlin", path))
    assert [row["first"] for row in found] == ["2026-07-05T08:00:00Z", "2026-01-05T09:00:00Z"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--as", "squit"), "Did you mean 'squid'"),
        (("--timezone", "Mars/Base"), "no time zone is called"),
        (("--timezone", "../../etc/passwd"), "no time zone is called"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(proxy: Path, arguments: tuple[str, str], why: str) -> None:
    result = usage_logs(*arguments, proxy)
    assert isinstance(result.exception, UsageError)
    assert why in str(result.exception)


def test_all_formats_are_listed() -> None:
    listed = json.loads(usage_logs("--formats", "--format", "json").stdout)["formats"]
    assert {"squid", "clf", "haproxy", "csv", "json", "key-value"} <= {one["id"] for one in listed}
    assert "Squid access log" in usage_logs("--formats").stdout


def test_a_guess_is_shown_kept_and_used_again(tmp_path: Path) -> None:
    path, kept = tmp_path / "export.csv", tmp_path / "export.mapping"
    path.write_text("When,Employee,Website\n2026-01-05 10:00:00,mara@corp.example,https://chatgpt.com/c/1\n")
    shown = usage_logs("--preview", "--save-mapping", kept, path)
    assert "Employee" in shown.stdout
    assert "mara@corp.example" in shown.stdout
    other = tmp_path / "other.csv"
    other.write_text("When,Employee,Website\n2026-01-06 10:00:00,lea,claude.ai\n")
    found = rows(usage_logs("--mapping", kept, "--observations", "--format", "jsonl", other))
    assert [(row["actor"], row["host"]) for row in found] == [("lea", "claude.ai")]
    known = usage_logs("--preview", "--format", "jsonl", "--mapping", kept, other)
    assert rows(known) == [{"time": "2026-01-06 10:00:00", "user": "lea", "host": "claude.ai"}]


def test_what_cannot_be_guessed_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_text("Dear all,\nuse chatgpt.com no more.\n")
    failed = usage_logs("--preview", path).exception
    assert isinstance(failed, UsageError)
    assert "--mapping" in str(failed)
    assert isinstance(usage_logs("--preview", tmp_path / "missing").exception, InputError)


def test_the_register_is_fed_once(proxy: Path, tmp_path: Path) -> None:
    first = usage_logs("--record", proxy)
    assert "2 wait for a decision" in first.stderr or "new" in first.stderr
    again = usage_logs("--record", proxy)
    assert "it was read before: nothing counts twice" in again.stderr
    assert (tmp_path / "home").is_dir()
