"""Skyhigh (McAfee) Web Gateway: its access log, whose header names the fields: `#time_stamp "auth_user" src_ip …`.

Administrators leave fields out and add some; a file without its header is read in the order that is shipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import authority, first_wanted, path, share, size, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_either

_HEADER = re.compile(rb'#"?time_stamp"? ')
_ROW = re.compile(rb'\[\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "[^"]*" [0-9A-Fa-f.:]{2,45} \d{3} "')
_FIELD = re.compile(rb'\[([^\]]*)\]|"((?:[^"\\]++|\\.)*+)"?|(\S+)')
_REQUEST = re.compile(rb'[^"]*"[^"]*"[^"]*?"([A-Z]{3,10}) ([^ "]+)')  # The user stands in the first quotes.
# fmt: off
_COLUMNS = (
    "time_stamp", "auth_user", "src_ip", "status_code", "req_line", "categories", "rep_level", "media_type",
    "bytes_to_client", "bytes_from_client", "user_agent", "virus_name", "block_res", "application_name",
)
# fmt: on
_LET_THROUGH = frozenset({"", "0", "-"})


def recognise(sample: Sample) -> float:
    """Rows of a time in brackets, a user in quotes, an address, a status and a request."""
    return share(sample.lines, lambda line: _ROW.match(line) or _HEADER.match(line))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The requests that matter."""
    columns: tuple[str, ...] = _COLUMNS
    for line in source:
        if _HEADER.match(line):
            columns = tuple(name.strip('"') for name in text(line[1:]).split())
            continue
        if not _ROW.match(line):
            tally.junk += bool(line)
            continue
        request = _REQUEST.match(line)
        if not request or not first_wanted(wanted, authority(request[2])):
            continue
        row = [text(timed or quoted or bare) for timed, quoted, bare in _FIELD.findall(line)]
        field = dict(zip(columns, row, strict=False))
        method, up = request[1].decode("ascii"), size(field.get("bytes_from_client"))
        denied = field.get("block_res", "") not in _LET_THROUGH
        yield Visit(
            time_us=micros(field.get("time_stamp"), tally),
            actor=somebody(field.get("auth_user", ""), field.get("src_ip", "")),
            host=authority(request[2]),
            evidence=Evidence.CONNECTED if denied else of_either(method, path(request[2]), up),
            bytes_up=up,
            bytes_down=size(field.get("bytes_to_client")),
            denied=denied,
        )


FORMAT = Format(
    id="skyhigh",
    title="Skyhigh (McAfee) Web Gateway access log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Skyhigh Secure Web Gateway Product Guide: Access log (default fields)",
)
