"""Zscaler Nanolog Streaming Service: web, DNS and firewall feeds as JSON, with or without the envelope for Splunk.

The administrator chooses the fields of a feed; their names are Zscaler's own or those of its templates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bartizan.readers.logs.fields import (
    DENIED,
    Record,
    app_wanted,
    authority,
    first_wanted,
    inner,
    lowered,
    path,
    share,
    size,
    somebody,
    text,
)
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import (
    BODIES,
    Evidence,
    Format,
    Sample,
    Tally,
    Unit,
    Visit,
    Wanted,
    of_request,
    of_tunnel,
)

URLS = ("eurl", "url", "ehost", "host", "hostname", "dns_req", "cdfqdn")
APPS = ("appname", "nwapp")
_PEOPLE = ("login", "user", "elogin")
_CLIENTS = ("cip", "clientip", "clt_sip", "csip", "cintip", "clientpublicip")
_METHODS = BODIES | {"GET", "HEAD", "OPTIONS", "DELETE"}
_SURE = frozenset({"urlsupercat", "urlclass", "nsssvcip", "recordid", "ologin", "bwthrottle", "unscannabletype"})


def recognise(sample: Sample) -> float:
    """Records that name their feed, or hold the names that no other product gives."""
    return share(sample.records, _event)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The requests, queries and connections that matter."""
    for record in source:
        event = _event(record)
        if not event:
            tally.junk += 1
        elif seen := visit(event, wanted, tally):
            yield seen


def _event(record: Record) -> Mapping[str, Any]:  # Any: JSON is what its author wrote
    feed = text(record.get("sourcetype"))
    event = lowered(inner(record, "event") or record)
    if feed:
        return event if feed.startswith("zscalernss") else {}
    web = "eurl" in event and ("login" in event or "cip" in event)
    if web or text(event.get("vendor")).lower() == "zscaler" or len(_SURE & event.keys()) > 1:
        return event
    return event if {"dns_req", "clt_sip"} <= event.keys() else {}


def visit(event: Mapping[str, Any], wanted: Wanted, tally: Tally) -> Visit | None:  # Any: a string, or what JSON held
    """What one event of any feed tells, by the names of its fields in lower case."""
    urls = [text(event.get(key)).encode("utf-8", "replace") for key in URLS]
    host = first_wanted(wanted, *map(authority, urls))
    app = "" if host else app_wanted(wanted, *(text(event.get(key)) for key in APPS))
    if not host and not app:
        return None
    up = size(event.get("reqsize") or event.get("requestsize") or event.get("outbytes"))
    denied = bool(DENIED.search(text(event.get("action") or event.get("reqaction"))))
    return Visit(
        time_us=micros(_time(event), tally),
        actor=somebody(*(text(event.get(key)) for key in (*_PEOPLE, *_CLIENTS))),
        host=host,
        evidence=_evidence(event, urls, up, denied),
        bytes_up=up,
        bytes_down=size(event.get("respsize") or event.get("responsesize") or event.get("inbytes")),
        app=app,
        denied=denied,
    )


def _time(event: Mapping[str, Any]) -> object:  # Any: as above
    if epoch := event.get("epochtime"):
        return epoch
    time = event.get("time") or event.get("datetime")
    zone = text(event.get("tz") or event.get("timezone"))
    return f"{time} {zone}" if isinstance(time, str) and zone in ("GMT", "UTC") else time


def _evidence(event: Mapping[str, Any], urls: list[bytes], up: int, denied: bool) -> Evidence:  # Any: as above
    if "dns_req" in event:
        return Evidence.RESOLVED
    if denied:
        return Evidence.CONNECTED
    method = text(event.get("reqmethod") or event.get("requestmethod")).upper()
    return of_request(method, path(urls[0] or urls[1]), up) if method in _METHODS else of_tunnel(up)


FORMAT = Format(
    id="zscaler",
    title="Zscaler NSS feed, JSON",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Zscaler Help: NSS Feed Output Format, Web Logs; DNS Logs; Firewall Logs",
)
