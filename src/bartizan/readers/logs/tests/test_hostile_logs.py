"""Logs whose author wants the reader to hang, or to hold more than it can."""

from __future__ import annotations

import gzip
import random
from collections import defaultdict
from collections.abc import Iterator

import pytest
from backports import zstd

from bartizan.readers.logs import flow_text, observe, source, squid
from bartizan.readers.logs.observe import Observations
from bartizan.readers.logs.source import BOMB, unpacked
from bartizan.readers.logs.visit import Evidence, Sample, Tally, Visit, Wanted

EVERY: Wanted = defaultdict(lambda: None, {b"api.openai.com": 1})
MIB = 1 << 20


def pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + MIB] for at in range(0, len(data), MIB))


def test_layers_do_not_multiply_what_each_may_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each layer is within the ratio, both together are not."""
    monkeypatch.setattr(source, "FREE_BYTES", MIB)
    inner = gzip.compress(b"\n" * 100 * 1024 + random.Random(1).randbytes(400)) * 400
    assert len(inner) * source.MAX_RATIO > 400 * 100 * 1024
    tally = Tally()
    assert sum(map(len, unpacked(pieces(zstd.compress(inner)), tally))) < 20 * MIB
    assert tally.bounded == {BOMB: 1}


def test_thousands_of_empty_members_are_a_bomb() -> None:
    tally = Tally()
    assert list(unpacked(pieces(gzip.compress(b"") * 5000), tally)) == []
    assert tally.bounded == {BOMB: 1}


def test_a_thousand_small_members_are_none() -> None:
    tally = Tally()
    assert b"".join(unpacked(pieces(gzip.compress(b"x\n") * 1000), tally)) == b"x\n" * 1000
    assert tally.bounded == {}


def test_result_codes_without_a_method_are_looked_at_once() -> None:
    line = b"1767607200.123 1 10.0.0.7 x " + b"TCP_MISS/200 " * 10_000
    tally = Tally()
    assert list(squid.read(iter([line] * 300), EVERY, tally)) == []
    assert tally.junk == 300


def test_names_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "MAX_NAMES_BYTES", 100_000)
    found = Observations()
    for n in range(1000):
        found.add(Visit(0, f"{'😀' * 200}{n}", b"api.openai.com", Evidence.CONNECTED), EVERY)
    assert 0 < len(found) < 200
    assert found.lost == 1000 - len(found)


def test_columns_of_spaces_without_an_end_are_looked_at_once() -> None:
    line = b"2026-01-05 09:59:50.000" + b" " * 60_000
    assert flow_text.recognise(Sample(line, (line,) * 50, ())) == 0
