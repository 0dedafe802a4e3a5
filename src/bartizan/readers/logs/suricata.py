"""Suricata: EVE, one JSON object a line, with events `dns`, `tls`, `quic`, `http` and `flow`.

Which line matters is told without parsing it: its host stands behind a key that occurs inside of strings only with
its quotes escaped. What a client sent comes with the flow, at its end; it is joined by `flow_id`, so that a
connection is one visit with its bytes. A flow that never ends in the log is a visit without bytes.

Source: Suricata User Guide, "Eve JSON Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from bartizan.readers.logs.fields import LONGEST, Record, at, first_wanted, inner, listed, raw, share, size, text
from bartizan.readers.logs.joined import Joined
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_request

DNS = 53
MAX_ANSWERS = 16  # Of one query.
_HOST = re.compile(rb'"(?:sni|rrname|hostname)"\s?:\s?"([^"\\]{1,512})"')
_OURS = re.compile(rb'"event_type"\s?:\s?"[a-z0-9_]{2,32}"')
_WITH = (b'"flow_id":', b'"dest_ip":', b'"stats":')


def recognise(sample: Sample) -> float:
    """Objects with a type of event and a flow, or one of the types that have none."""
    return share(sample.lines, _ours)


def _ours(line: bytes) -> bool:
    return b'"timestamp":' in line and any(key in line for key in _WITH) and _OURS.search(line) is not None


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits of a log."""
    joined = Joined(tally, "suricata: connections whose end is still to come")
    for line in source:
        begin = line.find(b'"event_type":')
        if begin < 0:
            tally.junk += bool(line)
            continue
        kind = line[begin + 13 : begin + 20].lstrip(b' "')
        if kind.startswith(b"flo"):
            if joined and (record := _record(line, tally)):
                up, down = size(at(record, "flow", "bytes_toserver")), size(at(record, "flow", "bytes_toclient"))
                yield from joined.ended(record.get("flow_id"), up, down)
        elif kind.startswith((b"ale", b"dro")):
            if (joined or b'"sni"' in line) and (record := _record(line, tally)):
                yield from _cut_off(record, wanted, tally, joined)
        elif kind.startswith((b"dns", b"tls", b"qui", b"htt")):
            host = _HOST.search(line)
            if host is None:
                if b"\\" not in line:
                    continue  # A name is escaped, or there is none.
            elif wanted[host[1]] is None and line.count(b'"rrname"') < 2:
                continue
            if record := _record(line, tally):
                yield from _visits(record, wanted, tally, joined)
    yield from joined.rest()


def _record(line: bytes, tally: Tally) -> Record | None:
    try:
        record = orjson.loads(line[line.find(b"{") :])
    except orjson.JSONDecodeError:
        tally.junk += 1
        return None
    return record if isinstance(record, dict) else None


def _visits(record: Record, wanted: Wanted, tally: Tally, joined: Joined) -> Iterator[Visit]:
    kind = record.get("event_type")
    at_us, client = micros(record.get("timestamp"), tally), text(record.get("src_ip"))[:LONGEST]
    if kind == "dns":
        dns = inner(record, "dns")
        if dns.get("type") in ("answer", "response"):
            _told(record, dns, at_us, wanted, tally)
        if dns.get("type") in ("query", "request"):
            for name in [dns.get("rrname"), *(one.get("rrname") for one in listed(dns.get("queries")))]:
                if host := first_wanted(wanted, raw(name)):
                    yield Visit(at_us, client, host, Evidence.RESOLVED)
                    return
        return
    if kind == "http":
        http = inner(record, "http")
        method, url = text(http.get("http_method")), text(http.get("url"))
        host = first_wanted(wanted, raw(http.get("hostname")))
        if host:
            yield Visit(at_us, client, host, of_request(method, url, 0))  # How long the body was, EVE does not say.
        return
    host = first_wanted(wanted, raw(at(record, text(kind), "sni")))
    if host:
        flow = record.get("flow_id")
        yield from joined.begun(flow, Visit(at_us, client, host, Evidence.CONNECTED))


def _told(record: Record, dns: Record, at_us: int, wanted: Wanted, tally: Tally) -> None:
    """Keeps the addresses of an answer: a list of records, or before version 5 one a line."""
    names = [dns.get("rrname"), *(one.get("rrname") for one in listed(dns.get("queries")))]
    asked = first_wanted(wanted, *map(raw, names))
    # Whoever was told: the flow's client, or the packet's receiver where the line is about the packet.
    client = text(record.get("dest_ip" if record.get("src_port") == DNS else "src_ip"))[:LONGEST]
    if asked and client:
        for one in listed(dns.get("answers"), MAX_ANSWERS) or (dns,):
            if one.get("rrtype") in ("A", "AAAA"):
                tally.answers.told(client, text(one.get("rdata")), asked, at_us, size(one.get("ttl")))


def _cut_off(record: Record, wanted: Wanted, tally: Tally, joined: Joined) -> Iterator[Visit]:
    """What a rule dropped: the alert or the drop itself, of a connection with a name known or in the record."""
    if record.get("event_type") == "alert" and at(record, "alert", "action") != "blocked":
        return
    flow = record.get("flow_id")
    if not joined.denied(flow) and (host := first_wanted(wanted, raw(at(record, "tls", "sni")))):
        client = text(record.get("src_ip"))[:LONGEST]
        visit = Visit(micros(record.get("timestamp"), tally), client, host, Evidence.CONNECTED, denied=True)
        yield from joined.begun(flow, visit)


FORMAT = Format(
    id="suricata",
    title="Suricata EVE",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Suricata User Guide: Eve JSON Format",
    answers=True,
)
