"""A bundle of evidence on the disk: written whole, the signed manifest last; and checked again, years later."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from bartizan.core.errors import InputError, StoreError, UsageError
from bartizan.home import Home
from bartizan.home import register as registers
from bartizan.report.compliance import bundle
from bartizan.report.compliance.article30 import activities
from bartizan.report.compliance.evidence import Evidence

MAX_FILES = 1000  # In a folder that is checked: a bundle has some twenty.
AT_ONCE = 1 << 20


def write(home: Home, evidence: Evidence, folder: Path, controller: str = "", dpo: str = "") -> tuple[str, ...]:
    """Write everything into a folder that is new or empty; the names of the files. Raises UsageError, StoreError."""
    own = registers.register(home)
    systems = own.systems()
    made = bundle.files(
        evidence,
        systems,
        [one for system in systems for one in own.history(system.id)],
        evidence.facts.exceptions,
        activities(evidence.facts, controller, dpo),
    )
    signer = home.signer
    note = signer.signed(signer.origin(bundle.NAME), bundle.manifest(made, evidence.facts.now_us))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder}: is not empty; a bundle has a folder of its own")
        for name, data in (*made.items(), (bundle.MANIFEST, note.encode())):
            _new(folder / name, data)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from error
    return (*made, bundle.MANIFEST)


def check(folder: Path, publics: Iterable[bytes]) -> tuple[str, list[str]]:
    """The manifest's second line, and everything in a folder that is not as it was signed.

    Raises InputError where there is no manifest, or none that these keys signed.
    """
    path = folder / bundle.MANIFEST
    if not path.is_file():  # A pipe of that name would be waited for.
        raise InputError("cannot be read: there is no such file", str(path))
    try:
        with path.open("rb") as file:
            note = file.read(bundle.MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path)) from error
    if len(note) > bundle.MAX_MANIFEST_BYTES:
        raise InputError("is too large for a manifest", str(path))
    text = note.decode("utf-8", "replace")
    wanted = bundle.listed(text, publics)
    there: dict[str, tuple[str, int] | None] = {}
    try:
        for one in folder.iterdir():
            if len(there) > MAX_FILES:
                raise InputError(f"has more than {MAX_FILES:,} files", str(folder))
            if one.name != bundle.MANIFEST:
                there[one.name] = _told(one, wanted.get(one.name))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(folder)) from error
    return text.split("\n")[1], bundle.faults(wanted, there)


def _told(path: Path, wanted: tuple[str, int] | None) -> tuple[str, int] | None:
    """Digest and size of a plain file; None for anything else, and for what has another size than it should."""
    size = path.lstat().st_size
    if path.is_symlink() or not path.is_file() or wanted is None or size != wanted[1]:
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(AT_ONCE):
            digest.update(chunk)
    return digest.hexdigest(), size


def _new(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
