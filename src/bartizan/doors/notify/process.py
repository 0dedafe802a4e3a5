"""The notifier's process: `python -m bartizan.doors.notify.process FD`. Started, told what to do and ended by
`bartizan up`, on the other end of FD.

It has the home's state and no key of it: nothing that is sealed can leave through here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import ExitStack

from bartizan.config import Config
from bartizan.doors.notify.notifier import Notifier, senders
from bartizan.home.alarms import Bell
from bartizan.home.control import Control, Message, obeyed, unpacked
from bartizan.report.logline import Log, bare
from bartizan.store.state import State


async def run(config: Config, control: Control) -> None:
    """Tell people until told to stop. Raises BartizanError where it cannot begin."""
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    with ExitStack() as stack:
        bell = Bell(config.home, "notifier")
        stack.callback(bell.close)
        log = Log(as_json=config.log_format == "json", told=bell.ring)
        stack.callback(log.close)
        state = State.open(config.home)
        stack.callback(state.close)
        notifier = Notifier(config, state, senders(config, os.environ), log)
        notifier.start()
        stack.callback(notifier.stop)
        control.say({"ready": os.getpid()})
        listening = asyncio.create_task(_listen(control, stop))
        await stop.wait()
        listening.cancel()


async def _listen(control: Control, stop: asyncio.Event) -> None:
    """What the supervisor says. Its end is ours."""
    while (message := await control.heard()) is not None and "stop" not in message:
        pass
    stop.set()


async def _run(told: Message, control: Control) -> None:
    await run(unpacked(told["config"]), control)


def main(fd: int) -> int:
    """Run. The exit code says nothing that was not said on the socket."""
    bare("notifier")
    return asyncio.run(obeyed(socket.socket(fileno=fd), _run))


if __name__ == "__main__":
    code = main(int(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # A channel that still waits for its other side is nobody's to wait for.
