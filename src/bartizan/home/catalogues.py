"""The catalogue that is in force in a home: what ships or a newer update, and the organisation's own words.

A home may hold `catalogue.toml` (the overlay), `catalogue.update` (the text of the update that was taken) and
`catalogue.pub` (the public key whose updates count). An update was verified when it was taken; like the policy beside
it, it is as safe as the folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from bartizan.catalogue import tables
from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.hostnames import hostname
from bartizan.catalogue.overlay import MAX_OVERLAY
from bartizan.catalogue.signing import MAX_COMMENT, PublicKey, verified
from bartizan.catalogue.tables import MAX_UPDATE, Tables
from bartizan.core.errors import InputError, StoreError, UsageError
from bartizan.store.lock import FileLock

OVERLAY = "catalogue.toml"
UPDATE = "catalogue.update"
KEY = "catalogue.pub"


def catalogue(home: Path) -> Catalogue:
    """What is in force. Raises InputError where a file of the home is not written as it should be."""
    return Catalogue.load(_read(home / OVERLAY, MAX_OVERLAY), _read(home / UPDATE, MAX_UPDATE))


def in_force(home: Path) -> Tables:
    """The tables in force, without the overlay. Raises InputError."""
    shipped = tables.shipped()
    taken = _read(home / UPDATE, MAX_UPDATE)
    return max(shipped, tables.parse(taken), key=lambda one: one.version) if taken is not None else shipped


def offered(home: Path, signed: bytes, key: bytes | None = None) -> tuple[Tables, bytes, PublicKey]:
    """What a signed file brings: its tables, its text, and the key that signed it.

    Args:
        key: A public key file; None for the one that the home holds. A home that holds one takes no other.

    Raises:
        UsageError: There is no key, or another than the home's.
        InputError: The signature or the text is not as it should be, or the update is no newer than what is in force.
    """
    pinned = _read(home / KEY, MAX_COMMENT * 2)
    if key is None and pinned is None:
        raise UsageError(f"there is no {home / KEY}: say with --key whose updates count, it is kept there")
    public = PublicKey.parse(pinned if pinned is not None else key or b"")
    if key is not None and PublicKey.parse(key) != public:
        raise UsageError(f"another key than that of {home / KEY}: remove that file first if the key has changed")
    message = verified(signed, public)
    new, old = tables.parse(message), in_force(home)
    if new.version <= old.version:
        raise InputError(f"version {new.version} is no newer than {old.version}, which is in force")
    return new, message, public


def take(home: Path, message: bytes, public: PublicKey) -> None:
    """Puts an update that was `offered` in force, and keeps its key. Raises StoreError."""
    _write(home / UPDATE, message)
    if not (home / KEY).exists():
        _write(home / KEY, public.text().encode())


def judge(home: Path, host: str, *, service: str = "", name: str = "", why: str = "") -> Catalogue:
    """Adds a verdict on a host to the overlay, as its last lines; the catalogue that is then in force.

    Args:
        service: The id of the service the host belongs to, "" where it is no AI.
        name: Of a service that is new.

    Raises:
        InputError: The overlay would not hold; then it stays as it was.
        StoreError: It cannot be written.
    """
    known = hostname(host)
    if not known:
        raise InputError("is no name of a host", "host")
    with FileLock(home / "catalogue.lock", wait=True):
        before = _read(home / OVERLAY, MAX_OVERLAY) or b""
        entries = [""]
        if service and catalogue(home).service(service) is None:
            entries += ["[[service]]", f"id = {_toml(service)}", f"name = {_toml(name or service)}", ""]
        entries += ["[[host]]", f"host = {_toml(known)}", f"is = {_toml(service or 'none')}"]
        entries += [f"why = {_toml(why)}"] if why else []
        whole = before.rstrip(b"\n") + b"\n" * bool(before) + "\n".join([*entries, ""]).encode()
        made = Catalogue.load(whole, _read(home / UPDATE, MAX_UPDATE))
        _write(home / OVERLAY, whole)
    return made


def _toml(text: str) -> str:
    """A basic string of TOML. Of what JSON leaves as it is, TOML takes everything but U+007F."""
    return json.dumps(text).replace("\x7f", "\\u007F")


def _read(path: Path, most: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if len(found) > most:
        raise InputError(f"{path} is larger than {most:,} bytes")
    return found


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(file)
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
