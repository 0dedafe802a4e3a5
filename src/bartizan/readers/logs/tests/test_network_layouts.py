"""What holds for each reader of name servers and sensors: it knows its own logs, and nothing makes it fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_hosts import sample, visits
from network_logs import LINES, RECORDS, source

from bartizan.readers.logs.formats import formats, named
from bartizan.readers.logs.sniff import GUESSED
from bartizan.readers.logs.visit import Tally, Unit

JUNK = [b"\x00\xff\xfe", b"hello", b"a b c d e f g h i j", b"=", b"|||||||||", b",,,,,,,,,,", b'"' * 40]
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@pytest.mark.parametrize("id_", [*LINES, *RECORDS])
def test_each_log_is_recognised_by_its_own_reader_alone(id_: str) -> None:
    own = named(id_)
    begins = sample(own, source(id_))
    known = {other.id: other.recognise(begins) for other in formats() if other.unit is own.unit}
    assert known[id_] == 1.0
    assert {other for other, share in known.items() if share} - GUESSED == {id_}


@pytest.mark.parametrize("id_", LINES)
def test_lines_of_another_kind_are_counted(id_: str) -> None:
    tally = Tally()
    assert visits(named(id_), JUNK, tally) == []
    assert tally.junk == len(JUNK)


@pytest.mark.parametrize("id_", RECORDS)
def test_records_of_another_kind_are_counted(id_: str) -> None:
    tally = Tally()
    assert visits(named(id_), [{"a": 1}, {}], tally) == []
    assert tally.junk == 2


@pytest.mark.parametrize("id_", LINES)
def test_no_line_of_its_own_is_junk(id_: str) -> None:
    tally = Tally()
    visits(named(id_), source(id_), tally)
    assert tally.junk == 0


@pytest.mark.parametrize("id_", LINES)
@given(lines=st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_at_all(id_: str, lines: list[bytes]) -> None:
    assert visits(named(id_), lines) == []


@pytest.mark.parametrize("id_", LINES)
@given(data=st.data())
def test_a_spoiled_line_never_raises(id_: str, data: st.DataObject) -> None:
    """Cut, doubled, and with a byte of it changed: it is read or junk, and its neighbours are read."""
    every = source(id_)
    n = data.draw(st.integers(0, len(every) - 1))
    line = every[n]
    at = data.draw(st.integers(0, len(line)))
    spoiled = data.draw(st.sampled_from([line[:at], line[at:], line + line, line[:at] + b"\xff" + line[at + 1 :]]))
    visits(named(id_), [*every[:n], spoiled, *every[n + 1 :]], Tally(reference_us=1_767_700_000_000_000))


@pytest.mark.parametrize("id_", RECORDS)
@given(data=st.data())
def test_a_spoiled_record_never_raises(id_: str, data: st.DataObject) -> None:
    record: dict[str, Any] = dict(data.draw(st.sampled_from(source(id_))))
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON)
    visits(named(id_), [record])


@pytest.mark.parametrize("id_", LINES)
def test_a_line_of_a_megabyte_is_read_in_time(id_: str) -> None:
    form = named(id_)
    for line in source(id_):
        long = line.replace(b"chatgpt.com", b"a" * 500_000).replace(b"10.0.0.", b"1" * 500_000)
        visits(form, [long, line + b" " * 1_000_000, line + b"(" * 1_000_000])
        form.recognise(sample(form, [long]))


def test_units() -> None:
    assert {named(id_).unit for id_ in LINES} == {Unit.LINE}
    assert {named(id_).unit for id_ in RECORDS} == {Unit.RECORD}
