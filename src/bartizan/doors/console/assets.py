"""The files of `static/`, in memory: their URL changes with their content, so a browser may keep them for ever."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
FOLDER = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `packed` is its gzip form, empty where that saves nothing."""

    type: str
    version: str
    content: bytes
    packed: bytes


class Assets:
    """All of them, read once."""

    def __init__(self) -> None:
        self._files = {
            str(path.relative_to(FOLDER)): _read(path) for path in sorted(FOLDER.rglob("*")) if path.suffix in TYPES
        }

    def url(self, name: str) -> str:
        """Where a file is, by its path in `static/`. Raises KeyError for one that is not there."""
        return f"/static/{name}?v={self._files[name].version}"

    def get(self, name: str) -> Asset | None:
        """A file by its path in `static/`."""
        return self._files.get(name)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    kind = TYPES[path.suffix]
    packed = b"" if path.suffix == ".woff2" else gzip.compress(content, mtime=0)
    return Asset(kind, sha256(content).hexdigest()[:12], content, packed if len(packed) < len(content) else b"")
