"""Reads one source from its first byte to its last: unpacked, told by content, read by its format, junk counted.

A file may hold more than one format: a syslog of many programs, a file that went on after an update. Where a block has
many lines that its format does not know, those lines are told and read on their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from bartizan.readers.logs import records, sniff
from bartizan.readers.logs.formats import formats
from bartizan.readers.logs.source import blocks, peeked, text, unpacked
from bartizan.readers.logs.visit import Evidence, Format, Sample, Tally, Unit, Visit, Wanted

HEAD_BYTES = 256 * 1024
KNOWN_BYTES = 16 * 1024
RISEN = 20  # A block is looked through once more where every so manieth line is junk.
MAX_MORE = 4  # Formats beside the first, in one block.
TEXT = (Unit.LINE, Unit.RECORD)
JSON = re.compile(rb'[\0\s]*(?:\[\s*)?\{\s*["}]')
_NO_NAME = re.compile(rb"[/\\?#@]")
NO_FORMAT = "no known format"

Add = Callable[[Visit], None]


@dataclass(slots=True)
class Read:
    """What became of one source.

    Args:
        formats: Lines or records (bytes, where it is no text) by the id of the format that took them.
        head: Its first bytes, unpacked, which a source is known by.
        size: How many bytes came, unpacked.
    """

    tally: Tally
    formats: dict[str, int] = field(default_factory=dict)
    head: bytes = b""
    size: int = 0

    def took(self, format_: Format, count: int) -> None:
        """Counts what a format took."""
        if count > 0:
            self.formats[format_.id] = self.formats.get(format_.id, 0) + count


def read(
    chunks: Iterator[bytes],
    wanted: Wanted,
    tally: Tally,
    add: Add,
    as_: Format | None = None,
    into: Read | None = None,
) -> Read:
    """Reads a source to its end and hands every visit to `add`. Never raises on what the source holds.

    Args:
        chunks: The bytes as they lie in the file. An empty one means that there is nothing more right now.
        as_: The format to read it as, whatever it looks like.
        into: Where to count, for whoever looks while a source is read.
    """
    return _Source(wanted, tally, add, as_, into or Read(tally)).read(chunks)


def told(chunks: Iterator[bytes]) -> tuple[Format | None, Sample]:
    """The format that a source seems to have, and the sample that says so. Reads no further than that."""
    head, _ = peeked(unpacked(chunks, Tally()), HEAD_BYTES)
    if binary := sniff.best(sniff.of_bytes(head), (Unit.BYTES,)):
        return binary, sniff.of_bytes(head)
    head, _ = peeked(text(iter((head,))), HEAD_BYTES)
    if _in_objects(head):
        sample = sniff.of_objects(head)
        return sniff.best(sample, (Unit.RECORD,)), sample
    lines = [line.rstrip(b"\r") for line in head.split(b"\n")]
    sample = sniff.of_lines(lines[:-1] or lines)
    return sniff.best(sample, TEXT), sample


def joins(chunks: Iterator[bytes]) -> bool:
    """Whether a source tells what others give names to: flows, ends of connections. Costs little."""
    head, _ = peeked(unpacked(chunks, Tally()), KNOWN_BYTES)
    plain, _ = peeked(text(iter((head,))), KNOWN_BYTES)
    sample = Sample(head, tuple(line.rstrip(b"\r") for line in plain.split(b"\n")[:-1] if line), ())
    return any(one.joins is not None and one.joins(sample) for one in formats())


def _in_objects(head: bytes) -> bool:
    """Whether JSON goes over many lines, or stands in one that is too long to be one of a log's."""
    return JSON.match(head) is not None and not records.are_lines(head)


class _Source:
    def __init__(self, wanted: Wanted, tally: Tally, add: Add, as_: Format | None, into: Read) -> None:
        self._wanted, self._tally, self._add, self._as = wanted, tally, add, as_
        self._read = into

    def read(self, chunks: Iterator[bytes]) -> Read:
        head, chunks = peeked(self._sized(unpacked(chunks, self._tally)), HEAD_BYTES)
        self._read.head = head[:KNOWN_BYTES]
        binary = self._as or sniff.best(sniff.of_bytes(head), (Unit.BYTES,))
        if binary is not None and binary.unit is Unit.BYTES:
            self._bytes(binary, chunks)
            return self._read
        chunks = text(chunks)
        head, chunks = peeked(chunks, HEAD_BYTES)
        if (self._as is None or self._as.unit is Unit.RECORD) and _in_objects(head):
            self._objects(head, chunks)
        else:
            self._lines(chunks)
        return self._read

    def _sized(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._read.size += len(chunk)
            yield chunk

    def _visits(self, visits: Iterator[Visit]) -> None:
        add = self._add
        for visit in visits:
            # What was asked of a name server is a name as a whole: a label may hold what ends the host of a URL.
            if visit.evidence is not Evidence.RESOLVED or not _NO_NAME.search(visit.host):
                add(visit)

    def _bytes(self, format_: Format, chunks: Iterator[bytes]) -> None:
        def counted() -> Iterator[bytes]:
            for chunk in chunks:
                self._read.took(format_, len(chunk))
                yield chunk

        self._visits(format_.read(counted(), self._wanted, self._tally))

    def _objects(self, head: bytes, chunks: Iterator[bytes]) -> None:
        format_ = self._as or sniff.best(sniff.of_objects(head), (Unit.RECORD,))
        junk = self._tally.junk

        def counted() -> Iterator[records.Record]:
            for record in records.streamed(chunks, self._tally):
                self._tally.read += 1
                yield record

        if format_ is None:
            for _ in counted():
                self._tally.junk += 1
            self._tally.bound(NO_FORMAT)
            return
        self._visits(format_.read(counted(), self._wanted, self._tally))
        self._read.took(format_, self._tally.read - (self._tally.junk - junk))

    def _lines(self, chunks: Iterator[bytes]) -> None:
        """Block by block, with the format that the first of them has, until another one takes over."""
        waiting = blocks(chunks, self._tally)
        for block in waiting:
            format_ = self._as or sniff.best(sniff.of_lines(block), TEXT)
            if format_ is None:
                count = _filled(block)
                self._tally.read += count
                self._tally.junk += count
                if count:
                    self._tally.bound(NO_FORMAT)
                continue
            self._run(format_, chain((block,), waiting))

    def _run(self, format_: Format, waiting: Iterator[list[bytes]]) -> None:
        fed = self._fed(format_, waiting)
        if format_.unit is Unit.RECORD:
            found = chain.from_iterable(self._records(block) for block in fed)
            self._visits(format_.read(found, self._wanted, self._tally))
        else:
            self._visits(format_.read(chain.from_iterable(fed), self._wanted, self._tally))

    def _fed(self, format_: Format, waiting: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        """Block after block. It goes on here when all lines of the last one have been read."""
        tally = self._tally
        for block in waiting:
            before, count = tally.junk, len(block)
            tally.read += count
            yield block
            junk = tally.junk - before
            other = 0
            if junk * RISEN > count and self._as is None:
                other = self._others(format_, block, junk)
                tally.junk -= other
            self._read.took(format_, count - junk)
            if other * 2 > count:
                return  # The next block is told anew.

    def _records(self, block: list[bytes]) -> Iterator[records.Record]:
        for line in block:
            if found := records.of_line(line):
                yield from found
            elif line and not line.isspace():
                self._tally.junk += 1

    def _others(self, first: Format, block: list[bytes], junk: int) -> int:
        """Reads what a format did not know of a block as what it is; how many lines that were."""
        tried = [first]
        rest = _unknown(first, block)
        taken = 0
        while rest and taken < junk and len(tried) <= MAX_MORE:
            format_ = sniff.best(sniff.of_lines(rest), TEXT, tried, guess=False)
            if format_ is None:
                break
            mine = self._tally
            tally = Tally(mine.zone, mine.offset_us, mine.reference_us, answers=mine.answers, endings=mine.endings)
            if format_.unit is Unit.RECORD:
                found = (record for line in rest for record in records.of_line(line) or ())
                self._visits(format_.read(found, self._wanted, tally))
                took = sum(b"{" in line for line in rest) - tally.junk
            else:
                self._visits(format_.read(iter(rest), self._wanted, tally))
                took = len(rest) - tally.junk
            took = min(max(took, 0), junk - taken)
            self._read.took(format_, took)
            for name, times in tally.bounded.items():
                self._tally.bound(name, times)
            taken += took
            tried.append(format_)
            rest = _unknown(format_, rest)
        return taken


def _filled(block: list[bytes]) -> int:
    return sum(1 for line in block if line and not line.isspace())


def _unknown(format_: Format, lines: list[bytes]) -> list[bytes]:
    """The lines that are surely none of a format."""
    if format_.unit is Unit.RECORD:
        return [line for line in lines if line and format_.recognise(_alone(line)) <= 0.5]
    return [line for line in lines if line and format_.recognise(Sample(line, (line,), ())) <= 0.5]


def _alone(line: bytes) -> Sample:
    return Sample(line, (line,), tuple(records.of_line(line) or ()))
