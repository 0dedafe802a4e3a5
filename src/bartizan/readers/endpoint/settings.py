"""Settings files of AI clients: the MCP servers they connect to, and the accounts they are signed in with.

Every file is JSON (with comments, as editors write it), TOML or YAML of a known shape. Of a command only the program
and its package are told, of an environment only the names: arguments and values hold keys.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bartizan.readers.endpoint.trace import Found, Trace, account_kind

MAX_SERVERS = 500
MAX_NAME = 120
MAX_WORDS = 200  # Of a command.
MAX_YAML = 128 << 10  # Characters; a parser in Python takes seconds for more.
# Comments and trailing commas, but not inside strings. What does not end goes to the end: nothing is looked at twice.
JSONC = re.compile(r'("(?:[^"\\\n]++|\\.)*+"?)|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?|,(?=\s*+[}\]])', re.S)
RUNNERS = frozenset(
    {"npx", "uvx", "bunx", "pnpx", "pipx", "docker", "podman", "uv", "node", "python", "python3", "deno", "bun"}
)
VALUED = frozenset(
    {"-e", "--env", "-v", "--volume", "--mount", "--name", "-p", "--network", "--with", "--from", "--directory", "-w"}
)
PROGRAM = re.compile(r"[\w.+-]{1,120}\Z")
URL = re.compile(r"\w{1,20}://(?:[^/@\s]{0,400}@)?([\w.-]{1,253})")
PACKAGE = re.compile(r"@?[A-Za-z0-9][\w.-]{0,80}(?:/[\w.-]{1,80}){0,3}(?:[@:=][\w.^~*=-]{1,40})?\Z")
FLAGS = frozenset(
    {"-y", "--yes", "--rm", "-i", "-t", "-it", "-ti", "--interactive", "--init", "--tty", "-q", "--quiet", "--silent",
     "--prefer-offline", "--no-cache", "--isolated", "--no-install", "-A", "--allow-all", "-m", "-u", "-d"}
)  # fmt: skip
SERVER_KEYS = ("mcpServers", "servers", "context_servers", "mcp_servers", "mcp", "extensions")


def loaded(name: str, data: bytes) -> Any:  # Any: settings are what their program wrote
    """A settings file as a value; None where it is none."""
    text = data.decode("utf-8-sig", "replace")
    try:
        if name.endswith(".toml"):
            return tomllib.loads(text)
        if name.endswith((".yaml", ".yml")):
            return _yaml(text)
        return json.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return None
    except ValueError:
        pass  # Perhaps with comments.
    try:
        return json.loads(JSONC.sub(lambda found: found[1] or "", text))
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> Any:  # Any: see above
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > MAX_YAML or text.count("&") > 100 or text.count("[") + text.count("{") > 1000:
        return None  # Aliases that multiply, nesting without an end: no honest settings file has so many.
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError):  # All met: `!!int ""`.
        return None


def servers(tool: str, name: str, where: str, data: bytes) -> Iterator[Trace]:
    """The MCP servers of one settings file, at most MAX_SERVERS."""
    made = loaded(name, data)
    count = 0
    for table in _server_tables(made, 0):
        for server, row in table.items():
            if not isinstance(row, dict) or not (row.keys() & {"command", "cmd", "url", "serverUrl", "httpUrl", "uri"}):
                continue
            count += 1
            if count > MAX_SERVERS:
                return
            yield Trace(Found.MCP, str(server)[:MAX_NAME], tool, where, _connects(row))


def _server_tables(value: object, depth: int) -> Iterator[Mapping[str, Any]]:
    """Tables of servers: below the known keys, at the top, in `mcp`, and for each project of a file."""
    if not isinstance(value, dict):
        return
    for key in SERVER_KEYS:
        below = value.get(key)
        if isinstance(below, dict):
            nested = below.get("servers")
            yield nested if isinstance(nested, dict) else below
    projects = value.get("projects")
    if depth == 0 and isinstance(projects, dict):
        for project in projects.values():
            yield from _server_tables(project, 1)


def _connects(row: Mapping[str, Any]) -> str:
    """What a server is, in words without arguments and values."""
    for key in ("url", "serverUrl", "httpUrl", "uri"):
        if isinstance(row.get(key), str):
            found = URL.match(row[key])
            return f"over HTTP to {found[1].lower() if found else 'an address'}"
    command = row.get("command", row.get("cmd"))
    arguments = row.get("args")
    words = [
        *(command if isinstance(command, list) else [command]),
        *(arguments if isinstance(arguments, list) else []),
    ]
    # Of texts alone: lists of lists by aliases of YAML would be endless as text.
    words = [word if isinstance(word, str) else "" for word in words[:MAX_WORDS]]
    program = _program(words[0]) if words else ""
    package = _package(words[1:]) if program.removesuffix(".exe").removesuffix(".cmd") in RUNNERS else ""
    names = row.get("env")
    env = f", with {len(names)} variables" if isinstance(names, dict) and names else ""
    return f"runs {program or 'a command of its own'}{' ' + package if package else ''}{env}"


def _program(command: str) -> str:
    """The name of a program; "" where the command holds arguments or values as well, which may be keys."""
    name = re.split(r"[/\\]", command)[-1][:MAX_NAME]
    return name if PROGRAM.match(name) and "=" not in command and " -" not in command else ""


def _package(words: Iterable[str]) -> str:
    """The package that a runner is told to run: the first word that is neither an option nor its value."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in VALUED:
            skip = True
        elif word in ("run", "exec", "tool", "dlx", "-y"):
            continue
        elif not word.startswith("-"):
            return word if PACKAGE.match(word) else ""
        elif word not in FLAGS and "=" not in word:
            return ""  # What stands behind it may be its value, and a key.
    return ""


def claims(token: object) -> Mapping[str, Any]:
    """The claims of a JSON web token (RFC 7519). Nothing is checked: it only says who signed in."""
    parts = token.split(".") if isinstance(token, str) and len(token) < 65536 else []
    if len(parts) != 3:
        return {}
    try:
        made = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return made if isinstance(made, dict) else {}


def _at(value: object, path: str) -> str:
    """The text at a dotted path; a step `jwt` reads a token's claims."""
    for step in path.split("."):
        value = claims(value) if step == "jwt" else value.get(step) if isinstance(value, dict) else None
    return value[:254] if isinstance(value, str) else ""


def accounts(
    tool: str, name: str, where: str, data: bytes, mail: Iterable[str], plan: Iterable[str], company: frozenset[str]
) -> Iterator[Trace]:
    """Who is signed in, by dotted paths to the account and to its plan or organisation.

    A file that is there without a name in it is an account that nothing is known of.
    """
    made = loaded(name, data)
    rows = [made]
    if isinstance(made, dict) and all(isinstance(one, dict) for one in made.values()):
        rows = [made, *made.values()]  # Some tools keep one table for each host or provider.
    named = []
    for row in rows:
        account = next(filter(None, (_at(row, path) for path in mail)), "")
        plans = " ".join(filter(None, (_at(row, path) for path in plan)))
        if account and account not in named:
            named.append(account)
            yield Trace(Found.ACCOUNT, account, tool, where, plans, account, account_kind(account, plans, company))
    if made and not named:
        yield Trace(Found.ACCOUNT, "signed in", tool, where, "the file names nobody")
