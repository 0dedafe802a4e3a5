"""AdGuard Home: `querylog.json`, one object a query.

`Result.Reason` tells what was filtered: block lists, safe browsing, parental control and blocked services deny; a
search that was made safe does not. A rewrite denies where it leads to the null address or nowhere.

Source: AdGuard Home, internal/querylog (the entry of the log), internal/filtering (reasons).
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import Record, inner, raw, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

_BLOCK_LIST, _SAFE_BROWSING, _PARENTAL, _INVALID, _SAFE_SEARCH, _SERVICE = 3, 4, 5, 6, 7, 8
_DENIES = frozenset({_BLOCK_LIST, _SAFE_BROWSING, _PARENTAL, _INVALID, _SERVICE})
_REWRITTEN = frozenset({9, 10, 11})
_NULL = frozenset({"0.0.0.0", "::"})  # noqa: S104 - an answer, no address to listen on


def recognise(sample: Sample) -> float:
    """Objects with a question (QH, QT) and its time (T)."""
    return share(sample.records, lambda record: isinstance(record.get("QH"), str) and "QT" in record and "T" in record)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    for record in source:
        name = record.get("QH")
        if not isinstance(name, str):
            tally.junk += 1
            continue
        host = raw(name)
        if wanted[host] is None:
            continue
        yield Visit(
            micros(record.get("T"), tally),
            somebody(text(record.get("IP")), text(record.get("CID"))),
            host,
            Evidence.RESOLVED,
            denied=_denied(inner(record, "Result")),
        )


def _denied(result: Record) -> bool:
    reason = result.get("Reason")
    if isinstance(reason, int) and reason in _REWRITTEN:
        to = result.get("IPList")
        return isinstance(to, list) and bool(to) and all(text(one) in _NULL for one in to)
    if isinstance(reason, int) and reason:
        return reason in _DENIES
    return result.get("IsFiltered") is True


FORMAT = Format(
    id="adguard",
    title="AdGuard Home query log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="AdGuard Home, internal/querylog and internal/filtering",
)
