"""Fortinet FortiGate: traffic and security logs, `key=value` after an optional syslog prefix.

Web filter, SSL, DNS and application control name the host in `hostname` or `qname`; the traffic log names the
application alone, unless it is told to resolve hosts. Where a cloud application is looked into, `clouduser` is the
account that a person uses there.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import (
    DENIED,
    app_wanted,
    authority,
    first_wanted,
    may_matter,
    pairs,
    path,
    share,
    size,
    somebody,
    text,
)
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_either

_HOSTS = (b"hostname", b"qname", b"url", b"dstname", b"scertcname")
_QUICK_HOSTS, _QUICK_APPS = tuple(key + b"=" for key in _HOSTS), (b"app=",)
_DENIALS = frozenset({b"dropped", b"violation"})


def recognise(sample: Sample) -> float:
    """Lines with the log's number, a type and a subtype as FortiOS writes them."""
    return share(sample.lines, _mine)


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The hosts and applications that matter."""
    for line in source:
        if not _mine(line):
            tally.junk += bool(line)
            continue
        if not may_matter(line, _QUICK_HOSTS, _QUICK_APPS, wanted):
            continue
        field = pairs(line)
        host = first_wanted(wanted, *(authority(field.get(key, b"")) for key in _HOSTS))
        app = "" if host else app_wanted(wanted, text(field.get(b"app", b"")))
        if host or app:
            yield _visit(field, host, app, tally)


def _mine(line: bytes) -> bool:
    return (
        (b"logid=" in line or b"log_id=" in line)
        and (b" type=" in line or b",type=" in line)
        and b"subtype=" in line
        and b"log_component=" not in line
        and b"CEF:" not in line[:512]
    )


def _visit(field: dict[bytes, bytes], host: bytes, app: str, tally: Tally) -> Visit:
    up = size(field.get(b"sentbyte"))
    action = field.get(b"utmaction") or field.get(b"action", b"")
    denied = bool(DENIED.search(text(action))) or action in _DENIALS
    return Visit(
        time_us=_time(field, tally),
        actor=somebody(*(text(field.get(key, b"")) for key in (b"user", b"unauthuser", b"srcip"))),
        host=host,
        evidence=_evidence(field, up, denied),
        bytes_up=up,
        bytes_down=size(field.get(b"rcvdbyte")),
        app=app,
        account=somebody(text(field.get(b"clouduser", b""))),
        denied=denied,
    )


def _time(field: dict[bytes, bytes], tally: Tally) -> int:
    epoch = field.get(b"eventtime", b"")
    if epoch.isdigit():
        return micros(epoch, tally)
    return micros(b" ".join(field.get(key, b"") for key in (b"date", b"time", b"tz")), tally)


def _evidence(field: dict[bytes, bytes], up: int, denied: bool) -> Evidence:
    if field.get(b"subtype") == b"dns":
        return Evidence.RESOLVED
    if denied:
        return Evidence.CONNECTED
    if field.get(b"cloudaction", b"").lower() == b"upload":
        return Evidence.UPLOADED
    method = text(field.get(b"httpmethod", b"")).upper()
    return of_either(method, path(field.get(b"url", b"")), up)


FORMAT = Format(
    id="fortigate",
    title="FortiGate traffic and security log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="FortiOS Log Message Reference: Traffic, Web Filter, Application Control, DNS, SSL",
)
