"""How far each log was read, kept in a small file of the home: a restart tells nothing twice.

A log is known by a keyed digest of what it begins with, so that it stays known when it is renamed, copied or packed.
The file is one process's: `watch.lock` is held while it is open.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path

import orjson

from bartizan.core.errors import StoreBusy, StoreError
from bartizan.home import Home
from bartizan.store.lock import FileLock

NAME, LOCK = "watch.json", "watch.lock"
SCHEMA = "bartizan.watch/1"
MAX_FILES = 10_000  # Some 2 MB. What was read longest ago goes first.
MAX_BYTES = 8 << 20
HEAD_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where one file was read.

    Args:
        device, inode: The file's, when it was read.
        offset: In bytes, unpacked.
        head_bytes: Of how many first bytes `digest` is.
        format: What the register has it as, "" where it is of no known format.
        source: Its id in the register, "" while that has none that lasts.
    """

    device: int
    inode: int
    offset: int
    head_bytes: int
    digest: str
    format: str = ""
    source: str = ""


@dataclass
class Positions:
    """Those of one home. `key` makes digests that nobody without it can guess a text by."""

    path: Path
    key: bytes
    _files: dict[tuple[int, int], Position] = field(default_factory=dict)
    _changed: bool = False

    def of(self, inode: tuple[int, int], head: bytes) -> Position | None:
        """The position of a file: its own, else the furthest of one that begins like it (a copy, also a packed one)."""
        known = self._files.get(inode)
        if known is not None and self._begins(known, self._digests(head, {known.head_bytes})):
            return known
        digests = self._digests(head, {one.head_bytes for one in self._files.values()})
        same = (one for one in self._files.values() if self._begins(one, digests))
        return max(same, key=lambda one: (one.head_bytes, one.offset), default=None)

    def keep(self, inode: tuple[int, int], offset: int, head: bytes, format_: str, source: str) -> None:
        """Remembers how far a file was read."""
        head = head[: min(offset, HEAD_BYTES)]
        (digest,) = self._digests(head, {len(head)}).values()
        self._files.pop(inode, None)
        self._files[inode] = Position(*inode, offset, len(head), digest, format_, source)
        while len(self._files) > MAX_FILES:
            del self._files[next(iter(self._files))]
        self._changed = True

    def save(self) -> None:
        """Writes them, at once or not at all. Raises StoreError."""
        if not self._changed:
            return
        text = orjson.dumps({"schema": SCHEMA, "files": [astuple(one) for one in self._files.values()]})
        try:
            descriptor, part = tempfile.mkstemp(prefix=f"{NAME}.", dir=self.path.parent)  # 0600
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
                os.fsync(descriptor)
            Path(part).replace(self.path)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        self._changed = False

    def load(self) -> None:
        """Reads them. Raises StoreError where the file is none of ours: nothing is told twice by mistake."""
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            value = orjson.loads(data[:MAX_BYTES])
            if value["schema"] != SCHEMA:
                raise ValueError
            for row in value["files"][-MAX_FILES:]:
                one = Position(*row)
                self._files[int(one.device), int(one.inode)] = one
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError):
            raise StoreError(
                f"{self.path}: these are no positions\n  Delete it: all is read again, and nothing is counted twice."
            ) from None

    def _begins(self, one: Position, digests: dict[int, str]) -> bool:
        return one.head_bytes > 0 and digests.get(one.head_bytes) == one.digest

    def _digests(self, head: bytes, sizes: set[int]) -> dict[int, str]:
        """Digests of the first bytes, of all those sizes that there are."""
        made, running, at = {}, hashlib.blake2b(key=self.key, digest_size=16), 0
        for size in sorted(size for size in sizes if 0 <= size <= len(head)):
            running.update(head[at:size])
            at = size
            made[size] = running.copy().hexdigest()
        return made


@contextmanager
def positions(home: Home) -> Iterator[Positions]:
    """Those of a home, written when this ends. Raises StoreBusy where another `bartizan watch` has them."""
    try:
        lock = FileLock(home.path / LOCK)
    except StoreBusy as error:
        raise StoreBusy(
            f"{home.path}: another `bartizan watch` has this home ({error})\n  Name all sources in one."
        ) from None
    with lock:
        made = Positions(home.path / NAME, bytes.fromhex(home.vault.digest("positions of watch")))
        made.load()
        try:
            yield made
        finally:
            made.save()
