"""Signatures of catalogue updates: Ed25519 in the format of OpenBSD's signify, the signature above the message.

    untrusted comment: verify with catalogue.pub
    <base64 of "Ed", 8 bytes key number, 64 bytes signature>
    bartizan-catalogue 1
    …

`signify -V -e -p catalogue.pub -x FILE -m -` reads the same files. Source: signify(1), OpenBSD 7.6, usr.bin/signify.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from bartizan.core.errors import InputError

COMMENT = "untrusted comment: "
MAX_COMMENT = 1024
_ALGORITHM = b"Ed"
_NUMBER = 8
_KEY = 32
_SIGNATURE = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signature counts. `number` tells keys apart and proves nothing."""

    number: bytes
    key: bytes

    @classmethod
    def parse(cls, text: bytes) -> PublicKey:
        """The two lines of a public key file. Raises InputError."""
        body, rest = _body(text, "public key", _NUMBER + _KEY)
        if rest.strip():
            raise InputError("the public key has more than two lines")
        return cls(body[:_NUMBER], body[_NUMBER:])

    def text(self, comment: str = "bartizan catalogue public key") -> str:
        """As a file."""
        return _lines(comment, self.number + self.key)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What signs updates. Its file is the public one's with the seed instead; keep it where no network reaches."""

    number: bytes
    seed: bytes

    @classmethod
    def parse(cls, text: bytes) -> SecretKey:
        """The two lines of a secret key file. Raises InputError."""
        body, _ = _body(text, "secret key", _NUMBER + _KEY)
        return cls(body[:_NUMBER], body[_NUMBER:])

    def text(self) -> str:
        """As a file."""
        return _lines("bartizan catalogue secret key", self.number + self.seed)

    def public(self) -> PublicKey:
        """What verifies."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return PublicKey(self.number, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The signed file."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)
        return _lines("verify with catalogue.pub", self.number + signature).encode() + message


def verified(signed: bytes, key: PublicKey) -> bytes:
    """The message of a signed file. Raises InputError where the key did not sign it."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    body, message = _body(signed, "signature", _NUMBER + _SIGNATURE)
    if body[:_NUMBER] != key.number:
        raise InputError(f"signed by key {body[:_NUMBER].hex()}, and {key.number.hex()} is the one that counts here")
    try:
        Ed25519PublicKey.from_public_bytes(key.key).verify(body[_NUMBER:], message)
    except InvalidSignature:
        raise InputError("the signature is not that of this file: it was changed, or another key signed it") from None
    return message


def _lines(comment: str, body: bytes) -> str:
    return f"{COMMENT}{comment}\n{base64.b64encode(_ALGORITHM + body).decode()}\n"


def _body(text: bytes, what: str, size: int) -> tuple[bytes, bytes]:
    comment, _, rest = text.partition(b"\n")
    line, _, rest = rest.partition(b"\n")
    if not comment.startswith(COMMENT.encode()) or len(comment) > MAX_COMMENT or len(line) > MAX_COMMENT:
        raise InputError(f"this is no {what}: its first line begins with {COMMENT.strip()!r}")
    try:
        body = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise InputError(f"the second line of the {what} is no base64") from None
    if body[:2] != _ALGORITHM or len(body) != 2 + size or base64.b64encode(body) != line:
        raise InputError(f"the second line of the {what} holds no Ed25519 {what} of signify")
    return body[2:], rest
