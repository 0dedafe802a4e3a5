"""The fields of a line or a record: `key=value`, quoted CSV, JSON of any depth, and what is asked of all of them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from bartizan.readers.logs.visit import Wanted

MOST_BYTES = 2**53  # No connection carries more; what says so is a forged or broken field.
LONGEST = 512  # Characters of a name of a person, a host or an application that are kept.
NOBODY = frozenset(
    {"", "-", "--", "n/a", "na", "none", "null", "unknown", "(null)", "anonymous", "unauthenticated", "*"}
)
DENIED = re.compile(r"block|den(?:y|ied)|drop|reset|reject|refus|forbid|prevent|quarantin", re.IGNORECASE)
_AUTHORITY_ENDS = re.compile(rb"[/?#\\\s\"<>]")  # A browser reads a backslash as a slash.
_SCHEME = re.compile(rb"\s*(?:[A-Za-z][A-Za-z0-9+.-]{1,15}:)?//")
# A backslash before a quote escapes it, or ends a value such as `DOMAIN\\`. It ends the value where the next field in
# quotes begins behind it, perhaps after some without: nobody who is quoted can write a quote that is not escaped.
_ENDS = (
    rb'"(?:\s*$|(?:[\s,;|]{1,4}+[A-Za-z_][\w.-]{0,63}+=[^\s",;|]{1,256}+){0,8}+'
    rb'[\s,;|]{1,4}+[A-Za-z_][\w.-]{0,63}+="[^\s,;|])'
)
_PAIR = re.compile(
    rb"(?:^(?:<\d{1,3}>)?|(?<=[\s,;|\[]))([A-Za-z_][\w.-]*)="
    rb'(?:"((?:[^"\\]++|\\(?:(?!' + _ENDS + rb').)?+)*+)"?|([^\s",]*))'
)

# A value up to where a host surely ends, and up to where the name of an application does.
_HOST = re.compile(rb':?\s?"?((?:[A-Za-z][A-Za-z0-9+.-]{1,15}:)?(?://)?[^\s"/?#\\^|,;<>=]{1,512})')
_APP = re.compile(rb':?\s?"?([^"=|;^\t]{1,128})')

Record = Mapping[str, Any]  # Any: JSON is what its author wrote
_T = TypeVar("_T")


def authority(url: bytes) -> bytes:
    """The host of a URL, with the port or name that may stand beside it; a bare host is one as well."""
    if url[:1] in b"/?#" and not url.startswith(b"//"):
        return b""
    scheme = _SCHEME.match(url)
    rest = url[scheme.end() :] if scheme else url
    ends = _AUTHORITY_ENDS.search(rest)
    host = rest[: ends.start()] if ends else rest
    if len(host) > LONGEST:
        host = host.rpartition(b"@")[2]
    return host if len(host) <= LONGEST else b""


def path(url: bytes) -> str:
    """The path of a URL, with its query."""
    scheme = _SCHEME.match(url)
    slash = url.find(b"/", scheme.end() if scheme else 0)
    return url[slash:].decode("latin-1") if slash >= 0 else ""


def first_wanted(wanted: Wanted, *candidates: bytes) -> bytes:
    """The first host that matters; b"" where none does."""
    for host in candidates:
        if host and len(host) <= LONGEST and wanted[host] is not None:
            return host
    return b""


def app_wanted(wanted: Wanted, *names: str) -> str:
    """The first application that is an AI service; "" where none is. Applications are asked for as `app:name`."""
    for name in names:
        if name and wanted[b"app:" + name[:LONGEST].strip().lower().encode("utf-8", "replace")] is not None:
            return name[:LONGEST].strip()
    return ""


def somebody(*names: str) -> str:
    """The first name that names anybody."""
    for name in names:
        stripped = name[:LONGEST].strip()
        if stripped.lower() not in NOBODY:
            return stripped
    return ""


def size(value: object) -> int:
    """A number of bytes; 0 where none is written."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_BYTES:
        return 0
    return int(value)


def text(value: object) -> str:
    """A field as text; "" where it is none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def raw(value: object) -> bytes:
    """A field of a record as a log's bytes."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""


def inner(record: object, *keys: str) -> Record:
    """The object at a path of keys; an empty one where there is none."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record if isinstance(record, dict) else {}


def at(record: object, *keys: str) -> Any:  # Any: JSON is what its author wrote
    """What stands at a path of keys, None where nothing does."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def listed(value: object, most: int = 256) -> Sequence[Record]:
    """The objects of a list, or the one that stands in its place."""
    if isinstance(value, dict):
        return (value,)
    return [one for one in value[:most] if isinstance(one, dict)] if isinstance(value, list) else ()


def lowered(record: Record) -> dict[str, Any]:  # Any: JSON is what its author wrote
    """A record by keys in lower case: the same table is exported with and without capitals."""
    return {key.lower(): value for key, value in record.items() if isinstance(key, str)}


def may_matter(line: bytes, hosts: tuple[bytes, ...], apps: tuple[bytes, ...], wanted: Wanted) -> bool:
    """Whether behind one of these keys (in lower case, with what ends them) may stand what matters.

    Finding keys is quicker than taking a line apart, which is then done for few lines. It sees too much rather than too
    little: keys in other keys and in values as well.
    """
    lower = line.lower()
    for key in hosts:
        end = lower.find(key) + len(key)
        while end >= len(key):
            if (found := _HOST.match(line, end)) and first_wanted(wanted, authority(found[1])):
                return True
            end = lower.find(key, end) + len(key)
    for key in apps:
        end = lower.find(key) + len(key)
        while end >= len(key):
            if found := _APP.match(line, end):
                name = text(found[1])
                if app_wanted(wanted, name, name.rpartition(" ")[0]):  # The last word may be the next key.
                    return True
            end = lower.find(key, end) + len(key)
    return False


def pairs(line: bytes) -> dict[bytes, bytes]:
    """The `key=value` and `key="value"` of a line. Of a key that stands twice, the first counts."""
    return {key: quoted or bare for key, quoted, bare in reversed(_PAIR.findall(line))}


def cells(line: bytes) -> list[str] | None:
    """The cells of one CSV line, quotes and all; None where it is none."""
    try:
        rows = list(csv.reader([line.decode("utf-8", "replace").replace("\0", "")], skipinitialspace=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def share(sample: Iterable[_T], mine: Callable[[_T], object]) -> float:
    """How much of a sample is of a kind; empty lines count for nobody."""
    every = [one for one in sample if one]
    return sum(1 for one in every if mine(one)) / len(every) if every else 0.0
