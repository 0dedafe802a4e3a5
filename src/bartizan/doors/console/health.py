"""How the gateway is: asked over its own HTTP by one thread, so that a page never waits long and always has an answer.

`/readyz` says whether it serves; the supervisor's `/metrics` what it did. The thread asks every ten seconds while the
console lives, so that "does not answer since 14:02" is when that began, not when somebody looked; a page that finds the
answer older than two seconds has it asked again and waits for a third of a second at most. A page shows what was heard
last and says when that was.
"""

from __future__ import annotations

import shutil
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

if TYPE_CHECKING:
    from pathlib import Path

    from bartizan.config import Config

EVERY_S = 10.0
FRESH_S = 2.0  # An answer younger than that is not asked for again.
WAIT_S = 0.3  # How long a page waits at most.
ANSWER_S = 0.5  # Connecting, and between two pieces of an answer.
WINDOW_S = 300.0  # What "now" means for times and upstreams: counted from numbers that old.
FEW = 100  # Judgements; of fewer a 99th percentile says nothing, so that it is of all since the start.
MAX_BYTES = 2 << 20
MAX_WHY = 8

Labels = tuple[tuple[str, str], ...]
Numbers = Mapping[tuple[str, Labels], float]


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider: calls of the last minutes that were answered, and that were not."""

    name: str
    answered: int = 0
    failed: int = 0

    @property
    def down(self) -> bool:
        """Whether it was called and never answered."""
        return bool(self.failed and not self.answered)


@dataclass(frozen=True, slots=True)
class Health:
    """What was heard. Times are µs since 1970; 0 for never. Numbers that nobody gave are None."""

    asked_us: int = 0
    answers: bool = False
    ready: bool = False
    why: tuple[str, ...] = ()  # it is not ready
    since_us: int = 0  # it answers, or does not
    heard_us: int = 0  # it answered last
    numbers_us: int = 0  # the numbers below are from then
    judged: int | None = None
    window_us: int = 0  # these were judged within; 0: since it began
    judge_p50_s: float | None = None
    judge_p99_s: float | None = None
    in_flight: int | None = None
    waiting: int | None = None  # records on their way to the disk
    unrecorded: int | None = None  # exchanges passed without a record
    processes: int | None = None
    failing: tuple[str, ...] = ()  # detectors that could not look at something
    upstreams: tuple[Upstream, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether it was asked and does not serve."""
        return bool(self.asked_us) and not (self.answers and self.ready)


class Pulse:
    """Keeps a finger on one gateway. Every method may be called from any thread."""

    def __init__(
        self, gateway: str, config: Config, *, every_s: float = EVERY_S, clock: Callable[[], float] = time.time
    ) -> None:
        """`gateway` is its base URL; `config` says where its metrics are."""
        self._gateway, self._every_s, self._clock = gateway, every_s, clock
        metrics = config.metrics
        self._metrics = f"http://{_reachable(str(metrics))}/metrics" if metrics is not None and metrics.port else ""
        self._trusted = config.tls_cert
        self._names = tuple(config.upstreams)
        self._now = Health()
        self._past: deque[tuple[float, Numbers]] = deque(maxlen=64)
        self._heard = threading.Condition()
        self._wake, self._end = threading.Event(), threading.Event()
        self._rounds = 0
        self._thread: threading.Thread | None = None

    def health(self, wait_s: float = WAIT_S) -> Health:
        """What is known now: at most two seconds old, or the latest there is after `wait_s`."""
        with self._heard:
            if self._clock() * 1e6 - self._now.asked_us <= FRESH_S * 1e6:
                return self._now
            before = self._rounds
            if self._thread is not None:
                self._wake.set()
            elif not self._end.is_set():
                self._thread = threading.Thread(target=self._run, name="health", daemon=True)
                self._thread.start()
            self._heard.wait_for(lambda: self._rounds > before, wait_s)
            return self._now

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=4 * ANSWER_S)

    # ---- The thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.clear()
            made = self._asked(self._now)
            with self._heard:
                self._now = made
                self._rounds += 1
                self._heard.notify_all()
            self._wake.wait(self._every_s)

    def _asked(self, before: Health) -> Health:
        """One round: whether it is ready, then its numbers."""
        now_us = int(self._clock() * 1e6)
        found = _get(self._gateway + "/readyz", self._trusted)
        if found is None:
            begins = before.answers or not before.asked_us
            since_us = (before.heard_us or now_us) if begins else before.since_us
            return replace(before, asked_us=now_us, answers=False, ready=False, why=(), since_us=since_us)
        now = replace(
            before,
            asked_us=now_us,
            answers=True,
            ready=found[0] == 200,
            why=_why(found[1]),
            since_us=before.since_us if before.answers else now_us,
            heard_us=now_us,
        )
        told = _get(self._metrics, None) if self._metrics else None
        if told is None or told[0] != 200:
            return now
        self._past.append((self._clock(), read(told[1].decode("utf-8", "replace"))))
        return self._counted(now)

    def _counted(self, now: Health) -> Health:
        at, newest = self._past[-1]
        while len(self._past) > 1 and self._past[1][0] <= at - WINDOW_S:
            self._past.popleft()
        oldest = self._past[0][1] if len(self._past) > 1 else {}
        # Counters that went back are those of a platform that was started again: what it counted since is all there is.
        if any(newest.get(key, 0.0) < value for key, value in oldest.items() if key[0].endswith(("_total", "_count"))):
            self._past = deque(list(self._past)[-1:], maxlen=self._past.maxlen)
            oldest = {}
        delta = {key: value - oldest.get(key, 0.0) for key, value in newest.items()}
        few = (_sum(delta, "judge_seconds_count") or 0) < FEW
        judging = newest if few else delta
        return replace(
            now,
            numbers_us=int(at * 1e6),
            window_us=0 if few else int((at - self._past[0][0]) * 1e6),
            judged=_sum(judging, "judge_seconds_count"),
            judge_p50_s=quantile(judging, "judge_seconds", 0.5),
            judge_p99_s=quantile(judging, "judge_seconds", 0.99),
            in_flight=_sum(newest, "in_flight"),
            waiting=_sum(newest, "records_waiting"),
            unrecorded=_sum(delta, "unrecorded_total"),
            processes=_sum(newest, "gateway_processes"),
            failing=tuple(
                sorted(
                    dict(labels).get("detector", "")
                    for (name, labels), value in delta.items()
                    if name == "bartizan_examination_failures_total" and value > 0
                )
            ),
            upstreams=_upstreams(delta, self._names),
        )


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the home."""

    free: int
    total: int


def disk(home: Path) -> Disk | None:
    """How much room is left; None where the system does not say."""
    try:
        usage = shutil.disk_usage(home)
    except OSError:
        return None
    return Disk(usage.free, usage.total)


# ---- Numbers --------------------------------------------------------------------------------------------------------


def read(text: str) -> Numbers:
    """A Prometheus exposition as numbers by (name, labels). What is not one reads as far as it goes."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[tuple[str, Labels], float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name, tuple(sorted(sample.labels.items()))] = float(sample.value)
    except (ValueError, KeyError, IndexError):
        return found
    return found


def quantile(numbers: Numbers, name: str, share: float) -> float | None:
    """Below which a share of the times lay, by a histogram's buckets: on the line between two edges. None: no times."""
    buckets = sorted(
        (_edge(dict(labels).get("le", "")), value)
        for (one, labels), value in numbers.items()
        if one == f"bartizan_{name}_bucket"
    )
    total = buckets[-1][1] if buckets else 0
    if total <= 0:
        return None
    wanted, low, before = share * total, 0.0, 0.0
    for edge, so_far in buckets:
        if so_far >= wanted and so_far > before:
            if edge == float("inf"):
                return low  # All that is known: longer than the last edge.
            return low + (edge - low) * (wanted - before) / (so_far - before)
        low, before = edge, so_far
    return low


def _edge(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _sum(numbers: Numbers, name: str) -> int | None:
    found = [value for (one, _), value in numbers.items() if one == "bartizan_" + name]
    return round(sum(found)) if found else None


def _upstreams(numbers: Numbers, names: Iterable[str]) -> tuple[Upstream, ...]:
    calls: dict[str, list[int]] = {name: [0, 0] for name in names}
    for (name, labels), value in numbers.items():
        said = dict(labels)
        if name == "bartizan_upstream_calls_total" and said.get("upstream", "") in calls:
            outcome = said.get("outcome", "")
            if outcome != "client-gone":
                calls[said["upstream"]][outcome != "ok"] += round(value)
    return tuple(Upstream(name, good, bad) for name, (good, bad) in calls.items())


# ---- Asking ---------------------------------------------------------------------------------------------------------


def _get(url: str, trusted: Path | None) -> tuple[int, bytes] | None:
    """Status and body; None where nobody answers in time, or not in HTTP."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port
    connection: HTTPConnection
    try:
        if parts.scheme == "https":
            connection = HTTPSConnection(host, port or 443, timeout=ANSWER_S, context=_context(trusted))
        else:
            connection = HTTPConnection(host, port or 80, timeout=ANSWER_S)
    except (OSError, ValueError):
        return None
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES + 1)
        return (answer.status, body) if len(body) <= MAX_BYTES else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _context(trusted: Path | None) -> ssl.SSLContext:
    """For our own gateway on this machine, by whatever name: its very certificate, or one that everybody trusts."""
    context = ssl.create_default_context(cafile=str(trusted) if trusted else None)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _reachable(address: str) -> str:
    """Who listens everywhere is asked here."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in ("0.0.0.0", "[::]", "") else address  # noqa: S104  Not to listen on.


def _why(body: bytes) -> tuple[str, ...]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    why = told.get("why") if isinstance(told, dict) else None
    return tuple(str(one)[:200] for one in why[:MAX_WHY]) if isinstance(why, list) else ()
