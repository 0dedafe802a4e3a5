"""From bytes to lines: unpacked, decoded, cut into blocks; and what of a source was left out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers.logs import source
from bartizan.readers.logs.source import blocks, text, unpacked
from bartizan.readers.logs.visit import Tally

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
LINES = b"".join(b"%d 10.0.0.%d CONNECT chatgpt.com:443\n" % (n, n % 250) for n in range(5000))


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def lines(data: bytes, size: int = 1 << 20, tally: Tally | None = None) -> list[bytes]:
    tally = tally or Tally()
    return [line for block in blocks(text(unpacked(cut(data, size), tally)), tally) for line in block]


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_packed_logs_are_read_in_pieces_of_any_size(pack: Callable[[bytes], bytes], size: int) -> None:
    data = LINES[:20_000] if size == 1 else LINES
    assert b"\n".join(lines(pack(data), size)) == data.removesuffix(b"\n")


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_members_one_behind_the_other_are_one_log(pack: Callable[[bytes], bytes]) -> None:
    tally = Tally()
    packed = b"".join(pack(part) for part in cut(LINES, 30_000))
    assert b"\n".join(lines(packed + bytes(512), 1000, tally)) == LINES.removesuffix(b"\n")
    assert tally.bounded == {}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_of_a_truncated_archive_what_was_there_counts(pack: Callable[[bytes], bytes]) -> None:
    data = random.Random(1).randbytes(3_000_000).hex().encode()
    tally = Tally()
    packed = pack(data)
    got = b"".join(unpacked(cut(packed[: len(packed) * 2 // 3], 65_536), tally))
    assert data.startswith(got)
    assert len(got) > len(data) // 3
    assert tally.bounded == {source.TRUNCATED: 1}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_a_broken_archive_is_said(pack: Callable[[bytes], bytes]) -> None:
    packed = bytearray(pack(random.Random(1).randbytes(200_000).hex().encode()))
    for at in range(20_000, 60_000):
        packed[at] ^= 0x5A
    tally = Tally()
    assert len(b"".join(unpacked(cut(bytes(packed), 4096), tally))) <= 400_000
    assert tally.bounded.keys() <= {source.BROKEN, source.TRUNCATED, source.TRAILING}
    assert tally.bounded


def test_packed_twice_is_read_and_packed_for_ever_is_not() -> None:
    tally = Tally()
    data = LINES
    for n in range(6):
        assert (b"\n".join(lines(data, tally=tally)) == LINES.removesuffix(b"\n")) == (n < 4)
        assert bool(tally.bounded) == (n >= 4)
        data = gzip.compress(data)


def test_a_bomb_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FREE_BYTES", 1 << 20)
    for pack in PACKERS.values():
        tally = Tally()
        got = sum(map(len, unpacked(cut(pack(bytes(64 << 20)), 4096), tally)))
        assert got < 8 << 20
        assert tally.bounded == {source.BOMB: 1}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_encodings_are_told_by_their_bytes(encoding: str, size: int) -> None:
    written = "10.0.0.7 chatgpt.com größe\r\n10.0.0.8 claude.ai\r\n" * 20
    assert [line.decode() for line in lines(written.encode(encoding), size)] == written.split("\r\n")[:-1]


def test_a_carriage_return_alone_begins_no_line() -> None:
    """Nor does any separator of Unicode: a user agent would begin a line of its own."""
    line = "GET / agent\rCONNECT chatgpt.com\x0b\x0c\x1c\x85\u2028".encode()
    assert lines(line + b"\n" + line + b"\r\n") == [line, line]


def test_a_line_of_many_megabytes_is_cut_and_said() -> None:
    tally = Tally()
    got = lines(b"first\n" + b"x" * (5 << 20) + b"\nlast", 1 << 16, tally)
    assert [len(line) for line in got] == [5, source.MAX_LINE_BYTES, 4]
    assert tally.bounded == {source.CUT_LINE: 1}


def test_zeros_before_a_line_are_left_out() -> None:
    """A log that was emptied under its writer begins with as many zeros as it had bytes."""
    assert lines(bytes(300_000) + b"a line\nanother\n") == [b"a line", b"another"]


def test_what_is_whole_is_handed_on_where_there_is_nothing_more() -> None:
    given_ = iter([b"one\ntw", b"", b"o\n", b"", b"three"])
    assert list(blocks(given_, Tally())) == [[b"one"], [b"two"], [b"three"]]


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20))
def test_pieces_make_no_difference(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    one, many = Tally(), Tally()
    first = [line for block in blocks(iter([whole]), one) for line in block]
    assert [line for block in blocks(iter(pieces), many) for line in block] == first


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\x00"]))
def test_no_bytes_make_it_fail(data: bytes, magic: bytes) -> None:
    lines(magic + data, 13)
