"""Zeek: dns, ssl, quic, http and conn, as tab-separated values or JSON, one kind in a log or several together.

Columns are what the header says; a new header may come at any line, so that logs can be read one behind the other. A
connection has its name in ssl or quic and its bytes in conn: both carry its `uid`, and are one visit. A conn without
a name is a visit to nobody.

Which line of JSON matters is told without parsing it: its host stands behind a key that occurs inside of strings only
with its quotes escaped.

Source: Book of Zeek: Log Formats; dns.log, ssl.log, quic.log, http.log, conn.log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import orjson

from bartizan.readers.logs.fields import LONGEST, raw, size, somebody, text
from bartizan.readers.logs.joined import Joined
from bartizan.readers.logs.stamps import micros
from bartizan.readers.logs.visit import (
    HANDSHAKE_BYTES,
    Evidence,
    Format,
    Sample,
    Tally,
    Unit,
    Visit,
    Wanted,
    of_request,
)

MAX_COLUMNS = 256
MAX_ANSWERS = 16  # Of one query.
HOSTS = {"dns": "query", "ssl": "server_name", "quic": "server_name", "http": "host"}
_DIRECTIVE = re.compile(
    rb"#(?:separator \\x[0-9a-f]{2}$|(?:set_separator|empty_field|unset_field|path|open|fields|types|close)\b)"
)
_HOST = re.compile(rb'"(?:query|server_name|host)"\s?:\s?"([^"\\]{1,512})"')
_SENT = re.compile(rb'"orig_bytes"\s?:\s?\d{4}')
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")
_NULL = frozenset({"0.0.0.0", "::"})  # noqa: S104 - an answer, no address to listen on

Get = Callable[[str], str]
LEAST = len(str(HANDSHAKE_BYTES))  # Digits of a number of bytes that proves something.
BOUND = "zeek: connections whose end is still to come"


def recognise(sample: Sample) -> float:
    """Lines behind a header, or objects with the time, the uid and the two ends of a connection."""
    if not sample.lines:
        return 0.0
    separator = b""
    count = mine = 0
    for line in sample.lines:
        if line.startswith(b"#"):
            if _DIRECTIVE.match(line):
                mine += 1
                separator = _separator(line) or separator or b"\t"
                if line.startswith(b"#fields"):
                    count = line.count(separator)
        elif count:
            mine += line.count(separator) == count - 1
        else:
            mine += b'"ts":' in line and b'"uid":' in line and b'"id.orig_h":' in line
    return mine / len(sample.lines)


def joins(sample: Sample) -> bool:
    """Whether it has ends of connections, named in other logs by the same uid."""
    return any(
        (line.startswith(b"#path") and line.endswith(b"conn")) or b'"conn_state":' in line for line in sample.lines
    )


def read(source: Iterator[bytes], wanted: Wanted, tally: Tally) -> Iterator[Visit]:
    """The visits of a log, or of logs one behind the other."""
    joined = Joined(tally, BOUND)
    separator, unset, path = b"\t", b"-", ""
    uid = up = down = 0  # The columns of a conn.
    columns: dict[str, int] = {}
    at = until = -1  # The column of the host, and how many splits lead behind it.
    for line in source:
        if until > 0 and line[:1] != b"#":
            try:
                if wanted[line.split(separator, until)[at]] is None:
                    continue
            except IndexError:
                tally.junk += bool(line)
                continue
            cells = line.split(separator)
            if len(cells) != len(columns):
                tally.junk += 1
                continue
            yield from _row(path, columns, cells, unset, wanted, tally, joined)
        elif line[:1] == b"{":
            yield from _json(line, wanted, tally, joined)
        elif line[:1] == b"#":
            if not _DIRECTIVE.match(line):
                tally.junk += 1
                continue
            separator = _separator(line) or separator
            words = line.split(separator)
            if line.startswith(b"#path"):
                path = words[-1].decode("latin-1")
            elif line.startswith(b"#unset_field"):
                unset = words[-1]
            elif line.startswith(b"#fields"):
                columns = {name.decode("latin-1"): n for n, name in enumerate(words[1 : MAX_COLUMNS + 1])}
                at = columns.get(HOSTS.get(path, ""), -1)
                until = at + 1
                uid, up, down = (columns.get(name, 0) for name in ("uid", "orig_bytes", "resp_bytes"))
        elif path == "conn" and columns:
            cells = line.split(separator)
            if len(cells) != len(columns):
                tally.junk += bool(line)
            elif len(cells[up]) >= LEAST or joined:
                key = cells[uid].decode("latin-1")
                if key in joined:
                    yield from joined.ended(key, size(cells[up]), size(cells[down]))
                else:
                    joined.early(key, size(cells[up]), size(cells[down]))
        elif not columns:
            if (begin := line.find(b"{")) >= 0:  # Behind the prefix of a syslog.
                yield from _json(line[begin:], wanted, tally, joined)
            else:
                tally.junk += bool(line)
    yield from joined.rest()


def _separator(line: bytes) -> bytes:
    """What `#separator \\x09` says."""
    return (
        bytes.fromhex(line[-2:].decode("ascii")) if line.startswith(b"#separator") and _DIRECTIVE.match(line) else b""
    )


def _row(
    path: str, columns: dict[str, int], cells: list[bytes], unset: bytes, wanted: Wanted, tally: Tally, joined: Joined
) -> Iterator[Visit]:
    def get(name: str) -> str:
        n = columns.get(name)
        return "" if n is None or cells[n] == unset else _unescaped(cells[n])

    yield from _told(path, get, wanted, tally, joined)


def _unescaped(cell: bytes) -> str:
    if b"\\x" in cell:
        cell = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), cell)
    return cell.decode("utf-8", "replace")


def _json(line: bytes, wanted: Wanted, tally: Tally, joined: Joined) -> Iterator[Visit]:
    host = _HOST.search(line)
    if host is not None:
        if wanted[host[1]] is None:
            return
    elif b'"conn_state"' in line:
        if not joined and not _SENT.search(line):
            return
    elif b"\\" not in line:
        tally.junk += not line.endswith(b"}")
        return
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        tally.junk += 1
        return
    if not isinstance(record, dict):
        tally.junk += 1
        return
    path = text(record.get("_path")) or _kind(record)
    yield from _told(path, lambda name: _said(record.get(name)), wanted, tally, joined)


def _said(value: object) -> str:
    if isinstance(value, list):
        return ",".join(text(one) for one in value[:64])
    return {True: "T", False: "F"}[value] if isinstance(value, bool) else text(value)


def _kind(record: dict[str, object]) -> str:
    """Which log a record is of, where it does not say so."""
    if "conn_state" in record:
        return "conn"
    if "server_name" in record:
        return "ssl"
    if "query" in record and ("qtype" in record or "rcode" in record or "trans_id" in record or "qtype_name" in record):
        return "dns"
    return "http" if "host" in record and ("uri" in record or "method" in record) else ""


def _told(path: str, get: Get, wanted: Wanted, tally: Tally, joined: Joined) -> Iterator[Visit]:
    """What one line tells."""
    uid = get("uid")[:LONGEST]
    if path == "conn":
        up, down = size(get("orig_bytes")), size(get("resp_bytes"))
        if uid in joined:
            yield from joined.ended(uid, up, down)
        else:
            joined.early(uid, up, down)
        return
    if path not in HOSTS:
        return
    host = raw(get(HOSTS[path]))
    if not host or wanted[host] is None:
        return
    at_us, actor = micros(get("ts"), tally), somebody(get("id.orig_h"))
    if path == "dns":
        answers = [one for one in get("answers").split(",") if one]
        denied = get("rejected") == "T" or (bool(answers) and all(one in _NULL for one in answers))
        ttl_s = size(get("TTLs").partition(",")[0].partition(".")[0])
        for one in answers[:MAX_ANSWERS]:
            tally.answers.told(actor, one, host, at_us, ttl_s)
        yield Visit(at_us, actor, host, Evidence.RESOLVED, denied=denied)
    elif path == "http":
        up, down = size(get("request_body_len")), size(get("response_body_len"))
        user = somebody(get("username"))
        yield Visit(at_us, user or actor, host, of_request(get("method"), get("uri"), up), up, down)
    else:
        yield from joined.begun(uid or None, Visit(at_us, actor, host, Evidence.CONNECTED))


FORMAT = Format(
    id="zeek",
    title="Zeek log",
    unit=Unit.LINE,
    recognise=recognise,
    read=read,
    source="Book of Zeek: Log Formats and Inspection",
    answers=True,
    joins=joins,
)
