"""The host of what somebody logged: in any case, with a port, a user, brackets, a trailing dot or other scripts.

A host that is none (an address, too long, empty labels) becomes "": no service has it.
"""

from __future__ import annotations

import re

MAX_HOST = 253  # RFC 1035, 2.3.4, without the last dot.
MAX_RAW = 1024  # What a host with a scheme, a user and a port may measure before it is none.

# Looser than the RFC at the ends of labels, as names in logs are; every part has one way to match.
_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_][a-z0-9_-]{0,62})*+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}://")  # At the beginning: a query may hold another one.
_PORT = re.compile(r":[0-9]*")
_NUMBER = re.compile(r"0x[0-9a-f]*|\d+")  # WHATWG URL: a last label like that makes an IPv4 address of the host.


def hostname(raw: str) -> str:
    """The lower-case A-label of what was logged, "" where that is no name of a host."""
    host = raw.lower()
    if len(host) > MAX_HOST or not _PLAIN.fullmatch(host):
        host = _dug_out(host)
    if host[-1:].isalpha() and "0x" not in host:
        return host
    return "" if _NUMBER.fullmatch(host.rpartition(".")[2]) else host


def _dug_out(text: str) -> str:
    if len(text) > MAX_RAW:
        return ""
    host = text.strip(" \t\r\n\"'")
    host = host[scheme.end() :] if (scheme := _SCHEME.match(host)) else host
    host = re.split(r"[/?#\\]", host, maxsplit=1)[0].rpartition("@")[2]
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        if rest and not _PORT.fullmatch(rest):  # [a.example].b.example is a name, and no host of a URL.
            return ""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        host = name
    if not host.isascii():
        host = _ascii(host)
    host = host.removesuffix(".")
    return host if len(host) <= MAX_HOST and _PLAIN.fullmatch(host) else ""


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii").lower() if len(host) <= MAX_HOST else ""
    except UnicodeError:  # A label that IDNA does not allow is no host.
        return ""
