"""Check Point: what Log Exporter sends, `[action:"Accept"; src:"10.0.0.7"; …]` or, for Splunk, `action=Accept|…`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.fields import (
    DENIED,
    app_wanted,
    authority,
    first_wanted,
    may_matter,
    path,
    share,
    size,
    somebody,
    text,
)
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_either

_COLON = re.compile(rb'[\[;\s]([\w.-]+)::?\s?"((?:[^"\\]++|\\.)*+)"')
_PIPED = re.compile(rb"(?:^|[|\s])([\w.-]+)=([^|]*)")
_ESCAPED = re.compile(r"\\(.)")
_HOSTS = ("resource", "dst_domain_name", "tls_server_host_name", "sni", "https_inspection_sni", "dst_name", "host")
_APPS = ("appi_name", "application_name", "app_name")
_QUICK_HOSTS = tuple(key.encode() + end for key in _HOSTS for end in (b":", b"="))
_QUICK_APPS = tuple(key.encode() + end for key in _APPS for end in (b":", b"="))


def recognise(sample: Sample) -> float:
    """Lines of pairs with an action, an origin and a product."""
    return share(sample.lines, _kind)


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The resources and applications that matter."""
    for line in source:
        kind = _kind(line)
        if not kind:
            tally.junk += bool(line)
            continue
        if not may_matter(line, _QUICK_HOSTS, _QUICK_APPS, wanted):
            continue
        # Of a key that stands twice the first counts.
        found = dict(reversed((_COLON if kind == "colon" else _PIPED).findall(line)))
        field = {key.decode("latin-1").lower(): _ESCAPED.sub(r"\1", text(value)) for key, value in found.items()}
        urls = [field.get(key, "").encode("utf-8", "replace") for key in _HOSTS]
        host = first_wanted(wanted, *map(authority, urls))
        app = "" if host else app_wanted(wanted, *(field.get(key, "") for key in _APPS))
        if host or app:
            yield _visit(field, urls[0], host, app, tally)


def _kind(line: bytes) -> str:
    if b'action:"' in line and (b'product:"' in line or b'originsicname:"' in line):
        return "colon"
    piped = b"action=" in line and b"|product=" in line and (b"|origin=" in line or b"|loguid=" in line)
    return "piped" if piped and b"CEF:" not in line and b"LEEF:" not in line else ""


def _visit(field: dict[str, str], url: bytes, host: bytes, app: str, tally: Tally) -> Visit:
    up = size(field.get("client_outbound_bytes") or field.get("sent_bytes"))
    denied = bool(DENIED.search(field.get("action", "")))
    method = field.get("method", "").upper()
    return Visit(
        time_us=micros(field.get("time") or field.get("creation_time"), tally),
        actor=somebody(*(field.get(key, "") for key in ("src_user_name", "user", "src"))),
        host=host,
        evidence=Evidence.CONNECTED if denied else of_either(method, path(url), up),
        bytes_up=up,
        bytes_down=size(field.get("server_outbound_bytes") or field.get("received_bytes")),
        app=app,
        denied=denied,
    )


FORMAT = Format(
    id="checkpoint",
    title="Check Point Log Exporter",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Check Point Logging and Monitoring Administration Guide: Log Exporter; log fields of sk122323, sk144192",
)
