"""The head of one request to a proxy, read by llhttp as the gateway reads its own, and refused where two could differ.

A tunnel has no body and a plain request has one: what stands behind the head is told by the parser alone.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

import httptools

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
_ONCE = frozenset({b"host", b"proxy-authorization", b"content-length", b"transfer-encoding", b"expect"})


class Refusal(Exception):
    """A request that is answered before anybody decides on it."""

    def __init__(self, status: int, what: str, why: str = "") -> None:
        self.status, self.what, self.why = status, what, why
        super().__init__(what)


@dataclass(slots=True)
class Head:
    """What llhttp tells of one request; `parser` goes on with its body. Names of headers are as sent."""

    url: bytes = b""
    method: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    special: dict[bytes, bytes] = field(default_factory=dict)
    upgrade: bool = False
    whole: bool = False  # the request has come to its end
    body: list[bytes] = field(default_factory=list)
    parser: httptools.HttpRequestParser = field(init=False)

    def __post_init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)

    @property
    def connect(self) -> bool:
        """Whether a tunnel is wanted."""
        return self.method == b"CONNECT"

    def read(self, raw: bytes) -> None:
        """All of the head and nothing else. Raises Refusal."""
        try:
            self.parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            self.upgrade = True
        except httptools.HttpParserInvalidURLError:
            raise Refusal(400, "the address is not one") from None
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, Refusal):
                raise error.__context__ from None
            raise Refusal(400, f"the request cannot be read: {error}") from None
        if not self.method:
            raise Refusal(400, "the request has no head")

    def more(self, raw: bytes) -> None:
        """Bytes of the body. Raises Refusal."""
        try:
            self.parser.feed_data(raw)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise Refusal(400, "the body of the request cannot be read") from None

    # ---- From the parser

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.method:
            return  # a trailer: nobody asked for one
        if len(self.headers) >= MAX_HEADERS:
            raise Refusal(431, f"the head has more than {MAX_HEADERS} headers")
        lower = name.lower()
        if lower in _ONCE:
            if lower in self.special:
                raise Refusal(400, f"{lower.decode()} stands twice in the head")
            self.special[lower] = value
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.method = self.parser.get_method()
        special = self.special
        if self.connect and (special.keys() & {b"content-length", b"transfer-encoding"}):
            raise Refusal(400, "a tunnel has no body")
        coding = special.get(b"transfer-encoding")
        version = self.parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refusal(505, "this speaks HTTP/1.1")
        if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
            raise Refusal(501, "the only transfer coding known here is chunked")
        if special.get(b"expect", b"100-continue").lower() != b"100-continue":
            raise Refusal(417, "nothing but 100-continue can be expected")

    def on_body(self, piece: bytes) -> None:
        self.body.append(piece)

    def on_message_complete(self) -> None:
        self.whole = True

    # ---- Who asks

    def secret(self) -> str:
        """What may be a gateway key: the password of Basic, whatever the user's name, or a bearer's token; else ""."""
        scheme, _, value = self.special.get(b"proxy-authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            return value.strip().decode("latin-1")
        if scheme.lower() != b"basic":
            return ""
        try:
            plain = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            return ""
        return plain.partition(b":")[2].decode("latin-1")
