"""The register's process: `python -m bartizan.doors.usage.process FD`. Started, told what to do and ended by
`bartizan up`, on the other end of FD.

It brings the register up to the ledger and ends exceptions behind their time, beside the gateway and never in it: what
takes long here is a register some seconds late. What could not be done is said and tried again the next time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from bartizan.config import Config
from bartizan.core.errors import BartizanError
from bartizan.home.alarms import Bell
from bartizan.home.control import Control, Message, obeyed, unpacked
from bartizan.report.logline import Log, bare

EVERY_S = 3.0  # A round that finds nothing takes some 10 ms.
NICE = 10  # Whoever waits for an answer of the gateway goes first.


def kept_up(config: Config, now_us: int, stopping: Callable[[], bool]) -> None:
    """One round: what the ledger has new, then exceptions. Raises BartizanError."""
    # Loaded for the first round, not at the start: nobody waits for this process.
    from bartizan.home import Home
    from bartizan.home.ledger_usage import refresh
    from bartizan.home.register import exceptions

    with Home.open(config=config, create=False) as home:
        exceptions(home).expire(now_us)
        refresh(home, now_us, stopping=stopping)


async def run(config: Config, control: Control) -> None:
    """Round after round until told to stop."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    os.nice(NICE)
    with ExitStack() as stack:
        bell = Bell(config.home, "register")
        stack.callback(bell.close)
        log = Log(as_json=config.log_format == "json", told=bell.ring)
        stack.callback(log.close)
        control.say({"ready": os.getpid()})
        listening = asyncio.create_task(_listen(control, stop))
        while not await _over(stop):
            try:
                await asyncio.to_thread(kept_up, config, time.time_ns() // 1000, stop.is_set)
            except BartizanError as error:
                log.alarm("register-behind", why=type(error).__name__)
        listening.cancel()


async def _over(stop: asyncio.Event) -> bool:
    """Whether it was told to stop, before the next round."""
    try:
        await asyncio.wait_for(stop.wait(), EVERY_S)
    except TimeoutError:
        return False
    return True


async def _listen(control: Control, stop: asyncio.Event) -> None:
    """What the supervisor says. Its end is ours."""
    while (message := await control.heard()) is not None and "stop" not in message:
        pass
    stop.set()


async def _run(told: Message, control: Control) -> None:
    await run(unpacked(told["config"]), control)


def main(fd: int) -> int:
    """Run. The exit code says nothing that was not said on the socket."""
    bare("register")
    return asyncio.run(obeyed(socket.socket(fileno=fd), _run))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
