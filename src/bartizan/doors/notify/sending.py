"""What all channels share: how a sending ended, and a connection that ends in time whatever the other side does."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bartizan.config import Address
from bartizan.core.errors import ConfigError
from bartizan.home.notices import Notice

CONNECT_S = 10.0
DEADLINE_S = 30.0  # All of one sending: a socket's own timeout begins anew with every byte.


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sending ended. `why` is for logs and pages: no address, no password, nothing the other side said."""

    sent: bool
    why: str = ""  # Also where it was sent, but not to all.
    after_s: float = 0.0  # The other side asks not to be tried before.
    for_good: bool = False  # It will not take these notices, however often they are sent.


class Sender(Protocol):
    """One way out. `send` waits; it is called from a thread of its own and raises nothing."""

    at_once: int  # Notices that go out together.
    gap_s: float  # Between two sendings.
    every_s: float  # Shortest time between two sendings that notices are gathered for.

    def send(self, notices: Sequence[Notice], now_s: float) -> Outcome:
        """Send them all, or say why not."""


class Deadline:
    """Cuts the connection that was made within it once its time is over.

    It holds a second descriptor of the connection, for the first one changes hands where TLS begins.
    """

    def __init__(self, within_s: float = DEADLINE_S) -> None:
        self._timer = threading.Timer(within_s, self._cut)
        self._timer.daemon = True
        self._second: socket.socket | None = None
        self._lock = threading.Lock()
        self.over = False

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            if self._second is not None:
                self._second.close()
                self._second = None

    def connect(self, address: Address) -> socket.socket:
        """A TCP connection. Raises OSError."""
        made = socket.create_connection((address.host, address.port), timeout=CONNECT_S)
        with self._lock:
            self._second = socket.socket(fileno=os.dup(made.fileno()))
        if self.over:
            self._cut()
        return made

    def _cut(self) -> None:
        self.over = True
        with self._lock:
            if self._second is not None:
                try:
                    self._second.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # The other side was quicker.


def trouble(error: Exception, over: bool) -> str:
    """Why a connection failed, without what the error says: that may hold an address."""
    if over or isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConfigError):
        return str(error).partition("\n")[0]  # Our own words: the setting, never its value.
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    if isinstance(error, ssl.SSLError):
        return "no TLS with it"
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return f"not understood ({type(error).__name__})"
