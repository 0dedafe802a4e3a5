"""Netskope: page and application events of its interface and of Cloud Exchange, JSON.

`hostname` is the client's machine here. `from_user` is the account a person is signed in with at the application: where
that is another one than the person's own, it is how a personal account shows.
"""

from __future__ import annotations

from collections.abc import Iterator

from bartizan.readers.logs.fields import (
    DENIED,
    Record,
    app_wanted,
    authority,
    first_wanted,
    path,
    raw,
    share,
    size,
    somebody,
    text,
)
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_either

_OURS = frozenset(
    {
        "access_method",
        "client_bytes",
        "ur_normalized",
        "userkey",
        "traffic_type",
        "ccl",
        "cci",
        "app_session_id",
        "netskope_pop",
    }
)
_WHERE = frozenset({"domain", "site", "url", "app", "page"})
_SENT = frozenset({"upload", "send", "attach", "share", "create", "edit"})
_PROMPTS = frozenset({"post", "prompt", "ask", "submit"})
_SIGNED_IN = frozenset({"login successful", "login attempt", "login"})


def recognise(sample: Sample) -> float:
    """Records with two or more of the names that only Netskope gives."""
    return share(sample.records, _mine)


def read(source: Iterator[Record], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The pages and activities that matter."""
    for record in source:
        if not _mine(record):
            tally.junk += 1
            continue
        url = raw(record.get("url"))
        named = (raw(record.get("domain")), authority(url), authority(raw(record.get("page"))), raw(record.get("site")))
        host = first_wanted(wanted, *named)
        app = "" if host else app_wanted(wanted, text(record.get("app")), text(record.get("site")))
        if not host and not app:
            continue
        up = size(record.get("client_bytes") or record.get("numbytes_up"))
        denied = bool(DENIED.search(text(record.get("action"))))
        yield Visit(
            time_us=micros(record.get("timestamp"), tally),
            actor=somebody(*(text(record.get(key)) for key in ("user", "ur_normalized", "userkey", "srcip", "userip"))),
            host=host,
            evidence=Evidence.CONNECTED if denied else _evidence(text(record.get("activity")).lower(), record, url, up),
            bytes_up=up,
            bytes_down=size(record.get("server_bytes")),
            app=app,
            account=somebody(text(record.get("from_user"))),
            denied=denied,
        )


def _mine(record: Record) -> bool:
    return "timestamp" in record and len(_OURS & record.keys()) > 1 and not _WHERE.isdisjoint(record.keys())


def _evidence(activity: str, record: Record, url: bytes, up: int) -> Evidence:
    method = text(record.get("http_method") or record.get("method")).upper()
    by_size = of_either(method, path(url), up)
    if activity in _PROMPTS:
        return Evidence.PROMPT
    if activity in _SENT:
        return max(Evidence.UPLOADED, by_size)
    return max(Evidence.AUTHENTICATED, by_size) if activity in _SIGNED_IN else by_size


FORMAT = Format(
    id="netskope",
    title="Netskope events",
    unit=Unit.RECORD,
    recognise=recognise,
    read=read,
    source="Netskope REST API v2: Events, Page and Application (fields and samples)",
)
