"""A few processes that run named functions on our own values, each with a memory limit and a deadline.

One that hangs is killed, one that dies is replaced, and either costs its own call alone. Processes start with the first
call. One thread a process waits for it, so that `run` serves plain code and `arun` an event loop, with one queue.
"""

from __future__ import annotations

import os
import queue
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pickle import UnpicklingError

from bartizan.core.errors import BartizanError
from bartizan.workers import wire

MEMORY_BYTES = 2 << 30  # Address space, not use: hyperscan and the interpreter reserve some 300 MiB of it before work.
DEADLINE_S = 10.0


def cores() -> int:
    """How many processes are worth starting: one a core that is ours, at most 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class Lost(BartizanError):
    """A call brought no answer. `why` holds no content."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(slots=True)
class _Call:
    function: str
    arguments: tuple[object, ...]
    deadline_s: float
    answer: Future[object] = field(default_factory=Future)


class Pool:
    """Runs `module:function` in one of `size` processes.

    Args:
        size: Processes, at most.
        memory_bytes: Address space of each.
        deadline_s: What one call may take, its wait in the queue not counted.
        queue_size: Calls that may wait; one more is lost at once, and said.
    """

    def __init__(
        self,
        size: int = 1,
        *,
        memory_bytes: int = MEMORY_BYTES,
        deadline_s: float = DEADLINE_S,
        queue_size: int = 64,
    ) -> None:
        self._size, self._memory_bytes, self._deadline_s = size, memory_bytes, deadline_s
        self._calls: queue.Queue[_Call | None] = queue.Queue(queue_size)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._processes: set[_Process] = set()
        self._closed = False
        self.replaced = 0  # processes that had to be killed, or died

    def run(self, function: str, *arguments: object, deadline_s: float | None = None) -> object:
        """The function's answer. Raises Lost."""
        return self.submit(function, *arguments, deadline_s=deadline_s).result()

    async def arun(self, function: str, *arguments: object, deadline_s: float | None = None) -> object:
        """The function's answer, without holding up the event loop. Raises Lost."""
        import asyncio  # 28 ms that a command line without an event loop need not spend.

        return await asyncio.wrap_future(self.submit(function, *arguments, deadline_s=deadline_s))

    def close(self) -> None:
        """Ends the processes. Calls that wait are lost; one that runs is cut off."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with suppress(queue.Empty):
                while call := self._calls.get_nowait():
                    if call.answer.set_running_or_notify_cancel():
                        call.answer.set_exception(Lost("the pool was closed"))
            for process in self._processes:
                process.kill()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, function: str, *arguments: object, deadline_s: float | None = None) -> Future[object]:
        """The answer to come; it may raise Lost. Raises Lost at once where no call may wait any more."""
        call = _Call(function, arguments, self._deadline_s if deadline_s is None else deadline_s)
        with self._lock:
            if self._closed:
                raise Lost("the pool was closed")
            if len(self._threads) < self._size:
                # daemon: an interpreter that exits without close() must not wait for a hanging worker.
                thread = threading.Thread(target=self._serve, name="bartizan-worker", daemon=True)
                self._threads.append(thread)
                thread.start()
            try:
                self._calls.put_nowait(call)
            except queue.Full:
                raise Lost("too many calls wait for a worker") from None
        return call.answer

    def _serve(self) -> None:
        """One thread's life: takes calls, has its process answer them, replaces the process where it did not."""
        process: _Process | None = None
        while (call := self._calls.get()) is not None:
            if not call.answer.set_running_or_notify_cancel():
                continue
            try:
                if process is None:
                    process = self._started()
                answer = process.call(call)
            except Lost as lost:
                if process is not None:
                    self._ended(process)
                    process = None
                call.answer.set_exception(lost)
            else:
                call.answer.set_result(answer)
        if process is not None:
            self._ended(process)

    def _started(self) -> _Process:
        with self._lock:  # Under the lock, or close() could miss it.
            if self._closed:
                raise Lost("the pool was closed")
            process = _Process(self._memory_bytes)
            self._processes.add(process)
            return process

    def _ended(self, process: _Process) -> None:
        process.end()
        with self._lock:
            self._processes.discard(process)
            self.replaced += not self._closed


class _Process:
    """One worker and the two pipes to it. Neither ever blocks: a worker that does not read hangs as well."""

    def __init__(self, memory_bytes: int) -> None:
        # -P: the current folder is no place to import from, or a file there could take over a worker.
        command = [sys.executable, "-P", "-m", "bartizan.workers", str(memory_bytes)]
        try:
            self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module.
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        except OSError as error:
            raise Lost(f"no worker could be started ({type(error).__name__})") from error
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._down, self._up = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        os.set_blocking(self._down, False)
        os.set_blocking(self._up, False)

    def call(self, call: _Call) -> object:
        """The function's answer. Raises Lost; then this process is of no more use."""
        ends_at = time.monotonic() + call.deadline_s
        unsent = memoryview(wire.packed((call.function, call.arguments)))
        got, whole = bytearray(), None
        poll = select.poll()
        poll.register(self._up, select.POLLIN)
        poll.register(self._down, select.POLLOUT)
        while whole is None or len(got) < whole:
            left_s = ends_at - time.monotonic()
            ready = dict(poll.poll(max(0.0, left_s * 1000)))
            if not ready:
                raise Lost(f"no answer within {call.deadline_s:g} s")
            try:
                if self._down in ready and unsent:
                    unsent = unsent[os.write(self._down, unsent[: 1 << 16]) :]
                    if not unsent:
                        poll.unregister(self._down)
                if self._up in ready:
                    chunk = os.read(self._up, 1 << 20)
                    if not chunk:
                        raise Lost("the worker died")
                    got += chunk
                    whole = wire.size(got)
            except OSError as error:
                raise Lost("the worker died") from error
            if whole is not None and whole > wire.MAX_ANSWER_BYTES:
                raise Lost("the worker's answer is larger than 256 MiB")
        try:
            good, value = wire.values(got)
        except UnpicklingError as error:
            raise Lost("the worker's answer holds more than values") from error
        if not good:
            raise Lost(f"raised {value}")
        return value

    def kill(self) -> None:
        """From any thread."""
        self._popen.kill()

    def end(self) -> None:
        """From the thread that calls it: kills, waits, closes both pipes."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()
