"""Captured packets, made by hand: frames, files of them, and the first flight of TLS and QUIC."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable
from ipaddress import ip_address

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SYN, ACK, FIN = 2, 16, 1
CLIENT, SERVER = "10.0.0.7", "203.0.113.9"


def hello(host: str, padding: int = 400, ech: bool = False) -> bytes:
    """A ClientHello message that names a host (RFC 8446, RFC 6066), without a record around it."""
    name = host.encode()
    sni = struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    extensions = struct.pack("!HH", 21, padding) + bytes(padding) + sni
    if ech:
        extensions += struct.pack("!HH", 0xFE0D, 4) + b"\0\0\0\0"
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0" + struct.pack("!H", len(extensions)) + extensions
    return b"\1" + len(body).to_bytes(3, "big") + body


def record(message: bytes, size: int = 16_384) -> bytes:
    """A message in records of TLS."""
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack("!H", len(part)) + part for part in parts)


def ip(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    """A packet of IPv4 or IPv6."""
    a, b = ip_address(source), ip_address(target)
    if a.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + a.packed + b.packed + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + a.packed + b.packed + payload


def ethernet(packet: bytes, vlans: tuple[int, ...] = ()) -> bytes:
    """A frame around it."""
    tags = b"".join(struct.pack("!HH", kind, 7) for kind in vlans)
    return b"\2\0\0\0\0\1\2\0\0\0\0\2" + tags + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0") + packet


def tcp(
    data: bytes,
    sequence: int,
    flags: int = ACK,
    source: str = CLIENT,
    target: str = SERVER,
    ports: tuple[int, int] = (50_000, 443),
) -> bytes:
    """A segment, in a packet."""
    head = struct.pack("!HHIIBBHHH", *ports, sequence % 2**32, 0, 5 << 4, flags, 64_240, 0, 0)
    return ip(source, target, 6, head + data)


def udp(data: bytes, source: str = CLIENT, target: str = SERVER, ports: tuple[int, int] = (50_000, 443)) -> bytes:
    """A datagram, in a packet."""
    return ip(source, target, 17, struct.pack("!HHHH", *ports, len(data) + 8, 0) + data)


def query(name: str, response: bool = False) -> bytes:
    """A DNS message that asks for an address, or answers."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + ip_address(SERVER).packed
    head = struct.pack("!HHHHHH", 7, 0x8180 if response else 0x0100, 1, int(response), 0, 0)
    return head + labels + b"\0\1\0\1" + (answer if response else b"")


def pcap(frames: Iterable[bytes], link: int = 1, order: str = "<", nano: bool = False, snap: int = 65_535) -> bytes:
    """A file of frames, one a second from 2026-01-05 10:00 UTC on."""
    out = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)]
    for n, frame in enumerate(frames):
        part = 500_000_000 if nano else 500_000
        out.append(struct.pack(order + "IIII", 1_767_607_200 + n, part, len(frame[:snap]), len(frame)) + frame[:snap])
    return b"".join(out)


def block(order: str, kind: int, body: bytes) -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def pcapng(frames: Iterable[bytes], link: int = 1, order: str = "<", nano: bool = False) -> bytes:
    """The same as pcapng, with a comment and a block of an unknown kind."""
    options = struct.pack(order + "HHB3x", 9, 1, 9) if nano else b""
    out = [
        block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(order, 1, struct.pack(order + "HHI", link, 0, 0) + struct.pack(order + "HH4s", 1, 4, b"eth0") + options),
        block(order, 0x0BAD, b"whatever"),
    ]
    for n, frame in enumerate(frames):
        ticks = (1_767_607_200 + n) * 10**6 + 500_000
        ticks *= 1000 if nano else 1
        head = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
        out.append(block(order, 6, head + frame))
    return b"".join(out)


V1, V2 = b"\0\0\0\1", b"\x6b\x33\x43\xcf"
SALTS = {V1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a", V2: "0dede3def700a6db819381be6e269dcbf9bd2ed9"}


def _expand(secret: bytes, label: str, size: int) -> bytes:
    info = struct.pack("!HB", size, len(label) + 6) + b"tls13 " + label.encode() + b"\0\1"
    return hmac.new(secret, info, hashlib.sha256).digest()[:size]


def crypto(offset: int, data: bytes) -> bytes:
    """A CRYPTO frame."""
    return b"\6" + struct.pack("!IH", offset | 0x80000000, len(data) | 0x4000) + data


def initial(
    frames: bytes, id_: bytes, number: int = 2, version: bytes = V1, to: bytes | None = None, size: int = 1162
) -> bytes:
    """An Initial packet of a client, as in RFC 9001, A.2. Its keys are of `id_`, also where it goes to another one."""
    to = id_ if to is None else to
    frames = frames.ljust(size, b"\0")
    prefix = "quicv2" if version == V2 else "quic"
    client = _expand(hmac.new(bytes.fromhex(SALTS[version]), id_, hashlib.sha256).digest(), "client in", 32)
    key, iv, hp = (_expand(client, f"{prefix} {what}", n) for what, n in (("key", 16), ("iv", 12), ("hp", 16)))
    first = 0xD3 if version == V2 else 0xC3
    length = struct.pack("!H", 0x4000 | (4 + len(frames) + 16))
    head = bytes([first]) + version + bytes([len(to)]) + to + b"\0\0" + length + struct.pack("!I", number)
    nonce = bytes(a ^ b for a, b in zip(iv, number.to_bytes(12, "big"), strict=True))
    sealed = AESGCM(key).encrypt(nonce, frames, head)
    mask = Cipher(algorithms.AES(hp), modes.ECB()).encryptor().update(sealed[:16])
    hidden = bytes(a ^ b for a, b in zip(head[-4:], mask[1:5], strict=True))
    return bytes([first ^ mask[0] & 15]) + head[1:-4] + hidden + sealed
