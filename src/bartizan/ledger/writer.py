"""The one thread of a process that writes its log, and what happens when the disk does not want to.

Group commit without a timer: whoever appends gets a ticket at once; the thread commits what is there, and while the
disk flushes the next batch forms. A ticket is reported only after its COMMIT returned, and in WAL mode with
synchronous=FULL that is after fdatasync(2).

Trouble, in the order it is met:

  no room       free the reserve file, stop keeping bodies, try again; then waiters get StoreFull
  write error   what a failed fsync left in the page cache is not to be trusted again, so that file is left alone for
                good and the next log begins with a record that names the old one's last checkpoint; unacknowledged
                records are written again there
  lock lost     the same
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bartizan.core.errors import InputError, StoreBroken, StoreBusy, StoreError, StoreFull
from bartizan.ledger import erase
from bartizan.ledger.checkpoint import Signer, keep_outside, last_kept
from bartizan.ledger.log import Batch, Bodies, Log
from bartizan.ledger.reserve import RESERVE_BYTES, Reserve
from bartizan.store.connection import SQLITE, FileLayer
from bartizan.store.logfile import logs, numbered
from bartizan.vault import Vault

MAX_BATCH = 512
MAX_WAITING = 20_000  # entries; with full bodies the gateway's own limits hit first
SIGN_EVERY_S = 1.0
IDLE_S = 0.2
TIDY_EVERY_S = 1.0
MOVE_EVERY_S = 1.0  # A disk that refuses every file must not get thousands of them.
WAL_IDLE_BYTES = 1 << 20
WAL_BUSY_BYTES = 4 << 20  # A WAL that is begun anew in time is overwritten, not extended: half the cost of a flush.

_NO_BODIES: Bodies = ()


class _Waiting(NamedTuple):
    ticket: int
    entry: Mapping[str, object]
    bodies: Bodies


class Writer:
    """Append from any thread; `close()` when done. One writer has a name and is the only one with it in a home."""

    def __init__(
        self,
        home: Path,
        name: str,
        log: Log,
        *,
        vault: Vault,
        signer: Signer,
        on_durable: Callable[[int, BaseException | None], None] | None,
        on_alarm: Callable[[str], None] | None,
        outside: Path | None,
        reserve_bytes: int,
        clock_us: Callable[[], int],
        factory: FileLayer,
    ) -> None:
        self._home, self._name, self._log = home, name, log
        self._vault, self._signer, self._clock_us, self._factory = vault, signer, clock_us, factory
        self._on_durable, self._on_alarm, self._outside = on_durable, on_alarm, outside
        self._reserve = Reserve(home, reserve_bytes)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._ready = threading.Event()
        self._given = 0  # last ticket
        self._closing = False
        self._settled = threading.Condition()
        self._done = 0  # last ticket reported
        self._failed: deque[tuple[int, int, BaseException]] = deque(maxlen=1024)
        self._keep_bodies = True
        self._signed_at = self._tidied_at = self._moved_at = -1e9
        self._broken: StoreError | None = None  # why the present file is not to be written again
        self._kept_from = ""
        self._thread = threading.Thread(target=self._run, name=f"ledger-{name}", daemon=True)

    @classmethod
    def open(
        cls,
        home: Path,
        name: str,
        *,
        vault: Vault,
        signer: Signer,
        on_durable: Callable[[int, BaseException | None], None] | None = None,
        on_alarm: Callable[[str], None] | None = None,
        outside: Path | None = None,
        reserve_bytes: int = RESERVE_BYTES,
        clock_us: Callable[[], int] = erase.now_us,
        factory: FileLayer = SQLITE,
    ) -> Writer:
        """Go on with this writer's last log, or begin its first. Raises StoreBusy if another process is this writer.

        Args:
            on_durable: Called from the writer's thread once a batch with the last ticket it covers, and the error if
                the tickets since the last call failed.
            on_alarm: Called from the writer's thread with one sentence when a person should look.
            outside: A file on another disk to which every checkpoint is appended.
            factory: Where a test puts a file layer that fails.
        """
        vault.reapply(erase.forgotten(home))
        vault.revoke_again(erase.revoked(home))
        vault.disable_again(erase.disabled(home))
        make = partial(Log.create, home, name, signer=signer, vault=vault, now_us=clock_us, factory=factory)
        found = [path for path in logs(home) if numbered(path)[0] == name]
        opening: dict[str, object] = {"event": "opened", "exchange": ""}
        if not found:
            log = make(1)
        else:
            try:
                log = Log.resume(found[-1], signer=signer, vault=vault, now_us=clock_us, factory=factory)
                _check_outside(outside, log)
            except StoreBroken as error:
                number = numbered(found[-1])[1]
                log = make(number + 1)
                opening |= {"after": {"log": f"{name}.{number}"}, "why": str(error)}
        writer = cls(
            home,
            name,
            log,
            vault=vault,
            signer=signer,
            on_durable=on_durable,
            on_alarm=on_alarm,
            outside=outside,
            reserve_bytes=reserve_bytes,
            clock_us=clock_us,
            factory=factory,
        )
        try:
            writer._note_opened()
            writer._make_reserve()
        except BaseException:
            log.close()
            raise
        writer._thread.start()
        try:
            writer.wait(writer.append(opening))
        except BaseException:
            writer.close()
            raise
        if "why" in opening:
            writer._alarm(f"{opening['why']}; {log.name} goes on in its place")
        return writer

    @property
    def log(self) -> str:
        """The name of the log that is being written: `gateway-0.1`."""
        return self._log.name

    def append(self, entry: Mapping[str, object], bodies: Bodies = _NO_BODIES, *, wake: bool = True) -> int:
        """Hand over a record and the texts to seal with it, as (side, text). Returns its ticket at once.

        Whoever appends several things in a row says `wake=False` and calls `wake()` after the last one: they share a
        flush, and the thread is woken once. Raises StoreError when the writer is closed or too far behind.
        """
        with self._lock:
            if self._closing:
                raise StoreError("the ledger is closed")
            if self._given - self._done >= MAX_WAITING:
                raise StoreError(f"{MAX_WAITING} records wait for the disk already")
            self._given += 1
            ticket = self._given
            self._waiting.append(_Waiting(ticket, entry, bodies))
        if wake:
            self._ready.set()
        return ticket

    def wake(self) -> None:
        """Let the thread write what was appended without waking it."""
        self._ready.set()

    def wait(self, ticket: int, timeout_s: float = 30) -> None:
        """Return when the record is on the disk. Raises StoreError if it is not, or not in time."""
        with self._settled:
            if not self._settled.wait_for(lambda: self._done >= ticket, timeout_s):
                raise StoreError(f"the record was not on the disk after {timeout_s:g} s")
            for first, last, error in self._failed:
                if first <= ticket <= last:
                    raise type(error)(*error.args)  # each waiter its own: one raised twice collects tracebacks

    def close(self) -> None:
        """Write what waits, sign a last checkpoint, let go of the file."""
        with self._lock:
            self._closing = True
        self._ready.set()
        self._thread.join()

    # ---- The writer's thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            open_ = True
            while open_:
                batch, open_ = self._gather()
                if batch:
                    self._commit(batch)
                elif open_:
                    self._rest()
                if open_:
                    self._tidy()
            self._finish()
        except BaseException as error:
            self._died(error)
            raise
        finally:
            self._close_log()

    def _died(self, error: BaseException) -> None:
        """A mistake of ours or of a callback ended the thread: nobody may wait for it or be told that all is well."""
        with self._lock:
            self._closing = True
        with self._settled:
            self._failed.append(
                (self._done + 1, self._given, StoreError(f"the ledger stopped: {type(error).__name__}"))
            )
            self._done = self._given
            self._settled.notify_all()
        self._alarm(f"{self.log} is written no more: {type(error).__name__}")

    def _gather(self) -> tuple[list[_Waiting], bool]:
        """What waits now, up to a batch; nothing after a while without anything. False once closing."""
        self._ready.wait(IDLE_S)
        with self._lock:
            self._ready.clear()
            batch = self._waiting[:MAX_BATCH]
            del self._waiting[:MAX_BATCH]
            if self._waiting or self._closing:
                self._ready.set()
            return batch, bool(batch) or not self._closing

    def _commit(self, waiting: list[_Waiting]) -> None:
        try:
            self._write([(item.entry, item.bodies) for item in waiting])
        except StoreError as error:
            self._report(waiting[-1].ticket, error)
        except (TypeError, ValueError) as error:
            self._one_by_one(waiting, error)
        else:
            self._report(waiting[-1].ticket, None)

    def _one_by_one(self, waiting: list[_Waiting], error: Exception) -> None:
        """One entry of the batch cannot be written down: find it, and let the others be written."""
        if len(waiting) == 1:
            self._report(waiting[0].ticket, StoreError(f"an entry cannot be written down: {type(error).__name__}"))
            return
        for item in waiting:
            self._commit([item])

    def _write(self, entries: list[tuple[Mapping[str, object], Bodies]]) -> None:
        sign = time.monotonic() - self._signed_at >= SIGN_EVERY_S
        try:
            self._try(entries, sign)
        except StoreFull:
            self._make_room()
            self._try(entries, sign)
        if self._log.moved_bytes > WAL_BUSY_BYTES:
            self._move_wal()

    def _try(self, entries: list[tuple[Mapping[str, object], Bodies]], sign: bool) -> None:
        if self._broken:
            self._next_log(self._broken)
        batch = self._log.prepared(entries, keep_bodies=self._keep_bodies)
        try:
            note = self._log.write(batch, sign=sign)
        except StoreFull:
            self._reopen()
            raise
        except StoreError as error:
            self._next_log(error)
            batch = self._log.prepared(entries, keep_bodies=self._keep_bodies)
            note = self._log.write(batch, sign=sign)
        self._signed(note)

    def _report(self, ticket: int, error: BaseException | None) -> None:
        with self._settled:
            if error is not None:
                self._failed.append((self._done + 1, ticket, error))
            self._done = ticket
            self._settled.notify_all()
        if self._on_durable:
            self._on_durable(ticket, error)

    def _rest(self) -> None:
        """Nothing waits: sign what was not signed yet, and tidy up."""
        if self._broken:
            return
        if self._log.size > self._log.signed and time.monotonic() - self._signed_at >= SIGN_EVERY_S:
            self._sign()
        elif self._log.moved_bytes > WAL_IDLE_BYTES:
            self._move_wal()

    def _sign(self) -> None:
        try:
            self._signed(self._log.write(Batch([], [], 0), sign=True))
        except StoreFull as error:
            self._alarm(f"no checkpoint could be written: {error}")
            self._signed_at = time.monotonic()
            self._reopen()
        except StoreError as error:
            self._leave(error)

    def _signed(self, note: str | None) -> None:
        if note is None:
            return
        self._signed_at = time.monotonic()
        if self._outside:
            try:
                keep_outside(self._outside, note)
            except OSError as error:
                self._alarm(f"{self._outside}: the checkpoint could not be kept outside: {error.strerror}")

    def _move_wal(self) -> None:
        try:
            self._log.flush_wal()
        except StoreFull:
            self._log.moved_bytes = 0  # the records are safe in the WAL; there will be another try
        except StoreError as error:
            self._leave(error)

    def _tidy(self) -> None:
        """Once a second: drop bodies whose time is over, and see whether there is room again."""
        if time.monotonic() - self._tidied_at < TIDY_EVERY_S or self._broken:
            return
        self._tidied_at = time.monotonic()
        try:
            before = erase.kept_from(self._vault.state)
        except StoreError as error:
            self._alarm(f"bodies whose time is over may still be there: {error}")
            return
        if before > self._kept_from:
            try:
                self._drop_bodies(before)
            except StoreError as error:
                self._alarm(f"bodies whose time is over are still there: {error}")
                self._reopen()
        if not self._keep_bodies and self._make_reserve():
            self._keep_bodies = True
            self._alarm("there is room on the disk again: bodies are kept")

    def _drop_bodies(self, before: str) -> None:
        months = [month for month, _ in self._log.file.months() if month < before]
        if months:
            told = {"before": before, "event": "retention", "exchange": "", "log": self._log.name, "months": months}
            self._signed(self._log.write(self._log.prepared([(told, ())]), sign=True, drop_before=before))
            self._log.file.empty_wal()
        self._kept_from = before

    def _finish(self) -> None:
        if self._log.size > self._log.signed and not self._broken:
            self._sign()
        try:
            self._vault.state.change("UPDATE writer SET closed_us = ? WHERE name = ?", (self._clock_us(), self.log))
        except StoreError as error:
            self._alarm(f"the end of {self.log} is not written down: {error}")

    # ---- Trouble ----------------------------------------------------------------------------------------------------

    def _alarm(self, what: str) -> None:
        if self._on_alarm:
            self._on_alarm(what)

    def _make_reserve(self) -> bool:
        try:
            return self._reserve.make()
        except OSError as error:
            self._alarm(f"{self._reserve.path}: there is no reserve: {error.strerror}")
            return False

    def _make_room(self) -> None:
        freed = self._reserve.free()
        if self._keep_bodies:
            self._keep_bodies = False
            room = f"{self._reserve.size_bytes >> 20} MiB of reserve were freed" if freed else "no reserve was left"
            self._alarm(f"the disk is full: {room}, and bodies are no longer kept")

    def _reopen(self) -> None:
        """The same file again after a commit that did not happen: the tree goes back to what is on the disk."""
        path = self._log.file.path
        try:
            self._log.close()
            self._log = Log.resume(
                path, signer=self._signer, vault=self._vault, now_us=self._clock_us, factory=self._factory
            )
        except StoreError as error:
            self._leave(error)

    def _leave(self, why: StoreError) -> None:
        """Write this file no more. The next record begins another one."""
        self._broken = why

    def _next_log(self, why: StoreError) -> None:
        """Leave this file alone for good and go on in a new one. Raises StoreError if that cannot be done either."""
        self._broken = why
        if time.monotonic() - self._moved_at < MOVE_EVERY_S:
            raise why
        self._moved_at = time.monotonic()
        old, number = self._log, numbered(self._log.file.path)[1]
        for later in range(number + 1, number + 100):
            try:
                log = Log.create(
                    self._home,
                    self._name,
                    later,
                    signer=self._signer,
                    vault=self._vault,
                    now_us=self._clock_us,
                    factory=self._factory,
                )
                break
            except StoreBusy:
                continue
        else:
            raise why
        after = {"checkpoint": old.last_note(), "log": old.name, "size": old.size}
        opening = {"after": after, "event": "opened", "exchange": "", "why": str(why)}
        try:
            self._signed(log.write(log.prepared([(opening, ())]), sign=True))
        except StoreError:
            log.close()
            raise
        self._close_log()
        self._log, self._broken = log, None
        try:
            self._note_opened(old.name)
        except StoreError as error:
            self._alarm(f"the state does not know of {log.name} yet: {error}")
        self._alarm(f"{old.name} is left alone ({why}); {log.name} goes on after its record {old.size - 1}")

    def _close_log(self) -> None:
        try:
            self._log.close()
        except StoreError as error:  # what was acknowledged is on the disk; the file itself may be anything
            self._alarm(f"{self.log} could not be closed: {error}")

    def _note_opened(self, after: str = "") -> None:
        """Write the log's name into the shared state, so that a missing file shows."""
        row = (self._log.name, self._log.origin, self._signer.public, self._clock_us())
        with self._vault.state.transaction() as tx:
            tx.change(
                "INSERT INTO writer (name, origin, public_key, opened_us) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET closed_us = NULL",
                row,
            )
            if after:
                tx.change("UPDATE writer SET next_name = ? WHERE name = ?", (self._log.name, after))


def _check_outside(outside: Path | None, log: Log) -> None:
    """A log that ends before a checkpoint kept outside is an old copy: going on would fork it. Raises StoreBroken."""
    if not outside or not outside.exists():
        return
    try:
        kept = last_kept(outside, log.origin)
    except (OSError, InputError):
        return  # `verify` and `doctor` say what is wrong with that file; the log itself goes on
    if kept and kept.checkpoint.size > log.size:
        log.close()
        raise StoreBroken(f"{log.name} ends at {log.size}, but {kept.checkpoint.size} records were signed: an old copy")
