"""Files as subjects, and what is decided about them: what a scan's worker processes run, one file a call."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import IO, Any

from bartizan.core.decision import Decision
from bartizan.core.errors import InputError, LimitError
from bartizan.core.finding import Failure, Severity
from bartizan.core.subject import Context, Direction, Kind, Subject, alone
from bartizan.loop import UNREAD, Loop, under
from bartizan.readers.archives import Limits, members, printable
from bartizan.readers.files import ARCHIVES, HEAD_BYTES, Sort, decode, sort
from bartizan.readers.table import read_table
from bartizan.report.decision import Json, as_json
from bartizan.report.exits import exit_code
from bartizan.report.ids import Ids

LIMITS = Limits()
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
PARQUET = b"PAR1"
IDS = Ids(time.time_ns, os.urandom)


@dataclass(frozen=True, slots=True)
class How:
    """How a scan judges; the same for all its files."""

    policy: str  # the policy's text
    policy_name: str
    kind: str = "auto"  # auto | text | chat
    direction: str = "out"
    fail_on: str = "high"
    show: bool = False
    detectors: tuple[str, ...] = ()  # of others, by name


@dataclass(frozen=True, slots=True)
class Judged:
    """One file or archive member: what it is called, what it is, and what was decided."""

    name: str
    subject: Subject
    decision: Decision


def judged(path: bytes, *plain: Any) -> list[tuple[Json, int]]:  # Any: the fields of `How`; a worker is told no more
    """All decisions about one file, as JSON, and the exit code of each. What a worker calls."""
    how = How(*plain)
    loop = loop_of(how)
    return [reported(one, how, loop) for one in judge_file(path, how, loop)]


@lru_cache(maxsize=4)
def _loop(policy: str, name: str, detectors: tuple[str, ...]) -> Loop:
    return under(policy, name, detectors)


def loop_of(how: How) -> Loop:
    """The loop under the scan's policy, made once a process."""
    return _loop(how.policy, how.policy_name, how.detectors)


def reported(one: Judged, how: How, loop: Loop) -> tuple[Json, int]:
    """A judged file as JSON, and its exit code."""
    value = as_json(one.decision, id=IDS.next(), input=one.name, subject=one.subject, policy=loop.policy, show=how.show)
    fail_on = None if how.fail_on == "never" else Severity[how.fail_on.upper()]
    return value, exit_code([(one.decision, one.subject)], loop.policy, fail_on)


def judge_file(path: bytes, how: How, loop: Loop) -> Iterator[Judged]:
    """Decisions about a file, or about each member of an archive. A file that cannot be read is a Failure."""
    for name, subject in subjects(path, how):
        yield Judged(name, subject, loop.judge(subject, thorough=True))


def subjects(path: bytes, how: How) -> Iterator[tuple[str, Subject]]:
    """A file as subjects, each with its name as shown."""
    name = printable(os.fsdecode(path), 4096)
    try:
        stream = opened(path)
    except OSError as error:
        yield name, unread(how, f"cannot be opened ({errno_name(error)})")
        return
    with stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            yield name, unread(how, "is no regular file")
            return
        try:
            head = stream.read(HEAD_BYTES)
            stream.seek(0)
            kind = sort(head)
            if how.kind == "auto" and kind in ARCHIVES:
                yield from _archived(name, stream, kind, how)
            else:
                data = stream.read(LIMITS.member_bytes + 1)
                yield name, _subject(data, how, name=name)
        except OSError as error:
            yield name, unread(how, f"cannot be read ({errno_name(error)})")


def _archived(name: str, stream: IO[bytes], kind: Sort, how: How) -> Iterator[tuple[str, Subject]]:
    empty = True
    for member in members(stream, kind, LIMITS):
        empty = False
        shown = f"{name}!/{member.path}" if member.path else name
        yield shown, _subject(member.data, how, member.failure, name=shown.removesuffix("!/content"))
    if empty:
        yield name, Subject(Kind.TEXT, "", "", context=_context(how))


def _subject(data: bytes, how: How, failure: str = "", name: str = "") -> Subject:
    """Bytes as a subject. What was cut at a limit, or is no text, says so in a child of its own; so do tables."""
    if len(data) > LIMITS.member_bytes:
        data = data[: LIMITS.member_bytes]
        failure = f"larger than {LIMITS.member_bytes >> 20} MiB: the rest was not looked at"
    if failure and not data:
        return unread(how, failure)
    if how.kind == "chat":
        return _chat(data, how)
    missing = (_missing(failure),) if failure else ()
    if data[:4] == PARQUET and how.kind == "auto":
        return _parquet(data, how, missing)
    text = decode(data)
    if text is None:
        return unread(how, failure or "is neither text nor an archive that is looked into")
    return replace(alone(text.text, _context(how)), children=missing + _tables(text.text, name))


def _tables(text: str, name: str) -> tuple[Subject, ...]:
    """The rows of what is called a table, for detectors that look at training data."""
    if not name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz").endswith(TABLES):
        return ()
    table = read_table(text)
    if table is None:
        return ()
    cut = (_missing("the table is larger than what is looked at as one"),) if table.cut else ()
    return (Subject(Kind.DATA, "", table), *cut)


def _parquet(data: bytes, how: How, missing: tuple[Subject, ...]) -> Subject:
    """A Parquet file as the JSON lines of its first rows, and as a table."""
    from bartizan.doors.files.parquet import Unreadable, json_lines

    try:
        text, cut = json_lines(data)
    except Unreadable as error:
        return unread(how, str(error))
    if cut:
        missing = (*missing, _missing("the table is larger than what is looked at as one"))
    return replace(alone(text, _context(how)), children=missing + _tables(text, ".jsonl"))


def _chat(data: bytes, how: How) -> Subject:
    from bartizan.exchange.body import read_body
    from bartizan.readers.chat import chat

    try:
        body = read_body(data)
    except LimitError as error:
        return unread(how, error.what)
    except InputError as error:
        return unread(how, f"is no chat: {error.what}")
    context = _context(how)
    return chat(body.value, direction=context.direction, context=context)


def unread(how: How, why: str) -> Subject:
    """A file nobody could look into, and why."""
    return Subject(Kind.FILE, "", _failure(why), context=_context(how))


def _missing(why: str) -> Subject:
    return Subject(Kind.FILE, "", _failure(why))


def _failure(why: str) -> Failure:
    return Failure(why, (UNREAD["file"],))


def _context(how: How) -> Context:
    return Context(direction=Direction(how.direction), when_us=time.time_ns() // 1000)


def opened(path: bytes) -> IO[bytes]:
    """Opens for reading, without waiting for the other end of a pipe that somebody left in the folder."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def errno_name(error: OSError) -> str:
    """`EACCES` and the like: an OSError's message would hold the file's name."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
