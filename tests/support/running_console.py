"""A console on a home of its own, in this process: a real server on a free port of loopback, real files."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from uvicorn import Config as ServerConfig
from uvicorn import Server

from bartizan.config import Address, load
from bartizan.doors.console.app import App
from bartizan.doors.console.console import Console
from bartizan.doors.console.process import hosts, ways
from bartizan.events import Index
from bartizan.home import Home
from bartizan.report.logline import Log
from bartizan.vault.accounts import Account, Role


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body)


@dataclass
class Browser:
    """Somebody who is signed in, or nobody: keeps the cookie, sends the token of the last form."""

    port: int
    cookie: str = ""
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **more: str) -> Answer:
        answer = self._ask("GET", path, None, more)
        if found := re.search(r'name="csrf" value="([^"]+)"', answer.body.decode("utf-8", "replace")):
            self.csrf = found[1]
        return answer

    def post(self, path: str, fields: Mapping[str, object] | None = None, **more: str) -> Answer:
        """A form as a browser sends it, with the token it was given."""
        body = urlencode({"csrf": self.csrf, **(fields or {})}, doseq=True).encode()
        return self._ask("POST", path, body, {"content-type": "application/x-www-form-urlencoded", **more})

    def api(self, method: str, path: str, token: str, body: object = None) -> Answer:
        """A program with a bearer token."""
        raw = json.dumps(body).encode() if body is not None else None
        return self._ask(method, "/api/1" + path, raw, {"authorization": f"Bearer {token}"})

    def _ask(self, method: str, path: str, body: bytes | None, more: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {name.replace("_", "-"): value for name, value in {**self.headers, **more}.items()}
        if self.cookie:
            headers.setdefault("cookie", self.cookie)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            if "set-cookie" in found:
                self.cookie = found["set-cookie"].partition(";")[0]
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


@dataclass
class RunningConsole:
    """A console that serves."""

    home: Home
    console: Console
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def browser(self, *roles: Role, name: str = "") -> Browser:
        """A browser of somebody with these roles; of nobody where there are none and no name."""
        browser = Browser(self.port)
        if roles or name:
            who = self.account(name or "-".join(sorted(roles)) + "@example.org", *roles)
            browser.cookie = (
                f"bartizan={self.console.accounts.begin_with_link(self.console.accounts.link(who.person, by=''))[0]}"
            )
            browser.get("/account")
        return browser

    def account(self, name: str, *roles: Role) -> Account:
        """An account of that name, made if there is none."""
        known = [one for one in self.console.accounts.accounts() if one.name == name]
        return known[0] if known else self.console.accounts.add(name, roles, by="")


@contextmanager
def console(path: Path, *, config: str = "", policy: str = "") -> Iterator[RunningConsole]:
    """Serve a home's console in a thread.

    Args:
        path: The home; made if absent.
        config: The text of a `bartizan.yaml`.
        policy: The text of a policy to use instead of the shipped one.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if config:
        (path / "bartizan.yaml").write_text(config)
    if policy:
        (path / "policy.yaml").write_text(policy)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = load(environ={}, flags={"home": path, "console": f"127.0.0.1:{port}", "metrics": "off"})
    with ExitStack() as stack:
        home = stack.enter_context(Home.open(config=settings, environ={}))
        log = Log()
        stack.callback(log.close)
        writer = home.writer("console")
        stack.callback(writer.close)
        index = Index.open(path)
        stack.callback(index.close)
        made = Console(home, index, writer, log, url=f"http://127.0.0.1:{port}", gateway="http://127.0.0.1:1")
        made.start()
        stack.callback(made.close)
        app = App(made, ways(), hosts=hosts(Address("127.0.0.1", port), port, ""), secure=False)
        server = Server(ServerConfig(app, ws="none", lifespan="off", log_config=None, access_log=False))
        listener.listen(128)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield RunningConsole(home, made, port)
        finally:
            server.should_exit = True
            thread.join(20)
            listener.close()
