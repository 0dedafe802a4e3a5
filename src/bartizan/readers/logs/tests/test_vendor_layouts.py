"""What holds for each reader of vendors' logs: it knows its own from the others', and nothing makes it fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_hosts import sample, visits
from vendor_logs import LINES, RECORDS, source

from bartizan.readers.logs.formats import formats
from bartizan.readers.logs.sniff import GUESSED
from bartizan.readers.logs.visit import Format, Tally, Unit

EVERY = {form.id: form for form in formats() if form.id not in GUESSED}
OURS = [EVERY[form_id] for form_id in (*LINES, *RECORDS)]
OF_LINES = [form for form in OURS if form.unit is Unit.LINE]
OF_RECORDS = [form for form in OURS if form.unit is Unit.RECORD]

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
JUNK = [b"\x00\xff\xfe", b"hello", b"a b c d e f g h i j", b'{"a": 1}', b"=", b"|||||||||", b",,,,,,,,,,", b'"' * 40]


@pytest.mark.parametrize("form_id", [*LINES, *RECORDS])
def test_each_log_is_recognised_by_its_own_reader_alone(form_id: str) -> None:
    own = EVERY[form_id]
    begins = sample(own, source(form_id))
    known = {other.id: other.recognise(begins) for other in EVERY.values() if other.unit is own.unit}
    assert known[form_id] == 1.0
    assert {other for other, share in known.items() if share} == {form_id}


@pytest.mark.parametrize("form", OURS, ids=lambda form: form.id)
def test_an_empty_source_is_nothing(form: Format) -> None:
    assert form.recognise(sample(form, ())) == 0.0
    assert visits(form, ()) == []


@pytest.mark.parametrize("form", OF_LINES, ids=lambda form: form.id)
def test_what_is_none_of_the_layout_is_counted(form: Format) -> None:
    tally = Tally()
    assert visits(form, [*JUNK, b""], tally) == []
    assert tally.junk == len(JUNK)


@pytest.mark.parametrize("form", OF_RECORDS, ids=lambda form: form.id)
def test_records_of_something_else_are_counted(form: Format) -> None:
    tally = Tally()
    assert visits(form, [{}, {"host": "claude.ai"}], tally) == []
    assert tally.junk == 2


@pytest.mark.parametrize("form", OF_LINES, ids=lambda form: form.id)
@settings(max_examples=40)
@given(data=st.data())
def test_no_line_makes_a_reader_fail(form: Format, data: st.DataObject) -> None:
    """Any bytes; and honest lines with bytes put into them or cut off."""
    every = source(form.id)
    broken = [data.draw(st.binary(max_size=200))]
    for line in every:
        cut, put = data.draw(st.integers(0, len(line))), data.draw(st.binary(max_size=12))
        broken += [line[:cut] + put + line[cut:], line[:cut], line[cut:]]
    form.recognise(sample(form, broken))
    for seen in visits(form, broken):
        assert 0 <= seen.time_us < 2**63
        assert seen.host or seen.app


@pytest.mark.parametrize("form", OF_RECORDS, ids=lambda form: form.id)
@settings(max_examples=40)
@given(data=st.data())
def test_no_record_makes_a_reader_fail(form: Format, data: st.DataObject) -> None:
    """Any JSON; and honest records with any JSON in the place of one field."""
    broken: list[dict[str, Any]] = [data.draw(st.dictionaries(st.text(max_size=8), JSON, max_size=4))]
    for record in source(form.id):
        inside = record
        while True:
            key = data.draw(st.sampled_from(sorted(inside)))
            if not isinstance(inside[key], dict) or not inside[key] or data.draw(st.booleans()):
                break
            inside = inside[key]
        inside[key] = data.draw(JSON)
        broken.append(record)
    form.recognise(sample(form, broken))
    for seen in visits(form, broken):
        assert 0 <= seen.time_us < 2**63
        assert seen.host or seen.app


@pytest.mark.parametrize("form", OF_LINES, ids=lambda form: form.id)
def test_a_long_line_ends_in_time(form: Format) -> None:
    """Linear work: what is quadratic would take minutes here."""
    line = source(form.id)[0]
    for filling in (b'"', b"a=", b"\\", b" ", b"|", b",", b'","', b"a=b ", b"a ", b"[x:", b"["):
        many = filling * (100_000 // len(filling))
        visits(form, [line + many, many + line, line[: len(line) // 2] + many + line[len(line) // 2 :]])
