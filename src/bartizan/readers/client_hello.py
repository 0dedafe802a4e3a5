"""The first message of a TLS connection: which name it asks for, before anything is encrypted.

A tunnel carries it in clear. It may come in any number of records and segments, which is how it is hidden from whoever
looks at the first packet alone; so it is put together here, up to a bound.

Source: RFC 8446, 4.1.2 and 5.1 (records, ClientHello); RFC 6066, 3 (server_name); RFC 7301, 3.1 (ALPN);
RFC 9849 (encrypted ClientHello: the name in clear is then that of the provider, not of the site).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HELLO_BYTES = 32 * 1024  # With the records around it. Post-quantum keys make honest ones some 2 KiB long.
MAX_RECORDS = 64  # An honest hello has one or two; tools that hide the name cut it into some dozens.
MAX_NAMES = 32  # of ALPN

_CLIENT_HELLO = 0x01
_SERVER_NAME, _ALPN, _ECH = 0, 16, 0xFE0D
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What it says. `tls` is False for bytes that begin otherwise, or break off the rules on the way.

    Args:
        name: The host in clear, lower-case and without a dot at its end; "" where none is named.
        encrypted: Whether another, encrypted hello is inside (or pretends to be: nobody can tell).
        bounded: Whether it is larger, or in more records, than is read here: what it names is not known.
    """

    tls: bool
    name: str = ""
    protocols: tuple[str, ...] = ()
    encrypted: bool = False
    bounded: bool = False


OTHER = ClientHello(False)
BOUNDED = ClientHello(True, bounded=True)


class _Bad(Exception):
    """It does not keep to the rules."""


class _Large(Exception):
    """It goes beyond what is read here."""


def client_hello(data: bytes) -> ClientHello | None:
    """The hello that `data` begins with; None while more of it is to come. Never raises."""
    try:
        message = _message(data)
        return None if message is None else _read(message)
    except _Bad:
        return OTHER
    except _Large:
        return BOUNDED


def _message(data: bytes) -> bytes | None:
    """The handshake message in the first records, without its head of four bytes."""
    pieces: list[bytes] = []
    at = size = 0
    wanted = -1
    while True:
        head = data[at : at + 5]
        if head[:1] != b"\x16"[: len(head[:1])] or head[1:2] != b"\x03"[: len(head[1:2])]:
            raise _Bad
        if len(head) < 5:
            return None
        length = int.from_bytes(head[3:5], "big")
        if not 0 < length <= 1 << 14:
            raise _Bad
        if len(pieces) >= MAX_RECORDS or at > MAX_HELLO_BYTES:
            raise _Large
        piece = data[at + 5 : at + 5 + length]
        pieces.append(piece)
        size += len(piece)
        if wanted < 0 and size >= 4:
            start = b"".join(pieces)
            if start[0] != _CLIENT_HELLO:
                raise _Bad
            wanted = int.from_bytes(start[1:4], "big")
            if wanted > MAX_HELLO_BYTES:
                raise _Large
        if 0 <= wanted <= size - 4:
            return b"".join(pieces)[4 : 4 + wanted]
        if len(piece) < length:
            return None
        at += 5 + length


def _read(message: bytes) -> ClientHello:
    at = 2 + 32  # version and random
    for width in (1, 2, 1):  # session, ciphers, compressions
        _, at = _vector(message, at, width)
    name, encrypted = "", False
    protocols: tuple[str, ...] = ()
    if at == len(message):
        return ClientHello(True)
    extensions, _ = _vector(message, at, 2)
    at, end = 0, len(extensions)
    seen: set[int] = set()
    while at < end:
        kind, length = (
            int.from_bytes(extensions[at : at + 2], "big"),
            int.from_bytes(extensions[at + 2 : at + 4], "big"),
        )
        begin, at = at + 4, at + 4 + length
        if at > end or kind in seen:
            raise _Bad
        seen.add(kind)
        if kind == _SERVER_NAME:
            name = _server_name(extensions[begin:at])
        elif kind == _ALPN:
            protocols = _protocols(extensions[begin:at])
        elif kind == _ECH:
            encrypted = True
    return ClientHello(True, name, protocols, encrypted)


def _vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """The length-prefixed bytes at a place, and where they end."""
    begin = at + width
    end = begin + int.from_bytes(data[at:begin], "big")
    if end > len(data) or begin > len(data):
        raise _Bad
    return data[begin:end], end


def _server_name(body: bytes) -> str:
    names, _ = _vector(body, 0, 2)
    if names[:1] != b"\0":
        raise _Bad
    raw, end = _vector(names, 1, 2)
    if end != len(names):  # Two names: who reads which?
        raise _Bad
    name = raw.decode("latin-1").lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise _Bad
    return name


def _protocols(body: bytes) -> tuple[str, ...]:
    names, _ = _vector(body, 0, 2)
    found: list[str] = []
    at = 0
    while at < len(names) and len(found) < MAX_NAMES:
        raw, at = _vector(names, at, 1)
        found.append(raw.decode("latin-1"))
    return tuple(found)
