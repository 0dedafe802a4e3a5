"""`bartizan usage ca`, on a folder in the place of the system's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bartizan.__main__ import main
from bartizan.home.authority import CERTIFICATE, KEY


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bartizan.yaml").write_text("forward: {intercept: [api.openai.com, api.anthropic.com]}\n")
    return tmp_path / ".bartizan"


def test_a_ca_is_made_once_and_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "ca", "show"]) == 2
    assert "bartizan usage ca create" in capsys.readouterr().err
    assert main(["usage", "ca", "create"]) == 0
    out, err = capsys.readouterr()
    assert "api.openai.com, api.anthropic.com" in out
    assert "can read what machines that trust it say" in err
    assert (home / KEY).stat().st_mode & 0o777 == 0o600
    assert main(["usage", "ca", "create"]) == 2
    capsys.readouterr()
    assert main(["usage", "ca", "show", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["hosts"] == ["api.openai.com", "api.anthropic.com"]
    assert told["installed"] is False
    (home / KEY).chmod(0o644)
    assert main(["usage", "ca", "show"]) == 2
    assert "chmod 600" in capsys.readouterr().err


def test_it_needs_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["usage", "ca", "create"]) == 2
    assert "forward.intercept" in capsys.readouterr().err


def test_it_is_installed_and_removed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`update-ca-certificates` is one that notes how it was called: the real one is root's, and the machine's."""
    store, programs = tmp_path / "store", tmp_path / "bin"
    store.mkdir()
    programs.mkdir()
    program = programs / "update-ca-certificates"
    program.write_text(f'#!/bin/sh\necho "updated $*" >> {tmp_path}/called\n')
    program.chmod(0o755)
    environ = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}

    def ca(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bartizan", "usage", "ca", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    assert ca("create").returncode == 0
    done = ca("install", "--folder", str(store))
    assert done.returncode == 0, done.stderr
    assert "NODE_EXTRA_CA_CERTS" in done.stderr
    assert (store / "bartizan-interception.crt").read_bytes() == (home / CERTIFICATE).read_bytes()
    assert ca("remove", "--folder", str(store)).returncode == 0
    assert list(store.iterdir()) == []
    assert not (home / KEY).exists()
    assert (tmp_path / "called").read_text() == "updated \nupdated --fresh\n"
    done = ca("remove", "--folder", str(store))
    assert (done.returncode, done.stdout) == (0, "")
    assert ca("install", "--folder", str(tmp_path / "nowhere")).returncode == 2
