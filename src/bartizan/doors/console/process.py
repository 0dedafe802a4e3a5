"""The console's process: `python -m bartizan.doors.console.process FD`. Started and watched over by `bartizan up`, on
the other end of FD. When it ends, the gateway goes on."""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import urlsplit

import uvloop
from uvicorn import Config as ServerConfig
from uvicorn import Server

from bartizan.config import Address, Config
from bartizan.core.errors import StoreBusy
from bartizan.doors.console import pages
from bartizan.doors.console.app import App
from bartizan.doors.console.console import Console
from bartizan.doors.console.routes import Way
from bartizan.events import Index
from bartizan.home import Home
from bartizan.home.control import Control, Message, obeyed, unpacked
from bartizan.ledger.writer import Writer
from bartizan.report.logline import Log, bare

WRITER = "console"  # whose log holds what people do here
BUSY_S = 8.0
BACKLOG = 128
GRACE_S = 3
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def ways() -> tuple[Way, ...]:
    """Every path of every page, in the order of the modules' names."""
    found: list[Way] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(pages.__path__)):
        found += importlib.import_module(f"{pages.__name__}.{module}").ROUTES
    # A path with a name in it would else hide a word in its place.
    return tuple(sorted(found, key=lambda way: (way.path.count("{"), way.path)))


def hosts(address: Address, port: int, url: str) -> frozenset[str]:
    """The names a browser may call this console by, with the port where it is not the usual one."""
    names = set(LOOPBACK) if address.loopback else {address.host}
    found = {f"{name}:{port}" for name in names}
    if url:
        found.add(urlsplit(url).netloc.lower())
    return frozenset(found)


class Process:
    """What the process holds, from its start to its end."""

    def __init__(self, config: Config, listener: socket.socket, gateway: str, control: Control) -> None:
        self._config, self._listener, self._gateway, self._control = config, listener, gateway, control

    async def run(self) -> None:
        """Serve until told to stop. Raises BartizanError where it cannot begin."""
        config = self._config
        assert config.console is not None
        port = self._listener.getsockname()[1]
        with ExitStack() as stack:
            log = Log(as_json=config.log_format == "json")
            stack.callback(log.close)
            home = stack.enter_context(Home.open(config=config, create=False))
            home.watch()
            writer = await self._writer(home)
            stack.callback(writer.close)
            index = Index.open(home.path)
            stack.callback(index.close)
            secure = bool(config.tls_cert) or config.console_url.startswith("https:")
            url = config.console_url or f"{'https' if config.tls_cert else 'http'}://127.0.0.1:{port}"
            console = Console(home, index, writer, log, url=url, gateway=self._gateway)
            console.start()
            stack.callback(console.close)
            app = App(console, ways(), hosts=hosts(config.console, port, config.console_url), secure=secure)
            await self._serve(app, console)

    async def _writer(self, home: Home) -> Writer:
        """This process's log. The one before us may still be finishing."""
        until = time.monotonic() + BUSY_S
        while True:
            try:
                return home.writer(WRITER)
            except StoreBusy:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.05)

    async def _serve(self, app: App, console: Console) -> None:
        server = _Server(
            ServerConfig(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=65536,
                limit_concurrency=256,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_S,
                ssl_certfile=self._config.tls_cert,
                ssl_keyfile=self._config.tls_key,
            )
        )
        server.drain = console.live.end
        self._listener.listen(BACKLOG)  # Who connects from now on waits for the first answer.
        self._control.say({"ready": os.getpid()})
        listening = asyncio.create_task(self._listen(server))
        await server.serve(sockets=[self._listener])
        listening.cancel()

    async def _listen(self, server: Server) -> None:
        """Until we are told to stop, or nobody is there any more to tell us."""
        while (message := await self._control.heard()) is not None:
            if "stop" in message:
                break
        self._end(server)

    def _end(self, server: Server) -> None:
        server.should_exit = True


class _Server(Server):
    """Lets go of whoever listens to Live before it waits for all to be answered."""

    drain: Callable[[], None]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is under way, then end."""
        self.drain()
        await super().shutdown(sockets)


async def _run(told: Message, control: Control) -> None:
    listener = socket.socket(fileno=told["listener"])
    await Process(unpacked(told["config"]), listener, told["gateway"], control).run()


def main(fd: int) -> int:
    """Run. The exit code says nothing that was not said on the socket."""
    bare("console")
    return uvloop.run(obeyed(socket.socket(fileno=fd), _run))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
