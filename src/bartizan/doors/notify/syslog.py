"""Syslog: one line a notice, to a collector or the machine's own.

Source: RFC 5424 (the line), RFC 5426 (over UDP), RFC 6587, 3.4.1 (over TCP, counting octets).
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from datetime import UTC, datetime

from bartizan.config import Facility, Syslog, SyslogAt
from bartizan.doors.notify.sending import CONNECT_S, Deadline, Outcome, trouble
from bartizan.home.notices import Notice, What

MAX_VALUE = 256  # Bytes: a line should fit into the 2,048 that every receiver takes (RFC 5424, 6.1), and most do.
CLOSE_S = 2.0
FACILITIES = {Facility.USER: 1, Facility.DAEMON: 3, Facility.AUTH: 4, Facility.AUTHPRIV: 10} | {
    Facility(f"local{number}"): 16 + number for number in range(8)
}
SEVERITIES = {
    What.CASE: 5,
    What.DEADLINE: 4,
    What.ALARM: 3,
    What.USE: 5,
    What.TEST: 6,
}  # notice, warning, error, informational
NUMBER = 32473  # The enterprise number for who has none (RFC 5612).


class Lines:
    """One syslog."""

    at_once = 50
    gap_s = 0.0
    every_s = 0.0

    def __init__(self, syslog: Syslog) -> None:
        self._at, self._facility = SyslogAt.parse(syslog.address), FACILITIES[syslog.facility]
        self._host = socket.gethostname()

    def send(self, notices: Sequence[Notice], now_s: float) -> Outcome:
        """A line for each. UDP tells nobody whether it arrived."""
        lines = [line(notice, self._facility, self._host) for notice in notices]
        with Deadline() as deadline:
            try:
                match self._at.scheme:
                    case "udp":
                        self._datagrams(lines)
                    case "tcp":
                        self._stream(lines, deadline)
                    case _:
                        self._local(lines)
            except OSError as error:
                return Outcome(False, trouble(error, deadline.over))
        return Outcome(True)

    def _datagrams(self, lines: Sequence[bytes]) -> None:
        assert self._at.address is not None
        where = socket.getaddrinfo(self._at.address.host, self._at.address.port, type=socket.SOCK_DGRAM)
        family, kind, proto, _, address = where[0]
        with socket.socket(family, kind, proto) as sock:
            sock.settimeout(CONNECT_S)
            sock.connect(address)  # So that the refusal of a machine that has no syslog is an error of a later line.
            for one in lines:
                sock.send(one)

    def _stream(self, lines: Sequence[bytes], deadline: Deadline) -> None:
        assert self._at.address is not None
        with deadline.connect(self._at.address) as sock:
            sock.sendall(b"".join(b"%d %s" % (len(one), one) for one in lines))
            # Nobody answers. But who went away says so now, and not after the lines have been marked as sent.
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(CLOSE_S)
            try:
                while sock.recv(4096):
                    pass
            except TimeoutError:
                return

    def _local(self, lines: Sequence[bytes]) -> None:
        """Datagrams, or a stream with a zero byte after each line where the socket is one, as glibc's syslog() does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(CONNECT_S)
            try:
                sock.connect(self._at.path)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:
                    raise
            else:
                for one in lines:
                    sock.send(one)
                return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(CONNECT_S)
            sock.connect(self._at.path)
            sock.sendall(b"".join(one + b"\0" for one in lines))


def line(notice: Notice, facility: int, host: str) -> bytes:
    """The line: PRI VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG."""
    when = datetime.fromtimestamp(notice.at_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    named = "".join(c if "!" <= c <= "~" else "-" for c in host)[:255] or "-"
    facts = {**notice.facts, "link": notice.link, "ref": notice.ref}
    data = "".join(f' {key}="{_value(value)}"' for key, value in facts.items() if value)
    head = (
        f"<{facility * 8 + SEVERITIES[notice.what]}>1 {when} {named} bartizan - {notice.what} [bartizan@{NUMBER}{data}]"
    )
    words = notice.title if notice.what is What.ALARM else f"{notice.title}: {notice.ref.partition(':')[2]}"
    mark = b"" if words.isascii() else b"\xef\xbb\xbf"  # 6.4: UTF-8 begins with this.
    return head.encode() + b" " + mark + words.encode()


def _value(value: str) -> str:
    short = value.encode()[:MAX_VALUE].decode(errors="ignore")
    return short.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
