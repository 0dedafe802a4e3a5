"""AdGuard Home: `querylog.json`, one object a query.

`Result.Reason` tells what was filtered: block lists, safe browsing, parental control and blocked services deny; a
search that was made safe does not. A rewrite denies where it leads to the null address or nowhere. `Answer` is what the
client was told, a DNS message in base64.

Source: AdGuard Home, internal/querylog (the entry of the log), internal/filtering (reasons).
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from ipaddress import ip_address

from bartizan.readers.logs.dns_message import message
from bartizan.readers.logs.fields import Record, inner, raw, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

MAX_ANSWER = 90_000  # Characters: a message has at most 65,535 bytes.
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
        at_us, client = micros(record.get("T"), tally), text(record.get("IP"))
        if client and (answer := message(_packed(record.get("Answer")))) is not None:
            for address in answer.addresses:
                tally.answers.told(client, str(ip_address(address)), host, at_us, answer.ttl_s)
        actor = somebody(client, text(record.get("CID")))
        yield Visit(at_us, actor, host, Evidence.RESOLVED, denied=_denied(inner(record, "Result")))


def _packed(answer: object) -> bytes:
    if not isinstance(answer, str) or len(answer) > MAX_ANSWER:
        return b""
    try:
        return binascii.a2b_base64(answer)
    except ValueError:  # No message, then: the question stands by itself.
        return b""


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
    answers=True,
)
