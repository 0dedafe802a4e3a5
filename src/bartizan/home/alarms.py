"""Alarms: what people should know that is no decision, such as a full disk or a policy file that does not hold.

They are log lines first (`report/logline.py`). A `Bell` brings those that matter to the table as well, where console
and notices find them. Whoever rings it only leaves the alarm there: a thread writes, one a second at most, and what
cannot be written now is tried again. No request waits for either.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bartizan.core.errors import StoreError
from bartizan.store.state import NAME, State

MERGED_US = 3_600_000_000  # The same alarm again within an hour of the first is the first, one time more.
KEPT_US = 90 * 86_400_000_000
MAX_FACT = 300
MAX_WAITING = 64
WRITE_EVERY_S, RETRY_S = 1.0, 5.0
# All gateway processes see it: one alarm, of no process in particular.
OF_ALL = frozenset({"upstream-down"})
# What an alarm is about beside its process: the same alarm about something else is another one.
ABOUT = ("upstream", "channel", "process")
SAYS: Mapping[str, str] = {
    "ledger-failed": "The ledger cannot be written. Requests are refused until it can, or as the policy says.",
    "passed-unrecorded": "The disk is full: requests pass without a record, as the policy allows.",
    "policy-broken": "The policy file does not hold ({where}). What was in force before stays in force.",
    "upstream-down": "The upstream {upstream} does not answer.",
    "process-ended": "The process {process} ended (code {code}) and is started again.",
    "notice-failed": "Notices to {channel} did not arrive ({why}).",
    "alarms-dropped": "{times} more alarms at once than could be written down.",
}

Facts = Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm, perhaps raised several times. `process` is "" where it is not about one; `facts` hold no content."""

    id: int
    name: str
    process: str
    facts: Facts
    first_us: int
    last_us: int
    times: int
    seen_us: int | None

    @property
    def says(self) -> str:
        """A sentence for people."""
        return SAYS.get(self.name, self.name).format_map(_Known({**self.facts, "times": self.times}))


class _Known(dict[str, str | float]):
    """Facts by name; one that is missing is a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"


def raise_alarm(state: State, name: str, process: str, facts: Facts, now_us: int, times: int = 1) -> int:
    """Write an alarm down, or one time more that it was raised; its id. Raises StoreError.

    One that somebody has seen already is not raised once more: it is a new one.
    """
    facts = {key: value[:MAX_FACT] if isinstance(value, str) else value for key, value in facts.items()}
    text = json.dumps(facts, sort_keys=True)
    with state.transaction() as tx:
        rows = tx.query(
            "SELECT id, facts FROM alarm WHERE last_us > ? AND first_us > ? AND name = ? AND process = ? "
            "AND seen_us IS NULL ORDER BY id DESC",
            (now_us - MERGED_US, now_us - MERGED_US, name, process),
        )
        for id_, before in rows:
            if _about(json.loads(before)) == _about(facts):
                tx.change(
                    "UPDATE alarm SET facts = ?, last_us = max(last_us, ?), times = times + ? WHERE id = ?",
                    (text, now_us, times, id_),
                )
                return int(id_)
        tx.change("DELETE FROM alarm WHERE last_us < ?", (now_us - KEPT_US,))
        tx.change(
            "INSERT INTO alarm (name, process, facts, first_us, last_us, times) VALUES (?, ?, ?, ?, ?, ?)",
            (name, process, text, now_us, now_us, times),
        )
        return int(tx.query("SELECT last_insert_rowid()")[0][0])


def alarms(state: State, since_us: int, limit: int = 200) -> tuple[Alarm, ...]:
    """Those raised since then, the latest first. Raises StoreError."""
    return tuple(
        Alarm(id_, name, process, json.loads(facts), *rest)
        for id_, name, process, facts, *rest in state.query(
            "SELECT id, name, process, facts, first_us, last_us, times, seen_us FROM alarm WHERE last_us >= ? "
            "ORDER BY last_us DESC, id DESC LIMIT ?",
            (since_us, limit),
        )
    )


def seen(state: State, id_: int, now_us: int) -> bool:
    """Somebody took note of an alarm. False where there is none, or somebody did before. Raises StoreError."""
    return bool(state.change("UPDATE alarm SET seen_us = ? WHERE id = ? AND seen_us IS NULL", (now_us, id_)))


def _about(facts: Facts) -> tuple[object, ...]:
    return tuple(facts.get(key) for key in ABOUT)


@dataclass(slots=True)
class _Waiting:
    facts: dict[str, str | float]
    times: int
    when_us: int


class Bell:
    """Alarms of one process on their way to the table of its home."""

    def __init__(self, home: Path, process: str, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._home, self._process, self._clock_us = home, process, clock_us
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, tuple[object, ...]], _Waiting] = {}
        self._dropped = 0
        self._wake, self._end = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self, name: str, facts: Facts) -> None:
        """Leave an alarm to be written. Never waits, from any thread; `times` among the facts is how often it was."""
        told = dict(facts)
        times = int(told.pop("times", 1))
        key = (name, _about(told))
        with self._lock:
            before = self._waiting.get(key)
            if before is not None:
                before.facts, before.times = told, before.times + times
            elif len(self._waiting) < MAX_WAITING:
                self._waiting[key] = _Waiting(told, times, self._clock_us())
            else:
                self._dropped += 1
                return
            if self._thread is None and not self._end.is_set():
                self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
                self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Write what waits, if that can be done now."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=6)

    def _run(self) -> None:
        state: State | None = None
        last = False
        while not last:
            self._wake.wait()
            self._wake.clear()
            last = self._end.is_set()
            pause_s = WRITE_EVERY_S
            try:
                if state is None and (self._home / NAME).exists():
                    # A connection of its own: on a shared one a reader would wait for our flush.
                    state = State.open(self._home)
                if state is not None:
                    self._write(state)
                    while last and self._waiting:
                        self._write(state)
            except StoreError:  # The disk may be full, which the alarm is about: it waits until it can be written.
                pause_s = RETRY_S
            self._end.wait(pause_s)
            if self._waiting or self._end.is_set():
                self._wake.set()
        if state is not None:
            state.close()

    def _write(self, state: State) -> None:
        """One of those that wait."""
        with self._lock:
            if not self._waiting:
                return
            key = next(iter(self._waiting))
            one = self._waiting.pop(key)
            dropped = self._dropped
        process = "" if key[0] in OF_ALL else self._process
        try:
            if dropped:
                raise_alarm(state, "alarms-dropped", self._process, {}, self._clock_us(), dropped)
                with self._lock:
                    self._dropped -= dropped
            raise_alarm(state, key[0], process, one.facts, one.when_us, one.times)
        except StoreError:
            with self._lock:
                later = self._waiting.setdefault(key, one)
                if later is not one:
                    later.times += one.times
            raise
