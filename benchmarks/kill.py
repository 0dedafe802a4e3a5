"""Nothing acknowledged is lost when the power goes: `kill -9` of every gateway process, under load.

    python -m benchmarks.kill [ROUNDS]

Each round starts `bartizan up` on the same home, asks over 16 connections for plain (even rounds) or streamed (odd
rounds) answers, kills all its processes at once in the middle, and keeps the decision ids of the answers that had
arrived whole, and of those that had only begun. In the end every id that arrived whole must have the records of its
request and its answer, every id that only began the record of its request, and `ledger verify` must find no fault.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httptools

from benchmarks.load import request
from benchmarks.processes import free_port, tree, upstream

CONNECTIONS = 16
LOAD_S = 1.5
KEY = "bench-" + "k" * 40
BARTIZAN = [sys.executable, "-m", "bartizan"]


class Acknowledged:
    """Decision ids of answers, by how much of them had arrived."""

    def __init__(self) -> None:
        self.whole: set[str] = set()
        self.begun: set[str] = set()


class _Client(asyncio.Protocol):
    """Asks again and again on one connection until it is lost."""

    def __init__(self, raw: bytes, told: Acknowledged) -> None:
        self.raw, self.told = raw, told

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.parser, self.id = httptools.HttpResponseParser(self), ""
        self.transport.write(self.raw)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-bartizan-decision":
            self.id = value.decode()
            self.told.begun.add(self.id)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() != 200:
            raise SystemExit(f"an answer under load had status {self.parser.get_status_code()}")
        self.told.whole.add(self.id)
        asyncio.get_running_loop().call_soon(self.ask)


async def load(port: int, raw: bytes, told: Acknowledged, pid: int) -> None:
    """Ask for LOAD_S seconds, then kill the process `pid` and all it started."""
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Client(raw, told), "127.0.0.1", port)
    await asyncio.sleep(LOAD_S)
    for victim in tree(pid):
        os.kill(victim, signal.SIGKILL)
    await asyncio.sleep(0.3)  # What had been sent before the kill is still in the sockets: it counts.


def ready(port: int, process: subprocess.Popen[bytes], deadline_s: float = 30) -> None:
    """Wait until the gateway says it is ready."""
    from http.client import HTTPConnection

    end = time.monotonic() + deadline_s
    while time.monotonic() < end and process.poll() is None:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the gateway did not become ready")


def up(home: Path, port: int, upstream_port: int, *more: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """`bartizan up` on a home, in a process group of its own, ready to serve."""
    where = ["--home", str(home), "--gateway", f"127.0.0.1:{port}", "--metrics", f"127.0.0.1:{free_port()}"]
    where += ["--upstream", f"scripted=http://127.0.0.1:{upstream_port}/v1"]
    process = subprocess.Popen(
        [*before, *BARTIZAN, "up", "--no-console", *where, *more],
        env=os.environ | {"BARTIZAN_BOOTSTRAP_KEY": KEY},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    ready(port, process)
    return process


def recorded(home: Path) -> dict[str, set[str]]:
    """Which directions ("out" for the request, "in" for the answer) each exchange has records of."""
    out = subprocess.run(
        [*BARTIZAN, "ledger", "export", "--home", str(home), "--format", "jsonl"], check=True, capture_output=True
    )
    found: dict[str, set[str]] = {}
    for line in out.stdout.splitlines():
        record = json.loads(line)
        if record.get("exchange"):
            found.setdefault(record["exchange"], set()).add(record["direction"])
    return found


def main(rounds: int = 10) -> None:
    """Print a Markdown table; exit 1 when something acknowledged was lost or the ledger has a fault."""
    with tempfile.TemporaryDirectory() as folder, upstream() as upstream_port:
        home, told = Path(folder) / "home", Acknowledged()
        for turn in range(rounds):
            port = free_port()
            process = up(home, port, upstream_port)
            raw = request(port, model="scripted", stream=turn % 2 == 1, key=KEY)
            asyncio.run(load(port, raw, told, process.pid))
            process.wait()
        verify = subprocess.run([*BARTIZAN, "ledger", "verify", "--home", str(home)], capture_output=True, check=False)
        found = recorded(home)
    lost = sum(found.get(id_, set()) < {"out", "in"} for id_ in told.whole)
    lost_begun = sum("out" not in found.get(id_, set()) for id_ in told.begun)
    head = (
        "kills under load",
        "answers arrived whole",
        "without both records",
        "begun",
        "without the request's record",
    )
    print(f"| {' | '.join(head)} | `ledger verify` |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {rounds} | {len(told.whole):,} | {lost} | {len(told.begun):,} | {lost_begun} | exit {verify.returncode} |"
    )
    if lost or lost_begun or verify.returncode or not told.whole:
        sys.stderr.buffer.write(verify.stdout + verify.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
