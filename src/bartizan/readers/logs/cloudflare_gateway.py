"""Cloudflare Gateway: the DNS, HTTP and network logs of Logpush, JSON."""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import Record, authority, first_wanted, path, raw, share, size, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_request, of_tunnel

_NO_PERSON = "non_identity@"  # How a device without a signed-in person is called.


def recognise(sample: Sample) -> float:
    """Records with the names that Logpush gives to the fields of these datasets."""
    return share(sample.records, _dataset)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The queries, requests and sessions that matter."""
    for record in source:
        dataset = _dataset(record)
        if not dataset:
            tally.junk += 1
            continue
        url = raw(record.get("URL"))
        if dataset == "dns":
            host = first_wanted(wanted, raw(record.get("QueryName")))
        elif dataset == "http":
            host = first_wanted(wanted, raw(record.get("HTTPHost")), authority(url))
        else:
            host = first_wanted(wanted, raw(record.get("SNI")))
        if not host:
            continue
        denied = "block" in text(record.get("ResolverDecision") or record.get("Action")).lower()
        up = size(record.get("BytesSent"))
        yield Visit(
            time_us=micros(record.get("Datetime") or record.get("SessionStartTime"), tally),
            actor=_actor(record),
            host=host,
            evidence=_evidence(dataset, record, url, up, denied),
            bytes_up=up,
            bytes_down=size(record.get("BytesReceived")),
            denied=denied,
        )


def _dataset(record: Record) -> str:
    if "Datetime" not in record and "SessionStartTime" not in record:
        return ""
    if "QueryName" in record and ("ResolverDecision" in record or "SrcIP" in record or "Email" in record):
        return "dns"
    if "HTTPHost" in record and ("HTTPMethod" in record or "SourceIP" in record or "Email" in record):
        return "http"
    return "network" if "SNI" in record and ("SourceIP" in record or "Email" in record) else ""


def _evidence(dataset: str, record: Record, url: bytes, up: int, denied: bool) -> Evidence:
    if dataset == "dns":
        return Evidence.RESOLVED
    if denied:
        return Evidence.CONNECTED
    if dataset == "network":
        return of_tunnel(up)
    # No sizes are logged, but which files went up.
    return of_request(text(record.get("HTTPMethod")).upper(), path(url), 1 if record.get("UploadedFileNames") else 0)


def _actor(record: Record) -> str:
    email = text(record.get("Email"))
    if email.startswith(_NO_PERSON):
        email = ""
    addresses = (text(record.get(key)) for key in ("SourceInternalIP", "SrcIP", "SourceIP"))
    return somebody(email, *addresses)


FORMAT = Format(
    id="cloudflare-gateway",
    title="Cloudflare Gateway DNS, HTTP and network log",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Cloudflare Logs, Log fields, account-scoped datasets: Gateway DNS, Gateway HTTP, Gateway Network, "
    "Zero Trust Network Session Logs",
)
