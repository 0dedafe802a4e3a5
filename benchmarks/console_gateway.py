"""Whether an open console costs the gateway anything: CPU of the gateway's process with and without one, interleaved.

    python -m benchmarks.console_gateway

Two `bartizan up` on homes of their own, one with `--no-console`, one whose console has Live open and its Overview
loaded every two seconds. Rounds alternate; only the gateway process is counted.
"""

from __future__ import annotations

import http.client
import os
import secrets
import statistics
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks import load, processes
from benchmarks.console_pages import command
from benchmarks.signed_in import Visitor, console_of, sign_in

ROUNDS = 31
COUNT = 1500
CONNECTIONS = 16
EVERY_S = 2.0


def watch(visitor: Visitor, stop: threading.Event) -> None:
    """Read Live as a browser does, until told to stop."""
    connection = http.client.HTTPConnection("127.0.0.1", visitor.port, timeout=30)
    connection.request("GET", "/live/stream", headers={"cookie": visitor.cookie, "accept": "text/event-stream"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"Live answered {answer.status}")
    while not stop.is_set() and answer.readline():
        pass
    connection.close()


def look(visitor: Visitor, stop: threading.Event) -> None:
    """Load the Overview now and then."""
    while not stop.wait(EVERY_S):
        visitor.get("/")


def cpu_ms(port: int, pid: int, raw: bytes) -> float:
    """CPU of the gateway's process a request, ms."""
    before = processes.cpu_s([pid])
    uvloop.run(load.ask(port, raw, count=COUNT, connections=CONNECTIONS)).require(COUNT)
    return (processes.cpu_s([pid]) - before) * 1000 / COUNT


def main() -> None:
    """Measure."""
    key = secrets.token_hex(24)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bartizan-bench-")))
        upstream = stack.enter_context(processes.upstream())
        servers: dict[str, tuple[int, int, bytes]] = {}
        stop = threading.Event()
        for name in ("without", "with"):
            gateway, console = processes.free_port(), processes.free_port()
            run = command(folder / name, gateway, console, upstream)
            run = (
                run
                if name == "with"
                else [*run[: run.index("--console")], "--no-console", *run[run.index("--console") + 2 :]]
            )
            (folder / name).mkdir(mode=0o700)
            pid = stack.enter_context(
                processes.running(run, gateway, env=dict(os.environ) | {"BARTIZAN_BOOTSTRAP_KEY": key})
            )
            raw = load.request(gateway, model="scripted", stream=False, key=key)
            uvloop.run(load.ask(gateway, raw, count=200, connections=CONNECTIONS))
            servers[name] = (gateway, console_of(processes.tree(pid), "doors.gateway.process"), raw)
            if name == "with":
                visitor = sign_in(folder / name, console)
                for work in (watch, look):
                    threading.Thread(target=work, args=(visitor, stop), daemon=True).start()
        took: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(ROUNDS):
            for name, (port, pid, raw) in servers.items():
                took[name].append(cpu_ms(port, pid, raw))
        stop.set()
    without, beside = statistics.median(took["without"]), statistics.median(took["with"])
    pairs = [b / a for a, b in zip(took["without"], took["with"], strict=True)]
    print(f"CPU of the gateway's process, medians of {ROUNDS} interleaved rounds of {COUNT} plain requests.\n")
    print("| without console, ms | with Live and Overview open, ms | more, by medians | median of the pairs |")
    print("|---|---|---|---|")
    print(
        f"| {without:.3f} | {beside:.3f} | {(beside / without - 1) * 100:+.1f} % "
        f"| {(statistics.median(pairs) - 1) * 100:+.1f} % |"
    )


if __name__ == "__main__":
    main()
