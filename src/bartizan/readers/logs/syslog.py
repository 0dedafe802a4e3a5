"""The time a line of syslog, or of a file beside it, begins with.

Most such lines say no year: it is taken from when the source was last written to (`Tally.year_us`).

Source: RFC 3164, 4.1.2; RFC 5424, 6.2.3; logread of OpenWrt.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Tally

LINE = 4096  # Bytes of a line that is looked at closely. A name has 1,016 at most, with every byte of it escaped.
_HEAD = 64  # In which its time stands.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_PRIORITY = re.compile(rb"<\d{1,3}>(?:1 )?")
_YEARLESS = re.compile(rb"([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6})\d*)?(?!\s+\d{4}\b|\d|:)")


def when(line: bytes, tally: Tally) -> int:
    """The time at the beginning of a line, µs since the epoch; 0 where none can be told."""
    head = line[:_HEAD]
    if priority := _PRIORITY.match(head):
        head = head[priority.end() :]
    found = _YEARLESS.match(head)
    if found is None:
        return micros(head, tally)
    month = _MONTHS.get(found[1], 0)
    day, hour, minute, second = (int(part) for part in found.group(2, 3, 4, 5))
    try:
        at = datetime(1972, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return 0
    part = int((found[6] or b"").ljust(6, b"0"))
    return tally.year_us((at - _EPOCH) // _MICROSECOND + part)
