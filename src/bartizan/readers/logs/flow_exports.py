"""Packets in which routers tell of flows: NetFlow 5 and 9, and IPFIX.

Source: Cisco, NetFlow Export Datagram Format (version 5); RFC 3954 (version 9); RFC 7011 and 7012 (IPFIX).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple

from bartizan.readers.logs.answers import ALONE, FORGOTTEN
from bartizan.readers.logs.visit import Evidence, Tally, Visit, Wanted

MAX_TEMPLATES = 4096  # Of all exporters.
MAX_FIELDS = 512
MAX_RECORDS = 4096  # Of one set.
VARIABLE = 0xFFFF
SOURCE_4, TARGET_4, SOURCE_6, TARGET_6 = 8, 12, 27, 28
BYTES, BYTES_TOTAL, BYTES_INITIATOR = 1, 85, 231
FIRST, START_S, START_MS, START_US = 22, 150, 152, 154
_NTP = 2_208_988_800  # Seconds from 1900 to 1970.
_HEAD_5 = struct.Struct("!HHIII")
_FLOW_5 = struct.Struct("!4s4s8xIIII4x")
NO_TEMPLATE = "sets of flows whose template has not come"

Template = tuple[tuple[int, int], ...]  # Kinds and sizes of fields; kind 0 for those of a vendor.


class Flow(NamedTuple):
    """One direction of a connection, or a part of it."""

    time_us: int
    source: str
    target: str
    sent: int


class Exports:
    """What exporters tell; it remembers their templates. Never raises."""

    def __init__(self) -> None:
        self._templates: dict[tuple[bytes, int, int], Template] = {}

    def visits(self, data: bytes, exporter: bytes, wanted: Wanted, tally: Tally) -> Iterator[Visit]:
        """The flows of one packet to hosts that matter, by what their clients were told."""
        for flow in self.flows(data, exporter, tally):
            if visit := joined(flow, wanted, tally):
                yield visit

    def flows(self, data: bytes, exporter: bytes, tally: Tally) -> Iterator[Flow]:
        """The flows of one packet."""
        version = data[:2]
        if version == b"\0\5":
            yield from _version_5(data)
        elif version == b"\0\x09" and len(data) >= 20:
            up_ms, seconds, _, domain = struct.unpack("!IIII", data[4:20])
            boot_us = seconds * 1_000_000 - up_ms * 1000
            yield from self._sets(data, 20, (exporter, domain), boot_us, seconds, tally)
        elif version == b"\0\x0a" and len(data) >= 16:
            _, size, seconds, _, domain = struct.unpack("!HHIII", data[:16])
            yield from self._sets(data[:size], 16, (exporter, domain), None, seconds, tally)
        else:
            tally.junk += 1

    def _sets(
        self, data: bytes, at: int, origin: tuple[bytes, int], boot_us: int | None, seconds: int, tally: Tally
    ) -> Iterator[Flow]:
        ipfix = boot_us is None
        while at + 4 <= len(data):
            id_, size = struct.unpack("!HH", data[at : at + 4])
            if size < 4:
                return
            body = data[at + 4 : at + size]
            if id_ == (2 if ipfix else 0):
                self._learn(body, origin, ipfix)
            elif id_ >= 256:
                template = self._templates.get((*origin, id_))
                if template is None:
                    tally.bound(NO_TEMPLATE)
                else:
                    yield from _records(body, template, boot_us, seconds)
            at += size

    def _learn(self, body: bytes, origin: tuple[bytes, int], ipfix: bool) -> None:
        at = 0
        while at + 4 <= len(body):
            id_, count = struct.unpack("!HH", body[at : at + 4])
            at += 4
            if id_ < 256 or count > MAX_FIELDS:
                return
            fields: list[tuple[int, int]] = []
            for _ in range(count):
                if at + 4 > len(body):
                    return
                kind, size = struct.unpack("!HH", body[at : at + 4])
                at += 4
                if ipfix and kind & 0x8000:  # A vendor's number follows.
                    at += 4
                    kind = 0
                fields.append((kind, size))
            if len(self._templates) < MAX_TEMPLATES or (*origin, id_) in self._templates:
                self._templates[(*origin, id_)] = tuple(fields)


def _version_5(data: bytes) -> Iterator[Flow]:
    if len(data) < 24:
        return
    _, count, up_ms, seconds, nanos = _HEAD_5.unpack_from(data)
    boot_us = seconds * 1_000_000 + nanos // 1000 - up_ms * 1000
    for at in range(24, min(24 + count * 48, len(data) - 47), 48):
        source, target, _, sent, first, _ = _FLOW_5.unpack_from(data, at)
        yield Flow(boot_us + first * 1000, str(ip_address(source)), str(ip_address(target)), sent)


def _records(body: bytes, template: Template, boot_us: int | None, seconds: int) -> Iterator[Flow]:
    at = 0
    least = sum(1 if size == VARIABLE else size for _, size in template)
    for _ in range(MAX_RECORDS):
        if not least or at + least > len(body):
            return
        found: dict[int, bytes] = {}
        for kind, size in template:
            if size == VARIABLE:
                size, at = body[at] if at < len(body) else 0, at + 1
                if size == 255:
                    size, at = int.from_bytes(body[at : at + 2], "big"), at + 2
            found[kind] = body[at : at + size]
            at += size
        if flow := _flow(found, boot_us, seconds):
            yield flow


def _flow(found: dict[int, bytes], boot_us: int | None, seconds: int) -> Flow | None:
    source, target = found.get(SOURCE_4) or found.get(SOURCE_6, b""), found.get(TARGET_4) or found.get(TARGET_6, b"")
    if len(source) not in (4, 16) or len(target) not in (4, 16):
        return None
    sent = max(int.from_bytes(found.get(kind, b"")[:8], "big") for kind in (BYTES, BYTES_TOTAL, BYTES_INITIATOR))
    return Flow(_time(found, boot_us, seconds), str(ip_address(source)), str(ip_address(target)), sent)


def _time(found: dict[int, bytes], boot_us: int | None, seconds: int) -> int:
    number = {kind: int.from_bytes(value, "big") for kind, value in found.items() if len(value) <= 8}
    if START_MS in number:
        return number[START_MS] * 1000
    if START_S in number:
        return number[START_S] * 1_000_000
    if START_US in number:
        return ((number[START_US] >> 32) - _NTP) * 1_000_000 + ((number[START_US] & 0xFFFFFFFF) * 1_000_000 >> 32)
    if FIRST in number and boot_us is not None:
        return boot_us + number[FIRST] * 1000
    return seconds * 1_000_000


def joined(flow: Flow, wanted: Wanted, tally: Tally) -> Visit | None:
    """The visit that a flow is, where its client was told the address for a host that matters."""
    host = tally.answers.host(flow.source, flow.target, flow.time_us)
    if not host or wanted[host] is None:
        return None
    return Visit(flow.time_us, flow.source, host, Evidence.CONNECTED, bytes_up=flow.sent)


def unjoined(tally: Tally) -> None:
    """Says what flows could not be joined with, at the end of their source."""
    if not tally.answers:
        tally.bound(ALONE)
    elif tally.answers.forgotten:
        tally.bound(FORGOTTEN, tally.answers.forgotten)
