"""Jobs side by side: each in a fork of this process, which has the models and rows already; numbers come back.

Libraries that train hold open files, graphs and compiled models, which cannot be sent anywhere: a fork needs none of
it sent. Where the system has no forks the jobs run here, one after the other.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from bartizan.assess.budget import Budget
from bartizan.assess.errors import library_errors
from bartizan.core.errors import BartizanError

T = TypeVar("T")
AT_ONCE = 2  # What runs beside us has cores to live on, too.
# What training libraries raise about rows and parameters that do not suit them; see also `library_errors`.
BROKEN = (
    ArithmeticError, AttributeError, BartizanError, ImportError, LookupError, MemoryError, OSError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip


def _broken() -> tuple[type[Exception], ...]:
    return (*BROKEN, *library_errors())


def cores() -> int:
    """How many jobs run at once."""
    if sys.platform != "linux" or "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return max(1, min(AT_ONCE, len(os.sched_getaffinity(0))))


def results(
    jobs: Callable[[int], Callable[[], T] | None], budget: Budget, *, together: int = 2
) -> Iterator[tuple[int, T | None, float]]:
    """(number, result, seconds) of jobs 0, 1, ... as they end, until there are none or no time for another.

    The result of a job that failed is None; one that does not end in time gives nothing at all.

    Args:
        jobs: The job of a number, None: no more.
        together: Jobs are begun in groups of so many, or not at all.
    """
    at_once = cores()
    if at_once == 1:
        yield from _here(jobs, budget, together)
        return
    context = multiprocessing.get_context("fork")
    running: dict[Connection, tuple[int, BaseProcess, float]] = {}
    number, took = 0, 0.0
    try:
        while True:
            while len(running) < at_once and (job := jobs(number)) is not None:
                if number % together == 0 and took * 1.1 * max(1.0, together / at_once) > budget.left:
                    break
                ours, theirs = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(target=_run, args=(job, theirs), daemon=True)
                process.start()
                theirs.close()
                running[ours] = (number, process, time.monotonic())
                number += 1
            if not running:
                return
            ready = wait(list(running), timeout=budget.left)
            if not ready:
                return
            for one in ready:
                assert isinstance(one, Connection)
                at, ended, began = running.pop(one)
                result = _received(one)
                ended.join()
                seconds = time.monotonic() - began
                took = max(seconds, 0.7 * took)
                yield at, None if result is None else result[0], seconds
    finally:
        for connection, (_, late, _) in running.items():
            late.kill()
            late.join()
            connection.close()


def _here(
    jobs: Callable[[int], Callable[[], T] | None], budget: Budget, together: int
) -> Iterator[tuple[int, T | None, float]]:
    number, took = 0, 0.0
    while (job := jobs(number)) is not None:
        if number % together == 0 and took * together > budget.left:
            return
        began = time.monotonic()
        result: T | None
        try:
            result = job()
        except _broken():
            result = None
        took = time.monotonic() - began
        yield number, result, took
        number += 1


def _run(job: Callable[[], Any], back: Connection) -> None:
    """In the fork. One thread: what OpenMP had running is not here, and a team of more would wait for it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn
    except ImportError:
        pass
    else:
        threadpool_limits(1)
    try:
        back.send((job(),))
    except _broken():
        back.send(None)
    finally:
        back.close()


def _received(connection: Connection) -> tuple[Any] | None:
    try:
        result: tuple[Any] | None = connection.recv()
    except (EOFError, OSError):  # It died: out of memory, most likely.
        return None
    finally:
        connection.close()
    return result
