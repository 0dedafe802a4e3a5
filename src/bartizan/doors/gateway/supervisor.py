"""What `bartizan up` runs: gateway processes and the embedded model, started, restarted, measured and ended together.

    supervisor ─┬─ gateway 0 ─ its workers      every gateway process listens on the same port (SO_REUSEPORT) and
                ├─ gateway 1 ─ its workers      writes a log of its own
                ├─ console                      pages for people; the gateways do not know it
                ├─ register                     the ledger's use of AI, and exceptions behind their time
                ├─ notices                      where somebody is to be told of cases and alarms
                └─ local model                  loopback, with a key that only the gateways are told

It judges nothing and holds no connection of a client, so it has nothing to fail at. A process that ends is started
again, later each time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bartizan.config import Address, Config, Protocol
from bartizan.core.errors import BartizanError, ConfigError, StoreError, UsageError
from bartizan.home.control import Control, Message, packed
from bartizan.home.metrics import Totals
from bartizan.report.logline import Log

MAX_GATEWAYS = 4  # By default; `--workers` may say more.
# Run, not imported:
CONSOLE, NOTICES = "bartizan.doors.console.process", "bartizan.doors.notify.process"
REGISTER = "bartizan.doors.usage.process"
START_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
STEADY_S = 60.0  # Who ran for so long gets no longer pause than the first time.
GRACE_S = 5.0
SCRAPE_S = 2.0

Tell = Callable[[str], None]


@dataclass
class Child:
    """One process of ours. `number` is -1 for what is no gateway. `files` are descriptors that it is given, too."""

    number: int
    module: str
    name: str
    files: tuple[int, ...] = ()
    process: asyncio.subprocess.Process | None = None
    control: Control | None = None
    began: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[int, asyncio.Future[Message]] = field(default_factory=dict)

    async def start(self) -> None:
        """Begin it. It loads what it needs and waits to be told what to do."""
        ours, theirs = socket.socketpair()
        self.process = await asyncio.create_subprocess_exec(
            # -P: the current folder is no place to import from. A session of its own: Ctrl-C is ours to hear.
            *(sys.executable, "-P", "-m", self.module, str(theirs.fileno())),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), *self.files),
            start_new_session=True,
        )
        theirs.close()
        self.control = await Control.over(ours)
        self.began = time.monotonic()

    def say(self, message: Message) -> None:
        """To the process, if it is there."""
        if self.control is not None:
            self.control.say(message)

    async def end(self, within_s: float) -> None:
        """Wait for its end, then make it end."""
        if self.process is None:
            return
        try:
            await asyncio.wait_for(self.process.wait(), within_s)
        except TimeoutError:
            self.kill()
            await self.process.wait()
        if self.control is not None:
            self.control.close()

    def kill(self) -> None:
        """At once."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()


class Supervisor:
    """One `bartizan up`."""

    def __init__(self, config: Config, log: Log, tell: Tell, *, model: bool) -> None:
        """`model`: whether the embedded model is there to be started."""
        self._config, self._log, self._tell = config, log, tell
        count = config.workers or min(MAX_GATEWAYS, max(2, os.cpu_count() or 1))
        self._gateways = [Child(n, "bartizan.doors.gateway.process", f"gateway-{n}") for n in range(count)]
        wanted = any(upstream.protocol is Protocol.LOCAL for upstream in config.upstreams.values())
        self._model = Child(-1, "bartizan.doors.gateway.local", "local-model") if model and wanted else None
        self._others: list[Child] = []  # that the gateways live without: register, console, notices
        self._listener: socket.socket | None = None  # the console's
        self._local: Message = {}
        self._totals = Totals()
        self._stopping = asyncio.Event()
        self._failed: BartizanError | None = None
        self._restarts = 0
        self._asked = 0
        self._port = self._forward_port = 0

    async def run(self, prepare: Callable[[], None], announce: Callable[[int, int, int], None]) -> None:
        """Until a signal. Raises ConfigError, StoreError where it cannot begin.

        Args:
            prepare: Makes the home; runs while the processes load what they need.
            announce: Called with the ports of gateway, console and proxy (0: none) once everything answers.
        """
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(sign, self._signalled)
        reserved = [_reserved("gateway", self._config.gateway)]
        self._port = reserved[0].getsockname()[1]
        if (forward := self._config.forward.listen) is not None:
            reserved.append(_reserved("forward", forward))
            self._forward_port = reserved[1].getsockname()[1]
        if (console := self._config.console) is not None:
            self._listener = _bound(console)
            # Where a free port was asked for, links name the one it became.
            self._config = replace(self._config, console=replace(console, port=self._listener.getsockname()[1]))
            self._others.append(Child(-1, CONSOLE, "console", (self._listener.fileno(),)))
        self._others.append(Child(-1, REGISTER, "register"))
        if self._config.notify.wanted:
            self._others.append(Child(-1, NOTICES, "notices"))
        children = [*self._gateways, *self._others, *([self._model] if self._model else [])]
        metrics: asyncio.Server | None = None
        keepers: list[asyncio.Task[None]] = []
        try:
            await asyncio.gather(*(child.start() for child in children))
            metrics = await self._metrics()
            await asyncio.to_thread(prepare)
            keepers = [asyncio.create_task(self._keep(child)) for child in children]
            await self._until_ready(children)
            if self._failed is None and not self._stopping.is_set():
                console_port = self._listener.getsockname()[1] if self._listener else 0
                announce(self._port, console_port, self._forward_port)
            await self._stopping.wait()
        finally:
            await self._end(children, keepers)
            if metrics is not None:
                metrics.close()
            for port in reserved:
                port.close()
            if self._listener is not None:
                self._listener.close()
        if self._failed is not None:
            raise self._failed

    async def _until_ready(self, children: list[Child]) -> None:
        waits = [asyncio.create_task(child.ready.wait()) for child in children]
        stop = asyncio.create_task(self._stopping.wait())
        end = time.monotonic() + START_S
        while waits and not stop.done() and time.monotonic() < end:
            done, _ = await asyncio.wait({*waits, stop}, timeout=1, return_when=asyncio.FIRST_COMPLETED)
            waits = [wait for wait in waits if wait not in done]
        for task in (*waits, stop):
            task.cancel()
        if waits and not self._stopping.is_set():
            self._fail(StoreError(f"not everything was ready within {START_S:g} s"))

    def _signalled(self) -> None:
        if self._stopping.is_set():  # Asked twice: somebody does not want to wait.
            for child in self._gateways:
                child.kill()
        self._stopping.set()

    def _fail(self, error: BartizanError) -> None:
        self._failed = self._failed or error
        self._stopping.set()

    # ---- One process

    async def _keep(self, child: Child) -> None:
        """Start it again whenever it ends, until we stop."""
        while True:
            await self._follow(child)
            code = await child.process.wait() if child.process else -1
            child.ready.clear()
            if child.number >= 0:
                self._totals.ended(child.number)
            elif child is self._model:
                self._told_local({"url": ""})
            if self._stopping.is_set():
                return
            self._log.event(
                "process-ended", process=child.name, pid=child.process.pid if child.process else 0, code=code
            )
            if time.monotonic() - child.began > STEADY_S:
                child.pause_s = FIRST_PAUSE_S
            await asyncio.sleep(child.pause_s)
            child.pause_s = min(2 * child.pause_s, LONGEST_PAUSE_S)
            self._restarts += 1
            await child.start()

    async def _follow(self, child: Child) -> None:
        """Tell a process what to do and hear what it says, until its end."""
        control = child.control
        assert control is not None
        if child.number >= 0:
            ports = {"port": self._port, "forward": self._forward_port}
            control.say({"config": packed(self._config), "number": child.number, **ports})
            if self._local:
                control.say({"local": self._local})
        elif child is not self._model:
            listener = self._listener.fileno() if self._listener else -1
            told = {"config": packed(self._config), "listener": listener, "gateway": self._address()}
            control.say(told)
        while (message := await control.heard()) is not None:
            if "ready" in message:
                child.ready.set()
            elif "local" in message:
                self._told_local(message["local"])
                child.ready.set()
            elif "asked" in message:
                self._told_asked(child, message)
            elif "metrics" in message:
                answer = child.answers.pop(message["metrics"], None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            elif "failed" in message:
                self._not_started(message)

    def _address(self) -> str:
        """Where the gateway answers, from this machine."""
        return local_url(self._config.gateway, self._port, tls=self._config.tls_cert is not None)

    def _not_started(self, message: Message) -> None:
        """A first start that fails is a mistake to tell; a later one may pass, as a full disk does."""
        if self._restarts == 0:
            make = ConfigError if message.get("usage") else StoreError
            self._fail(make(str(message["failed"])))

    def _told_asked(self, by: Child, message: Message) -> None:
        """What one process was asked of a watched model, the others hear."""
        for child in self._gateways:
            if child is not by and child.control is not None and not child.control.offer(message):
                self._log.alarm("asking-not-shared", process=child.name)

    def _told_local(self, where: Message) -> None:
        self._local = where
        for child in self._gateways:
            child.say({"local": where})

    async def _end(self, children: list[Child], keepers: list[asyncio.Task[None]]) -> None:
        """Drain the gateways, then end the rest; in the end nobody is left."""
        self._stopping.set()
        for child in (*self._gateways, *self._others):
            child.say({"stop": "asked to"})
        within_s = self._config.limits.drain_s + GRACE_S if keepers else GRACE_S
        if not keepers:
            for child in children:
                child.kill()
        ends = [child.end(GRACE_S if child in self._others else within_s) for child in (*self._gateways, *self._others)]
        await asyncio.gather(*ends)
        if self._model is not None:
            if self._model.control is not None:
                self._model.control.close()
            await self._model.end(GRACE_S)
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    # ---- Metrics

    async def _metrics(self) -> asyncio.Server | None:
        where = self._config.metrics
        if where is None:
            return None
        try:
            return await asyncio.start_server(self._scraped, where.host, where.port, limit=8192)
        except OSError as error:
            raise UsageError(
                f"--metrics {where}: cannot listen there: {os.strerror(error.errno or 0)}\n"
                "  Give another address, or `--metrics off`."
            ) from error

    async def _scraped(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request for the metrics. Whoever is slow, or wants something else, is let go."""
        try:
            async with asyncio.timeout(SCRAPE_S * 2):
                head = await reader.readuntil(b"\r\n\r\n")
                if head.split(b" ", 2)[:2] == [b"GET", b"/metrics"]:
                    status, body = b"200 OK", await self._text()
                else:
                    status, body = b"404 Not Found", b"GET /metrics\n"
                kind = b"text/plain; version=0.0.4; charset=utf-8"
                writer.write(
                    b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
                    % (status, kind, len(body), body)
                )
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self._log.alarm("refused-client", why=f"metrics: {type(error).__name__}", status=0)
        finally:
            writer.close()

    async def _text(self) -> bytes:
        await asyncio.gather(*(self._ask(child) for child in self._gateways))
        up = sum(child.ready.is_set() for child in self._gateways)
        model = int(self._model is not None and self._model.ready.is_set())
        return self._totals.text(
            [
                ("gateway_processes", "gauge", "Gateway processes that serve.", up),
                ("process_restarts", "counter", "Processes started again.", self._restarts),
                ("local_model_up", "gauge", "Whether the embedded model answers.", model),
            ]
        )

    async def _ask(self, child: Child) -> None:
        if not child.ready.is_set():
            return
        self._asked += 1
        number = self._asked
        answer = child.answers[number] = asyncio.get_running_loop().create_future()
        child.say({"metrics": number})
        try:
            message = await asyncio.wait_for(answer, SCRAPE_S)
        except TimeoutError:
            child.answers.pop(number, None)
        else:
            self._totals.heard(child.number, message["samples"])


def _reserved(flag: str, where: Address) -> socket.socket:
    """A port of the gateways, kept for our processes. Raises UsageError where somebody else has it.

    A first try without SO_REUSEPORT: with it, two platforms of one user would share a port and each get half the
    requests.
    """
    host, port = where.host, where.port
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            if port:
                probe.listen(1)
        reserved = socket.socket(family, kind, proto)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(address)
    except OSError as error:
        raise UsageError(
            f"--{flag} {where}: cannot listen there: {error.strerror}\n"
            f"  Something else may run on this port; --{flag} HOST:PORT gives another."
        ) from error
    return reserved


def _bound(address: Address) -> socket.socket:
    """The console's port, which every console process of ours is given. Raises UsageError."""
    try:
        family, kind, proto, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, proto)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
    except OSError as error:
        raise UsageError(
            f"--console {address}: cannot listen there: {error.strerror}\n"
            "  Something else may run on this port; --console HOST:PORT gives another, --no-console none."
        ) from error
    return bound


def local_url(address: Address, port: int, *, tls: bool) -> str:
    """How a client on this machine reaches what listens there."""
    host = address.host if address.host not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
