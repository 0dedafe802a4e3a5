"""Settings files whose author wants the reader to hang, to fail or to tell a key."""

from __future__ import annotations

import json

import pytest

from bartizan.readers.endpoint.extensions import chromium
from bartizan.readers.endpoint.settings import loaded, servers

MULTIPLIED = (
    "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    + "mcpServers:\n  one: {command: *a29}\n  two: {command: npx, args: *a29}\n"
)


def told(row: object) -> str:
    """What is told of one server."""
    data = json.dumps({"mcpServers": {"one": row}}).encode()
    return next(trace.detail for trace in servers("Tool", "mcp.json", "mcp.json", data))


@pytest.mark.parametrize("repeated", ["/* ", '"\\"', '\\"', ", ", "//", "/**"])
def test_comments_and_strings_without_an_end_are_looked_at_once(repeated: str) -> None:
    assert loaded("settings.json", ('{"' + repeated * 300_000).encode()) is None


def test_comments_are_left_out_and_strings_are_not() -> None:
    text = b'{"a": "/* // */ \\" ,]", /* x * y **/ "b": [1,2,], // z\n "c": 3,}'
    assert loaded("settings.json", text) == {"a": '/* // */ " ,]', "b": [1, 2], "c": 3}


def test_aliases_that_multiply_are_not_written_out() -> None:
    found = list(servers("Tool", "config.yaml", "config.yaml", MULTIPLIED.encode()))
    assert [trace.detail for trace in found] == ["runs a command of its own", "runs npx"]


@pytest.mark.parametrize("text", ['a: !!bool "x"', 'a: !!int ""', "[" * 100_000, "a: b\n" * 100_000, "{<<: [1]}"])
def test_yaml_that_its_parser_fails_on_is_nothing(text: str) -> None:
    assert loaded("config.yaml", text.encode()) is None


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"command": "API_KEY=sk-1234 npx -y pkg"}, "runs a command of its own"),
        ({"command": "/opt/tool --token=ab/sk-1234"}, "runs a command of its own"),
        ({"command": "npx", "args": ["--api-key", "sk-1234", "pkg"]}, "runs npx"),
        ({"command": "npx", "args": ["--api-key=sk-1234", "pkg"]}, "runs npx pkg"),
        ({"command": "C:\\Program Files\\nodejs\\npx.cmd", "args": ["-y", "@a/b@1"]}, "runs npx.cmd @a/b@1"),
        ({"command": []}, "runs a command of its own"),
    ],
)
def test_keys_in_commands_are_not_told(row: object, shown: str) -> None:
    assert told(row) == shown


def test_a_name_that_is_no_text_is_none() -> None:
    manifest = b'{"name": ' + b"[" * 900 + b"]" * 900 + b"}"
    assert [trace.name for trace in chromium("known", manifest, "Chrome", {"known": 1}, lambda _: False)] == ["known"]
