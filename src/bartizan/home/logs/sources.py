"""The files that logs lie in: below folders, in the order they were rotated, each once, opened and read in pieces."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bartizan.readers.archives import printable

CHUNK_BYTES = 1024 * 1024
STDIN = b"-"
_PACKED = re.compile(rb"\.(?:gz|zst|bz2|xz)$", re.IGNORECASE)
_NUMBER = re.compile(rb"[.-](\d{1,4})$")


@dataclass(frozen=True, slots=True)
class Source:
    """One file, pipe or standard input. `why` says why it will not be read; `inode` is its device and number."""

    path: bytes
    regular: bool = True
    size: int = 0
    written_us: int = 0
    why: str = ""
    inode: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        """As shown."""
        return printable(os.fsdecode(self.path), 4096)


@dataclass
class Sources:
    """Those that some paths name. Counts what it leaves out."""

    paths: Iterable[bytes]
    links: int = 0
    twice: int = 0
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def __iter__(self) -> Iterator[Source]:
        for path in self.paths:
            if path == STDIN:
                yield Source(path, regular=False)
                continue
            try:
                is_folder = stat.S_ISDIR(_status(path).st_mode)
            except OSError as error:
                yield Source(path, why=reason(error))
                continue
            if is_folder:
                yield from self._below(path)
            else:
                yield from self._file(path)

    def left_out(self) -> Iterator[str]:
        """What was left out, in words, when all were met."""
        if self.links:
            yield f"{self.links:,} link{'s' * (self.links != 1)} in folders not followed: they may lead out of them"
        if self.twice:
            yield f"{self.twice:,} file{'s' * (self.twice != 1)} met under another name as well: read once"

    def _file(self, path: bytes) -> Iterator[Source]:
        try:
            found = _status(path)
        except OSError as error:
            yield Source(path, why=reason(error))
            return
        regular = stat.S_ISREG(found.st_mode)
        if regular and (found.st_dev, found.st_ino) in self._seen:
            self.twice += 1
            return
        inode = (found.st_dev, found.st_ino)
        self._seen.add(inode)
        yield Source(path, regular, found.st_size, found.st_mtime_ns // 1000, inode=inode)

    def _below(self, folder: bytes) -> Iterator[Source]:
        folders = deque([folder])
        while folders:
            here = folders.popleft()
            try:
                with os.scandir(here) as found:
                    entries = sorted(found, key=lambda entry: rotation(entry.name))
            except OSError as error:
                yield Source(here, why=reason(error))
                continue
            inner = []
            for entry in entries:
                if entry.is_symlink():  # It may lead out of the folder; what it leads to inside is met there.
                    self.links += 1
                elif entry.is_dir(follow_symlinks=False):
                    inner.append(entry.path)
                elif entry.is_file(follow_symlinks=False):  # Opening a pipe would wait for its writer.
                    yield from self._file(entry.path)
            folders.extendleft(reversed(inner))


def rotation(name: bytes) -> tuple[bytes, int, bytes]:
    """Sorts the files of a log from the oldest to the newest: access.log.2.gz, access.log.1, access.log."""
    bare = _PACKED.sub(b"", name)
    number = _NUMBER.search(bare)
    return (bare[: number.start()], -int(number[1]), name) if number else (bare, 1, name)


def opened(source: Source) -> int:
    """A descriptor to read a source from. Raises OSError."""
    if source.path == STDIN:
        return os.dup(sys.stdin.fileno())
    return os.open(source.path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOCTTY", 0))


def chunks(descriptor: int) -> Iterator[bytes]:
    """What can be read from a descriptor. Raises OSError in between."""
    while chunk := os.read(descriptor, CHUNK_BYTES):
        yield chunk


def _status(path: bytes) -> os.stat_result:
    return Path(os.fsdecode(path)).stat()


def reason(error: OSError) -> str:
    """Why something could not be read, in the words of the system."""
    return (error.strerror or type(error).__name__).lower()
