"""`bartizan up` as people run it: a process of its own, on a home and free ports."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BOOTSTRAP = "test-" + "b" * 40
DEADLINE_S = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class RunningGateway:
    """A gateway that is ready. `key` is the bootstrap key; `log` has what it wrote to stderr."""

    home: Path
    port: int
    metrics_port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    key: str = BOOTSTRAP

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def ask(
        self, method: str, path: str, body: object = None, *, key: str | None = None, timeout_s: float = 20, **more: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request: status, headers (lower case), body. `body` is sent as it is where it is bytes, else as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        headers = {"authorization": f"Bearer {key or self.key}", "content-type": "application/json"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, raw, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def send(self, raw: bytes, *, wait_s: float = 5, half_close: bool = False) -> bytes:
        """These bytes on a connection of their own, and all that comes back until it ends or `wait_s` is over."""
        got = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as connection:
            connection.sendall(raw)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            try:
                while piece := connection.recv(65536):
                    got += piece
            except (TimeoutError, ConnectionResetError):
                return got
        return got

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A `bartizan` command on the same home."""
        command = [sys.executable, "-m", "bartizan", *arguments, "--home", str(self.home)]
        return subprocess.run(command, check=check, capture_output=True, text=True, timeout=60)


@contextmanager
def gateway(
    home: Path, upstreams: Mapping[str, str], *flags: str, config: str = "", policy: str = ""
) -> Iterator[RunningGateway]:
    """Start `bartizan up`, wait until it is ready, and stop it at the end.

    Args:
        home: Where it keeps everything; made if absent.
        upstreams: Base URLs by name.
        flags: More of the command's own.
        config: The text of a `bartizan.yaml`.
        policy: The text of a policy to use instead of the shipped one.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    port, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "bartizan", "up", "--home", str(home), "--gateway", f"127.0.0.1:{port}"]
    command += ["--metrics", f"127.0.0.1:{metrics}", "--workers", "1"]
    command += [] if "--console" in flags else ["--no-console"]
    for name, url in upstreams.items():
        command += ["--upstream", f"{name}={url}"]
    if config:
        file = home / "bartizan.yaml"
        file.write_text(config)
        command += ["--config", str(file)]
    if policy:
        (home / "policy.yaml").write_text(policy)
    log_path = home.parent / f"{home.name}.log"
    environ = os.environ | {"BARTIZAN_BOOTSTRAP_KEY": BOOTSTRAP}
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*command, *flags], stdout=log, stderr=log, env=environ, cwd=home, start_new_session=True
        )
    running = RunningGateway(home, port, metrics, process, log_path)
    try:
        _until_ready(running)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(DEADLINE_S + 10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until_ready(running: RunningGateway) -> None:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if running.process.poll() is not None:
            raise AssertionError(f"`bartizan up` ended with {running.process.returncode}:\n{running.log}")
        try:
            if running.ask("GET", "/readyz")[0] == 200:
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"not ready within {DEADLINE_S} s:\n{running.log}")
