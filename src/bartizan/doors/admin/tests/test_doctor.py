"""`bartizan doctor`: each answer has a neighbour that differs by one detail."""

from __future__ import annotations

import base64
import json
import resource
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.__main__ import main
from bartizan.config import load
from bartizan.home import Home, lock
from bartizan.home.checks import CHECKS, Answer, Level, machine
from bartizan.home.checks import home as home_checks


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def home(here: Path) -> Iterator[Home]:
    with Home.open(config=load(cwd=here), environ={}) as found:
        yield found


def asked(check: str, here: Path, environ: dict[str, str] | None = None) -> list[Answer]:
    environ = environ or {}
    return list(CHECKS[check](load(environ=environ, cwd=here), environ))


def levels(check: str, here: Path, environ: dict[str, str] | None = None) -> list[str]:
    return [answer.level.value for answer in asked(check, here, environ)]


def test_every_answer_that_is_not_ok_says_what_to_do(home: Home, here: Path) -> None:
    for check in CHECKS:
        for answer in asked(check, here):
            assert answer.says and bool(answer.do) == (answer.level is not Level.OK), check


def test_a_fresh_place_has_no_fault_and_is_left_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bartizan.yaml").write_text(
        "gateway: 127.0.0.1:0\nconsole: off\nmetrics: off\nupstreams: {a: {url: http://127.0.0.1:9/v1}}\n"
    )
    assert main(["doctor"]) == 0
    assert "is not there yet" in capsys.readouterr().out
    assert [path.name for path in here.iterdir()] == ["bartizan.yaml"]


def test_a_fault_is_in_the_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bartizan.yaml").write_text("worker: 1\n")
    assert main(["doctor", "--format", "json"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert value["schema"] == "bartizan.doctor/1"
    assert [(c["check"], c["level"], c["do"]) for c in value["checks"]] == [
        ("configuration", "fail", "bartizan config check")
    ]


def test_missing_wheels(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels("packages", here) == ["ok"]
    there = machine._there
    monkeypatch.setattr(machine, "_there", lambda module: module != "hyperscan" and there(module))
    assert levels("packages", here) == ["warn"]
    monkeypatch.setattr(machine, "_there", lambda module: module != "orjson" and there(module))
    assert [(a.level.value, a.do) for a in asked("packages", here)] == [("fail", "pip install orjson")]


def test_the_local_model_is_missed_only_where_it_is_wanted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_there", lambda module: module != "xllamacpp")
    (answer,) = asked("local model", here)
    assert answer.level is Level.FAIL and "pip install --no-deps xllamacpp" in answer.do
    assert levels("local model", here, {"BARTIZAN_UPSTREAMS__A__URL": "https://a.example"}) == ["ok"]


def test_upstreams(here: Path) -> None:
    assert asked("upstreams", here) == []
    base = {"BARTIZAN_UPSTREAMS__A__URL": "https://a.example/v1"}
    assert levels("upstreams", here, base) == ["warn"]
    assert levels("upstreams", here, {**base, "BARTIZAN_UPSTREAMS__A__KEY_ENV": "MINE"}) == ["fail"]
    assert levels("upstreams", here, {**base, "BARTIZAN_UPSTREAMS__A__KEY_ENV": "MINE", "MINE": "k"}) == ["ok"]
    assert levels("upstreams", here, {"BARTIZAN_UPSTREAMS__A__URL": "http://10.0.0.7/v1"}) == ["warn"]
    assert levels("upstreams", here, {"BARTIZAN_UPSTREAMS__A__URL": "http://127.0.0.1:9/v1"}) == ["ok"]


def test_permissions_of_the_home(home: Home, here: Path) -> None:
    assert levels("home", here) == ["ok"]
    (home.path / "demo.key").chmod(0o644)
    assert levels("home", here) == ["fail"]
    (home.path / "demo.key").chmod(0o600)
    home.path.chmod(0o755)
    assert levels("home", here) == ["warn"]


def test_the_master_key(home: Home, here: Path, tmp_path: Path) -> None:
    assert levels("master key", here) == ["warn"]
    outside = tmp_path / "elsewhere.key"
    (home.path / "master.key").rename(outside)
    assert levels("master key", here, {"BARTIZAN_MASTER_KEY_FILE": str(outside)}) == ["ok"]
    assert levels("master key", here) == ["fail"]
    assert levels("master key", here, {"BARTIZAN_MASTER_KEY": "ab" * 32}) == ["fail"]


def test_the_signing_key(home: Home, here: Path) -> None:
    assert levels("signing key", here) == ["ok"]
    public = home.path / "signing.pub"
    right = public.read_bytes()
    for wrong in (base64.b64encode(b"x" * 32), b"rubbish", b""):
        public.write_bytes(wrong)
        assert levels("signing key", here) == ["fail"], wrong
    public.write_bytes(right)
    (home.path / "signing.key").unlink()
    assert levels("signing key", here) == ["fail"]


def test_keys(home: Home, here: Path) -> None:
    assert levels("keys", here) == ["ok"]
    open_ = {"BARTIZAN_GATEWAY": "0.0.0.0:1", "BARTIZAN_BEHIND_TLS": "true"}
    assert levels("keys", here, open_) == ["warn"]
    home.vault.revoke("demo")
    assert levels("keys", here) == ["warn"]
    assert levels("keys", here, {"BARTIZAN_BOOTSTRAP_KEY": "k" * 32}) == ["warn", "ok"]
    assert levels("keys", here, {"BARTIZAN_BOOTSTRAP_KEY": "k"}) == ["fail"]


def test_who_administers(home: Home, here: Path) -> None:
    assert levels("console", here) == ["ok"]
    put = "INSERT INTO account (person, roles, password, created_us) VALUES (?, ?, ?, 1)"
    home.state.change(put, ("p-1", '["admin", "viewer"]', None))
    home.state.change(put, ("p-2", '["viewer"]', "a hash"))
    assert levels("console", here) == ["warn"]
    assert levels("console", here, {"BARTIZAN_CONSOLE": "off"}) == ["ok"]
    home.state.change("UPDATE account SET password = 'a hash'")
    assert [answer.says for answer in asked("console", here)] == ["2 accounts, 1 with the role admin"]
    home.state.change("UPDATE account SET disabled_us = 1 WHERE person = 'p-1'")
    assert levels("console", here) == ["warn"]


def test_what_passes_unrecorded(here: Path) -> None:
    assert levels("recording", here) == ["ok"]
    assert levels("recording", here, {"BARTIZAN_ON_FULL": "pass"}) == ["warn"]


def test_the_policy(home: Home, here: Path) -> None:
    assert levels("policy", here) == ["ok"]
    text = home.policy_file.path.read_text()
    home.policy_file.path.write_text(text.replace("- Write to me about the contract.", "- Ask maria@kanzlei-huber.at."))
    assert levels("policy", here) == ["warn"]
    home.policy_file.path.write_text("policy: x\n")
    assert levels("policy", here) == ["fail"]
    home.policy_file.path.unlink()
    assert levels("policy", here) == ["fail"]


def test_the_state(home: Home, here: Path) -> None:
    assert levels("state", here) == ["ok"]
    home.close()
    (home.path / "state.sqlite").write_bytes(b"SQLite format 3\x00" + b"rubbish" * 100)
    for extra in home.path.glob("state.sqlite-*"):
        extra.unlink()
    assert levels("state", here) == ["fail"]


def test_the_ledger(home: Home, here: Path) -> None:
    assert asked("ledger", here) == []
    home.record({"event": "case-granted", "exchange": ""})
    assert levels("ledger", here) == ["ok"]
    (log,) = home.path.glob("log-*.sqlite")
    log.write_bytes(log.read_bytes()[:4096])
    assert levels("ledger", here) == ["fail"]


def test_a_checkpoint_outside(home: Home, here: Path) -> None:
    assert levels("checkpoint", here) == ["warn"]
    assert levels("checkpoint", here, {"BARTIZAN_CHECKPOINT_FILE": "gone/notes"}) == ["fail"]
    assert levels("checkpoint", here, {"BARTIZAN_CHECKPOINT_FILE": "notes"}) == ["warn"]  # The same disk.
    shared = Path("/dev/shm")
    if shared.is_dir() and shared.stat().st_dev != here.stat().st_dev:
        assert levels("checkpoint", here, {"BARTIZAN_CHECKPOINT_FILE": "/dev/shm/notes"}) == ["ok"]


@pytest.mark.parametrize(("free", "level"), [(10 << 30, "ok"), (512 << 20, "warn"), (1 << 20, "fail")])
def test_room_on_the_disk(here: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    usage = shutil.disk_usage(here)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert levels("disk", here) == [level]


def test_a_reserve_that_was_used_up(home: Home, here: Path) -> None:
    home.record({"event": "case-granted", "exchange": ""})
    assert levels("disk", here) == ["ok"]
    (home.path / "reserve").unlink()
    assert levels("disk", here) == ["ok", "warn"]


def test_a_clock_behind_the_newest_record(home: Home, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.record({"event": "case-granted", "exchange": ""})
    assert levels("clock", here) == ["ok"]
    now = home_checks.time.time()
    monkeypatch.setattr(home_checks.time, "time", lambda: now - 3600)
    assert levels("clock", here) == ["warn"]
    monkeypatch.setattr(home_checks.time, "time", lambda: 0.0)
    assert levels("clock", here) == ["fail"]


def test_a_port_that_is_taken(here: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        environ = {"BARTIZAN_GATEWAY": taken, "BARTIZAN_CONSOLE": "off", "BARTIZAN_METRICS": "off"}
        assert levels("ports", here, environ) == ["fail"]
        (here / ".bartizan").mkdir()
        with lock.take(here / ".bartizan"):
            assert levels("ports", here, environ) == ["ok"]
    assert levels("ports", here, environ) == ["ok"]


def test_open_files(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, level in ((1024, "warn"), (65536, "ok"), (resource.RLIM_INFINITY, "ok")):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert levels("open files", here) == [level]
