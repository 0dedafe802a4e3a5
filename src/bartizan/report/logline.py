"""Log lines for operators: one a subject, the same keys always, and never content, names or keys.

    2026-11-23T06:38:01Z decided action=allow side=request exchange=01J… kind=chat detectors=3 findings=1 … took_ms=0.4

Whoever judges only leaves the line here: a thread writes what has gathered, many lines in one call, so that a slow
reader of stderr holds up nobody. When more gathers than `MAX_WAITING`, lines are dropped and their number is told. The
record of a decision is the ledger's; a log line may be lost, a record not.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bartizan.core.decision import Decision
from bartizan.core.finding import Finding

MAX_WAITING = 10_000
GATHER_S = 0.05
ALARM_EVERY_S = 60.0
MAX_TEXT = 300
TOKEN = re.compile(r"[A-Za-z0-9._:@/+%,\[\]-]+")

# What may be logged: event -> its keys, in this order. Nothing else is a line, so nothing else can slip into one.
EVENTS = MappingProxyType(
    {
        "stopping": ("why", "in_flight"),
        "stopped": ("pid",),
        "process-ended": ("process", "pid", "code"),
        "policy-changed": ("policy",),
        "policy-broken": ("policy", "problems", "where", "why"),
        "upstream-down": ("upstream", "why"),
        "upstream-up": ("upstream",),
        "asking-not-shared": ("process",),
        "ledger-failed": ("why",),
        "passed-unrecorded": ("exchanges",),
        "case-opened": ("case", "action", "exchange"),
        "case-decided": ("case", "state"),
        "refused-client": ("why", "status"),
        "slow-loop": ("stalled_ms",),
        "console-behind": ("why",),
        "console-store": ("why",),
        "register-behind": ("why",),
        "notice-delayed": ("channel", "why"),
        "notice-failed": ("channel", "why"),
    }
)

# Of these people are told besides: see home/alarms.py.
ALARMS = frozenset(
    {"process-ended", "policy-broken", "upstream-down", "ledger-failed", "passed-unrecorded", "notice-failed"}
)


class Log:
    """Lines to one place, by default stderr. Every method may be called from any thread."""

    def __init__(
        self,
        write: Callable[[bytes], object] | None = None,
        *,
        as_json: bool = False,
        now_s: Callable[[], float] = time.time,
        told: Callable[[str, Mapping[str, str | float]], None] | None = None,
    ) -> None:
        """`told` hears the name and facts of each line in ALARMS that is written; it must not wait for anything."""
        self._write = write or _to_stderr
        self._json, self._now_s, self._told = as_json, now_s, told
        self._lines: list[str] = []
        self._dropped = 0
        self._second, self._stamp = -1, ""
        self._alarms: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def decided(self, decision: Decision, side: str, exchange: str, kind: str, detectors: int, took_ms: float) -> None:
        """One subject was judged: a `side` of an `exchange`, an id of ours. `detectors` is how many are active."""
        findings = failures = 0
        for seen in decision.seen:
            if isinstance(seen.item, Finding):
                findings += 1
            else:
                failures += 1
        action = decision.outcome
        stamp = self._time()
        if self._json:
            line = (
                f'{{"time":"{stamp}","event":"decided","action":"{action}","side":"{side}","exchange":"{exchange}",'
                f'"kind":"{kind}","detectors":{detectors},"findings":{findings},"failures":{failures},"took_ms":{took_ms:.1f}}}\n'
            )
        else:
            line = (
                f"{stamp} decided action={action} side={side} exchange={exchange} kind={kind} "
                f"detectors={detectors} findings={findings} failures={failures} took_ms={took_ms:.1f}\n"
            )
        self._keep(line)

    def event(self, name: str, **facts: str | float) -> None:
        """Something happened that EVENTS knows. Raises KeyError or ValueError for what it does not know."""
        keys = EVENTS[name]
        if set(facts) != set(keys):
            raise ValueError(f"{name} is logged with {', '.join(keys)}")
        self._keep(self._line(name, {key: facts[key] for key in keys}))
        if self._told is not None and name in ALARMS:
            self._told(name, facts)

    def alarm(self, name: str, **facts: str | float) -> None:
        """The same for what may happen a thousand times a second: once a minute, with `times` since the last line."""
        keys = EVENTS[name]
        if set(facts) != set(keys):
            raise ValueError(f"{name} is logged with {', '.join(keys)}")
        now_s = self._now_s()
        with self._lock:
            last_s, times = self._alarms.get(name, (float("-inf"), 0))
            if 0 <= now_s - last_s < ALARM_EVERY_S:
                self._alarms[name] = (last_s, times + 1)
                return
            self._alarms[name] = (now_s, 0)
        counted = {**{key: facts[key] for key in keys}, "times": times + 1}
        self._keep(self._line(name, counted))
        if self._told is not None and name in ALARMS:
            self._told(name, counted)

    def close(self) -> None:
        """Write what is left."""
        self._end.set()
        self._wake.set()
        if self._thread:
            self._thread.join(timeout=2)
        self._flush()

    def _line(self, name: str, facts: dict[str, str | float]) -> str:
        stamp = self._time()
        if self._json:
            safe = {key: value[:MAX_TEXT] if isinstance(value, str) else value for key, value in facts.items()}
            return json.dumps({"time": stamp, "event": name, **safe}, separators=(",", ":")) + "\n"
        return f"{stamp} {name} {' '.join(f'{key}={_plain(value)}' for key, value in facts.items())}\n"

    def _time(self) -> str:
        now = self._now_s()
        second = int(now)
        if second != self._second:
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
            self._second = second
        return self._stamp

    def _keep(self, line: str) -> None:
        with self._lock:
            waiting = len(self._lines)
            if waiting >= MAX_WAITING:
                self._dropped += 1
                return
            self._lines.append(line)
        if not waiting:
            if self._thread is None:
                self._start()
            self._wake.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._end.is_set():
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait()
            self._end.wait(GATHER_S)
            self._wake.clear()
            self._flush()

    def _flush(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(f"{self._time()} log-lines-dropped lines={dropped}\n")
        if lines:
            self._write("".join(lines).encode("ascii", "backslashreplace"))


def _plain(value: str | float) -> str:
    """A value of a text line: as it is if it is one word, else quoted with everything odd escaped."""
    if not isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return value if TOKEN.fullmatch(value) and len(value) <= MAX_TEXT else json.dumps(value[:MAX_TEXT])


def _to_stderr(data: bytes) -> None:
    """All of it, or as much as whoever reads stderr takes before going away."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(2, view) :]
        except OSError:
            return  # Nobody reads any more; there is no other place to say so.


class Bare(logging.Formatter):
    """What libraries log, without what an exception says: that could be content. Where it was is enough."""

    def __init__(self, process: str) -> None:
        """`process`: what the lines begin with."""
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line for one record."""
        kind, _, trace = record.exc_info or (None, None, None)
        if kind is None:
            return f"{self._process}: {record.levelname.lower()} in {record.name}"
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = trace.tb_frame.f_code if trace is not None else None
        where = f"{Path(code.co_filename).name}:{trace.tb_lineno}" if code and trace else "?"
        return f"{self._process}: {kind.__name__} at {where}"


def bare(process: str) -> None:
    """From now on the errors that this process's libraries log go to stderr without their words."""
    lines = logging.StreamHandler()
    lines.setFormatter(Bare(process))
    logging.basicConfig(handlers=[lines], level=logging.ERROR, force=True)
