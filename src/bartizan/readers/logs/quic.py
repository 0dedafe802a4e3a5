"""The first flight of a QUIC connection. Its keys follow from an id that it carries itself, so anybody may read it.

The ClientHello lies in CRYPTO frames, in any order, over as many packets as the client likes.

Source: RFC 9000, 17.2 and 19.6; RFC 9001, 5 (keys, header protection); RFC 9369 (version 2).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from typing import NamedTuple

from bartizan.readers.client_hello import ClientHello, client_hello

MAX_PACKETS = 32  # Initial packets of one connection that are opened.
MAX_CRYPTO = 65_536  # Bytes of its handshake.
MAX_PIECES = 256
MAX_FRAMES = 1024  # Of one packet.
RECORD = 16_384


class _Version(NamedTuple):
    salt: bytes
    initial: int  # the bits that say Initial
    labels: tuple[bytes, bytes, bytes]


VERSIONS = {
    b"\0\0\0\1": _Version(
        bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"), 0x00, (b"quic key", b"quic iv", b"quic hp")
    ),
    b"\x6b\x33\x43\xcf": _Version(
        bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"), 0x10, (b"quicv2 key", b"quicv2 iv", b"quicv2 hp")
    ),
}


class _Keys(NamedTuple):
    key: bytes
    iv: bytes
    hp: bytes


class Initial:
    """What a client has sent of its first flight."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self._first: tuple[bytes, bytes] | None = None  # The version and the id that the keys came from first.
        self._left = MAX_PACKETS

    @property
    def spent(self) -> bool:
        """Whether as much was looked at as ever is."""
        return self._left <= 0

    def feed(self, datagram: bytes) -> ClientHello | None:
        """The hello, once it is complete. Never raises."""
        news = False
        for packet, number_at, version, id_ in _initials(datagram):
            if self._left <= 0:
                break
            self._left -= 1
            # After the server's answer the client uses another id and the keys of the first one.
            for origin in dict.fromkeys(((version, id_), self._first)):
                if origin is not None and (frames := _opened(packet, number_at, *origin)) is not None:
                    self._first = self._first or origin
                    news = self._keep(frames) or news
                    break
        return self._hello() if news else None

    def _keep(self, frames: bytes) -> bool:
        kept = False
        for offset, piece in _crypto(frames):
            if offset + len(piece) <= MAX_CRYPTO and len(self._pieces) < MAX_PIECES:
                if len(piece) > len(self._pieces.get(offset, b"")):
                    self._pieces[offset] = piece
                    kept = True
            else:
                self._left = 0
        return kept

    def _hello(self) -> ClientHello | None:
        message = b""
        for offset in sorted(self._pieces):
            if offset > len(message):
                break
            message += self._pieces[offset][len(message) - offset :]
        if not message:
            return None
        cut = (message[at : at + RECORD] for at in range(0, len(message), RECORD))
        return client_hello(b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in cut))


def begins(datagram: bytes) -> bool:
    """Whether a datagram may begin with an Initial packet of a known version."""
    return len(datagram) > 20 and datagram[0] & 0xC0 == 0xC0 and datagram[1:5] in VERSIONS


def _initials(datagram: bytes) -> Iterator[tuple[bytes, int, bytes, bytes]]:
    """The Initial packets of a datagram: bytes, where the number stands, version, id of the target."""
    at = 0
    for _ in range(4):
        rest = datagram[at:]
        if not begins(rest):
            return
        version = rest[1:5]
        id_end = 6 + rest[5]
        if rest[5] > 20 or id_end >= len(rest):
            return
        begin = id_end + 1 + rest[id_end]
        initial = rest[0] & 0x30 == VERSIONS[version].initial
        if initial:
            size, begin = _integer(rest, begin)
            begin += size
        length, begin = _integer(rest, begin)
        if length < 20 or begin + length > len(rest):
            return
        if initial:
            yield rest[: begin + length], begin, version, rest[6:id_end]
        at += begin + length


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends. Behind the end of the data it is 0."""
    if at >= len(data):
        return 0, at
    size = 1 << (data[at] >> 6)
    return int.from_bytes(data[at : at + size], "big") & ((1 << (size * 8 - 2)) - 1), at + size


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of TLS 1.3, for at most one block."""
    info = size.to_bytes(2, "big") + bytes([len(label) + 6]) + b"tls13 " + label + b"\0"
    return hmac.digest(secret, info + b"\1", hashlib.sha256)[:size]


def _keys(version: bytes, id_: bytes) -> _Keys:
    salt, _, (key, iv, hp) = VERSIONS[version]
    client = _expand(hmac.digest(salt, id_, hashlib.sha256), b"client in", 32)
    return _Keys(_expand(client, key, 16), _expand(client, iv, 12), _expand(client, hp, 16))


def _opened(packet: bytes, number_at: int, version: bytes, id_: bytes) -> bytes | None:
    """The frames of an Initial packet; None where the keys do not fit."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    keys = _keys(version, id_)
    encryptor = Cipher(algorithms.AES(keys.hp), modes.ECB()).encryptor()  # noqa: S305 - RFC 9001, 5.4.3
    mask = encryptor.update(packet[number_at + 4 : number_at + 20])
    first = packet[0] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet[number_at : number_at + size], mask[1:], strict=False))
    head = bytes([first]) + packet[1:number_at] + number
    nonce = bytes(a ^ b for a, b in zip(keys.iv, number.rjust(12, b"\0"), strict=True))
    try:
        return AESGCM(keys.key).decrypt(nonce, packet[number_at + size :], head)
    except InvalidTag:
        return None


def _crypto(frames: bytes) -> Iterator[tuple[int, bytes]]:
    """The CRYPTO frames among those that an Initial packet may have: offset and data."""
    at = 0
    for _ in range(MAX_FRAMES):
        while at < len(frames) and frames[at] == 0:
            at += 1
        if at >= len(frames):
            return
        kind = frames[at]
        at += 1
        if kind == 6:
            offset, at = _integer(frames, at)
            size, at = _integer(frames, at)
            if at + size > len(frames):
                return
            yield offset, frames[at : at + size]
            at += size
        elif kind in (2, 3):
            _, at = _integer(frames, at)
            _, at = _integer(frames, at)
            ranges, at = _integer(frames, at)
            for _ in range(min(ranges, 256) * 2 + 1 + (3 if kind == 3 else 0)):
                _, at = _integer(frames, at)
        elif kind != 1:
            return
