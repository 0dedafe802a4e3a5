"""What a judged and recorded request costs: the gateway with everything on, beside the bare relay, in the same run.

    python -m benchmarks.gateway

Everything on: the default policy, all detectors over request and answer, keys and persons, sealed bodies where a
finding asks for them, two durable records an exchange (`durability: strict`), one gateway process. CPU is counted by
the kernel over every process of `bartizan up`, in rounds that alternate with the relay. The load generator and the
upstream share the machine's cores with what is measured, so requests a second say little and are not given.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import uvloop

from benchmarks import load, processes
from benchmarks.rounds import Server, interleaved

CONNECTIONS = 16
ROUNDS = 5
CASES = (
    ("plain", "scripted", False, 1500),
    ("streamed, 32 chunks a millisecond apart", "scripted-drip", True, 400),
    ("streamed, 32 chunks at once", "scripted", True, 800),
)


def command(home: Path, port: int, upstream_port: int) -> list[str]:
    """`bartizan up` in front of the scripted upstream, without the local model."""
    return [
        sys.executable, "-m", "bartizan", "up", "--home", str(home), "--gateway", f"127.0.0.1:{port}", "--workers", "1",
        "--metrics", f"127.0.0.1:{processes.free_port()}", "--no-console",
        "--upstream", f"scripted=http://127.0.0.1:{upstream_port}/v1",
    ]  # fmt: skip


def status(port: int, raw: bytes) -> int:
    """The status of one answer to `raw`, 0 where nobody answers."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(first.split()[0], first.split()[1], body, headers)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def started(process: subprocess.Popen[bytes], port: int, raw: bytes, deadline_s: float = 60) -> None:
    """Wait for the first answer with 200."""
    end = time.monotonic() + deadline_s
    while status(port, raw) != 200:
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("`bartizan up` did not answer with 200")
        time.sleep(0.005)


@contextmanager
def running(home: Path, upstream_port: int, key: str = "") -> Iterator[Server]:
    """`bartizan up` on `home`, ready."""
    port, key = processes.free_port(), key or secrets.token_hex(24)
    with (home.parent / "up.log").open("ab") as log:
        process = subprocess.Popen(
            command(home, port, upstream_port), stdout=log, stderr=log, env=os.environ | {"BARTIZAN_BOOTSTRAP_KEY": key}
        )
        try:
            server = Server("bartizan", port, process.pid, key=key)
            started(process, port, server.request("scripted", stream=False))
            yield server
        finally:
            process.terminate()
            process.wait(60)


def serving(server: Server) -> int:
    """The pid of the gateway process: of all that `up` started, the one that used most CPU."""
    return max(processes.tree(server.pid), key=lambda pid: processes.cpu_s([pid]))


def cpu(relay: Server, bartizan: Server) -> None:
    """CPU a request, beside the relay."""
    print(
        f"CPU a request, medians of {ROUNDS} interleaved rounds, {CONNECTIONS} connections, bodies of some 640 bytes.\n"
    )
    print("| CPU a request, ms | requests a round | bare relay | Bartizan | ratio |")
    print("|---|---|---|---|---|")
    for title, model, stream, count in CASES:
        took = interleaved([relay, bartizan], model, stream=stream, count=count, rounds=ROUNDS, connections=CONNECTIONS)
        ratio = took["bartizan"] / took["relay"]
        print(f"| {title} | {count} | {took['relay']:.3f} | {took['bartizan']:.3f} | {ratio:.2f} × |", flush=True)


def latency(relay: Server, bartizan: Server, folder: Path) -> None:
    """Latency where the upstream waits 50 ms before its first byte, with the disk's flush beside it."""
    count, rounds = 600, 3
    print(
        f"\nLatency at {CONNECTIONS} connections, 50 ms upstream, {rounds} interleaved rounds of {count} requests. The "
        "connections begin spread over those 50 ms, since clients do not ask in step.\n"
    )
    print("| ms | p50 | p99 | first byte p50 |")
    print("|---|---|---|---|")
    for title, stream in (("plain", False), ("streamed", True)):
        runs: dict[str, load.Run] = {"relay": load.Run(), "bartizan": load.Run()}
        for _ in range(rounds):
            for server in (relay, bartizan):
                raw = server.request("scripted-50ms", stream=stream)
                run = uvloop.run(load.ask(server.port, raw, count=count, connections=CONNECTIONS, spread_s=0.05))
                run.require(count)
                runs[server.name].latencies_s += run.latencies_s
                runs[server.name].first_s += run.first_s
        for name, run in runs.items():
            first = sorted(run.first_s)[len(run.first_s) // 2] * 1000
            print(f"| {title}, {name} | {run.at(0.5):.1f} | {run.at(0.99):.1f} | {first:.1f} |", flush=True)
    p50, p99 = processes.flush_ms(folder)
    print(f"| one append and fdatasync on the same disk (200) | {p50:.2f} | {p99:.2f} | |")


def memory(bartizan: Server) -> None:
    """Resident memory before and after 20,000 requests."""
    pid, count = serving(bartizan), 20_000
    raw = bartizan.request("scripted", stream=False)
    uvloop.run(load.ask(bartizan.port, raw, count=2000, connections=CONNECTIONS)).require(2000)
    before = processes.rss_mib(pid)
    uvloop.run(load.ask(bartizan.port, raw, count=count, connections=CONNECTIONS)).require(count)
    after = processes.rss_mib(pid)
    print("\n| resident memory of the gateway process | MiB |")
    print("|---|---|")
    print(f"| after 2,000 warm-up requests | {before:.1f} |")
    print(f"| after {count:,} more | {after:.1f} |")
    print(f"| growth | {after - before:+.1f} |", flush=True)


def start(folder: Path, upstream_port: int) -> None:
    """From exec to the first answer with 200: a new home, then the same home again."""
    print("\n| start to first 200, s | |")
    print("|---|---|")
    for title in ("first start on a new home", "second start", "third start"):
        began = time.perf_counter()
        with running(folder / "fresh", upstream_port):
            print(f"| {title} | {time.perf_counter() - began:.2f} |", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bartizan-bench-") as folder, processes.upstream() as up:
        with processes.relay(up) as (port, pid), running(Path(folder) / "home", up) as bartizan:
            relay = Server("relay", port, pid)
            cpu(relay, bartizan)
            latency(relay, bartizan, Path(folder))
            memory(bartizan)
        start(Path(folder), up)


if __name__ == "__main__":
    main()
