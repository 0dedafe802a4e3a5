"""Checkpoints: how long a log is and what its root is, as a signed note (C2SP signed-note, tlog-checkpoint; Ed25519).

bartizan-4f0c6a1e/gateway-0.1        the log (origin), also the key's name
1234                                 how many records
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2…    root hash
checkpoint 17                        extension line: the 17th of this log, so that a missing one shows

— bartizan-4f0c6a1e/gateway-0.1 Az3grl…    4 bytes of key id, 64 of signature
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.core.errors import ConfigError, InputError
from bartizan.vault.master import write_secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_FILE = "signing.key"
PUBLIC_FILE = "signing.pub"
_ED25519 = b"\x01"  # signature type of C2SP signed-note
_DASH = "— "
_VERIFIER = re.compile(r"[^+]+\+[0-9a-f]{8}\+(\S+)")  # a verifier key: name, id, type and key
TAIL_BYTES = 1 << 20  # Some 5,000 checkpoints, an hour of a busy log.


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`number` counts the checkpoints of one log from 1."""

    origin: str
    size: int
    root: bytes
    number: int

    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ncheckpoint {self.number}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint with its signatures, as (key name, key id, signature)."""

    checkpoint: Checkpoint
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def signed_by(self, public: bytes) -> bool:
        """Whether the holder of the key signed it."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        text = self.checkpoint.text().encode()
        for name, key, signature in self.signatures:
            if name == self.checkpoint.origin and key == key_id(name, public):
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
                except InvalidSignature:
                    return False
                return True
        return False


class Signer:
    """The key that signs the checkpoints of a home. Whoever has it can sign another past: see SECURITY.md."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()

    @classmethod
    def load(cls, home: Path, environ: Mapping[str, str], *, create: bool = False) -> Signer:
        """From the file BARTIZAN_SIGNING_KEY_FILE names, or HOME/signing.key, which `create` makes (0600).

        The public key is written to HOME/signing.pub. Raises ConfigError.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        named = environ.get("BARTIZAN_SIGNING_KEY_FILE")
        path = Path(named) if named else home / KEY_FILE
        if create and not path.exists():
            write_secret(path, Ed25519PrivateKey.generate().private_bytes_raw())
        try:
            seed = base64.b64decode(path.read_bytes().strip(), validate=True)
            signer = cls(Ed25519PrivateKey.from_private_bytes(seed))
        except OSError as error:
            raise ConfigError(f"{path}: the signing key cannot be read: {error.strerror}") from error
        except (ValueError, binascii.Error) as error:
            raise ConfigError(f"{path}: not a signing key; it is 32 bytes as base64") from error
        published = home / PUBLIC_FILE
        line = base64.b64encode(signer.public).decode()
        if create and (not published.exists() or line not in published.read_text().split()):
            with published.open("a") as file:
                file.write(line + "\n")
        return signer

    def origin(self, log: str) -> str:
        """The name of a log in the world: the key's own fingerprint and the log's name here."""
        return f"bartizan-{sha256(self.public).hexdigest()[:8]}/{log}"

    def note(self, checkpoint: Checkpoint) -> str:
        """The signed note."""
        return self.signed(checkpoint.origin, checkpoint.text())

    def signed(self, name: str, text: str) -> str:
        """Any text as a signed note; it ends with a line end, and `name` is the key's."""
        signature = key_id(name, self.public) + self._key.sign(text.encode())
        return f"{text}\n{_DASH}{name} {base64.b64encode(signature).decode()}\n"


def key_id(name: str, public: bytes) -> bytes:
    """The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)."""
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def opened(note: str, publics: Iterable[bytes]) -> tuple[str, str] | None:
    """The text of a signed note and the name that signed it; None where none of these keys did."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    text, blank, signatures = note.rpartition(f"\n\n{_DASH}")
    if not blank or not note.endswith("\n"):
        return None
    text += "\n"
    known = tuple(publics)
    for name, key, signature in _signatures((_DASH + signatures).rstrip("\n").split("\n")):
        for public in known:
            if key == key_id(name, public):
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
                except InvalidSignature:
                    continue
                return text, name
    return None


def read_public(text: str) -> tuple[bytes, ...]:
    """Public keys, one a line: base64 of 32 bytes, or a verifier key (`name+id+base64`). Raises InputError."""
    keys = []
    for line in text.split():
        verifier = _VERIFIER.fullmatch(line)
        try:
            raw = base64.b64decode(verifier[1] if verifier else line, validate=True)
        except (ValueError, binascii.Error) as error:
            raise InputError("not a public key: base64 of 32 bytes a line") from error
        if verifier and raw[:1] == _ED25519:
            raw = raw[1:]
        if len(raw) != 32:
            raise InputError("not a public key: base64 of 32 bytes a line")
        keys.append(raw)
    return tuple(keys)


def read_note(text: str) -> Note:
    """One signed note. Raises InputError."""
    notes = read_notes(text)
    if len(notes) != 1:
        raise InputError(f"{len(notes)} checkpoints where one is expected")
    return notes[0]


def read_notes(text: str) -> list[Note]:
    """All signed notes of a file, in order; one that was cut off at the end is left out. Raises InputError."""
    blocks = [block.split("\n") for block in text.strip("\n").split("\n\n")]
    return [
        Note(_checkpoint(body), tuple(_signatures(signatures)))
        for body, signatures in pairwise(blocks)
        if signatures[0].startswith(_DASH)
    ]


def last_kept(path: Path, origin: str) -> Note | None:
    """The newest checkpoint of a log in a file kept outside, read from its end. Raises OSError and InputError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    if size > TAIL_BYTES:  # the first note may be cut
        text = text.partition(f"\n{_DASH}")[2].partition("\n\n")[2]
    return next((note for note in reversed(read_notes(text)) if note.checkpoint.origin == origin), None)


def keep_outside(path: Path, note: str) -> None:
    """Append a checkpoint to a file, on the disk when this returns. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, note.encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def _checkpoint(lines: list[str]) -> Checkpoint:
    try:
        origin, size, root, extension = lines
        word, number = extension.split(" ")
        checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True), int(number))
    except (ValueError, binascii.Error) as error:
        raise InputError("not a checkpoint of Bartizan") from error
    if word != "checkpoint" or len(checkpoint.root) != 32 or checkpoint.text() != "\n".join(lines) + "\n":
        raise InputError("not a checkpoint of Bartizan")
    return checkpoint


def _signatures(lines: Iterable[str]) -> Iterable[tuple[str, bytes, bytes]]:
    for line in lines:
        try:
            name, encoded = line.removeprefix(_DASH).split(" ")
            raw = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error) as error:
            raise InputError("not a signature line") from error
        # One signature has one spelling: base64 would let spare bits differ.
        if not line.startswith(_DASH) or len(raw) < 5 or base64.b64encode(raw).decode() != encoded:
            raise InputError("not a signature line")
        yield name, raw[:4], raw[4:]
