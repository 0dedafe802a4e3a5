"""The folder of an assessment: evidence that a stranger can judge again, and what a killed run had finished.

    DIR/report.json        the whole report, with the sha256 of every other file
    DIR/adversarial.npz …  the evidence of the checks
    DIR/unfinished/        while a run goes on: finished checks, which the next run with the same inputs reads back

Every file appears whole or not at all: it is written beside its place and moved there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from bartizan.assess.how import Result
from bartizan.core.errors import UsageError

REPORT = "report.json"
UNFINISHED = "unfinished"
MAX_REPORT_BYTES = 64 * 1024 * 1024
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE

Json = dict[str, Any]  # Any: a section is what its check says


class Folder:
    """Where the evidence of one assessment goes; inside `with`, no other run writes there."""

    def __init__(self, path: Path, key: Json | None) -> None:
        """Makes the folder, and clears away what an earlier assessment left in it.

        Args:
            key: What must be the same for a finished check to be read back; None: nothing is.

        Raises UsageError where that is no folder that can be written, another run writes into it, or a report of
        something else lies there.
        """
        self.path = path
        self._key = sha256(orjson.dumps(key, option=orjson.OPT_SORT_KEYS)).hexdigest() if key is not None else ""
        self._unfinished = made(path) / UNFINISHED
        with writing(path):
            _earlier(path)
            self._unfinished.mkdir(exist_ok=True)
            self._lock = _locked(self._unfinished)
            try:
                self._clear()
            except BaseException:
                os.close(self._lock)
                raise

    def _clear(self) -> None:
        """Removes what is neither of this run nor to be read back."""
        kept: set[str] = set()
        for file in sorted(self._unfinished.glob("*.json")):
            section = self.finished(file.stem)
            if section is not None:
                kept |= section["files"].keys()
            else:
                remove(self.path, _files_in(file))
                file.unlink()
        _forget(self.path, kept)

    def finished(self, check: str) -> Json | None:
        """The section of a check that a run with the same inputs finished before it was stopped."""
        saved = read_json(self._unfinished / f"{check}.json")
        if (
            not self._key
            or saved is None
            or saved.get("key") != self._key
            or not isinstance(saved.get("section"), dict)
        ):
            return None
        section: Json = saved["section"]
        return section if _as_written(self.path, section.get("files")) else None

    def keep(self, check: str, result: Result, section: Json) -> Json:
        """Writes a check's evidence; the section with the sha256 of each file. It will be read back after a kill."""
        part = self._unfinished / check
        shutil.rmtree(part, ignore_errors=True)
        with writing(self.path):
            part.mkdir()
            digests = {name: digest(part / name) for name in result.write(part)}
            for name in digests:
                (part / name).replace(self.path / name)
            shutil.rmtree(part)
            whole = {**section, "files": digests}
            write(self._unfinished / f"{check}.json", as_bytes({"key": self._key, "section": whole}))
        return whole

    def write(self, name: str, content: bytes) -> None:
        """One file."""
        with writing(self.path):
            write(self.path / name, content)

    def close(self) -> None:
        """The run is over: nothing is unfinished."""
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)


def _locked(folder: Path) -> int:
    """A lock on a folder that ends with the process, however that ends. Raises UsageError where another has it."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise UsageError(f"{folder.parent}: another run is writing here; choose another folder by --out") from None
    return lock


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a folder is written into one sentence."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"{path}: cannot be written ({why}); choose another folder by --out") from error


def made(path: Path) -> Path:
    """A folder, made where there is none. Raises UsageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be made ({error.strerror}); choose another folder by --out") from error
    return path


def as_bytes(value: Json) -> bytes:
    """JSON as it is written: NaN and infinities are null."""
    return orjson.dumps(value, option=_OPTIONS)


def digest(path: Path) -> str:
    """The sha256 of a file, hex."""
    with path.open("rb") as stream:
        whole = sha256()
        while block := stream.read(1 << 20):
            whole.update(block)
    return whole.hexdigest()


def write(path: Path, content: bytes) -> None:
    """A file, whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Json | None:
    """A mapping in a file; None where there is no such file, or something else in it."""
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            return None
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def files_of(report: Json) -> dict[str, str]:
    """The sha256 of every evidence file that a report names, by its name."""
    found: dict[str, str] = {}
    for section in report.values():
        named = section.get("files") if isinstance(section, dict) else None
        found |= {name: told for name, told in named.items() if _plain(name)} if isinstance(named, dict) else {}
    return found


def _earlier(path: Path) -> Json | None:
    """The report of an earlier assessment, where one lies there. Raises UsageError for a report of something else."""
    if not (path / REPORT).exists():
        return None
    report = read_json(path / REPORT)
    if report is None or not str(report.get("schema")).startswith("bartizan."):
        raise UsageError(f"{path}: the {REPORT} there is not of an assessment; choose another folder by --out")
    return report


def _forget(path: Path, kept: Collection[str]) -> None:
    """Removes what an earlier assessment wrote, so that no old file is taken for evidence of the new one.

    Only files that are still as it wrote them: what somebody else put there stays, and so does what will be read back.
    """
    report = _earlier(path)
    if report is None:
        return
    remove(path, {name: told for name, told in files_of(report).items() if name not in kept})
    (path / REPORT).unlink()


def remove(path: Path, files: dict[str, str]) -> None:
    """Removes files by name that are still as their sha256 says: what somebody else put there stays."""
    for name, told in files.items():
        if _plain(name) and _same(path / name, told):
            (path / name).unlink()


def _files_in(saved: Path) -> dict[str, str]:
    """The evidence of a check that a run with other inputs finished before it was stopped."""
    return files_of(read_json(saved) or {})


def _as_written(folder: Path, files: object) -> bool:
    return isinstance(files, dict) and all(_plain(name) and _same(folder / name, told) for name, told in files.items())


def _plain(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name


def _same(path: Path, told: object) -> bool:
    return path.is_file() and not path.is_symlink() and digest(path) == told
