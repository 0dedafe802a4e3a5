"""What Live costs: CPU of the console's process while 200 exchanges a second are recorded and people watch them.

    python -m benchmarks.console_live [EXCHANGES A SECOND]

A home of a month (see `console_home`), a real `bartizan up`, and beside it the real writer that records requests and
answers at an even rate, as a second gateway would. Whoever watches reads `/live/stream` over HTTP. CPU is the kernel's
account of the console's process alone; the delay is from a record's being durable to its row in a reader's hands.
"""

from __future__ import annotations

import http.client
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import orjson

from bartizan.config import load
from bartizan.core.subject import Context
from bartizan.home import Home
from bartizan.report.ids import Ids
from benchmarks import console_home, processes
from benchmarks.console_pages import command, indexed
from benchmarks.signed_in import Visitor, console_of, sign_in

KNOWN = 100_000
RATE = 200
SECONDS = 30.0
EVERY_S = 0.01
ROW = re.compile(rb'data-x=\\"([^\\]+)\\"')


class Recording:
    """Records exchanges at a rate, in a thread; knows when each was durable."""

    def __init__(self, home: Path, rate: float) -> None:
        self._home = Home.open(home, load(flags={"home": str(home)}, environ={}))
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.durable_s: dict[bytes, float] = {}

    def __enter__(self) -> Recording:
        if self._rate:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._rate:
            self._thread.join()
        self._home.close()

    def _run(self) -> None:
        chance = random.Random(7)
        ids = Ids(time.time_ns, chance.randbytes)
        who = [
            Context(person, ("support",), chance.choice(console_home.APPS), "k-1", sanctioned=True)
            for person in console_home.people()
        ]
        policy = self._home.policy().ref
        writer = self._home.writer("gateway-1")
        began, done = time.perf_counter(), 0
        while not self._stop.wait(EVERY_S):
            some = []
            while done < (time.perf_counter() - began) * self._rate:
                some.append(ids.next())
                now_us = time.time_ns() // 1000
                ticket = console_home.exchange(self._home, writer, chance, chance.choice(who), policy, some[-1], now_us)
                done += 1
            if some:
                writer.wait(ticket)
                self.durable_s |= dict.fromkeys((id_.encode() for id_ in some), time.perf_counter())
        writer.close()


class Watching:
    """One who watches: how much came, and when."""

    def __init__(self, visitor: Visitor, query: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", visitor.port, timeout=30)
        self._connection.request("GET", f"/live/stream?after=999999999{query}", headers={"cookie": visitor.cookie})
        self._answer = self._connection.getresponse()
        if self._answer.status != 200:
            raise SystemExit(f"Live answered {self._answer.status}")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.pieces = self.rows = self.more = self.bytes = 0
        self.seen_s: dict[bytes, float] = {}
        self._thread.start()

    def _run(self) -> None:
        name = b""
        while line := self._answer.readline():
            self.bytes += len(line)
            if line.startswith(b"event: "):
                name = line[7:-1]
            elif line.startswith(b"data: ") and name == b"rows":
                now_s = time.perf_counter()
                self.pieces += 1
                told = orjson.loads(line[6:])
                self.rows += told["rows"]
                self.more += told["more"]
                for id_ in ROW.findall(line):
                    self.seen_s.setdefault(id_, now_s)

    def reset(self) -> None:
        """Count from now on."""
        self.pieces = self.rows = self.more = self.bytes = 0


def measured(home: Path, visitor: Visitor, console: int, rate: float, queries: tuple[str, ...], title: str) -> None:
    """One row of the table."""
    with Recording(home, rate) as recording:
        time.sleep(1)  # What was behind is read.
        watching = [Watching(visitor, query) for query in queries]
        time.sleep(3)
        for one in watching:
            one.reset()
        before, began = processes.cpu_s([console]), time.perf_counter()
        time.sleep(SECONDS)
        took = time.perf_counter() - began
        used = (processes.cpu_s([console]) - before) / took
    told = "| | | |"
    if watching:
        first = watching[0]
        durable = recording.durable_s
        delays = [seen - durable[id_] for id_, seen in first.seen_s.items() if id_ in durable]
        delay = f"{statistics.median(delays) * 1000:.0f} ms" if delays else ""
        told = (
            f"| {first.pieces / took:.1f} | {(first.rows + first.more) / took:.0f} | {first.bytes / took / 1000:.1f} |"
        )
        told += f" {delay} |"
    else:
        told += " |"
    print(f"| {title} | {used * 100:.1f} % {told}", flush=True)


def main(rate: float) -> None:
    """Fill, start, watch."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bartizan-bench-")))
        upstream = stack.enter_context(processes.upstream())
        home = console_home.fill(folder / "home", KNOWN)
        gateway, port = processes.free_port(), processes.free_port()
        pid = stack.enter_context(processes.running(command(home, gateway, port, upstream), port))
        visitor = sign_in(home, port)
        indexed(visitor, KNOWN)
        console = console_of(processes.tree(pid))
        print(f"{rate:g} exchanges a second, two records each, {KNOWN:,} known before; {SECONDS:g} s a row.\n")
        print("| | CPU of one core | pieces a second | rows a second | KB a second | delay, median |")
        print("|---|---|---|---|---|---|")
        measured(home, visitor, console, 0, (), "nothing happens, nobody watches")
        measured(home, visitor, console, 0, ("",), "nothing happens, one watches")
        measured(home, visitor, console, rate, (), f"{rate:g} a second, nobody watches")
        measured(home, visitor, console, rate, ("",), f"{rate:g} a second, one watches")
        measured(
            home, visitor, console, rate, ("&q=-action:allow",), f"{rate:g} a second, one watches what was acted on"
        )
        measured(home, visitor, console, rate, ("",) * 16, f"{rate:g} a second, sixteen watch")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else RATE)
