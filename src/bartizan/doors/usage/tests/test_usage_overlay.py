"""The organisation's own words (`catalogue.toml`) are obeyed by everything that asks what a host is."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bartizan.doors.usage.code import code
from bartizan.doors.usage.endpoint import endpoint
from bartizan.doors.usage.logs import logs
from bartizan.doors.usage.restrict import restrict
from bartizan.doors.usage.verify import verify
from bartizan.home import Home
from bartizan.home.register import register
from bartizan.inventory.system import Status

OVERLAY = """
[[service]]
id = "our-assistant"
name = "Our assistant"
category = "chat"
hosts = ["assistant.corp.example"]

[[host]]
host = "claude.ai"
is = "none"
why = "a name of our own network"
"""
LINE = "1767607200.000 1 10.0.0.7 TCP_TUNNEL/200 9 CONNECT {}:443 mara HIER_DIRECT/203.0.113.9 -\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    with Home.open(path):
        (path / "catalogue.toml").write_text(OVERLAY)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "proxy.log"
    path.write_text(LINE.format("assistant.corp.example") + LINE.format("claude.ai"))
    return path


def run(command: object, *arguments: object) -> Result:
    done = CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)  # type: ignore[arg-type]
    assert done.exception is None, done.exception
    return done


def closed(home: Path) -> None:
    now = time.time_ns() // 1000
    with Home.open(home) as opened:
        kept = register(opened)
        for id_ in ("our-assistant", "claude"):
            kept.add(id_, by="ciso@example.org", now_us=now)
            kept.decide(id_, Status.BLOCKED, by="ciso@example.org", why="no contract", now_us=now)


def test_logs_and_the_register(home: Path, log: Path) -> None:
    told = json.loads(run(logs, log, "--record", "--format", "json", "--home", home).stdout)
    assert [one["system"] for one in told["services"]] == ["our-assistant"]
    with Home.open(home) as opened:
        assert [(one.id, one.name) for one in register(opened).systems()] == [("our-assistant", "Our assistant")]


def test_lists(home: Path) -> None:
    closed(home)
    zone = run(restrict, "export", "rpz", "--home", home).stdout
    assert "\nassistant.corp.example IN CNAME" in zone and "\nclaude.ai IN" not in zone


def test_whether_lists_hold(home: Path, log: Path) -> None:
    closed(home)
    done = run(verify, log, "--since", "2026-01-01", "--format", "json", "--home", home)
    assert [one["system"] for one in json.loads(done.stdout)["through"]] == ["our-assistant"]
    assert done.return_value == 1


def test_code(home: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text('A = "https://assistant.corp.example/v1"\nB = "https://claude.ai/x"\n')
    done = run(code, tmp_path / "app.py", "--format", "jsonl", "--home", home)
    assert [(one["name"], one["service"]) for one in map(json.loads, done.stdout.splitlines())] == [
        ("assistant.corp.example", "Our assistant")
    ]


def test_machines(home: Path, tmp_path: Path) -> None:
    profile = tmp_path / "house/.config/google-chrome/Default"
    profile.mkdir(parents=True)
    with sqlite3.connect(profile / "History") as made:
        made.execute("CREATE TABLE urls (url TEXT, visit_count INTEGER)")
        made.execute("INSERT INTO urls VALUES ('https://assistant.corp.example/', 3), ('https://claude.ai/new', 4)")
    made.close()
    done = run(endpoint, "--root", tmp_path / "house", "--history", "--format", "jsonl", "--home", home)
    assert [(one["name"], one["tool"]) for one in map(json.loads, done.stdout.splitlines())] == [
        ("assistant.corp.example", "Our assistant")
    ]
