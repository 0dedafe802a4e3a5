"""What the console's pages cost at 100,000 exchanges: server time and bytes of every page there is.

    python -m benchmarks.console_pages [COUNT]

A home filled by the real ledger (see `console_home`), a real `bartizan up`, and a session that asks for each page ten
times over HTTP. Time is the wall clock of the request on one connection, nothing else running; CPU is that of the
console's process by the kernel's account. Bytes are those of the page; what a browser keeps (style, script, font) is
listed once.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bartizan.doors.console.process import ways
from bartizan.ledger.read import tail
from benchmarks import console_home, processes
from benchmarks.signed_in import Visitor, console_of, sign_in

TIMES = 10
QUERIES = (
    "/?range=1h", "/?range=7d", "/?range=30d", "/events?q=action:block", "/events?q=risk:personal.*+after:7d",
    "/events?q=clause:no-secrets-out+-action:redact", "/events?group=1", "/events?q=model:gpt*+app:chat",
)  # fmt: skip


def command(home: Path, gateway: int, console: int, upstream: int) -> list[str]:
    """`bartizan up` with its console."""
    return [
        sys.executable, "-m", "bartizan", "up", "--home", str(home), "--gateway", f"127.0.0.1:{gateway}",
        "--console", f"127.0.0.1:{console}", "--metrics", f"127.0.0.1:{processes.free_port()}", "--workers", "1",
        "--upstream", f"scripted=http://127.0.0.1:{upstream}/v1",
    ]  # fmt: skip


def paths(home: Path) -> Iterator[str]:
    """Every page that needs no more than a session, and those about one event, clause and person of this home."""
    last = [record for record in tail(home, 2000) if record.get("findings") and record.get("person")]
    event = last[-1]
    known = {
        "/events/{id}": f"/events/{event['exchange']}",
        "/policy/{clause}": f"/policy/{event['clauses'][0]}",
        "/people/{pseudonym}": f"/people/{event['person']}",
    }
    for way in ways():
        if way.method == "GET" and way.stream is None and not way.path.startswith(("/sign-in", "/c/")):
            if "{" not in way.path:
                yield way.path
            elif way.path in known:
                yield known[way.path]
    yield from QUERIES


def indexed(visitor: Visitor, count: int) -> float:
    """Wait until the console has read the whole ledger; how long that took."""
    began = time.perf_counter()
    seen, before = 0, -1
    while seen < count or seen != before:  # Each exchange has one or two records: until no more are read.
        time.sleep(0.5)
        before = seen
        found = re.search(rb"([\d,]+) records", visitor.get("/account")[1])
        seen = int(found[1].replace(b",", b"")) if found else 0
        if time.perf_counter() - began > 600:
            raise SystemExit(f"only {seen:,} records were read in ten minutes")
    return time.perf_counter() - began


def main(count: int) -> None:
    """Fill, start, ask."""
    with tempfile.TemporaryDirectory(prefix="bartizan-bench-") as folder, processes.upstream() as upstream:
        home = console_home.fill(Path(folder) / "home", count)
        gateway, console = processes.free_port(), processes.free_port()
        with processes.running(command(home, gateway, console, upstream), console) as pid:
            visitor = sign_in(home, console)
            took = indexed(visitor, count)
            server = console_of(processes.tree(pid))
            print(f"{count:,} exchanges; the console had read them {took:.0f} s after its start.\n")
            print("| page | wall ms, median | slowest of 10 | CPU ms | KB |")
            print("|---|---|---|---|---|")
            for path in dict.fromkeys(paths(home)):
                row(visitor, server, path)
            kept(visitor)


def row(visitor: Visitor, server: int, path: str) -> None:
    """One page, asked for often."""
    visitor.get(path)
    before = processes.cpu_s([server])
    answers = [visitor.get(path) for _ in range(TIMES)]
    cpu_ms = (processes.cpu_s([server]) - before) * 1000 / TIMES
    status = {status for status, _, _ in answers}
    times = sorted(took * 1000 for _, _, took in answers)
    size = max(len(body) for _, body, _ in answers)
    odd = "" if status == {200} else f" (status {', '.join(map(str, sorted(status)))})"
    print(
        f"| `{path}`{odd} | {statistics.median(times):.1f} | {times[-1]:.1f} | {cpu_ms:.0f} | {size / 1000:.1f} |",
        flush=True,
    )


def kept(visitor: Visitor) -> None:
    """What a browser loads once and keeps."""
    page = visitor.get("/")[1].decode()
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    sizes = {file.partition("?")[0].rpartition("/")[2]: len(visitor.get(file)[1]) for file in files}
    sizes["inter (font)"] = len(visitor.get("/static/third_party/inter-latin-wght-normal.woff2")[1])
    total = sum(sizes.values())
    told = ", ".join(f"{name} {size / 1000:.1f}" for name, size in sizes.items())
    print(f"\nLoaded once and kept, KB as transferred: {told}; together {total / 1000:.1f}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else console_home.COUNT)
