"""Amazon Route 53 Resolver: query logs of a VPC.

A rule of the DNS firewall that blocks has denied, and so has a refusal. The instance that asked is known by its
address.

Source: Amazon Route 53 Developer Guide, "Values that appear in VPC Resolver query logs".
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import LONGEST, Record, listed, raw, share, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

MAX_ANSWERS = 16  # Of one query.


def recognise(sample: Sample) -> float:
    """Objects with the name of a query, its time, and where it came from."""
    return share(sample.records, lambda record: "query_name" in record and "query_timestamp" in record)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries that matter."""
    for record in source:
        name = record.get("query_name")
        if not isinstance(name, str) or "query_timestamp" not in record:
            tally.junk += 1
            continue
        host = raw(name)
        if wanted[host] is None:
            continue
        at_us, actor = micros(record.get("query_timestamp"), tally), somebody(text(record.get("srcaddr")))
        for answer in listed(record.get("answers"), MAX_ANSWERS):
            tally.answers.told(actor, text(answer.get("Rdata"))[:LONGEST], host, at_us, 0)
        denied = record.get("firewall_rule_action") == "BLOCK" or record.get("rcode") == "REFUSED"
        yield Visit(at_us, actor, host, Evidence.RESOLVED, denied=denied)


FORMAT = Format(
    id="route53",
    title="Route 53 Resolver query log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Amazon Route 53 Developer Guide: VPC Resolver query logs",
    answers=True,
)
