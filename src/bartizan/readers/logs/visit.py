"""What one line of a log tells about the use of AI, and how much that proves.

A format is one module of this package with a `FORMAT`. Its reader is a generator over lines, records or chunks: what it
must remember (a header, a join) are local variables. It looks the host of each line up first and reads the rest of the
line only where the host matters: almost no line of an honest log is about AI.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum, IntEnum
from typing import Any, NamedTuple, Protocol

from bartizan.readers.logs.answers import Answers

HANDSHAKE_BYTES = 8192  # A TLS handshake and an empty request send less; more from the client is something uploaded.
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
MAX_HOURS = 10_000  # Whose distance from UTC is remembered: a log that goes through centuries is not honest.
BODIES = frozenset({"POST", "PUT", "PATCH"})
# Where the interfaces of the common services take a prompt; the path of a request that a log shows in clear.
PROMPTED = (
    "/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/responses",
    "/v1/complete",
    "/backend-api/conversation",
    "/backend-api/f/conversation",
    ":generatecontent",
    ":streamgeneratecontent",
    "/api/generate",
    "/api/chat",
    "/v1/chat",
    "/v2/chat",
    "/converse",
    "/converse-stream",
    "/invoke",
    "/invoke-with-response-stream",
)


class Evidence(IntEnum):
    """How much is proved: a DNS request is not a prompt."""

    RESOLVED = 1
    CONNECTED = 2
    AUTHENTICATED = 3
    UPLOADED = 4
    PROMPT = 5

    @property
    def word(self) -> str:
        """As it is printed."""
        return self.name.lower()


class Visit(NamedTuple):
    """One line: somebody reached a host, or an AI application by its name.

    Args:
        time_us: Microseconds since the epoch, UTC; 0 where the line has no time.
        actor: The user if logged, else the client's address; "" where neither is.
        host: As logged, key of the `wanted` map; b"" where the record names an application instead.
        app: The application's name or id, where there is no host.
        account: With which account of the service, where the log says so.
        denied: The source itself says that it let nothing through.
    """

    time_us: int
    actor: str
    host: bytes
    evidence: Evidence
    bytes_up: int = 0
    bytes_down: int = 0
    app: str = ""
    account: str = ""
    denied: bool = False


class Endings(Protocol):
    """Connections that one source names, and another one tells the end of."""

    def __bool__(self) -> bool: ...
    def leave(self, key: Hashable, visit: Visit) -> bool:
        """A connection without an end so far; False where there is no room."""
        ...

    def ended(self, key: Hashable, up: int, down: int) -> bool:
        """The end of a connection; False where no other source named it."""
        ...


@dataclass(slots=True)
class Tally:
    """What a reader counts while it reads.

    Args:
        zone: Of a log that does not say its zone; None: UTC.
        offset_us: Local time of such a log minus UTC, where that is all that is known.
        reference_us: When the source was last written to, as its door knows it: a date without a year is the last such
            day that is not after it. 0 where unknown: then such a date is no time.
        junk: Lines or records that are none of the format.
        bounded: Which bounds were hit, and how often.
        answers: Addresses that clients were told, for flows without names: shared by the sources of one run.
        endings: Takes connections whose end another source of the run tells, and ends of those that others left; None:
            there is no other.
    """

    zone: tzinfo | None = None
    offset_us: int = 0
    reference_us: int = 0
    read: int = 0
    junk: int = 0
    bounded: dict[str, int] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)
    endings: Endings | None = None
    _offsets: dict[int, int] = field(default_factory=dict)  # by the hour

    def local_us(self, us: int) -> int:
        """UTC, where a log without a zone wrote `us` as if it were UTC."""
        if self.zone is None:
            return us - self.offset_us
        hour = us // HOUR_US
        offset_us = self._offsets.get(hour)
        if offset_us is None:
            if len(self._offsets) > MAX_HOURS:
                self._offsets.clear()
            try:
                ahead = self.zone.utcoffset(datetime(1970, 1, 1) + timedelta(hours=hour))  # noqa: DTZ001 - of that zone
            except (OverflowError, ValueError):
                ahead = None
            offset_us = self._offsets[hour] = (ahead or timedelta()) // timedelta(microseconds=1)
        return us - offset_us

    def year_us(self, us: int) -> int:
        """The moment of a stamp without a year, given as if in 1972: the last before the source was written to."""
        if not self.reference_us:
            return 0
        stamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
        latest_us = self.reference_us + DAY_US  # A day, for zones and clocks that differ.
        year = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=latest_us)).year
        for one in range(year, year - 5, -1):  # 29 February is there every fourth year.
            try:
                found = stamp.replace(year=one)
            except ValueError:
                continue
            found_us = self.local_us((found - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
            if found_us <= latest_us:
                return found_us
        return 0

    def bound(self, name: str, times: int = 1) -> None:
        """A bound was hit: what lies behind it was not looked at."""
        self.bounded[name] = self.bounded.get(name, 0) + times


class Unit(Enum):
    """What a reader is given."""

    LINE = "line"  # bytes without the line end
    RECORD = "record"  # JSON objects
    BYTES = "bytes"  # chunks as they come


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a source, for telling its format: up to 64 KiB, whole lines, the first JSON objects."""

    head: bytes
    lines: tuple[bytes, ...]
    records: tuple[dict[str, Any], ...]  # Any: JSON is what its author wrote


Wanted = Mapping[bytes, object]  # A host as logged → None where it does not matter. Made by the catalogue.
Reads = Callable[[Iterator[Any], Wanted, Tally], Iterator[Visit]]  # Any: bytes or dict, as `unit` says


@dataclass(frozen=True, slots=True)
class Format:
    """One layout of logs.

    Args:
        id: Stable name, for `--as`.
        recognise: The share of the sample that is surely this layout, 0.0 to 1.0.
        read: The visits of a source. Never raises on what the source holds.
        source: Where the layout is described.
        answers: It tells which addresses name servers gave to clients.
        joins: Whether a source of that sample tells what others give names to: it is read after them.
    """

    id: str
    title: str
    unit: Unit
    recognise: Callable[[Sample], float]
    read: Reads
    source: str
    answers: bool = False
    joins: Callable[[Sample], bool] | None = None


def of_request(method: str, path: str, bytes_up: int) -> Evidence:
    """What a request proves whose method and path the log shows."""
    if method not in BODIES:
        return Evidence.CONNECTED
    if path.partition("?")[0].lower().rstrip("/").endswith(PROMPTED):
        return Evidence.PROMPT
    return Evidence.UPLOADED if bytes_up > 0 else Evidence.CONNECTED


def of_either(method: str, path: str, bytes_up: int) -> Evidence:
    """What a line proves that may tell of a request or of an encrypted connection, which has no method of HTTP's."""
    return max(of_tunnel(bytes_up), of_request(method, path, bytes_up))


def of_tunnel(bytes_up: int) -> Evidence:
    """What an encrypted connection proves, by what the client sent."""
    return Evidence.UPLOADED if bytes_up > HANDSHAKE_BYTES else Evidence.CONNECTED
