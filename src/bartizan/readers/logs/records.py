"""JSON objects out of what logs wrap them in: a line each, one array, an envelope, or one behind the other.

Cloud services export `{"Records": […]}`, `{"value": […]}` and the like, in one line of any length. They are taken apart
while they arrive, by counting braces outside of strings, so that memory stays flat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from bartizan.readers.logs.visit import Tally

MAX_RECORD_BYTES = 4 * 1024 * 1024
LOOK_BYTES = 64 * 1024  # How far into an object its envelope is looked for.
STEP_BYTES = 256 * 1024
MAX_DESCENTS = 4  # Into what is too large to be one record: envelopes are 3 deep, and each costs as much as the record.
MAX_FIELDS = 64  # In front of the list of an envelope.
TOO_LONG = "records longer than 4 MiB: looked for smaller ones inside"

Record = dict[str, Any]  # Any: JSON is what its author wrote
LISTS = (
    "Records", "records", "value", "items", "data", "result", "results", "logs", "entries", "activities", "Events",
)  # fmt: skip
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_ENVELOPE = re.compile(
    rb"\{\s*+(?:" + _STRING + rb"\s*+:\s*+(?:" + _STRING + rb"|[-+.\w]++)\s*+,\s*+){0,%d}" % MAX_FIELDS
    + rb'"(?:' + "|".join(LISTS).encode() + rb')"\s*+:\s*+\[\s*+(?=\{)',
    re.DOTALL,
)  # fmt: skip
_BRACE = re.compile(rb'(?:[^"{}]++|' + _STRING + rb")*+([{}])", re.DOTALL)


def of_line(line: bytes) -> list[Record] | None:
    """The records of one line, also behind the prefix of a syslog; None where it is no JSON object."""
    start = line.find(b"{")
    if start < 0:
        return None
    try:
        value = orjson.loads(line[start:] if start else line)
    except orjson.JSONDecodeError:
        return None
    return unwrapped(value) if isinstance(value, dict) else None


def unwrapped(value: Record) -> list[Record]:
    """The records in an envelope, or the value itself."""
    for key in LISTS:
        inner = value.get(key)
        if isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
            return [_bare(one) for one in inner]
    hits = value.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):  # Elasticsearch, OpenSearch
        return [_bare(one) for one in hits["hits"] if isinstance(one, dict)]
    return [_bare(value)]


def _bare(value: Record) -> Record:
    """Without what a search engine puts around a record."""
    source = value.get("_source")
    if isinstance(source, dict):
        return source
    result = value.get("result")
    if isinstance(result, dict) and value.keys() <= {"preview", "offset", "lastrow", "result"}:  # Splunk
        return result
    return value


def are_lines(head: bytes) -> bool:
    """Whether JSON objects stand one a line here, and not in an array or an envelope over many lines."""
    lines = [line for line in head.split(b"\n") if line.strip()]
    whole = lines if head.endswith(b"\n") else lines[:-1] or lines
    return sum(of_line(line) is not None for line in whole[:100]) * 2 >= min(len(whole), 100) > 0


def streamed(chunks: Iterator[bytes], tally: Tally) -> Iterator[Record]:
    """Every record, in whatever it is wrapped."""
    objects = _Objects(tally)
    held: list[bytes] = []
    length = 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= STEP_BYTES or not chunk:
            yield from objects.feed(b"".join(held), ended=not chunk)
            held.clear()
            length = 0
    yield from objects.feed(b"".join(held), ended=True)
    if objects.inside:
        tally.junk += 1


class _Objects:
    """Finds objects in a text that comes in pieces."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._text = b""
        self._start = self._at = self._depth = self._descents = 0
        self._far = 0  # Up to where what is too large was looked through.

    @property
    def inside(self) -> bool:
        """Whether an object has begun that has not ended."""
        return self._depth > 0

    def feed(self, piece: bytes, *, ended: bool) -> Iterator[Record]:
        """The objects that are complete now."""
        done = self._start if self._depth else self._at
        self._text = self._text[done:] + piece
        self._start, self._at, self._far = 0, self._at - done, self._far - done
        while True:
            if not self._depth:
                if not self._begun(ended):
                    return
            elif not (brace := _BRACE.match(self._text, self._at)):
                if len(self._text) - self._start <= MAX_RECORD_BYTES:
                    return
                self._too_long()
            else:
                self._at = brace.end()
                self._depth += 1 if brace[1] == b"{" else -1
                if not self._depth:
                    yield from self._complete()
                elif self._at - self._start > MAX_RECORD_BYTES:
                    self._too_long()

    def _begun(self, ended: bool) -> bool:
        """Goes to where the next object begins, through an envelope; False where more must come first."""
        start = self._text.find(b"{", self._at)
        if start < 0:
            self._at = len(self._text)
            return False
        self._at = start
        if len(self._text) - start < LOOK_BYTES and not ended:
            return False
        if envelope := _ENVELOPE.match(self._text, start, start + LOOK_BYTES):
            self._at = envelope.end()
            return True
        self._start, self._at, self._depth = start, start + 1, 1
        return True

    def _complete(self) -> Iterator[Record]:
        if self._start >= self._far:  # Small ones inside must not have the same bytes looked through over and over.
            self._descents = 0
        try:
            value = orjson.loads(self._text[self._start : self._at])
        except orjson.JSONDecodeError:
            self._tally.junk += 1
            return
        yield from unwrapped(value)

    def _too_long(self) -> None:
        """Looks for records inside of an object that is too large to be one; else leaves behind what was looked at."""
        self._tally.bound(TOO_LONG)
        self._descents += 1
        self._depth = 0
        self._far = max(self._far, self._at, self._start + MAX_RECORD_BYTES)
        if self._descents <= MAX_DESCENTS:
            self._at = self._start + 1
        else:
            self._at = max(self._at, self._start + MAX_RECORD_BYTES)
