"""A machine whose home is looked through: its files and folders within bounds, and what could not be read of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from bartizan.readers.archives import printable

if TYPE_CHECKING:
    from bartizan.catalogue.catalogue import Catalogue

MAX_FILE_BYTES = 16 << 20
MAX_MATCHES = 20_000  # Of one pattern of folders.


@dataclass(slots=True)
class Machine:
    """Whose home is looked at, and what could not be."""

    root: Path
    catalogue: Catalogue
    company: frozenset[str]
    unread: list[str] = field(default_factory=list)

    def under(self, patterns: Iterable[str]) -> Iterator[Path]:
        """What matches patterns below the home, in order; a pattern from / counts only for one's own home."""
        for pattern in patterns:
            top = self.root
            if pattern.startswith("/"):
                if self.root != Path.home():
                    continue
                top, pattern = Path("/"), pattern[1:]
            yield from self.matching(top, pattern)

    def matching(self, folder: Path, pattern: str) -> list[Path]:
        """What matches a pattern below a folder, in order; that there is more, or what could not be listed, is told."""
        self._closed(folder, pattern)
        found = list(islice(folder.glob(pattern), MAX_MATCHES + 1))
        if len(found) > MAX_MATCHES:
            self.unread.append(f"what else matches {pattern}, beyond {MAX_MATCHES:,} places,")
        return sorted(found[:MAX_MATCHES])

    def _closed(self, folder: Path, pattern: str) -> None:
        """Tells of folders on the way to what matches that may not be listed: `glob` passes over them in silence."""
        parts = PurePath(pattern).parts
        for n, part in enumerate(parts):
            needed = os.X_OK | (os.R_OK if any(sign in part for sign in "*?[") else 0)
            above = islice(folder.glob("/".join(parts[:n])), MAX_MATCHES) if n else (folder,)
            for one in above:
                # With the rights that this process has now: those of the user who runs it.
                if one.is_dir() and not os.access(one, needed, effective_ids=True):
                    name = self.shown(one)
                    if name not in self.unread:
                        self.unread.append(name)
            if part == "**":
                return  # What lies behind it is looked through once, by the search itself.

    def is_file(self, path: Path) -> bool:
        """Whether there is such a file; where nobody may look, that is told."""
        try:
            return path.is_file()
        except OSError:
            self.unread.append(self.shown(path))
            return False

    def names(self, folder: Path) -> list[str]:
        """What lies in a folder, sorted; nothing where it is none. What cannot be read is told."""
        try:
            found = list(islice(folder.iterdir(), MAX_MATCHES + 1))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError:
            self.unread.append(self.shown(folder))
            return []
        if len(found) > MAX_MATCHES:
            self.unread.append(f"{self.shown(folder)}, beyond {MAX_MATCHES:,} names,")
        return sorted(one.name for one in found[:MAX_MATCHES])

    def shown(self, path: Path) -> str:
        """A path as it is told: below the home."""
        return printable(os.fspath(path.relative_to(self.root) if path.is_relative_to(self.root) else path), 4096)

    def data(self, path: Path) -> bytes:
        """A file's beginning; what cannot be read, and what comes after it, is told."""
        try:
            if not path.is_file():  # Opening a pipe would wait for its writer.
                return b""
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError:
            self.unread.append(self.shown(path))
            return b""
        if len(data) > MAX_FILE_BYTES:
            self.unread.append(f"{self.shown(path)}, beyond its first {MAX_FILE_BYTES >> 20} MiB,")
        return data[:MAX_FILE_BYTES]

    def is_ai(self, host: str) -> bool:
        """Whether a host is a service of the catalogue that is nothing else."""
        return self.catalogue.lookup(host).tier in ("A", "B", "C")
