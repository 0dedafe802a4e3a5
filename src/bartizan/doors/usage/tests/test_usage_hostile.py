"""Files and words whose author wants a command to hang, to fail or to write on the terminal."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bartizan.doors.usage.code import code
from bartizan.doors.usage.endpoint import endpoint
from bartizan.doors.usage.restrict import export


@pytest.mark.parametrize("format_", ["text", "json", "jsonl", "mlbom"])
def test_names_of_files_are_shown_as_escapes(tmp_path: Path, format_: str) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/a\x1b[31m\n\xff.py")).write_text("import openai\n")
    result = CliRunner().invoke(code, [str(tmp_path), "--format", format_])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "\x1b" not in result.output


def test_a_pipe_among_settings_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".claude.json")
    result = CliRunner().invoke(endpoint, ["--root", str(tmp_path)])
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_half_a_character_in_settings_is_none(tmp_path: Path) -> None:
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"\\ud800": {"command": "x"}}}')
    result = CliRunner().invoke(endpoint, ["--root", str(tmp_path), "--format", "jsonl"])
    assert json.loads(result.stdout.splitlines()[0])["name"] == "?"


@pytest.mark.parametrize(
    "option",
    [["--gateway", "a:²"], ["--gateway", "a:" + "9" * 5000], ["--coach", "-a.b"], ["--coach", f"{'a' * 64}.b"]],
)
def test_what_no_list_can_hold_is_refused(option: list[str]) -> None:
    with pytest.raises(click.BadParameter):
        export.make_context("export", ["pac", *option])
