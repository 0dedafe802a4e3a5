"""What the proxy itself says, as whole HTTP responses.

Of an answer to CONNECT a browser shows nothing but that there was no tunnel: a proxy's words must not pass for the
site's. So these words are for programs, which log them, and for plain requests, where a person sees the page.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson

if TYPE_CHECKING:
    from bartizan.exchange.dialect import Notice

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TELL_CHARS = 1000
_PHRASES = {
    307: "Temporary Redirect",
    400: "Bad Request",
    403: "Forbidden",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    417: "Expectation Failed",
    421: "Misdirected Request",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
_MORE = {
    407: b'proxy-authenticate: Basic realm="Bartizan: any name, and a gateway key as the password"\r\n',
    429: b"retry-after: 1\r\n",
    503: b"retry-after: 1\r\n",
}
_CSP = b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\nx-content-type-options: nosniff\r\n"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="robots" content="noindex">
<meta name="viewport" content="width=device-width"><title>Not opened</title>
<h1>{host} was not opened</h1><p>{tell}</p>{link}<p>Decision {id}</p></html>
"""


def answer(status: int, body: bytes, more: bytes = b"", kind: bytes = b"application/json") -> bytes:
    """A whole response, after which the connection closes."""
    first = b"HTTP/1.1 %d %s\r\n" % (status, _PHRASES.get(status, "Error").encode())
    about = b"content-type: %s\r\ncontent-length: %d\r\ncache-control: no-store\r\n" % (kind, len(body))
    return b"".join((first, about, b"connection: close\r\n", _MORE.get(status, b""), more, b"\r\n", body))


def error(status: int, what: str, id_: str = "") -> bytes:
    """An error of ours, for programs."""
    body = orjson.dumps({"error": {"message": what, "type": "proxy_error"}})
    return answer(status, body, b"x-bartizan-decision: %s\r\n" % id_.encode() if id_ else b"")


def refusal(status: int, notice: Notice, id_: str, host: str, *, page: bool) -> bytes:
    """What the policy does not let through: a page for people, or JSON.

    A person who can let it pass by a reason of their own is led to where they give it.
    """
    more = b"x-bartizan-decision: %s\r\n" % id_.encode()
    if not page:
        told: dict[str, object] = {
            "error": {"message": notice.message(), "type": "policy", "code": "content_policy_violation"},
            "bartizan": notice.as_json(),
        }
        return answer(status, orjson.dumps(told), more)
    if notice.link and status == 307:
        more += b"location: %s\r\n" % quote(notice.link, safe=":/?#[]@!$&'()*+,;=%-._~").encode()
    link = f'<p><a href="{html.escape(notice.link)}">What can be done</a></p>' if notice.link else ""
    tell = " ".join(notice.tell) or "Your organisation's policy does not allow it."
    shown = {"host": html.escape(host), "tell": html.escape(tell), "id": html.escape(notice.id), "link": link}
    return answer(status, _PAGE.format(**shown).encode(), more + _CSP, b"text/html; charset=utf-8")


def established(id_: str, tell: tuple[str, ...]) -> bytes:
    """The tunnel stands. Clients show its headers to nobody, but they log them."""
    told = b"x-bartizan-tell: %s\r\n" % quote(" ".join(tell)[:TELL_CHARS]).encode() if tell else b""
    return b"%sx-bartizan-decision: %s\r\n%s\r\n" % (ESTABLISHED, id_.encode(), told)
