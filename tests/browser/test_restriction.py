"""What is exported for browsers, obeyed by a real one: a PAC file, and a managed policy."""

from __future__ import annotations

import base64
import shutil
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import FLAGS, executable
from playwright.sync_api import Browser, Error, Page

from bartizan.inventory.exports import exports
from bartizan.inventory.restriction import Entry, table

ENTRIES = [Entry("chatgpt.com", True, "chatgpt", "ChatGPT"), Entry("api.x.ai", False, "grok", "Grok")]


class Proxy(socketserver.StreamRequestHandler):
    """Refuses every request, and remembers for which host it was."""

    asked: list[str]

    def handle(self) -> None:
        first = self.rfile.readline(4096).decode()
        while self.rfile.readline(4096).strip():
            pass
        host = first.split()[1].removeprefix("http://").rstrip("/").partition(":")[0]
        self.server.asked.append(host)  # type: ignore[attr-defined]
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


@pytest.fixture
def proxy() -> Iterator[socketserver.ThreadingTCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as server:
        server.daemon_threads = True
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def comes(page: Page, url: str) -> str:
    """What of an address comes: its text, or the browser's error."""
    try:
        page.goto(url, wait_until="commit")
        return page.inner_text("body")
    except Error as error:
        return error.message.partition(" at ")[0].rpartition("net::")[2]


def test_chromium_goes_where_the_pac_file_says(
    chromium: Browser, tmp_path: Path, proxy: socketserver.ThreadingTCPServer
) -> None:
    made = table("2026", ENTRIES, allowed=["help.chatgpt.com"], gateway=f"127.0.0.1:{proxy.server_address[1]}")
    script = base64.b64encode(exports()["pac"].write(made).encode()).decode()
    pac = f"--proxy-pac-url=data:application/x-ns-proxy-autoconfig;base64,{script}"
    launched = chromium.browser_type.launch(executable_path=executable(), args=[*FLAGS, pac])
    try:
        page = launched.new_page()
        for host in ("chatgpt.com", "a.b.chatgpt.com", "API.x.ai"):
            comes(page, f"http://{host}/")
        for host in ("notchatgpt.com", "chatgpt.com.evil.example", "sub.api.x.ai", "help.chatgpt.com"):
            assert comes(page, f"http://{host}/") == "ERR_NAME_NOT_RESOLVED"
    finally:
        launched.close()
    assert set(proxy.asked) == {"chatgpt.com", "a.b.chatgpt.com", "api.x.ai"}  # type: ignore[attr-defined]


def test_chromium_obeys_the_managed_policy(chromium: Browser, tmp_path: Path) -> None:
    found = shutil.which(executable() or "")
    assert found
    made = table("2026", ENTRIES, allowed=["help.chatgpt.com"])
    policy = tmp_path / "bartizan.json"
    policy.write_text(exports()["chrome"].write(made))
    # Policies lie in /etc: the browser sees a folder of ours there, in a mount namespace of its own.
    inside = "/etc/chromium/policies/managed"
    script = tmp_path / "managed-chromium"
    script.write_text(
        "#!/bin/sh\nexec unshare -rm sh -c '"
        f"mount -t tmpfs none /etc/chromium && mkdir -p {inside} && cp {policy} {inside} && "
        f'exec {found} "$@"\' sh "$@"\n'
    )
    script.chmod(0o755)
    launched = chromium.browser_type.launch(executable_path=script, args=list(FLAGS))
    try:
        page = launched.new_page()
        for host in ("chatgpt.com", "a.chatgpt.com", "api.x.ai"):
            assert comes(page, f"http://{host}/") == "ERR_BLOCKED_BY_ADMINISTRATOR"
        for host in ("notchatgpt.com", "help.chatgpt.com", "sub.api.x.ai"):
            assert comes(page, f"http://{host}/") == "ERR_NAME_NOT_RESOLVED"
    finally:
        launched.close()
