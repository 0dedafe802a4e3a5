"""Flows as text: what `nfdump` prints (-o csv, line, long, extended) and `flow-export -f2` of flow-tools.

A flow is a visit by DNS answers of the same run alone; see `netflow`.

Source: nfdump(1), Output formats; flow-export(1), format 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import size, text
from bartizan.readers.logs.flow_exports import Flow, joined, unjoined
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Format, Sample, Tally, Unit, Visit, Wanted

LINE = 2048
_HEADERS = (b"ts,te,td,sa,da,", b"firstSeen,", b"#:unix_secs,")
_NAMES = {
    "time": (b"ts", b"firstSeen", b"unix_secs"),
    "source": (b"sa", b"srcAddr", b"srcaddr"),
    "target": (b"da", b"dstAddr", b"dstaddr"),
    "sent": (b"ibyt", b"bytes", b"inBytes", b"doctets"),
}
_ADDRESS = rb"(\d{1,3}(?:\.\d{1,3}){3}(?=:)|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,40})"
_PRINTED = re.compile(
    rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\s{1,9}[\d:.dh ]{4,20}\s{1,9}\S{1,10}\s{1,30}"
    + _ADDRESS + rb"[:.]\d{1,5}(?:\.\d+)?\s{1,30}->\s{1,30}" + _ADDRESS + rb"[:.]\d{1,5}(?:\.\d+)?\s{1,30}"
    rb"(?:[.A-Z]{6,8}\s{1,30}\d{1,9}\s{1,30})?"
    rb"\d[\d.]*(?: [KMGT])?\s{1,30}(\d[\d.]*(?: [KMGT])?)\s"
)  # fmt: skip
_AROUND = (b"Date first seen", b"Summary", b"Time window", b"Total flows", b"Sys:", b"No matching flows")
_TOTALS = b"flows,bytes,packets,"
_FACTORS = {b"": 1, b"K": 10**3, b"M": 10**6, b"G": 10**9, b"T": 10**12}


def recognise(sample: Sample) -> float:
    """Rows under a header of flows, or flows as they are printed for people."""
    if sample.lines and sample.lines[0].startswith(_HEADERS):
        return 1.0
    every = [line for line in sample.lines if not line.startswith(_AROUND)]
    return sum(_PRINTED.match(line[:LINE]) is not None for line in every) / len(every) if every else 0.0


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The flows that are visits."""
    columns: dict[str, int] = {}
    width = 0
    totals = False  # Whether the next line sums up.
    for line in source:
        if totals or line.startswith(_TOTALS):
            totals = not totals
            continue
        if line.startswith(_HEADERS):
            names = line.removeprefix(b"#:").strip().split(b",")
            width = len(names)
            columns = {key: names.index(name) for key, some in _NAMES.items() for name in some if name in names}
            continue
        flow = _row(line, columns, width, tally) if width else _printed(line, tally)
        if flow is None:
            tally.junk += bool(line) and not line.startswith(_AROUND)
        elif visit := joined(flow, wanted, tally):
            yield visit
    unjoined(tally)


def _row(line: bytes, columns: dict[str, int], width: int, tally: Tally) -> Flow | None:
    cells = line.split(b",")
    if len(cells) != width or len(columns) != len(_NAMES):
        return None
    cell = {key: cells[n].strip() for key, n in columns.items()}
    return Flow(micros(cell["time"], tally), text(cell["source"]), text(cell["target"]), size(cell["sent"]))


def _printed(line: bytes, tally: Tally) -> Flow | None:
    found = _PRINTED.match(line[:LINE])
    if found is None:
        return None
    number, _, factor = found[4].partition(b" ")
    whole, _, part = number.partition(b".")
    sent = size(whole) * _FACTORS[factor] + (size(part[:1]) * _FACTORS[factor] // 10 if factor else 0)
    return Flow(micros(found[1], tally), text(found[2]), text(found[3]), sent)


FORMAT = Format(
    id="flow-text",
    title="Flows as text (nfdump, flow-tools)",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="nfdump(1); flow-export(1)",
    joins=lambda sample: recognise(sample) > 0.5,
)
