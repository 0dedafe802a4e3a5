# ruff: noqa: E501 (a row of a table is as long as its file)
"""`bartizan usage endpoint` over a home as people's are: what is installed, connected and signed in; never a secret."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bartizan.catalogue.catalogue import Catalogue
from bartizan.core.errors import InputError
from bartizan.doors.usage.endpoint import _asked, endpoint
from bartizan.doors.usage.machine import MAX_FILE_BYTES, Machine
from bartizan.home import Home
from bartizan.home.register import register
from bartizan.inventory.seen import people
from bartizan.readers.endpoint import extensions, settings
from bartizan.readers.endpoint.trace import account_kind
from bartizan.readers.logs.usage import AccountKind
from bartizan.readers.logs.visit import Evidence
from bartizan.store.foreign import rows

SECRET = "sk-" + "live" + "0123456789abcdefSECRET"


def token(**claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def database(path: Path, *statements: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as made:
        for statement in statements:
            made.execute(statement)
    made.close()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    files = {
        ".claude.json": {
            "oauthAccount": {"emailAddress": "mara@corp.example", "organizationName": "Corp"},
            "mcpServers": {"files": {"command": "/usr/bin/npx", "args": ["-y", "@acme/files@1.2", "--key", SECRET]}},
            "projects": {"/work": {"mcpServers": {"web": {"url": f"https://mcp.acme.example/x?key={SECRET}"}}}},
        },
        ".codex/auth.json": {
            "OPENAI_API_KEY": SECRET,
            "tokens": {"id_token": token(**{"email": "mara@gmail.com", "https://api.openai.com/auth": {"chatgpt_plan_type": "plus"}})},
        },
        ".config/github-copilot/apps.json": {"github.com:abc": {"user": "mara-x", "oauth_token": SECRET}},
        ".cursor/mcp.json": '{ // servers\n "mcpServers": {"db": {"command": "uvx", "args": ["mcp-db"], "env": {"K": "' + SECRET + '"},}} }',
        ".codex/config.toml": f'[mcp_servers.docs]\ncommand = "docker"\nargs = ["run", "-e", "T={SECRET}", "acme/docs:1"]\n',
        ".config/goose/config.yaml": "extensions:\n  memory:\n    type: stdio\n    cmd: uvx\n    args: [goose-memory]\n",
        ".bashrc": f"export OPENAI_API_KEY={SECRET}\nPATH=/bin\n",
        ".vscode/extensions/github.copilot-1.200.0/package.json": "{}",
        ".vscode/extensions/someone.my-gpt-helper-0.1.0/package.json": "{}",
        ".vscode/extensions/ms-python.python-2026.1/package.json": "{}",
        ".local/share/JetBrains/PyCharm2026.1/github-copilot-intellij/x": "",
        ".config/google-chrome/Default/Extensions/kbfnbcaeplbcioakkpcpgfkobkghlhen/1_0/manifest.json": {"name": "Grammarly"},
        ".config/google-chrome/Default/Extensions/aaaa/1_0/manifest.json": {"name": "Helper", "host_permissions": ["https://chatgpt.com/*"]},
        ".config/google-chrome/Default/Extensions/bbbb/1_0/manifest.json": {"name": "Clock", "permissions": ["<all_urls>"]},
        ".mozilla/firefox/abc.default/extensions.json": {"addons": [
            {"id": "x@y", "location": "app-profile", "defaultLocale": {"name": "Sidebar"}, "userPermissions": {"origins": ["*://claude.ai/*"]}},
        ]},
        ".ollama/models/manifests/registry.ollama.ai/library/llama3.1/8b": "{}",
        ".cache/huggingface/hub/models--Qwen--Qwen2-7B/refs/main": "x",
        "models/tiny.gguf": "GGUF",
    }  # fmt: skip
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    database(
        tmp_path / ".config/Cursor/User/globalStorage/state.vscdb",
        "CREATE TABLE ItemTable (key TEXT, value BLOB)",
        "INSERT INTO ItemTable VALUES ('cursorAuth/cachedEmail', 'mara@corp.example'), ('cursorAuth/stripeMembershipType', 'pro')",
    )
    database(
        tmp_path / ".config/google-chrome/Default/History",
        "CREATE TABLE urls (url TEXT, visit_count INTEGER)",
        "INSERT INTO urls VALUES ('https://chatgpt.com/c/secret-title', 7), ('https://www.bbc.co.uk/', 3), "
        "('https://example.com/?q=chatgpt.com', 9)",
    )
    database(
        tmp_path / ".mozilla/firefox/abc.default/places.sqlite",
        "CREATE TABLE moz_places (url TEXT, visit_count INTEGER)",
        "INSERT INTO moz_places VALUES ('https://claude.ai/new', 2)",
    )
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(endpoint, [str(one) for one in arguments], standalone_mode=False)


def found(result: Result) -> dict[tuple[str, str], dict[str, object]]:
    assert result.exception is None, result.exception
    return {(row["found"], row["name"]): row for row in map(json.loads, result.stdout.splitlines())}


def test_everything_on_a_machine_is_found(house: Path) -> None:
    done = run("--root", house, "--company", "corp.example", "--format", "jsonl")
    rows = found(done)
    assert done.return_value == 0
    assert set(rows) == {
        ("mcp-server", "files"), ("mcp-server", "web"), ("mcp-server", "db"), ("mcp-server", "docs"), ("mcp-server", "memory"),
        ("account", "mara@corp.example"), ("account", "mara@gmail.com"), ("account", "mara-x"),
        ("environment", "OPENAI_API_KEY"),
        ("ide-extension", "github.copilot"), ("ide-extension", "someone.my-gpt-helper"), ("ide-extension", "github-copilot-intellij"),
        ("browser-extension", "Grammarly"), ("browser-extension", "Helper"), ("browser-extension", "Sidebar"),
        ("model-file", "llama3.1:8b"), ("model-file", "Qwen/Qwen2-7B"), ("model-file", "tiny.gguf"),
    }  # fmt: skip
    assert rows["mcp-server", "files"]["detail"] == "runs npx @acme/files@1.2"
    assert rows["mcp-server", "web"]["detail"] == "over HTTP to mcp.acme.example"
    assert rows["mcp-server", "db"]["detail"] == "runs uvx mcp-db, with 1 variables"
    assert rows["mcp-server", "docs"]["detail"] == "runs docker acme/docs:1"
    kinds = {str(row["account"]): row["account_kind"] for key, row in rows.items() if key[0] == "account"}
    assert kinds == {"mara@corp.example": "corporate", "mara@gmail.com": "personal", "mara-x": ""}
    assert SECRET not in done.stdout + done.stderr and "secret-title" not in done.stdout


def test_what_a_machine_tells_is_kept_under_a_pseudonym(house: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("x") / "home"
    asked = ("--root", house, "--company", "corp.example", "--history", "--record", "--person", "mara@corp.example")
    for _ in range(2):
        assert run(*asked, "--home", home).return_value == 0
    with Home.open(home) as opened:
        found = {one.id: one for one in register(opened).systems()}
        pseudonym = opened.vault.pseudonym("mara@corp.example")
        assert [one.person for one in people(opened.state, system="chatgpt")] == [pseudonym]
    assert dict(found["chatgpt"].seen.by_evidence)[Evidence.CONNECTED] == 7
    assert AccountKind.PERSONAL in found["codex-cli"].seen.accounts
    assert found["codex-cli"].seen.evidence == Evidence.AUTHENTICATED


def test_a_history_only_where_it_is_asked_for_and_then_hosts_and_counts(house: Path) -> None:
    rows = found(run("--root", house, "--history", "--format", "jsonl"))
    assert {key[1]: row["count"] for key, row in rows.items() if key[0] == "history"} == {
        "chatgpt.com": 7,
        "claude.ai": 2,
    }


def test_a_file_that_cannot_be_read_is_told(house: Path) -> None:
    (house / ".config/google-chrome/Default/History").write_bytes(b"not a database" * 99)
    done = run("--root", house, "--history")
    assert done.return_value == 3 and "History could not be read" in done.stderr


def test_what_comes_after_a_bound_is_told_and_no_name_reaches_the_terminal_as_it_is(house: Path) -> None:
    with (house / ".cursor/mcp.json").open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    done = run("--root", house)
    assert done.return_value == 3
    assert ".cursor/mcp.json, beyond its first 16 MiB, could not be read" in done.stderr
    hostile = house / ".config/google-chrome/Profile \x1b[2J"
    hostile.mkdir()
    (hostile / "History").write_bytes(b"not a database" * 99)
    manifest = hostile / "Extensions/cccc/1_0/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"name": "Found", "host_permissions": ["https://chatgpt.com/*"]}')
    done = run("--root", house, "--history")
    assert "Profile" in done.stderr and "\x1b" not in done.stderr + done.stdout
    assert "Found" in done.stdout, "a folder's name is no pattern"


def test_people_get_a_table_and_an_empty_home_says_so(house: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    told = run("--root", house, "--company", "corp.example").stdout
    assert "personal" in told and "1 personal accounts." in told and SECRET not in told
    assert "No AI was found here." in run("--root", tmp_path_factory.mktemp("empty")).stdout


def test_this_machine_as_it_is() -> None:
    done = run("--format", "jsonl")
    assert done.exception is None and done.return_value in (0, 3)


def test_a_model_server_is_asked_what_it_serves() -> None:
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"models": [{"name": "llama3.1:8b"}, {"name": "evil\\u001b[31m"}]}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert _asked(server.server_port, "/api/tags") == ["llama3.1:8b", "evil??31m"]
        port = server.server_port
        server.shutdown()
    assert _asked(port, "/api/tags") is None


@pytest.mark.parametrize(
    ("account", "plan", "kind"),
    [
        ("a@corp.example", "pro", "corporate"), ("a@de.corp.example", "", "corporate"), ("a@gmail.com", "team", "personal"),
        ("a@other.example", "", "personal"), ("mara", "enterprise", "corporate"), ("mara", "", ""), ("a@notcorp.example", "", "personal"),
    ],
)  # fmt: skip
def test_whose_account_it_is(account: str, plan: str, kind: str) -> None:
    assert account_kind(account, plan, frozenset({"corp.example"})) == kind


@given(st.sampled_from(["a.json", "a.toml", "a.yaml"]), st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_settings_at_all(name: str, data: bytes) -> None:
    list(settings.servers("T", name, "w", data))
    list(settings.accounts("T", name, "w", data, ["a.jwt.b"], ["c"], frozenset()))
    list(extensions.firefox(data, "T", {}, lambda _: True))
    list(extensions.chromium("id", data, "T", {}, lambda _: True))


def test_a_hostile_yaml_does_not_multiply() -> None:
    bomb = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(200))
    assert list(settings.servers("T", "a.yaml", "w", bomb.encode())) == []


def test_a_foreign_database_is_not_written_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a ?#.sqlite"
    database(path, "CREATE TABLE t (x)", "INSERT INTO t VALUES (1), (2), (3)")
    before = path.read_bytes()
    assert list(rows(path, "SELECT x FROM t", limit=2)) == [(1,), (2,)]
    with pytest.raises(InputError):
        list(rows(path, "INSERT INTO t VALUES (4)"))
    with pytest.raises(InputError):
        list(rows(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A home, as somebody sees it who may not read everything: root may."""
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        before = os.geteuid()
        for name in (".mozilla/firefox/closed.default", ".config/google-chrome/Default/Extensions/aaaa/1_0"):
            (Path(folder) / name).mkdir(parents=True)
        closed = (Path(folder) / ".mozilla/firefox", Path(folder) / ".config/google-chrome/Default/Extensions/aaaa")
        for one in closed:
            one.chmod(0)
        if not before:
            os.seteuid(65534)
        yield Path(folder)
        os.seteuid(before)
        for one in closed:
            one.chmod(0o700)


def test_folders_that_may_not_be_listed_are_told(nobody: Path) -> None:
    machine = Machine(nobody, Catalogue.load(), frozenset())
    assert list(machine.under([".mozilla/firefox/*", ".mozilla/firefox/*", ".config/google-chrome/*"])) != []
    assert machine.matching(nobody, ".config/google-chrome/Default/Extensions/*/*/manifest.json") == []
    assert not machine.is_file(nobody / ".mozilla/firefox/closed.default/extensions.json")
    assert machine.unread == [
        ".mozilla/firefox",
        ".config/google-chrome/Default/Extensions/aaaa",
        ".mozilla/firefox/closed.default/extensions.json",
    ]
