"""A real gateway for a while: in a folder of its own, on a free port, gone afterwards."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from bartizan.core.errors import BartizanError, StoreError
from bartizan.doors.gateway.local import MODEL

START_S = 60.0
STOP_S = 40.0
ANSWER_S = 120.0
CURTAIN = "bartizan-demo-"
_LINK = re.compile(r"https?://\S+/sign-in/\S+")


class Broken(BartizanError):
    """The gateway of the demo did not start, or answered nonsense."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]
    value: Any  # Any: JSON of a provider

    @property
    def decision(self) -> str:
        """The id of the decision."""
        return self.headers.get("x-bartizan-decision", "")

    @property
    def tell(self) -> str:
        """What the policy says to the person, wherever it stands."""
        if told := self.headers.get("x-bartizan-tell"):
            return unquote(told)
        return " ".join(self.notice.get("tell", []))

    @property
    def notice(self) -> dict[str, Any]:
        """The `bartizan` member of a refusal."""
        found = self.value.get("bartizan") or self.value.get("error", {}).get("bartizan") or {}
        return dict(found) if isinstance(found, dict) else {}

    @property
    def text(self) -> str:
        """What the model said."""
        try:
            return str(self.value["choices"][0]["message"]["content"]).strip()
        except (KeyError, IndexError, TypeError):
            return ""


class Stage:
    """`bartizan up` with a policy, as a child. Leaving the `with` ends it and removes its folder."""

    def __init__(self, policy: str, *, console: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=CURTAIN))
        self.home = self.folder / "home"
        self.home.mkdir(mode=0o700)
        (self.home / "policy.yaml").write_text(policy, encoding="utf-8")
        self.port = _free_port()
        self._console = _free_port() if console else 0
        self._secret = secrets.token_urlsafe(32)
        # Nothing of the surroundings: not somebody's upstreams, nor their keys.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BARTIZAN_")}
        self._environ = {**inherited, "BARTIZAN_HOME": str(self.home), "BARTIZAN_METRICS": "off", "NO_COLOR": "1"}
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Stage:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end()

    @property
    def serves(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.poll() is None

    def again(self) -> None:
        """Start once more after a stop, on the same home."""
        self._start()

    def console(self) -> str:
        """The address of the console with a link that signs in, as `bartizan up` printed it; "" where there is none."""
        deadline_s = time.monotonic() + START_S
        while self._console and time.monotonic() < deadline_s:
            told = (self.folder / "up.log").read_text("utf-8", "replace")
            if found := _LINK.search(told):
                return found[0]
            time.sleep(0.05)
        return ""

    def _start(self) -> None:
        command = [sys.executable, "-m", "bartizan", "up", "--gateway", f"127.0.0.1:{self.port}", "--workers", "1"]
        command += ["--console", f"127.0.0.1:{self._console}"] if self._console else ["--no-console"]
        with (self.folder / "up.log").open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603  Our own program.
                command,
                cwd=self.folder,
                env={**self._environ, "BARTIZAN_BOOTSTRAP_KEY": self._secret},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + START_S
        while not self._ready():
            if self._child.poll() is not None or time.monotonic() > deadline_s:
                raise Broken(f"the gateway did not start:\n{self._log()}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        """Whether it serves, and the local model, which starts beside it, can be asked."""
        try:
            serves = self.ask("GET", "/readyz", timeout_s=2).status == 200
            return serves and bool(self.ask("GET", "/v1/models", timeout_s=2).value.get("data"))
        except (OSError, http.client.HTTPException):
            return False

    def _log(self) -> str:
        lines = (self.folder / "up.log").read_text("utf-8", "replace").splitlines()[-10:]
        return "\n".join(f"  {line}" for line in lines)

    def stop(self) -> None:
        """End the gateway as an operator would; its ledger stays for now."""
        child, self._child = self._child, None
        if child is None or child.poll() is not None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _end(self) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder)

    def ask(
        self, method: str, path: str, value: object = None, *, timeout_s: float = ANSWER_S, key: str = ""
    ) -> Answer:
        """One request and its whole answer; with another key than the stage's own, as somebody else."""
        connection, response = self._sent(method, path, value, timeout_s, key)
        try:
            raw = response.read()
        finally:
            connection.close()
        try:
            told = json.loads(raw) if raw else {}
        except ValueError:
            told = {}
        return Answer(response.status, _headers(response), told if isinstance(told, dict) else {})

    def chat(self, text: str, *, key: str = "") -> Answer:
        """Ask the local model."""
        return self.ask("POST", "/v1/chat/completions", _chat(text), key=key)

    def stream(self, text: str) -> Iterator[str]:
        """The pieces of a streamed answer as they come. Raises Broken for a refusal."""
        connection, response = self._sent("POST", "/v1/chat/completions", {**_chat(text), "stream": True}, ANSWER_S)
        try:
            if response.status != 200:
                raise Broken(f"the stream was refused with {response.status}")
            for line in response:
                if line.startswith(b"data: ") and line.strip() != b"data: [DONE]":
                    for choice in json.loads(line[6:]).get("choices", []):
                        if piece := choice.get("delta", {}).get("content"):
                            yield str(piece)
        finally:
            connection.close()

    def _sent(
        self, method: str, path: str, value: object, timeout_s: float, key: str = ""
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        headers = {"authorization": f"Bearer {key or self._secret}", "content-type": "application/json"}
        connection.request(method, path, None if value is None else json.dumps(value).encode(), headers)
        return connection, connection.getresponse()

    def command(self, *arguments: str) -> tuple[int, str]:
        """A `bartizan` command on the home of this stage: its exit code and what it printed."""
        done = subprocess.run(  # noqa: S603  Our own program.
            [sys.executable, "-m", "bartizan", *arguments],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=False,
        )
        return done.returncode, (done.stdout or done.stderr).strip()

    def tampered(self, old: bytes, new: bytes) -> Path:
        """A copy of the home in whose log one record says something else, as an intruder with all files would do it."""
        from bartizan.store.connection import Connection
        from bartizan.store.logfile import logs

        copy = self.folder / "copy"
        shutil.copytree(self.home, copy)
        for path in logs(copy):
            connection = Connection(path)
            try:
                rows = connection.query("SELECT seq, entry FROM record WHERE instr(entry, ?) LIMIT 1", (old,))
                for seq, entry in rows:
                    connection.change("UPDATE record SET entry = ? WHERE seq = ?", (entry.replace(old, new, 1), seq))
                    return copy
            finally:
                connection.close()
        raise StoreError("no record to change was found")


def _chat(text: str) -> dict[str, object]:
    # No randomness, and no penalty for repeating: one scene asks the model to repeat something.
    told = {"temperature": 0, "repeat_penalty": 1.0, "max_tokens": 60}
    return {"model": f"local/{MODEL}", "messages": [{"role": "user", "content": text}], **told}


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
