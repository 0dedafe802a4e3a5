"""`bartizan usage catalogue`: signed updates, taken by hand, never backwards."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bartizan.core.errors import InputError, UsageError
from bartizan.doors.usage.catalogue import catalogue


def run(*arguments: object) -> Result:
    return CliRunner().invoke(catalogue, [str(one) for one in arguments], standalone_mode=False)


def said(done: Result) -> str:
    assert done.exception is not None
    return str(done.exception)


@pytest.fixture
def maker(tmp_path: Path) -> Path:
    """A folder with a key pair and the text that ships."""
    assert run("make-key", tmp_path / "k").exception is None
    (tmp_path / "text").write_bytes(run("text", "--home", tmp_path / "home").stdout_bytes)
    return tmp_path


def signed(maker: Path, version: int, more: str = "", secret: str = "k.sec") -> Path:
    lines = (maker / "text").read_text().split("\n")
    lines[1] = f"version {version}"
    at = lines.index("[corrections]")
    changed = maker / f"text-{version}"
    changed.write_text("\n".join([*lines[:at], *filter(None, [more]), *lines[at:]]))
    out = maker / f"{version}.signed"
    done = run("sign", changed, "--secret", maker / secret)
    assert done.exception is None, done.exception
    out.write_bytes(done.stdout_bytes)
    return out


def test_an_update_is_shown_taken_and_in_force(maker: Path) -> None:
    home = maker / "home"
    update = signed(maker, 2099010101, "Brand new,V,chat,,,brand-new.example")
    shown = run("diff", update, "--key", maker / "k.pub", "--home", home, "--format", "json")
    changes = json.loads(shown.stdout)["changes"]
    assert [(one["how"], one["what"], one["name"]) for one in changes] == [
        ("added", "service", "brand-new"),
        ("added", "host", "brand-new.example and below"),
    ]
    assert not (home / "catalogue.update").exists()
    assert run("update", update, "--key", maker / "k.pub", "--home", home).exception is None
    told = json.loads(run("show", "--home", home, "--format", "json").stdout)
    assert (told["version"], told["update"]) == (2099010101, True)
    assert stat.S_IMODE((home / "catalogue.update").stat().st_mode) == 0o600


def test_an_older_update_is_refused_and_changes_nothing(maker: Path) -> None:
    home = maker / "home"
    assert run("update", signed(maker, 2099010102), "--key", maker / "k.pub", "--home", home).exception is None
    for version in (2099010101, 2099010102, 1):
        done = run("update", signed(maker, version), "--home", home)
        assert isinstance(done.exception, InputError)
        assert f"version {version} is no newer than 2099010102" in said(done)
    assert json.loads(run("show", "--home", home, "--format", "json").stdout)["version"] == 2099010102


def test_a_changed_update_is_refused(maker: Path) -> None:
    update = signed(maker, 2099010101)
    update.write_bytes(update.read_bytes().replace(b"chatgpt.com", b"chatgpt.org", 1))
    done = run("update", update, "--key", maker / "k.pub", "--home", maker / "home")
    assert isinstance(done.exception, InputError)
    assert not (maker / "home" / "catalogue.update").exists()


def test_the_first_key_stays_the_key(maker: Path) -> None:
    home = maker / "home"
    first = signed(maker, 2099010101)
    assert isinstance(run("update", first, "--home", home).exception, UsageError)
    assert "say with --key whose updates count" in said(run("update", first, "--home", home))
    assert run("update", first, "--key", maker / "k.pub", "--home", home).exception is None
    assert run("make-key", maker / "other").exception is None
    theirs = signed(maker, 2099010109, secret="other.sec")
    assert "another key than that of" in said(run("update", theirs, "--key", maker / "other.pub", "--home", home))
    assert isinstance(run("update", theirs, "--home", home).exception, InputError)


def test_a_secret_key_is_for_its_owner_and_never_overwritten(maker: Path) -> None:
    assert stat.S_IMODE((maker / "k.sec").stat().st_mode) == 0o600
    assert isinstance(run("make-key", maker / "k").exception, UsageError)


def test_a_text_that_is_no_catalogue_is_not_signed(maker: Path) -> None:
    (maker / "bad").write_text("bartizan-catalogue 1\nversion 1\nmade 2099-01-01\n[services]\nx\n")
    assert isinstance(run("sign", maker / "bad", "--secret", maker / "k.sec").exception, InputError)


def test_show_counts_what_ships(tmp_path: Path) -> None:
    done = run("show", "--home", tmp_path)
    assert "hosts, tier A" in done.stdout
    assert "signals, package:pypi" in done.stdout
    told = json.loads(run("show", "--home", tmp_path, "--format", "json").stdout)
    assert set(told["hosts"]) == {"A", "B", "C", "M"}
    assert told["services"] > 2_000
