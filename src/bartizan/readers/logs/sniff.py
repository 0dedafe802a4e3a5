"""Which format a source has, told by its content alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from bartizan.readers.logs import records
from bartizan.readers.logs.formats import formats
from bartizan.readers.logs.visit import Format, Sample, Tally, Unit

MAX_LINES = 200
MAX_RECORDS = 50
SAMPLE_BYTES = 64 * 1024
GOOD = 0.2  # Of the sample: below, a guess that takes all of it explains more.
LEAST = 0.02  # One honest line among fifty of junk.
GUESSED = frozenset({"csv", "json", "key-value"})  # Those that take what nobody else does.


def of_lines(lines: Iterable[bytes]) -> Sample:
    """A sample of lines, and of the objects they hold."""
    taken: list[bytes] = []
    length = 0
    for line in lines:
        length += len(line)
        if taken and (length > SAMPLE_BYTES or len(taken) >= MAX_LINES):
            break
        if line and not line.isspace():
            taken.append(line)
    found = (record for line in taken if b"{" in line for record in records.of_line(line) or ())
    return Sample(b"\n".join(taken), tuple(taken), tuple(islice(found, MAX_RECORDS)))


def of_objects(head: bytes) -> Sample:
    """A sample of objects that do not stand one a line."""
    return Sample(head[:SAMPLE_BYTES], (), tuple(islice(records.streamed(iter((head,)), Tally()), MAX_RECORDS)))


def of_bytes(head: bytes) -> Sample:
    """A sample of what is no text."""
    return Sample(head[:SAMPLE_BYTES], (), ())


def best(sample: Sample, units: Iterable[Unit], but: Sequence[Format] = (), *, guess: bool = True) -> Format | None:
    """The format that most of the sample is surely of; None where it is none at all."""
    open_ = [one for one in formats() if one.unit in units and one not in but]
    sure = _most(sample, (one for one in open_ if one.id not in GUESSED))
    if sure is None or sure[0] < GOOD:
        guessed = _most(sample, (one for one in open_ if one.id in GUESSED)) if guess else None
        if guessed is not None and guessed[0] >= GOOD:
            return guessed[1]
    return sure[1] if sure is not None and sure[0] >= LEAST else None


def _most(sample: Sample, among: Iterable[Format]) -> tuple[float, Format] | None:
    return max(((one.recognise(sample), one) for one in among), key=lambda pair: pair[0], default=None)
