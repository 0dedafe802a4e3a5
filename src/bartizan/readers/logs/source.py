"""From the bytes of a source, as they come, to lines: unpacked, decoded, in blocks of a bounded size.

Nothing here fails: what cannot be read ends the source, and the tally says why. Blocks are cut by content alone, so
that it does not matter in which pieces a source arrives. An empty chunk says that there is nothing more right now:
lines that are whole are handed on then, for whoever follows a growing log.
"""

from __future__ import annotations

import bz2
import codecs
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from bartizan.readers.logs.visit import Tally

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
BLOCK_BYTES = MIB  # Larger ones were no faster; 1 MiB of lines are some 3 MiB of objects.
MAX_LINE_BYTES = 2 * MIB  # The longest honest ones are records of cloud audits, below 1 MiB.
HEAD_BYTES = 64 * 1024
STEP_BYTES = MIB  # Unpacked at a time.
FREE_BYTES = 256 * MIB  # Unpacked before the ratio counts: ordinary logs of one busy hour.
MAX_RATIO = 500  # Unpacked to packed. Honest logs reach about 100 with gzip, 200 with zstd; bombs 1,000 and more.
FREE_MEMBERS = 1000  # Of an archive, before their size counts.
LEAST_MEMBER = 256  # Bytes of a member on average, packed. To begin one takes 0.1 ms: 50,000 empty ones are 1 MB.
MAX_LAYERS = 3  # .gz of a .gz happens; more is made on purpose.
MEMORY_BYTES = 128 * MIB  # What unpacking may take: the largest window of `xz -9` is 64 MiB, of `zstd -19` 8 MiB.
WINDOW_LOG = 27  # 128 MiB.

CUT_LINE = "lines cut at 2 MiB"
TRUNCATED = "archive ends too early: what was there is read"
BROKEN = "archive is broken: what came before is read"
BOMB = "unpacking stopped: more than 500 times its size, or thousands of members with next to nothing"
LAYERS = "packed more than three times over: not unpacked"
TRAILING = "bytes after the archive: not read"


class Unpacker(Protocol):
    """What bz2, lzma and zstd offer alike."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Gunzip:
    """zlib's decompressor with the face of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))


UNPACKERS: tuple[tuple[bytes, Callable[[], Unpacker]], ...] = (
    (b"\x1f\x8b\x08", Gunzip),
    (
        b"\x28\xb5\x2f\xfd",
        lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG}),
    ),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_BYTES)),
)
ENOUGH = max(len(magic) for magic, _ in UNPACKERS)
BREAKS = (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError, MemoryError)


class Counted:
    """Chunks, and how many bytes of them came."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.size += len(chunk)
        return chunk


def unpacked(chunks: Iterator[bytes], tally: Tally) -> Iterator[bytes]:
    """The same bytes, unpacked where they are gzip, zstd, bzip2 or xz, also of several members."""
    source = chunks = Counted(chunks)
    for _ in range(MAX_LAYERS):
        head, chunks = peeked(chunks, ENOUGH)
        made = _unpacker(head)
        if made is None:
            return chunks
        chunks = _layer(chunks, made, source, tally)
    head, chunks = peeked(chunks, ENOUGH)
    if _unpacker(head) is None:
        return chunks
    tally.bound(LAYERS)
    return iter(())


def peeked(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, at least `size` of them where there are so many, and all chunks again."""
    held: list[bytes] = []
    length = 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= size or not chunk:
            break
    return b"".join(held)[:size], _again(held, chunks)


def _again(held: list[bytes], chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from held
    held.clear()
    yield from chunks


def _unpacker(head: bytes) -> Callable[[], Unpacker] | None:
    return next((make for magic, make in UNPACKERS if head.startswith(magic)), None)


def _layer(chunks: Iterator[bytes], make: Callable[[], Unpacker], source: Counted, tally: Tally) -> Iterator[bytes]:
    """One layer of packing off. The next member of an archive begins where the last one ended.

    What comes out is compared with what the source has: layers would multiply what each of them may do.
    """
    unpacker: Unpacker | None = make()
    packed = unpacked_ = members = 0
    rest = b""  # Between two members, until it is clear what comes.
    for chunk in chunks:
        if not chunk:
            yield b""
            continue
        packed += len(chunk)
        data = rest + chunk
        rest = b""
        while data or (unpacker is not None and not unpacker.needs_input):
            if unpacker is None:
                data = data.lstrip(b"\0")  # Tapes and block devices fill up with zeros.
                if len(data) < ENOUGH:
                    rest, data = data, b""
                    break
                again = _unpacker(data)
                if again is None:
                    tally.bound(TRAILING)
                    return
                members += 1
                if members > FREE_MEMBERS and members * LEAST_MEMBER > packed:
                    tally.bound(BOMB)
                    return
                unpacker = again()
            try:
                out = unpacker.decompress(data, STEP_BYTES)
            except BREAKS:
                tally.bound(BROKEN)
                return
            data = b""
            unpacked_ += len(out)
            if unpacked_ > FREE_BYTES and unpacked_ > source.size * MAX_RATIO:
                tally.bound(BOMB)
                return
            if out:
                yield out
            if unpacker.eof:
                data, unpacker = unpacker.unused_data, None
    if unpacker is not None:
        tally.bound(TRUNCATED)
    elif rest:
        tally.bound(TRAILING)


def text(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same as UTF-8 without a byte order mark, where it is UTF-16 with or without one."""
    head, chunks = peeked(chunks, 4096)
    if head.startswith(codecs.BOM_UTF8):
        return _without(chunks, len(codecs.BOM_UTF8))
    if head.startswith(codecs.BOM_UTF16_LE):
        return _recoded(_without(chunks, 2), "utf-16-le")
    if head.startswith(codecs.BOM_UTF16_BE):
        return _recoded(_without(chunks, 2), "utf-16-be")
    even, odd = head[0::2], head[1::2]
    if len(head) >= 8:  # Of ASCII in UTF-16 every second byte is zero.
        if odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.1 * len(even):
            return _recoded(chunks, "utf-16-le")
        if even.count(0) > 0.7 * len(even) and odd.count(0) < 0.1 * len(odd):
            return _recoded(chunks, "utf-16-be")
    return chunks


def _without(chunks: Iterator[bytes], first: int) -> Iterator[bytes]:
    for chunk in chunks:
        if (rest := chunk[first:]) or not chunk:
            yield rest
        first = max(0, first - len(chunk))


def _recoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in chunks:
        if (decoded := decoder.decode(chunk).encode("utf-8", "replace")) or not chunk:
            yield decoded
    if decoded := decoder.decode(b"", final=True).encode("utf-8", "replace"):
        yield decoded


def blocks(chunks: Iterator[bytes], tally: Tally) -> Iterator[list[bytes]]:
    """Whole lines without their ends, about BLOCK_BYTES at a time; the last one as it is.

    Lines end with a line feed: a carriage return alone, or another of the separators of Unicode, would let whoever
    writes a user agent begin a line of their own.
    """
    tail = _Tail(tally)
    held: list[bytes] = []
    length = 0
    for chunk in chunks:
        if not chunk:
            whole, length = b"".join(held), 0
            held.clear()
            if lines := tail.cut(whole):
                yield lines
            continue
        held.append(chunk)
        length += len(chunk)
        if length < BLOCK_BYTES:
            continue
        whole = held[0] if len(held) == 1 else b"".join(held)
        held.clear()
        at = 0
        while length - at >= BLOCK_BYTES:
            if lines := tail.cut(whole[at : at + BLOCK_BYTES] if at or length > BLOCK_BYTES else whole):
                yield lines
            at += BLOCK_BYTES
        length -= at
        if length:
            held.append(whole[at:])
    if lines := tail.cut(b"".join(held)):
        yield lines
    if lines := tail.end():
        yield lines


class _Tail:
    """What is left of a block behind its last line end, and how much of a line that is too long was dropped."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._held: list[bytes] = []
        self._length = 0

    def cut(self, block: bytes) -> list[bytes]:
        end = block.rfind(b"\n")
        if end < 0:
            self._keep(block)
            return []
        whole = block[:end]
        if self._held:
            first, feed, others = whole.partition(b"\n")
            self._keep(first)
            whole = b"".join(self._held) + feed + others
            self._counted()
        self._held, self._length = [block[end + 1 :]], len(block) - end - 1
        return _lines(whole)

    def end(self) -> list[bytes]:
        whole = b"".join(self._held)
        self._counted()
        self._held, self._length = [], 0
        return _lines(whole) if whole else []

    def _keep(self, piece: bytes) -> None:
        if self._length < MAX_LINE_BYTES:
            self._held.append(piece[: MAX_LINE_BYTES - self._length])
        self._length += len(piece)

    def _counted(self) -> None:
        if self._length > MAX_LINE_BYTES:
            self._tally.bound(CUT_LINE)


def _lines(whole: bytes) -> list[bytes]:
    if b"\r" in whole:
        whole = whole.replace(b"\r\n", b"\n").removesuffix(b"\r")
    lines = whole.split(b"\n")
    if b"\0" in whole:  # What was written after the file had been emptied under its writer begins with zeros.
        lines = [line.strip(b"\0") for line in lines]
    return lines
