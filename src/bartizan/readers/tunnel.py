"""What a client asks a proxy for: a place on the net, and what is known of it there.

A host is read in one way or not at all. Names that some resolvers take for an address (`127.1`, `0x7f.1`, `2130706433`)
are refused, and so is what is no A-label: whoever decides and whoever connects must mean the same place.

Source: RFC 9112, 3.2.3 (authority-form); RFC 9110, 9.3.6 (CONNECT); RFC 5891 (A-labels).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from bartizan.core.errors import InputError
from bartizan.core.subject import Context, Kind, Subject, Trust

MAX_HOST = 253
_LABELS = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # as WHATWG's URL standard tells an address from a name


@dataclass(frozen=True, slots=True)
class Place:
    """Host and port: a name in small letters without a dot at its end, or an address."""

    host: str
    port: int
    literal: bool  # whether the host is an address

    @classmethod
    def parse(cls, authority: bytes, default_port: int = 0) -> Place:
        """`HOST:PORT`, an IPv6 address in brackets; 0 as the default wants a port. Raises InputError."""
        return _parsed(authority, default_port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@lru_cache(maxsize=4096)
def _parsed(authority: bytes, default_port: int) -> Place:
    if len(authority) > MAX_HOST + 8:
        raise InputError(f"is longer than {MAX_HOST} characters", "host")
    text = authority.decode("latin-1")
    if "@" in text:
        raise InputError("names a user, which has no place before a host", "host")
    if not text.isascii():
        raise InputError("is not an A-label (xn--…)", "host")
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        host, literal = _ipv6(inside), True
        if not bracket or (rest and not rest.startswith(":")):
            raise InputError("is no host", "host")
        port = rest[1:] if rest else ""
    else:
        name, colon, port = text.partition(":")
        host, literal = named(name)
        rest = colon
    if rest or not default_port:
        if not (port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
            raise InputError("is no number from 1 to 65535", "port")
        return Place(host, int(port), literal)
    return Place(host, default_port, literal)


def named(name: str) -> tuple[str, bool]:
    """A host as it is compared, and whether it is an IPv4 address. Raises InputError."""
    host = name.lower().removesuffix(".")
    if _NUMBER.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host)), True
        except ValueError:
            raise InputError("is a number that some take for an address", "host") from None
    if len(host) > MAX_HOST or not _LABELS.fullmatch(host):
        raise InputError("is no host", "host")
    return host, False


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise InputError("is no IPv6 address", "host") from None
    if address.scope_id is not None:
        raise InputError("names an interface, which is this machine's affair", "host")
    return str(address)


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue and the register know of a host; empty where neither knows it.

    Args:
        system: Its id in the catalogue, and in the register.
        name: As people call it.
        tier: A, B, C, M or candidate, as in the catalogue: what may be concluded from the host's name.
        status: approved, tolerated, restricted, blocked, or "" where nobody decided; with the person's exceptions.
        alternative: The name of what may be used instead.
        lookalike_of: The domain that the host imitates.
    """

    system: str = ""
    name: str = ""
    tier: str = ""
    status: str = ""
    alternative: str = ""
    lookalike_of: str = ""


UNKNOWN = Known()
_STRICT = {"approved": 0, "tolerated": 1, "": 2, "restricted": 3, "blocked": 4}


def stricter(one: Known, other: Known) -> Known:
    """Of two hosts that one tunnel names, the one to go by: what imitates first, then a known system, by its status."""

    def weight(known: Known) -> tuple[bool, bool, int]:
        return bool(known.lookalike_of), bool(known.system), _STRICT.get(known.status, 2)

    return max(one, other, key=weight)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """What a door knows of a tunnel, or of a plain request, when it is decided on. Content of a Subject of kind flow.

    Args:
        name: The host in the client's TLS hello; "" while it is not known, or where there is none.
        fronted: Whether that name is another host than the one asked for.
        encrypted: Whether there is an encrypted hello inside, so that the name in clear is a provider's.
    """

    place: Place
    known: Known = UNKNOWN
    name: str = ""
    fronted: bool = False
    encrypted: bool = False

    @property
    def about(self) -> str:
        """What a decision on it is about, and a grant covers: the system, else the host."""
        return self.known.system or self.name or self.place.host


def tunnel(content: Tunnel, context: Context) -> Subject:
    """A tunnel as a subject. What is known of it is a text below it, so that a grant can cover just that."""
    known = content.known.system or content.known.lookalike_of
    children = (Subject(Kind.TEXT, "/name", content.about, Trust.USER),) if known else ()
    return Subject(Kind.FLOW, "", content, Trust.USER, children=children, context=context)
