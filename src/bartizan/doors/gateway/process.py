"""One gateway process: `python -m bartizan.doors.gateway.process FD`. Started, told what to do and watched over by
`bartizan up`, on the other end of FD."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import ssl
import string
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import uvloop
from uvicorn.config import Config as ServerConfig
from uvicorn.server import ServerState

from bartizan.config import Address, Config
from bartizan.config import Protocol as Speaks
from bartizan.core.errors import ConfigError, PolicyError, StoreBusy, StoreError
from bartizan.core.subject import Context, Direction, Kind, Subject
from bartizan.doors.gateway import strict
from bartizan.doors.gateway.app import App, dialect_of
from bartizan.doors.gateway.gateway import Gateway
from bartizan.doors.gateway.upstream import Target, Upstreams
from bartizan.doors.gateway.watching import Watch
from bartizan.home import Home
from bartizan.home.alarms import Bell
from bartizan.home.control import Control, Message, obeyed, unpacked
from bartizan.home.court import Court, Intercepted
from bartizan.home.durable import Ledger
from bartizan.home.keys import upstream_key
from bartizan.home.metrics import Counters
from bartizan.home.monitors import profiles
from bartizan.matching.held import NEAR
from bartizan.report.logline import Log, bare
from bartizan.workers import Pool

if TYPE_CHECKING:
    from bartizan.home import PolicyStatus

FORWARD = "bartizan.doors.forward.door"  # loaded where it is configured, never known here
BACKLOG = 1024
SPARE_FILES = 256  # Descriptors for everything that is not a client.
STALL_S = 0.25
BUSY_S = 8.0
ORPHAN_S = 5.0  # Without a supervisor nobody stops the drain, and the next one waits for the logs.
EXPIRE_EVERY_S = 600.0
PREPARE_EVERY_S = 0.005
GC_AFTER = (20_000, 20, 50)  # An exchange makes some hundred objects and no cycles: the default looks every third one.


class Beside(Protocol):
    """Another door of this process, on a port of its own."""

    async def listen(self, listener: socket.socket, tls: ssl.SSLContext | None) -> None: ...
    def sweep(self, now: float) -> None: ...
    async def drain(self, until: float) -> None: ...
    def gauges(self) -> dict[str, float]: ...


class Process:
    """What one process holds, from its start to its end."""

    def __init__(self, config: Config, number: int, port: int, forward_port: int, control: Control) -> None:
        self._config, self._number, self._control = config, number, control
        self._port, self._forward_port = port, forward_port
        self._state = ServerState()
        self._counters = Counters()
        self._stop = asyncio.Event()
        self._gateway: Gateway
        self._server: asyncio.Server
        self._beside: Beside | None = None
        self._made: Callable[[], strict.Connection]
        self._why = ""
        self._orphaned = False

    async def run(self) -> None:
        """Serve until told to stop. Raises BartizanError where it cannot begin."""
        config = self._config
        with ExitStack() as stack:
            bell = Bell(config.home, f"gateway-{self._number}")
            stack.callback(bell.close)
            log = Log(as_json=config.log_format == "json", told=bell.ring)
            stack.callback(log.close)
            home = stack.enter_context(Home.open(config=config, create=False))
            pool = Pool(
                config.examine.workers, memory_bytes=config.examine.memory_bytes, deadline_s=config.examine.deadline_s
            )
            stack.callback(pool.close)
            loop = home.loop(pool)
            home.watch(_policy_told(log) if self._number == 0 else None)
            ledger = await self._ledger(home, log)
            stack.callback(ledger.close)
            upstreams = Upstreams(_targets(config), _upstream_told(log))
            watch = Watch(profiles(config), self._control.offer if config.workers != 1 else None, self._counters)
            self._gateway = Gateway(config, home, loop, ledger, upstreams, log, self._counters, watch)
            _warm(self._gateway)
            if config.forward.listen is not None:
                court = Court("forward", config, home, loop, ledger, log, self._counters)
                self._beside = import_module(FORWARD).opened(court, self._connections(), self._intercepted)
            for sign in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(sign, self._end, "signal")
            try:
                await self._serve(log)
            finally:
                upstreams.close()

    async def _ledger(self, home: Home, log: Log) -> Ledger:
        """This process's log. The one before us may still be finishing."""
        until = time.monotonic() + BUSY_S
        while True:
            try:
                return Ledger(home, f"gateway-{self._number}", _ledger_told(log))
            except StoreBusy:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.05)

    async def _serve(self, log: Log) -> None:
        self._made = self._connection()
        self._server = await asyncio.get_running_loop().create_server(
            self._made, sock=_listener(self._config.gateway, self._port), ssl=self._tls(), backlog=BACKLOG
        )
        if self._beside is not None and (where := self._config.forward.listen) is not None:
            await self._beside.listen(_listener(where, self._forward_port), self._tls())
        gc.collect()
        gc.freeze()  # What is loaded stays: no collection needs to look at it again.
        gc.set_threshold(*GC_AFTER)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(work) for work in (self._listen(), self._sweep(log), self._expire(), self._prepare())
            ]
            self._control.say({"ready": os.getpid()})
            await self._stop.wait()
            await self._drain(log)
            for task in running:
                task.cancel()

    def _connections(self) -> int:
        """How many clients a door may have at once: each may need a connection to somewhere else, too."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        doors = 1 if self._config.forward.listen is None else 2
        return max(64, (soft - SPARE_FILES) // 2 // doors)

    def _intercepted(self, tunnel: Intercepted) -> strict.Connection:
        """What reads the requests inside a tunnel of the other door."""
        connection = self._made()
        connection.intercepted = tunnel
        return connection

    def _connection(self) -> Callable[[], strict.Connection]:
        limits = self._config.limits
        bounds = strict.Bounds(limits.head_s, limits.body_idle_s, self._connections())
        server = ServerConfig(
            App(self._gateway),
            http=strict.Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(limits.idle_s),
            proxy_headers=False,
        )
        server.load()
        loop = asyncio.get_running_loop()
        return lambda: strict.Connection(server, self._state, loop, bounds, _answer)

    def _tls(self) -> ssl.SSLContext | None:
        cert, key = self._config.tls_cert, self._config.tls_key
        if cert is None or key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{cert}, {key}: not a certificate and its key: {error}") from error
        return context

    # ---- While it runs

    async def _listen(self) -> None:
        """What the supervisor says. Its end is ours."""
        while (message := await self._control.heard()) is not None:
            if "local" in message:
                self._moved(message["local"])
            if "stop" in message:
                self._end(str(message["stop"]))
            if "asked" in message:
                self._gateway.watch.heard(message["asked"])
            if "metrics" in message:
                self._control.say({"metrics": message["metrics"], "samples": self._samples()})
        self._orphaned = True
        self._end("the supervisor is gone")

    def _moved(self, told: dict[str, str]) -> None:
        """The embedded model is up, at this address; or down, without one."""
        for target in self._gateway.upstreams.targets.values():
            if target.protocol is Speaks.LOCAL:
                target.key, target.model = told.get("key", ""), told.get("model", "")
                target.move(told["url"])

    def _samples(self) -> list[list[object]]:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        return self._counters.samples(
            {
                "in_flight": self._gateway.in_flight,
                "connections": len(self._state.connections),
                "records_waiting": self._gateway.ledger.waiting,
                "resident_bytes": resident,
                "sessions_open": self._gateway.watch.sessions,
                **(self._beside.gauges() if self._beside is not None else {}),
            }
        )

    async def _sweep(self, log: Log) -> None:
        """Keep all deadlines, and notice when the event loop stood still."""
        limits, loop = self._config.limits, asyncio.get_running_loop()
        waits = [limits.head_s, limits.body_idle_s]
        for upstream in self._config.upstreams.values():
            times = upstream.timeouts
            waits += [times.head_s, times.whole_head_s, times.idle_s]
        every_s = min(0.5, min(waits) / 4)
        while True:
            before = loop.time()
            await asyncio.sleep(every_s)
            now = loop.time()
            if now - before > every_s + STALL_S:
                log.alarm("slow-loop", stalled_ms=round((now - before - every_s) * 1000))
            strict.sweep(self._state.connections, now)
            self._gateway.upstreams.sweep(now)
            if self._beside is not None:
                self._beside.sweep(now)

    async def _prepare(self) -> None:
        """Make what the first streams would make: an expression for each character that a match may begin with.

        They take 0.3 s together (measured), so one is made at a time, between requests.
        """
        answer = Subject(Kind.TEXT, "", "", context=Context(direction=Direction.IN))
        for char in string.ascii_letters + string.digits + string.punctuation:
            try:
                look = self._gateway.loop.look(answer)
                look(f"{char} ", 0)
                await asyncio.sleep(PREPARE_EVERY_S)
                look(f"{char} " * NEAR, 0)  # Longer texts have expressions of their own.
            except PolicyError:
                return
            await asyncio.sleep(PREPARE_EVERY_S)

    async def _expire(self) -> None:
        """Close cases and drop sealed texts behind their time; one process is enough for that."""
        while self._number == 0:
            now_us = time.time_ns() // 1000
            try:
                await asyncio.to_thread(self._gateway.desk.expire, now_us)
                await asyncio.to_thread(self._gateway.home.retain, now_us)
            except StoreError as error:
                self._gateway.log.alarm("ledger-failed", why=type(error).__name__)
            await asyncio.sleep(EXPIRE_EVERY_S)

    # ---- The end

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self._stop.set()

    async def _drain(self, log: Log) -> None:
        """No new connections; what is under way may end, within its time."""
        gateway, loop = self._gateway, asyncio.get_running_loop()
        gateway.draining = True
        log.event("stopping", why=self._why, in_flight=gateway.in_flight)
        self._server.close()
        drain_s = self._config.limits.drain_s
        until = loop.time() + (min(drain_s, ORPHAN_S) if self._orphaned else drain_s)
        beside = asyncio.ensure_future(self._beside.drain(until)) if self._beside is not None else None
        while loop.time() < until:
            for connection in list(self._state.connections):
                connection.shutdown()
            if not self._state.tasks and not self._state.connections:
                break
            await asyncio.sleep(0.05)
        for task in list(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=2)
        if beside is not None:
            await beside


def _listener(where: Address, port: int) -> socket.socket:
    """A place on the port that all processes share."""
    family, kind, proto, _, address = socket.getaddrinfo(where.host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, proto)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(address)
    return listener


def _answer(status: int, url: bytes, message: str) -> bytes:
    """A whole response to a request that the app never saw."""
    path = url.decode("latin-1")
    body = dialect_of(path, None).error(status, message)
    retry = b"retry-after: 1\r\n" if status == 503 else b""
    return (
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n%s\r\n%s"
        % (status, _PHRASES.get(status, b"Error"), len(body), retry, body)
    )


_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    417: b"Expectation Failed",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    505: b"HTTP Version Not Supported",
}


def _targets(config: Config) -> list[Target]:
    """The upstreams with their keys. Raises ConfigError."""
    return [
        Target.of(name, upstream, upstream_key(upstream, os.environ)) for name, upstream in config.upstreams.items()
    ]


def _warm(gateway: Gateway) -> None:
    """Make what is made at first use, so that the first client does not wait for it."""
    prompt = Subject(Kind.TEXT, "", "warm up a\u00f1 AK" + "IA 4111 a@b.example +1 202")
    gateway.loop.seen(prompt)
    gateway.loop.look(prompt)("warm", 0)


def _policy_told(log: Log) -> Callable[[PolicyStatus], None]:
    def told(status: PolicyStatus) -> None:
        if status.loads <= 1 and not status.problems:
            return  # What is in force at the start is no change.
        if status.problems:
            first = status.problems[0]
            log.event(
                "policy-broken",
                policy=status.ref or "none",
                problems=len(status.problems),
                where=f"{Path(first.file).name}:{first.line}:{first.column}",
                why=first.what,
            )
        else:
            log.event("policy-changed", policy=status.ref)

    return told


def _ledger_told(log: Log) -> Callable[[str], None]:
    return lambda why: log.alarm("ledger-failed", why=why)


def _upstream_told(log: Log) -> Callable[[str, str, str], None]:
    def told(event: str, upstream: str, why: str) -> None:
        log.event(event, upstream=upstream, **({"why": why} if event == "upstream-down" else {}))

    return told


async def _run(told: Message, control: Control) -> None:
    try:
        await Process(unpacked(told["config"]), told["number"], told["port"], told["forward"], control).run()
    except OSError as error:
        raise ConfigError(f"the gateway cannot listen: {error.strerror}") from error


def main(fd: int) -> int:
    """Run. The exit code says nothing that was not said on the socket."""
    bare("gateway")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
    return uvloop.run(obeyed(socket.socket(fileno=fd), _run))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
