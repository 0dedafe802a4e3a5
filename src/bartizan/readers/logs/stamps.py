"""When something happened, in the many ways logs write it: microseconds since the epoch, 0 where that cannot be told.

Epoch numbers tell their unit by their size. What lacks a zone or a year gets it from what the tally
knows of the source.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bartizan.readers.logs.visit import Tally

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST_US = 253_402_300_799_999_999  # The last microsecond of the year 9999.
_LONGEST = 64  # Characters of the longest honest time.
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: n for n, name in enumerate(_NAMES, 1)}
_NUMBER = re.compile(r"\s*(\d{1,19})(?:\.(\d{1,9})\d*)?\s*", re.ASCII)
_AS_WRITTEN = Tally()
_ZONE = r"\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
# 2026-01-05T10:00:00.123Z, 2026/01/05 10:00:00, 2026:01:05-10:00:00
_YEAR_FIRST = re.compile(
    r"\s*(\d{4})[-/:](\d{1,2})[-/:](\d{1,2})[T\s:-]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,](\d{1,9})\d*)?" + _ZONE,
    re.ASCII,
)
# Fri Dec 31 07:07:07 2021, Dec 31 2021 07:07:07.123 UTC
_MONTH_FIRST = re.compile(
    r"\s*(?:[A-Za-z]{3,9},?\s+)?([A-Za-z]{3})[a-z]*\s+(\d{1,2}),?\s+(?:(\d{4}),?\s+)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?"
    r"(?:\s+(\d{4}))?" + _ZONE,
    re.ASCII,
)
# 31 Dec 2021 07:07:07 +0100, 31/Dec/2021:07:07:07 +0100
_DAY_FIRST = re.compile(
    r"\s*\[?(?:[A-Za-z]{3},?\s+)?(\d{1,2})[\s/-]([A-Za-z]{3})[a-z]*[\s/-](\d{4})[\s:]+(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?"
    + _ZONE,
    re.ASCII,
)


def micros(value: object, tally: Tally) -> int:
    """The time that a field of a log or record holds."""
    if isinstance(value, str):
        return _text(value[:_LONGEST], tally)
    if isinstance(value, bytes):
        return _text(value[:_LONGEST].decode("latin-1"), tally)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**19:
        return 0  # Also what is not a number.
    if isinstance(value, float):
        return _epoch(int(value), int(value % 1 * 1_000_000_000))
    return _epoch(value, 0)


def _text(text: str, tally: Tally) -> int:
    if number := _NUMBER.fullmatch(text):
        return _epoch(int(number[1]), int((number[2] or "").ljust(9, "0")))
    if found := _YEAR_FIRST.match(text):
        year, month, day, hour, minute, second, part, zone = found.groups()
        return _moment(tally, int(year), int(month), int(day), int(hour), int(minute), second, part, zone)
    if found := _MONTH_FIRST.match(text):
        name, day, early, hour, minute, second, part, late, zone = found.groups()
        month, year = _MONTHS.get(name.lower(), 0), early or late
        if year is None:
            return tally.year_us(_moment(_AS_WRITTEN, 1972, month, int(day), int(hour), int(minute), second, part, "Z"))
    elif found := _DAY_FIRST.match(text):
        day, name, year, hour, minute, second, part, zone = found.groups()
        month = _MONTHS.get(name.lower(), 0)
    else:
        return 0
    return _moment(tally, int(year), month, int(day), int(hour), int(minute), second, part, zone)


def _epoch(whole: int, billionths: int) -> int:
    """Seconds, milliseconds, microseconds or nanoseconds: seconds reach 11 digits in the year 5138 only."""
    if whole < 10**11:
        us = whole * 1_000_000 + billionths // 1000
    elif whole < 10**14:
        us = whole * 1000 + billionths // 1_000_000
    elif whole < 10**17:
        us = whole
    else:
        us = whole // 1000
    return us if us <= _LATEST_US else 0


def _moment(
    tally: Tally,
    year: int,
    month: int,
    day: int,
    hour: int,
    minute: int,
    second: str | None,
    part: str | None,
    zone: str | None,
) -> int:
    try:
        at = datetime(
            year, month, day, hour, minute, min(int(second or 0), 59), tzinfo=UTC
        )  # A leap second is one late.
    except ValueError:
        return 0
    us = (at - _EPOCH) // _MICROSECOND + int((part or "").ljust(9, "0")) // 1000
    if zone is None:
        return max(tally.local_us(us), 0)
    if zone[0] in "+-":
        east = (int(zone[1:3]) * 60 + int(zone[-2:])) * 60_000_000
        us += east if zone[0] == "-" else -east
    return max(us, 0)
