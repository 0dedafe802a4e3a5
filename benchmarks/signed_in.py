"""Somebody who is signed in to a console: asks for pages as a browser does."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/sign-in/(\S+)")


@dataclass(frozen=True)
class Visitor:
    """A session of the first account."""

    port: int
    cookie: str

    def get(self, path: str) -> tuple[int, bytes, float]:
        """Status, body, and seconds until the last byte."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.perf_counter()
        connection.request("GET", path, headers={"cookie": self.cookie, "accept-encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        connection.close()
        return answer.status, body, took


def sign_in(home: Path, port: int) -> Visitor:
    """Make an account with every role and sign in by its link."""
    roles = [part for role in ("viewer", "analyst", "author", "privacy", "admin") for part in ("--role", role)]
    where = ["--home", str(home)]
    base = [sys.executable, "-m", "bartizan", "accounts"]
    subprocess.run([*base, "add", "bench@example.org", *roles, *where], check=True, capture_output=True)
    made = subprocess.run(
        [*base, "link", "bench@example.org", *where], check=True, capture_output=True, text=True
    ).stdout
    token = made.split("/sign-in/")[1].split()[0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", f"/sign-in/{token}", b"", {"content-type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 303:
        raise SystemExit(f"signing in was answered with {answer.status}")
    return Visitor(port, str(answer.getheader("set-cookie")).partition(";")[0])


def console_of(pids: list[int], module: str = "doors.console.process") -> int:
    """The pid among these that runs a module."""
    for pid in pids:
        if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise ProcessLookupError(module)
