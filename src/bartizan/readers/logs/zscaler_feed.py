"""Zscaler Nanolog Streaming Service: the feeds as text, CSV or `name=value`.

CSV comes with a header, or in the order of the template that Zscaler's help shows. `name=value` is separated by tabs
(the template for Splunk) or by `^^` (the one for RSA).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import app_wanted, authority, cells, first_wanted, share, text
from bartizan.readers.logs.visit import Format, Sample, Tally, Unit, Visit, Wanted
from bartizan.readers.logs.zscaler import APPS, URLS, visit

# fmt: off
_COLUMNS = (
    "time", "login", "proto", "eurl", "action", "appname", "appclass", "reqsize", "respsize", "stime", "ctime",
    "urlclass", "urlsupercat", "urlcat", "malwarecat", "threatname", "riskscore", "dlpeng", "dlpdict", "location",
    "dept", "cip", "sip", "reqmethod", "respcode", "eua", "ereferer", "ruletype", "rulelabel", "contenttype",
    "unscannabletype", "deviceowner", "devicehostname",
)
# fmt: on
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d \d{4}"
_ROW = re.compile(rb'"' + _DAY + rb'","[^"]*","[A-Z_0-9]+","[^"]*","[A-Za-z ]+",')
_PAIRS = re.compile(rb"(?:^|[\t\s])(?:product=NSS|vendor=Zscaler)(?:[\t\s]|$)|\bZSCALERNSS: time=", re.IGNORECASE)
_NAMES_FIRST = re.compile(rb'[\xef\xbb\xbf#]*"?[A-Za-z_]{2,32}"?\s*,\s*"?[A-Za-z_]{2,32}"?\s*,')
_NAMES = frozenset({"eurl", "url", "ehost", "host", "hostname"})
_OURS = frozenset(
    {"login", "cip", "eurl", "urlsupercat", "urlclass", "appname", "reqsize", "respsize", "respcode", "reqmethod"}
)


def recognise(sample: Sample) -> float:
    """Rows below a header of Zscaler's names, rows of the template, or pairs that name the product."""
    if sample.lines and (columns := _header(sample.lines[0])):
        fits = share(sample.lines[1:], lambda line: len(cells(line) or ()) == len(columns))
        return fits if len(sample.lines) > 1 else 1.0
    return share(sample.lines, lambda line: _ROW.match(line) or _PAIRS.search(line))


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The requests that matter."""
    columns = list(_COLUMNS)
    headed = False
    for line in source:
        if not line:
            continue
        if _NAMES_FIRST.match(line) and (names := _header(line)):
            columns, headed = names, True
            continue
        if headed or _ROW.match(line):
            quick = line.strip(b'"').split(b'","')
            if len(quick) == len(columns) and not _wanted(dict(zip(columns, quick, strict=True)), wanted):
                continue
        if not headed and _PAIRS.search(line):
            event = _pairs(line)
        elif (headed or _ROW.match(line)) and (row := cells(line)) and (not headed or len(row) == len(columns)):
            event = dict(zip(columns, row, strict=False))
        else:
            tally.junk += 1
            continue
        if seen := visit(event, wanted, tally):
            yield seen


def _wanted(event: dict[str, bytes], wanted: Wanted) -> bool:
    """Whether a row may matter, before it is taken apart with care."""
    hosts = (authority(event[key]) for key in URLS if key in event)
    return bool(first_wanted(wanted, *hosts) or app_wanted(wanted, *(text(event[key]) for key in APPS if key in event)))


def _header(line: bytes) -> list[str]:
    """The names of the columns, where a line is a header of a web feed."""
    if b"url" not in line[:4096].lower() and b"host" not in line[:4096].lower():
        return []
    names = [name.strip().lower() for name in cells(line.lstrip(b"\xef\xbb\xbf#")) or ()]
    return names if _NAMES & set(names) and len(_OURS & set(names)) > 2 else []


def _pairs(line: bytes) -> dict[str, str]:
    whole = line.decode("utf-8", "replace")
    _, marked, rest = whole.partition("ZSCALERNSS: ")
    event: dict[str, str] = {}
    for part in rest.split("^^") if marked else whole.split("\t"):
        name, equals, value = part.partition("=")
        if equals:
            event.setdefault(name.strip().lower(), value.strip().strip('"'))
        elif not event:
            event["time"] = part.rpartition("  ")[2].strip()  # The template for Splunk begins with the bare time.
    return event


FORMAT = Format(
    id="zscaler-feed",
    title="Zscaler NSS feed, CSV or name=value",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Zscaler Help: NSS Feed Output Format, Web Logs (sample and fields); Splunk and RSA templates",
)
