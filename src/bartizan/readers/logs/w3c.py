"""W3C Extended Log File Format: Symantec ProxySG (Blue Coat), Microsoft TMG and ISA, IIS as a proxy, and whoever else.

The `#Fields:` line says what stands where, and may come again with other fields. What a field's prefix names counts:
`cs-host` and `r-host` are the server that was asked for, `s-` is the proxy itself, `cs(Referer)` is nobody's visit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from bartizan.readers.logs.fields import DENIED, app_wanted, authority, first_wanted, path, share, size, somebody, text
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted, of_either

_FIELDS = re.compile(rb"#Fields:[ \t]", re.IGNORECASE)
_DIRECTIVE = re.compile(rb"#(?:Fields|Version|Software|Date|Start-Date|End-Date|Remark):", re.IGNORECASE)
_QUOTED = re.compile(rb'"((?:[^"]++|"")*+)"?|(\S+)')
_HOSTS = ("cs-host", "r-host", "cs(host)", "cs-uri", "c-uri", "cs-uri-host", "x-cs-host", "cs-server-name", "r-dns")
_URLS = ("cs-uri", "c-uri", "cs-uri-path", "cs-uri-stem")
_USERS = ("cs-username", "cs-userdn", "x-cs-auth-user", "cs-user")
_CLIENTS = ("c-ip", "x-forwarded-for", "cs(x-forwarded-for)", "c-dns")
_VERDICTS = ("sc-filter-result", "s-action", "action", "x-exception-id", "rule-action")
_APPS = ("x-bluecoat-application-name", "x-application-name", "applicationname")

Split = Callable[[bytes], list[bytes]]


def recognise(sample: Sample) -> float:
    """Lines below a `#Fields:` that have as many fields as it names."""
    columns: dict[str, int] = {}
    split: Split = _spaced

    def fits(line: bytes) -> bool:
        nonlocal columns, split
        if _FIELDS.match(line):
            columns, split = _columns(line)
        return bool(_DIRECTIVE.match(line)) or (bool(columns) and len(split(line)) == len(columns))

    return share(sample.lines, fits) if any(_FIELDS.match(line) for line in sample.lines) else 0.0


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The requests that matter."""
    columns: dict[str, int] = {}
    hosts: list[int] = []
    apps: list[int] = []
    split: Split = _spaced
    for line in source:
        if line[:1] == b"#":
            if _FIELDS.match(line):
                columns, split = _columns(line)
                hosts = [columns[name] for name in _HOSTS if name in columns]
                apps = [columns[name] for name in _APPS if name in columns]
            elif not _DIRECTIVE.match(line):
                tally.junk += 1
            continue
        row = split(line) if columns else []
        if len(row) != len(columns) or not columns:
            tally.junk += bool(line)
            continue
        host = first_wanted(wanted, *(authority(row[n]) for n in hosts))
        app = "" if host or not apps else app_wanted(wanted, *(text(row[n]) for n in apps))
        if host or app:
            yield _visit({name: text(row[n]) for name, n in columns.items()}, host, app, tally)


def _columns(line: bytes) -> tuple[dict[str, int], Split]:
    names = text(line).partition(":")[2].strip().lower()
    tabs = "\t" in names
    return {name: n for n, name in enumerate(names.split("\t" if tabs else None))}, _tabbed if tabs else _spaced


def _tabbed(line: bytes) -> list[bytes]:
    return [part.strip(b'" ') for part in line.split(b"\t")]


def _spaced(line: bytes) -> list[bytes]:
    if b'"' not in line:
        return line.split()
    return [quoted or bare for quoted, bare in _QUOTED.findall(line)]


def _visit(field: dict[str, str], host: bytes, app: str, tally: Tally) -> Visit:
    up = size(field.get("cs-bytes"))
    denied = any(DENIED.search(field.get(key, "")) for key in _VERDICTS)
    method = (field.get("cs-method") or field.get("s-operation", "")).upper()
    url = next((url for key in _URLS if (url := field.get(key, "")) not in ("", "-")), "").encode("utf-8", "replace")
    return Visit(
        time_us=_time(field, tally),
        actor=somebody(*(field.get(key, "") for key in (*_USERS, *_CLIENTS))),
        host=host,
        evidence=Evidence.CONNECTED if denied else of_either(method, path(url), up),
        bytes_up=up,
        bytes_down=size(field.get("sc-bytes")),
        app=app,
        denied=denied,
    )


def _time(field: dict[str, str], tally: Tally) -> int:
    if "date" in field and "time" in field:
        return micros(f"{field['date']} {field['time']}", tally)
    names = ("timestamp", "x-timestamp-unix", "x-timestamp", "gmttime", "localtime", "date")
    return next((found for name in names if (found := micros(field.get(name), tally))), 0)


FORMAT = Format(
    id="w3c",
    title="W3C extended log of a proxy (ProxySG, TMG, IIS)",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="W3C Extended Log File Format, WD-logfile-960323; ProxySG Log Fields and Substitutions (main format); "
    "Forefront TMG: Web Proxy Log Fields",
)
