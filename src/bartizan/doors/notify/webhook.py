"""A webhook: `{"text": "…"}` posted as Slack takes it, and Mattermost, Rocket.Chat, Zulip and others with it.

Source: docs.slack.dev, "Sending messages using incoming webhooks", "Formatting message text", "Rate limits".
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from bartizan.config import Address
from bartizan.core.errors import ConfigError
from bartizan.doors.notify.sending import Deadline, Outcome, trouble
from bartizan.home.notices import Notice
from bartizan.version import __version__

LONGEST_AFTER_S = 6 * 3600.0
IN_FULL = 10  # Of more at once only titles and links: a message has 40,000 characters.
FOR_GOOD = frozenset({400, 413, 415, 422})  # It read the message and does not want it.
_ADDRESS = re.compile(r"(?i)\b(?:h(?=ttps?:)tt|f(?=tp:)t|www(?=\.)\.)")
_MENTION = re.compile(r"(?<![\w.])@(?=\w)")


class Hook:
    """One webhook."""

    at_once = 50
    gap_s = 1.0  # Slack takes one a second.
    every_s = 0.0

    def __init__(self, url: Callable[[], str], *, secret: bool) -> None:
        """`url` gives the address, each time anew, so that a file may change; it raises ConfigError.

        `secret`: the address lets whoever knows it write there, so it is never sent in the clear over a network.
        """
        self._url, self._secret = url, secret

    def send(self, notices: Sequence[Notice], now_s: float) -> Outcome:
        """One message with all of them. Redirects are not followed: they would take the text elsewhere."""
        with Deadline() as deadline:
            try:
                return self._posted(json.dumps({"text": text(notices)}).encode(), deadline, now_s)
            except (OSError, http.client.HTTPException, ValueError, ConfigError) as error:
                return Outcome(False, trouble(error, deadline.over))

    def _posted(self, body: bytes, deadline: Deadline, now_s: float) -> Outcome:
        url = urlsplit(self._url())
        closed = url.scheme == "https"
        if not url.hostname or url.scheme not in {"https", "http"}:
            return Outcome(False, "its address is not a URL that begins with https:// or http://")
        address = Address(url.hostname, url.port or (443 if closed else 80))
        if self._secret and not closed and not address.loopback:
            return Outcome(False, "its address is a secret and begins with http://; only https:// keeps it one")
        sock = deadline.connect(address)
        connection = http.client.HTTPConnection(address.host, address.port)
        try:
            connection.sock = (
                ssl.create_default_context().wrap_socket(sock, server_hostname=address.host) if closed else sock
            )
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            headers = {
                "host": url.netloc.rpartition("@")[2],
                "content-type": "application/json; charset=utf-8",
                "user-agent": f"bartizan/{__version__}",
                "connection": "close",
            }
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return _outcome(answer.status, answer.getheader("retry-after", ""), now_s)
        finally:
            connection.close()
            sock.close()


def text(notices: Sequence[Notice]) -> str:
    """The message, in Slack's mrkdwn."""
    whole, rest = notices[:IN_FULL], notices[IN_FULL:]
    return "\n\n".join([*map(_one, whole), *(["\n".join(map(_title, rest))] if rest else [])])


def _one(notice: Notice) -> str:
    return "\n".join([_title(notice), *map(_escaped, notice.lines())])


def _title(notice: Notice) -> str:
    link = notice.link.translate({ord(c): f"%{ord(c):02X}" for c in "<>| "})
    return f"*{_escaped(notice.title)}*" + (f" <{_entities(link)}|Open>" if link else "")


def _escaped(words: str) -> str:
    """Without what means something to a chat: a text could mention everybody, or lead people somewhere.

    Slack's three characters; and for those that read Markdown and bare addresses: `@all`, `[here](…)`, `https://…`.
    """
    words = _ADDRESS.sub(lambda match: match[0].replace("t", "x").replace("T", "X").replace(".", "[.]"), words)
    words = _MENTION.sub("\uff20", words.replace("](", "] ("))
    return _entities(words)


def _entities(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _outcome(status: int, retry_after: str, now_s: float) -> Outcome:
    if 200 <= status < 300:
        return Outcome(True)
    if 300 <= status < 400:
        return Outcome(False, f"HTTP {status}: it sends elsewhere; give the address it leads to")
    return Outcome(False, f"HTTP {status}", _after_s(retry_after, now_s), status in FOR_GOOD)


def _after_s(said: str, now_s: float) -> float:
    """What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3). 0 where it makes no sense."""
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), LONGEST_AFTER_S)
    try:
        return min(max(0.0, parsedate_to_datetime(said).timestamp() - now_s), LONGEST_AFTER_S)
    except (ValueError, OverflowError):
        return 0.0
