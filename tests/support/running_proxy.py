"""`bartizan up --forward` as people run it, and curl behind it."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running_gateway import BOOTSTRAP, DEADLINE_S, RunningGateway, free_port, gateway

from bartizan.home import Home
from bartizan.inventory.register import Register
from bartizan.inventory.system import Status

NETWORKS = "  networks: [127.0.0.0/8, '::1/128']\n"


def credential(key: str = f"bartizan:{BOOTSTRAP}") -> str:
    """The header that says who asks."""
    return f"proxy-authorization: Basic {base64.b64encode(key.encode()).decode()}\r\n"


@dataclass
class RunningProxy:
    """The platform with a proxy that reaches this machine, and the certificate that its sites are signed with."""

    platform: RunningGateway
    port: int
    ca: Path

    def address(self, key: str = f"bartizan:{BOOTSTRAP}") -> str:
        """As it stands in HTTPS_PROXY."""
        return f"http://{key}@127.0.0.1:{self.port}" if key else f"http://127.0.0.1:{self.port}"

    def curl(self, url: str, *more: str, key: str = f"bartizan:{BOOTSTRAP}") -> subprocess.CompletedProcess[str]:
        """curl, which is told of the proxy by the environment alone. Its own words are in stderr."""
        address = self.address(key)
        environ = {"PATH": "/usr/bin:/bin", "HTTPS_PROXY": address, "http_proxy": address}
        command = ["curl", "-sv", "--cacert", str(self.ca), "--max-time", "20", *more, url]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=30)

    def decision(self, done: subprocess.CompletedProcess[str]) -> str:
        """The id under which the tunnel is recorded, as curl logged it."""
        found = re.search(r"^< x-bartizan-decision: (\w+)", done.stderr, re.MULTILINE)
        assert found, done.stderr
        return found[1]

    def connected(self) -> socket.socket:
        """A connection of one's own."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def connect(self, authority: str, key: str = f"bartizan:{BOOTSTRAP}") -> tuple[int, dict[str, str], Any]:
        """CONNECT by hand: status, headers (lower case), and the body where it was refused."""
        with self.connected() as connection:
            connection.sendall(f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{credential(key)}\r\n".encode())
            answer = http.client.HTTPResponse(connection, method="CONNECT")
            answer.begin()
            body = answer.fp.read() if answer.status != 200 and answer.fp else b""
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(body) if body else None

    def send(self, raw: bytes, *, wait_s: float = 20) -> bytes:
        """These bytes on a connection of their own, and all that comes back until its end."""
        got = b""
        with self.connected() as connection:
            connection.settimeout(wait_s)
            try:
                connection.sendall(raw)
                while piece := connection.recv(65536):
                    got += piece
            except ConnectionResetError:
                return got
        return got

    def until_refused(self, host: str) -> None:
        """Until the running process knows what was decided about a host."""
        end = time.monotonic() + DEADLINE_S
        while self.connect(f"{host}:80")[0] != 403:
            assert time.monotonic() < end

    def records(self) -> list[dict[str, Any]]:
        """All records of the ledger."""
        done = self.platform.run("ledger", "tail", "--format", "json", "-n", "10000")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def exchange(self, id_: str, count: int = 2) -> list[dict[str, Any]]:
        """The records of one tunnel, once there are so many."""
        end = time.monotonic() + DEADLINE_S
        while True:
            found = [record for record in self.records() if record.get("exchange") == id_]
            if len(found) >= count:
                return found
            if time.monotonic() > end:
                raise AssertionError(f"{count} records expected, there are: {found}\n{self.platform.log}")


@contextmanager
def proxy(
    home: Path,
    ca: Path,
    ports: tuple[int, ...],
    *flags: str,
    forward: str = "",
    config: str = "",
    policy: str = "",
    ca_first: bool = False,
) -> Iterator[RunningProxy]:
    """Start it, with the loopback network and these ports opened; `forward` are more of its settings, as YAML."""
    port = free_port()
    listed = ", ".join(map(str, ports))
    settings = (
        f"forward:\n  listen: 127.0.0.1:{port}\n  ports: [{listed}]\n  networks: [127.0.0.0/8, '::1/128']\n{forward}"
    )
    upstreams = "" if "upstreams:" in config else "upstreams: {none: {url: 'http://127.0.0.1:9'}}\n"
    if ca_first:
        home.mkdir(mode=0o700, parents=True)
        (home / "bartizan.yaml").write_text(settings)
        command = [sys.executable, "-m", "bartizan", "usage", "ca", "create", "--home", str(home)]
        subprocess.run(command, check=True, capture_output=True, cwd=home)
    with gateway(home, {}, *flags, config=settings + upstreams + config, policy=policy) as platform:
        yield RunningProxy(platform, port, ca)


def decided(home: Path, system: str, status: Status, *, instead: str = "") -> None:
    """Somebody decides about a system in the register of this home."""
    with Home.open(home, create=False) as opened:
        register = Register(opened.state, opened.vault, opened.record)
        for one in filter(None, (system, instead)):
            if not opened.state.query("SELECT 1 FROM system WHERE id = ?", (one,)):
                register.add(one, "ada", 1)
        register.decide(system, status, "ada", 1, why="a test", alternative=instead)
