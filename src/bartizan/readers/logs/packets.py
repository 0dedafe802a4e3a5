"""What lies in a frame: addresses, ports and the payload of TCP and UDP.

Source: IEEE 802.1Q (VLAN), RFC 791, RFC 8200 (extension headers), RFC 9293, RFC 768; LINKTYPE_ registry.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
_IPV4, _IPV6 = 0x0800, 0x86DD
_VLANS = frozenset({0x8100, 0x88A8, 0x9100})
_PPPOE = 0x8864
_PPP = {0x0021: _IPV4, 0x0057: _IPV6}
_RAW = frozenset({12, 14, 101, 228, 229})
_EXTENSIONS = frozenset({0, 43, 60, 135})
_FRAGMENT, _AUTHENTICATION = 44, 51
MAX_LAYERS = 8
_TCP = struct.Struct("!HHIIBB")
_UDP = struct.Struct("!HHH")


class Packet(NamedTuple):
    """A segment or a datagram. Addresses as in the packet; `size` is the payload's, also where that was cut off."""

    protocol: int
    source: bytes
    target: bytes
    from_port: int
    to_port: int
    payload: bytes
    size: int
    sequence: int = 0
    flags: int = 0


def packet(link: int, data: bytes) -> Packet | None:
    """The packet in a frame; None where it is none of these, or the later part of one. Never raises."""
    kind, at = _network(link, data)
    if kind == _IPV4:
        return _ipv4(data, at)
    return _ipv6(data, at) if kind == _IPV6 else None


def _network(link: int, data: bytes) -> tuple[int, int]:
    """The network protocol of a frame and where it begins; 0 for another one."""
    if link == 1:
        kind, at = int.from_bytes(data[12:14], "big"), 14
    elif link in _RAW:
        return {4: _IPV4, 6: _IPV6}.get(data[0] >> 4 if data else 0, 0), 0
    elif link in (0, 108):  # The family of the sender's system, in its order of bytes.
        return {4: _IPV4, 6: _IPV6}.get(data[4] >> 4 if len(data) > 4 else 0, 0), 4
    elif link == 113:
        kind, at = int.from_bytes(data[14:16], "big"), 16
    elif link == 276:
        kind, at = int.from_bytes(data[:2], "big"), 20
    else:
        return 0, 0
    for _ in range(MAX_LAYERS):
        if kind in _VLANS:
            kind, at = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif kind == _PPPOE:
            kind, at = _PPP.get(int.from_bytes(data[at + 6 : at + 8], "big"), 0), at + 8
        else:
            break
    return kind, at


def _ipv4(data: bytes, at: int) -> Packet | None:
    if len(data) < at + 20 or data[at] >> 4 != 4:
        return None
    header = (data[at] & 15) * 4
    total = int.from_bytes(data[at + 2 : at + 4], "big")
    if header < 20 or int.from_bytes(data[at + 6 : at + 8], "big") & 0x1FFF:
        return None
    end = at + total if total else len(data)  # Zero where the network card cuts large segments itself.
    return _transport(data, at + header, end, data[at + 9], data[at + 12 : at + 16], data[at + 16 : at + 20])


def _ipv6(data: bytes, at: int) -> Packet | None:
    if len(data) < at + 40 or data[at] >> 4 != 6:
        return None
    size = int.from_bytes(data[at + 4 : at + 6], "big")
    following, begin = data[at + 6], at + 40
    end = begin + size if size else len(data)
    for _ in range(MAX_LAYERS):
        if len(data) < begin + 8:
            return None
        if following in _EXTENSIONS:
            following, begin = data[begin], begin + 8 + data[begin + 1] * 8
        elif following == _AUTHENTICATION:
            following, begin = data[begin], begin + 8 + data[begin + 1] * 4
        elif following == _FRAGMENT:
            if int.from_bytes(data[begin + 2 : begin + 4], "big") & 0xFFF8:
                return None
            following, begin = data[begin], begin + 8
        else:
            return _transport(data, begin, end, following, data[at + 8 : at + 24], data[at + 24 : at + 40])
    return None


def _transport(data: bytes, at: int, end: int, protocol: int, source: bytes, target: bytes) -> Packet | None:
    if protocol == TCP and len(data) >= at + 20:
        from_port, to_port, sequence, _, offset, flags = _TCP.unpack_from(data, at)
        begin = at + (offset >> 4) * 4
        if begin < at + 20:
            return None
        return Packet(TCP, source, target, from_port, to_port, data[begin:end], max(end - begin, 0), sequence, flags)
    if protocol == UDP and len(data) >= at + 8:
        from_port, to_port, size = _UDP.unpack_from(data, at)
        end = min(end, at + size) if size >= 8 else end
        return Packet(UDP, source, target, from_port, to_port, data[at + 8 : end], max(end - at - 8, 0))
    return None
