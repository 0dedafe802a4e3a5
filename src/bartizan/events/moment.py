"""Moments as people type them into a filter: 15m, 7d, 2026-11-23, 2026-11-23T06:30, 06:30. All UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_SECOND_US = 1_000_000
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DAY_US = 86_400 * _SECOND_US
_AGO = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?Z?)?", re.ASCII)
EXAMPLES = "15m, 1h, 7d, 2026-11-23, 2026-11-23T06:30 or 06:30 (UTC)"


def moment(text: str, now_us: int) -> int | None:
    """Microseconds since 1970; None for what is no moment. A time without a date is today's."""
    if match := _AGO.fullmatch(text):
        return max(0, now_us - int(match[1]) * _UNITS[match[2]] * _SECOND_US)
    if match := _TIME.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in match.groups())
        if hour > 23 or minute > 59 or second > 59:
            return None
        return now_us - now_us % _DAY_US + (hour * 3_600 + minute * 60 + second) * _SECOND_US
    if match := _DATE.fullmatch(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        try:
            when = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
        return max(0, int(when.timestamp()) * _SECOND_US)
    return None
