r"""Common Event Format: what proxies and firewalls of many vendors send, a header of pipes and `key=value` after it.

`\|` and `\\` stand in the header, `\=`, `\\`, `\n` and `\r` in values. A value goes on until the next key: what an
honest sender takes from a request cannot begin a key, because its `=` is escaped. `out` is what the client sent: all
vendors that were read say so, though the definition can be read the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

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

_BODY = re.compile(rb"CEF: ?\d{1,2}(?:\.\d)?\|(?:(?:[^|\\]++|\\.)*+\|){6}")
# No field of a web log stands before it: neither a quote nor a brace, which syslog has in structured data alone.
_BEFORE = re.compile(rb'[^"{|]{0,256}(?:\[[^|{]{0,256}\] ?)?')
_KEY = re.compile(rb"(?:^|\s)([A-Za-z_][\w.\[\]-]*)=")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r"}
HOSTS = ("request", "dhost", "destinationdnsdomain", "hostname", "url")
_MORE = ("requesturl", "destinationhostname", "ftntfgthostname", "ad.url", "ad.hostname")  # Of some vendors alone
_QUICK_HOSTS, _QUICK_APPS = (b"host=", b"name=", b"request=", b"url=", b"dnsdomain="), (b" app=", b"servicename=")


def recognise(sample: Sample) -> float:
    """Lines with a whole header, at their beginning or after syslog's."""
    return share(sample.lines, _header)


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The requests and connections that matter."""
    for line in source:
        header = _header(line)
        if not header:
            tally.junk += bool(line)
            continue
        if not may_matter(line, _QUICK_HOSTS, _QUICK_APPS, wanted):
            continue
        if seen := _visit(extension(line[header.end() :]), _sent_at(line), wanted, tally):
            yield seen


def _header(line: bytes) -> re.Match[bytes] | None:
    start = line.find(b"CEF:", 0, 1024)
    return _BODY.match(line, start) if start >= 0 and _BEFORE.fullmatch(line, 0, start) else None


def extension(raw: bytes) -> dict[str, str]:
    """The pairs after the header, keys in lower case, without escapes. Of a key that stands twice the first counts."""
    field: dict[str, str] = {}
    keys = list(_KEY.finditer(raw))
    for n, key in enumerate(keys):
        end = keys[n + 1].start() if n + 1 < len(keys) else len(raw)
        field.setdefault(key[1].decode("latin-1").lower(), _plain(raw[key.end() : end].strip()))
    return field


def _plain(value: bytes) -> str:
    return _ESCAPED.sub(lambda found: _PLAIN.get(found[1], found[1]), text(value)) if b"\\" in value else text(value)


def _sent_at(line: bytes) -> str:
    """The time that syslog wrote before the header."""
    return line.partition(b"CEF:")[0].rpartition(b">")[2].removeprefix(b"1 ").decode("latin-1")


def _visit(field: Mapping[str, str], sent_at: str, wanted: Wanted, tally: Tally) -> Visit | None:
    names = (*HOSTS, *(key for key in field if key in _MORE))
    urls = [field.get(key, "").encode("utf-8", "replace") for key in names]
    host = first_wanted(wanted, *map(authority, urls))
    app = "" if host else app_wanted(wanted, field.get("destinationservicename", ""), field.get("app", ""))
    if not host and not app:
        return None
    up = size(field.get("out"))
    denied = bool(DENIED.search(field.get("act", "") or field.get("outcome", "")))
    method = field.get("requestmethod", "").upper()
    people = (field.get(key, "") for key in ("suser", "suid", "sourceusername", "src", "shost"))
    times = (field.get(key, "") for key in ("rt", "end", "start", "devicereceipttime"))
    return Visit(
        time_us=micros(next((time for time in times if time), sent_at), tally),
        actor=somebody(*people),
        host=host,
        evidence=Evidence.CONNECTED if denied else of_either(method, path(urls[0]), up),
        bytes_up=up,
        bytes_down=size(field.get("in")),
        app=app,
        denied=denied,
    )


FORMAT = Format(
    id="cef",
    title="Common Event Format (ArcSight)",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="ArcSight Common Event Format Implementation Standard, version 25",
)
