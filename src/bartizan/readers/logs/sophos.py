"""Sophos: the content filter and firewall log of Sophos Firewall (SFOS), and the log of Sophos UTM's web proxy.

The two layouts of SFOS, its own and that of Central Reporting, differ in some names: both are asked for.
"""

from __future__ import annotations

import re
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

_QUICK_HOSTS, _QUICK_APPS = (b"url=", b"domain="), (b"app_name=", b"application=", b"application_name=")
_UTM = re.compile(rb'httpproxy\[\d+\]: id="')
_UTM_TIME = re.compile(rb"(\d{4}:\d\d:\d\d-\d\d:\d\d:\d\d) ")


def recognise(sample: Sample) -> float:
    """Lines with SFOS's type and component, or of UTM's proxy."""
    return share(sample.lines, _mine)


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The hosts and applications that matter."""
    for line in source:
        if not _mine(line):
            tally.junk += bool(line)
            continue
        if not may_matter(line, _QUICK_HOSTS, _QUICK_APPS, wanted):
            continue
        field = {key.decode("latin-1"): text(value) for key, value in pairs(line).items()}
        url = field.get("url", "").encode("utf-8", "replace")
        host = first_wanted(wanted, authority(url), field.get("domain", "").encode("utf-8", "replace"))
        names = (field.get(key, "") for key in ("app_name", "application", "application_name"))
        app = "" if host else app_wanted(wanted, *names)
        if host or app:
            yield _visit(line, field, url, host, app, tally)


def _mine(line: bytes) -> bool:
    return (b"log_component=" in line and b"log_type=" in line) or (b"httpproxy[" in line and bool(_UTM.search(line)))


def _visit(line: bytes, field: dict[str, str], url: bytes, host: bytes, app: str, tally: Tally) -> Visit:
    up = size(field.get("sent_bytes") or field.get("bytes_sent"))
    verdict = field.get("log_subtype") or field.get("action", "")
    denied = bool(DENIED.search(verdict)) or verdict.lower().startswith(
        "warn"
    )  # The page of a warning is shown instead.
    method = field.get("method", "").upper()
    return Visit(
        time_us=_time(line, field, tally),
        actor=somebody(*(field.get(key, "") for key in ("user_name", "user", "src_ip", "srcip"))),
        host=host,
        evidence=Evidence.CONNECTED if denied else of_either(method, path(url), up),
        bytes_up=up,
        bytes_down=size(field.get("recv_bytes") or field.get("bytes_received") or field.get("size")),
        app=app,
        denied=denied,
    )


def _time(line: bytes, field: dict[str, str], tally: Tally) -> int:
    if utm := _UTM_TIME.search(line, 0, 64):
        return micros(utm[1], tally)
    zone = field.get("timezone", "")
    local = f"{field.get('date', '')} {field.get('time', '')} {zone if zone in ('GMT', 'UTC') else ''}"
    return micros(field.get("timestamp") or local, tally)


FORMAT = Format(
    id="sophos",
    title="Sophos Firewall and UTM web log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Sophos Firewall: Syslog Guide (Web content, Firewall, Application filter); Sophos UTM: HTTP proxy log",
)
