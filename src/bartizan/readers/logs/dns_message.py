"""A DNS message: what was asked, and which addresses were answered.

Source: RFC 1035, 4.1 and 4.1.4 (compression).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_JUMPS = 32
MAX_RECORDS = 64
_A, _AAAA = 1, 28
QUERY, REFUSED = 0, 5
_NO_LABEL = re.compile(rb"[./\\?#@\[\]]")


@dataclass(frozen=True, slots=True)
class Message:
    """Its one question. `addresses` are those of the answer, packed, whatever aliases lead to them."""

    name: bytes
    response: bool
    rcode: int
    addresses: tuple[bytes, ...] = ()
    ttl_s: int = 0


def message(data: bytes) -> Message | None:
    """The message; None where it asks for nothing, for many things at once, or is none. Never raises."""
    if len(data) < 17:
        return None
    flags = int.from_bytes(data[2:4], "big")
    if flags >> 11 & 15 != QUERY or data[4:6] != b"\0\1":
        return None
    name, at = _name(data, 12)
    if name is None or at + 4 > len(data):
        return None
    response = bool(flags & 0x8000)
    addresses, ttl_s = _answers(data, at + 4, int.from_bytes(data[6:8], "big")) if response else ((), 0)
    return Message(name, response, flags & 15, addresses, ttl_s)


def _name(data: bytes, at: int) -> tuple[bytes | None, int]:
    """A name, and where the message goes on behind it; None where it is broken.

    A label with a dot in it, or with what would end the host of a URL, would be read as another name: it is none.
    """
    labels: list[bytes] = []
    end = -1
    size = 0
    for _ in range(128 + MAX_JUMPS):
        if at >= len(data):
            return None, at
        length = data[at]
        if length == 0:
            return b".".join(labels), end if end >= 0 else at + 1
        if length >= 0xC0:
            if at + 1 >= len(data):
                return None, at
            end = end if end >= 0 else at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
            continue
        label = data[at + 1 : at + 1 + length]
        size += length + 1
        if length > 63 or len(label) < length or size > 255 or _NO_LABEL.search(label):
            return None, at
        labels.append(label)
        at += 1 + length
    return None, at


def _answers(data: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    found: list[bytes] = []
    ttl_s = 0
    for _ in range(min(count, MAX_RECORDS)):
        name, at = _name(data, at)
        if name is None or at + 10 > len(data):
            break
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 8 : at + 10], "big")
        value = data[at + 10 : at + 10 + size]
        if (kind, len(value)) in ((_A, 4), (_AAAA, 16)):
            found.append(value)
            ttl_s = max(ttl_s, int.from_bytes(data[at + 4 : at + 8], "big"))
        at += 10 + size
    return tuple(found), ttl_s
