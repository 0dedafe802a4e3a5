"""Checking the whole ledger beside other work: in a process of its own that yields to everybody, one at a time.

A check reads every record and takes some 17 µs of CPU for each. In a thread it would hold up whoever else the
interpreter serves, and a file made to break SQLite would take them along; here it costs a line "it ended".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from bartizan.config import Config
from bartizan.core.errors import BartizanError, ConfigError, InputError, StoreError
from bartizan.ledger.checkpoint import PUBLIC_FILE, read_public
from bartizan.ledger.faults import Fault, Report
from bartizan.ledger.verify import kept_notes, verify_home
from bartizan.store.logfile import LogFile, logs
from bartizan.store.state import log_names

DEADLINE_S = 3600  # Some 200 million records.
MEMORY_BYTES = 2 << 30
MAX_LINE_BYTES = 4 << 20  # 100 faults a log, 200 logs.
TELL_EVERY = 4096  # records
NICEST = 19


@dataclass(frozen=True, slots=True)
class Checking:
    """How a check stands. `problem` says why it came to no result; `report` is that of the last one that did."""

    running: bool = False
    looked: int = 0  # records so far
    of: int = 0
    began_us: int = 0
    report: Report | None = None
    finished_us: int = 0
    problem: str = ""


def check(home: Path, checkpoint_file: Path | None, progress: Callable[[int], None] | None = None) -> Report:
    """Check everything of a home against its public key and the checkpoints kept outside. Raises BartizanError."""
    publics = public_keys(home)
    kept = kept_notes(checkpoint_file) if checkpoint_file is not None and checkpoint_file.exists() else []
    return verify_home(home, publics=publics, expected=log_names(home), kept=kept, progress=progress)


def public_keys(home: Path) -> tuple[bytes, ...]:
    """The keys whose signatures count. Raises ConfigError where there is none to read."""
    path = home / PUBLIC_FILE
    try:
        keys = read_public(path.read_text("ascii", "replace"))
    except OSError as error:
        hint = "Restore it from a copy: without it nobody can tell our signatures from others."
        raise ConfigError(f"{path}: the public key: {error.strerror}\n  {hint}") from error
    except InputError as error:
        raise ConfigError(f"{path}: {error}") from error
    if not keys:
        raise ConfigError(f"{path}: there is no public key in it")
    return keys


class Verifier:
    """Checks one home, once at a time. Every method may be called from any thread."""

    def __init__(self, config: Config, finished: Callable[[Report, int], None] | None = None) -> None:
        """`finished` hears of every result and when it came (µs), from a thread."""
        self._config, self._finished = config, finished
        self._lock = threading.Lock()
        self._now = Checking()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def now(self) -> Checking:
        """How it stands."""
        return self._now

    def start(self) -> bool:
        """Begin a check; False where one is under way."""
        with self._lock:
            if self._now.running or self._closed:
                return False
            self._now = replace(self._now, running=True, looked=0, of=0, began_us=_now_us(), problem="")
            self._thread = threading.Thread(target=self._run, name="verify", daemon=True)
            self._thread.start()
            return True

    def wait(self, timeout_s: float = 60) -> Checking:
        """How it stands once nothing is under way, or after that time."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return self._now

    def close(self) -> None:
        """Cut off what is under way."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
        self.wait(10)

    # ---- The thread that waits for the process -----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._set(of=_size(self._config.home))
            report = self._checked()
        except BartizanError as error:
            self._set(running=False, problem=str(error))
            return
        when_us = _now_us()
        self._set(running=False, report=report, finished_us=when_us)
        if self._finished is not None:
            self._finished(report, when_us)

    def _set(self, **told: Any) -> None:  # Any: the fields of Checking, each of its own type
        self._now = replace(self._now, **told)

    def _checked(self) -> Report:
        # -P: the current folder is no place to import from, or a file there could take the check over.
        command = [sys.executable, "-P", "-m", "bartizan.home.verifying", str(self._config.home.absolute())]
        if self._config.checkpoint_file is not None:
            command.append(str(self._config.checkpoint_file.absolute()))
        with self._lock:
            if self._closed:
                raise StoreError("the check was cut off")
            try:
                self._process = subprocess.Popen(  # noqa: S603  Our own interpreter, our own module.
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            except OSError as error:
                raise StoreError(f"no process could be started for the check: {error.strerror}") from error
        end = threading.Timer(DEADLINE_S, self._process.kill)
        end.daemon = True
        end.start()
        try:
            assert self._process.stdout is not None
            report = self._heard(self._process.stdout)
        finally:
            end.cancel()
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        if report is None:
            raise StoreError("the process that checked ended without an answer; `bartizan ledger verify` says more")
        return report

    def _heard(self, lines: IO[bytes]) -> Report | None:
        """What the process says, to its end."""
        while line := lines.readline(MAX_LINE_BYTES):
            try:
                told = json.loads(line)
            except ValueError:
                return None  # It was cut off in the middle of a line.
            if "looked" in told:
                self._set(looked=told["looked"])
            elif "problem" in told:
                raise StoreError(told["problem"])
            else:
                faults = [Fault(**fault) for fault in told["report"].pop("faults")]
                return Report(**told["report"], faults=faults)
        return None


def _size(home: Path) -> int:
    """How many records there are, as far as it can be told without reading them."""
    size = 0
    for path in logs(home):
        try:
            with LogFile.reading(path) as file:
                size += file.size()
        except StoreError:
            continue  # The check names what is wrong with it.
    return size


def _now_us() -> int:
    return time.time_ns() // 1000


# ---- The process itself ----------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Check and say it, one JSON value a line."""
    _yield_to_others()

    def tell(**told: object) -> None:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()

    last = 0

    def progress(looked: int) -> None:
        nonlocal last
        if looked - last >= TELL_EVERY:
            last = looked
            tell(looked=looked)

    try:
        report = check(Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else None, progress)
    except BartizanError as error:
        tell(problem=str(error))
        return 3
    tell(report=asdict(report))
    return 0


def _yield_to_others() -> None:
    """Last in the queue for the processors, bounded in memory, and gone with whoever asked."""
    import resource

    os.nice(NICEST)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
