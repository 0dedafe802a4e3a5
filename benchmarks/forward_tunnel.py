"""What a tunnel through the proxy costs, decided on and recorded twice, beside bare asyncio tunnels in the same run.

    python -m benchmarks.forward_tunnel

Each tunnel is asked for with a key, looked up, checked, judged by the default policy with all detectors, recorded
before its first byte and after its last one. CPU is counted by the kernel over every process of `bartizan up`.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

from benchmarks import processes

ROUNDS = 7
SHORT, SHORT_AT_ONCE = 1500, 16
PAGES = 600
BULK, BULK_BYTES, BULK_AT_ONCE = 8, 64 << 20, 4
REPLY = 6 * 1024  # What a server says after a TLS hello, and a small answer.
CHUNK = 256 * 1024


def hello() -> bytes:
    """A TLS client's first message to localhost."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("there is nobody to agree with")


# ---- The far end, a process of its own: `python -m benchmarks.forward_tunnel serve PORT`


class Far(asyncio.Protocol):
    """Answers the first message with 6 KiB, the second one with as many bytes as it asks for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.left, self.asked = cast(asyncio.Transport, transport), 0, False

    def data_received(self, data: bytes) -> None:
        if not self.asked:
            self.asked = True
            self.transport.write(b"h" * REPLY)
            return
        self.left += int(data)
        self.resume_writing()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        while self.left and not self.paused:
            piece = min(self.left, CHUNK)
            self.left -= piece
            self.transport.write(b"b" * piece)


async def far(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Far, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


# ---- Who asks


class Asker(asyncio.Protocol):
    """One tunnel: CONNECT, a hello and its answer, `size` bytes, the end."""

    def __init__(self, head: bytes, first: bytes, size: int) -> None:
        self.steps = [(first, REPLY), (b"%d" % size, size)]
        self.head, self.expected, self.got = head, -1, bytearray()
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.head)

    def data_received(self, data: bytes) -> None:
        if self.expected < 0:
            self.got += data
            if not self.got.endswith(b"\r\n\r\n"):
                return
            if b" 200 " not in self.got[:20]:
                raise SystemExit(f"the proxy answered {bytes(self.got[:200])!r}")
            self.expected = 0
        else:
            self.expected -= len(data)
        if self.expected == 0:
            if not self.steps:
                self.transport.close()
                return
            out, self.expected = self.steps.pop(0)
            self.transport.write(out)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(not self.steps and self.expected == 0)


async def ask(port: int, head: bytes, *, count: int, at_once: int, size: int) -> None:
    """`count` tunnels, so many at a time. Ends the benchmark where one of them does not come to its end."""
    loop, first, left = asyncio.get_running_loop(), hello(), [count]

    async def one_after_another() -> None:
        while left[0] > 0:
            left[0] -= 1
            _, asker = await loop.create_connection(lambda: Asker(head, first, size), "127.0.0.1", port)
            if not await asker.done:
                raise SystemExit("a tunnel broke off")

    async with asyncio.timeout(120):
        await asyncio.gather(*(one_after_another() for _ in range(at_once)))


# ---- What is measured


@dataclass
class Proxy:
    """A proxy and the process whose CPU counts, with all that it started."""

    name: str
    port: int
    pid: int
    key: str = ""

    def head(self, far_port: int) -> bytes:
        """The CONNECT that all of them are sent."""
        credential = base64.b64encode(f"bench:{self.key or 'x' * 48}".encode()).decode()
        place = f"localhost:{far_port}"
        return f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization: Basic {credential}\r\n\r\n".encode()


@contextmanager
def bartizan(folder: Path, far_port: int) -> Iterator[Proxy]:
    """`bartizan up --forward` with one gateway process, ready."""
    port, key = processes.free_port(), secrets.token_hex(24)
    settings = folder / "bartizan.yaml"
    settings.write_text(
        f"forward: {{listen: '127.0.0.1:{port}', ports: [{far_port}], networks: [127.0.0.0/8, '::1/128']}}\n"
        f"gateway: 127.0.0.1:{processes.free_port()}\nmetrics: off\nconsole: off\nworkers: 1\n"
        "upstreams: {none: {url: 'http://127.0.0.1:9'}}\n"
    )
    command = [sys.executable, "-m", "bartizan", "up", "--home", str(folder / "home"), "--config", str(settings)]
    with (folder / "up.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"BARTIZAN_BOOTSTRAP_KEY": key})
        proxy = Proxy("Bartizan", port, process.pid, key)
        try:
            end = time.monotonic() + 60
            while True:
                try:
                    uvloop.run(ask(port, proxy.head(far_port), count=1, at_once=1, size=1))
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > end:
                        raise SystemExit("`bartizan up --forward` does not answer") from None
                    time.sleep(0.05)
            yield proxy
        finally:
            process.terminate()
            process.wait(60)


def cpu_s(proxy: Proxy, far_port: int, *, count: int, at_once: int, size: int) -> float:
    """CPU of one round, in seconds."""
    pids = processes.tree(proxy.pid)
    before = processes.cpu_s(pids)
    uvloop.run(ask(proxy.port, proxy.head(far_port), count=count, at_once=at_once, size=size))
    return processes.cpu_s(pids) - before


def main() -> None:
    """Prints one row a kind of tunnel."""
    far_port, streams, protocols = (processes.free_port() for _ in range(3))
    python = [sys.executable, "-m"]
    with (
        tempfile.TemporaryDirectory(prefix="bartizan-bench-") as folder,
        processes.running([*python, "benchmarks.forward_tunnel", "serve", str(far_port)], far_port),
        processes.running([*python, "benchmarks.bare_tunnel", str(streams), "streams"], streams) as streams_pid,
        processes.running([*python, "benchmarks.bare_tunnel", str(protocols), "protocols"], protocols) as protocols_pid,
        bartizan(Path(folder), far_port) as ours,
    ):
        proxies = [Proxy("streams", streams, streams_pid), Proxy("protocols", protocols, protocols_pid), ours]
        print(
            f"Medians of {ROUNDS} interleaved rounds, one process each; a hello and {REPLY // 1024} KiB come first.\n"
            "The bare ones connect whoever asks to whatever is asked for; `benchmarks/bare_tunnel.py` has both.\n"
        )
        print("| CPU | asyncio streams | asyncio protocols | Bartizan | to streams | to protocols |")
        print("|---|---|---|---|---|---|")
        cases = (
            (
                f"{SHORT} tunnels of 2 KiB, {SHORT_AT_ONCE} at once: ms a tunnel",
                SHORT,
                SHORT_AT_ONCE,
                2048,
                1000 / SHORT,
            ),
            (
                f"{PAGES} tunnels of 256 KiB, {SHORT_AT_ONCE} at once: ms a tunnel",
                PAGES,
                SHORT_AT_ONCE,
                1 << 18,
                1000 / PAGES,
            ),
            (
                f"{BULK} tunnels of {BULK_BYTES >> 20} MiB, {BULK_AT_ONCE} at once: ms a MiB",
                BULK,
                BULK_AT_ONCE,
                BULK_BYTES,
                1000 / (BULK * (BULK_BYTES >> 20)),
            ),
        )
        for title, count, at_once, size, scale in cases:
            took: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
            for proxy in proxies:
                cpu_s(proxy, far_port, count=min(count, 200), at_once=at_once, size=size)
            for _ in range(ROUNDS):
                for proxy in proxies:
                    took[proxy.name].append(cpu_s(proxy, far_port, count=count, at_once=at_once, size=size))
            bare, lower, own = (statistics.median(took[proxy.name]) * scale for proxy in proxies)
            row = f"| {title} | {bare:.3f} | {lower:.3f} | {own:.3f} | {own / bare:.2f} × | {own / lower:.2f} × |"
            print(row, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(far(int(sys.argv[2])))
    else:
        main()
