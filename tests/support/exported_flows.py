"""Packets in which routers tell of flows, made by hand: NetFlow 5 and 9, and IPFIX."""

from __future__ import annotations

import struct
from ipaddress import ip_address

AT = 1_767_607_200  # 2026-01-05 10:00 UTC
UP_MS = 3_600_000

Row = tuple[str, str, int]  # from, to, bytes


def version_5(rows: list[Row]) -> bytes:
    """One packet; the flows began ten seconds before it was sent."""
    out = struct.pack("!HHIIIIBBH", 5, len(rows), UP_MS, AT, 0, 1, 0, 0, 0)
    for source, target, sent in rows:
        ends = ip_address(source).packed + ip_address(target).packed + bytes(4)
        out += ends + struct.pack("!HHIIIIHH", 1, 2, 9, sent, UP_MS - 10_000, UP_MS - 1000, 50_000, 443)
        out += struct.pack("!BBBBHHBBH", 0, 24, 6, 0, 0, 0, 24, 24, 0)
    return out


FIELDS_9 = {4: ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4)),
            6: ((27, 16), (28, 16), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4))}  # fmt: skip


def _set(id_: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("!HH", id_, len(body) + 4) + body


def _template(id_: int, fields: tuple[tuple[int, int], ...]) -> bytes:
    return struct.pack("!HH", id_, len(fields)) + b"".join(struct.pack("!HH", *field) for field in fields)


def version_9(rows: list[Row], template: bool = True) -> bytes:
    """One packet with its templates and its flows."""
    version = ip_address(rows[0][0]).version
    id_ = 256 + version
    sets = _set(0, _template(id_, FIELDS_9[version])) if template else b""
    body = b"".join(
        ip_address(source).packed
        + ip_address(target).packed
        + struct.pack("!HHBIIII", 50_000, 443, 6, sent, 9, UP_MS - 10_000, UP_MS - 1000)
        for source, target, sent in rows
    )
    count = len(rows) + int(template)
    return struct.pack("!HHIIII", 9, count, UP_MS, AT, 1, 7) + sets + _set(id_, body)


def ipfix(rows: list[Row], template: bool = True) -> bytes:
    """One message, with a field of a vendor and one of variable length among them."""
    plain = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1))
    fields = struct.pack("!HH", 256, 9) + b"".join(struct.pack("!HH", *field) for field in plain)
    fields += struct.pack("!HHI", 0x8001, 4, 29_305) + struct.pack("!HHHHHH", 82, 0xFFFF, 1, 8, 152, 8)
    body = b"".join(
        ip_address(source).packed
        + ip_address(target).packed
        + struct.pack("!HHBI", 50_000, 443, 6, 1)
        + b"\4eth0"
        + struct.pack("!QQ", sent, (AT - 10) * 1000)
        for source, target, sent in rows
    )
    sets = (_set(2, fields) if template else b"") + _set(256, body)
    return struct.pack("!HHIII", 10, len(sets) + 16, AT, 1, 7) + sets
