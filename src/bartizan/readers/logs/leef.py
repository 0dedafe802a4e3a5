"""Log Event Extended Format: QRadar's, a header of pipes and pairs after it.

The pairs of version 1.0 stand between tabs. Version 2.0 names what stands between them in the header, as the character
itself or its number: `^`, `x09`, `0x5E`; senders leave that out as well. Tabs that a relay made spaces are met too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bartizan.readers.logs.cef import extension
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

_HEADER = re.compile(rb'[^"{|]{0,256}(?:\[[^|{]{0,256}\] ?)?\bLEEF: ?(\d)\.\d\|(?:[^|]*+\|){4}')
_DELIMITER = re.compile(rb"(?:(?:0?[xX])([0-9A-Fa-f]{2,4})|([^|=\w]?))\|")
_HOSTS = (
    "url",
    "requesturl",
    "request",
    "dhost",
    "dsthost",
    "dsthostname",
    "hostname",
    "host",
    "domain",
    "fqdn",
    "sni",
)
_APPS = ("app", "application", "appname", "applicationname", "cloudapp")
_QUICK_HOSTS = (b"url=", b"host=", b"name=", b"request=", b"domain=", b"fqdn=", b"sni=")
_QUICK_APPS = (b"app=", b"application=", b"name=")
_UP = ("srcbytes", "bytesout", "sentbytes", "bytessent", "out")
_DOWN = ("dstbytes", "bytesin", "receivedbytes", "bytesreceived", "in")
_TIMES = ("devtime", "receivetime", "starttime", "time", "rt")


def recognise(sample: Sample) -> float:
    """Lines with a whole header, at their beginning or after syslog's."""
    return share(sample.lines, _HEADER.match)


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The requests and connections that matter."""
    for line in source:
        header = _HEADER.match(line)
        if not header:
            tally.junk += bool(line)
            continue
        if not may_matter(line, _QUICK_HOSTS, _QUICK_APPS, wanted):
            continue
        field = _pairs(line[header.end() :], header[1] != b"1")
        urls = [field.get(key, "").encode("utf-8", "replace") for key in _HOSTS]
        host = first_wanted(wanted, *map(authority, urls))
        app = "" if host else app_wanted(wanted, *(field.get(key, "") for key in _APPS))
        if host or app:
            yield _visit(field, urls, host, app, tally)


def _pairs(rest: bytes, named: bool) -> dict[str, str]:
    between = b"\t"
    if named and (told := _DELIMITER.match(rest)):
        number = int(told[1], 16) if told[1] else 0
        between = bytes([number]) if 0 < number < 256 else told[2] or b"\t"
        rest = rest[told.end() :]
    field: dict[str, str] = {}
    for part in rest.split(between):
        name, equals, value = part.partition(b"=")
        if equals:
            field.setdefault(text(name).strip().lower(), text(value).strip())
    # Spaces where tabs were: one pair would hold all the others.
    return extension(rest) if len(field) == 1 and rest.count(b"=") > 2 else field


def _visit(field: dict[str, str], urls: list[bytes], host: bytes, app: str, tally: Tally) -> Visit:
    up = next((count for key in _UP if (count := size(field.get(key)))), 0)
    verdicts = " ".join(field.get(key, "") for key in ("action", "act", "cat", "policy_action"))
    denied = bool(DENIED.search(verdicts))
    method = (field.get("requestmethod") or field.get("method", "")).upper()
    people = (field.get(key, "") for key in ("usrname", "username", "suser", "accountname", "identsrc", "src"))
    return Visit(
        time_us=next((time for key in _TIMES if (time := micros(field.get(key), tally))), 0),
        actor=somebody(*people),
        host=host,
        evidence=Evidence.CONNECTED if denied else of_either(method, path(urls[0]), up),
        bytes_up=up,
        bytes_down=next((count for key in _DOWN if (count := size(field.get(key)))), 0),
        app=app,
        denied=denied,
    )


FORMAT = Format(
    id="leef",
    title="Log Event Extended Format (QRadar)",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="IBM QRadar: Log Event Extended Format (LEEF), version 2",
)
