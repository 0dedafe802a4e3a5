"""Records for other systems: a range of days as JSON lines or OCSF events, in bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

import orjson

from bartizan.core.errors import InputError, UsageError
from bartizan.doors.console.answers import File
from bartizan.doors.console.routes import act, page
from bartizan.ledger.export import ocsf, opened
from bartizan.ledger.read import Record, records
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

FORMATS = ("jsonl", "ocsf")
MAX_RECORDS = 50_000
MAX_BYTES = 64 << 20  # All of it is in memory for a moment.
MORE = "choose fewer days, or take all of it with `bartizan ledger export`"


@dataclass(frozen=True, slots=True)
class Range:
    """From the beginning of one day to the end of another, here."""

    since: date
    until: date

    @property
    def since_us(self) -> int:
        return _us(self.since)

    @property
    def until_us(self) -> int:
        return _us(self.until + timedelta(days=1))

    @classmethod
    def of(cls, since: str, until: str) -> Range:
        """As date fields give it. Raises InputError."""
        found = cls(_date("since", since), _date("until", until))
        if found.until < found.since:
            raise InputError("lies before the first day", "until")
        return found


def export(asked: Asked) -> File:
    """Records without any text."""
    range_ = Range.of(asked.query.get("since", ""), asked.query.get("until", ""))
    format_ = asked.option("format", FORMATS)
    return _file(_found(asked, range_), range_, format_, "records")


def export_with_texts(asked: Asked) -> File:
    """Records with their sealed texts. That they were opened is on the disk before the first one is."""
    range_ = Range.of(asked.text("since"), asked.text("until"))
    format_ = asked.choice("format", FORMATS, "jsonl")
    console = asked.console
    told = {"event": "exported", "exchange": "", "format": format_, "since_us": range_.since_us, "texts": True}
    console.record(told | {"person": asked.who.person, "until_us": range_.until_us})
    return _file(opened(_found(asked, range_), console.home.path, console.home.vault), range_, format_, "texts")


def _found(asked: Asked, range_: Range) -> Iterable[Record]:
    return records(asked.console.home.path, since_us=range_.since_us, until_us=range_.until_us)


def _file(found: Iterable[Record], range_: Range, format_: str, what: str) -> File:
    lines: list[bytes] = []
    size = 0
    for record in found:
        line = orjson.dumps(ocsf(record) if format_ == "ocsf" else record)
        lines.append(line)
        size += len(line) + 1
        if len(lines) > MAX_RECORDS or size > MAX_BYTES:
            raise UsageError(f"there are more than {MAX_RECORDS:,} records or {MAX_BYTES >> 20} MiB in it; {MORE}")
    name = f"bartizan-{what}-{range_.since}-{range_.until}.{'ocsf.jsonl' if format_ == 'ocsf' else 'jsonl'}"
    return File(name, "application/x-ndjson", b"".join(line + b"\n" for line in lines))


def _date(name: str, text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise InputError("is a day, as 2026-11-23", name) from error
    if not 1971 <= found.year <= 9000:
        raise InputError("is a day, as 2026-11-23", name)
    return found


def _us(day: date) -> int:
    return round(datetime.combine(day, time()).astimezone().timestamp() * 1e6)


ROUTES = (
    page("/ledger/export", export, Role.VIEWER),
    act("/ledger/export", export_with_texts, Role.PRIVACY),
)
