"""JSON objects out of lines, arrays and envelopes, however they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers.logs import records
from bartizan.readers.logs.records import are_lines, of_line, streamed, unwrapped
from bartizan.readers.logs.visit import Tally

ROWS: list[dict[str, Any]] = [{"n": n, "text": 'a "quote" } { ] [ \\', "in": {"er": [{"x": 1}]}} for n in range(300)]
WRAPPED = {
    "lines": "\n".join(json.dumps(row) for row in ROWS),
    "array": json.dumps(ROWS),
    "array over lines": json.dumps(ROWS, indent=2),
    "one behind the other": "".join(json.dumps(row) for row in ROWS),
    "CloudTrail": json.dumps({"Records": ROWS}),
    "CloudTrail, looked up": json.dumps({"Events": ROWS, "NextToken": "x"}, indent=4),
    "Graph": json.dumps({"@odata.context": "https://x/{y}", "value": ROWS, "@odata.nextLink": "https://x"}, indent=1),
    "Workspace": json.dumps({"kind": "admin#reports", "etag": '"{"', "items": ROWS}),
    "two envelopes": json.dumps({"Records": ROWS[:100]}) + "\n" + json.dumps({"Records": ROWS[100:]}),
}
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=10)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize("text", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("size", [5, 1000, 1 << 20])
def test_all_records_come_out(text: str, size: int) -> None:
    tally = Tally()
    assert list(streamed(cut(text.encode(), size), tally)) == ROWS
    assert tally.junk == 0


def test_search_engines_wrap_records_once_more() -> None:
    assert unwrapped({"hits": {"total": 1, "hits": [{"_index": "x", "_source": {"a": 1}}]}}) == [{"a": 1}]
    assert unwrapped({"preview": False, "result": {"a": 1}}) == [{"a": 1}]
    assert unwrapped({"result": {"a": 1}, "user": "mara"}) == [{"result": {"a": 1}, "user": "mara"}]
    assert unwrapped({"value": []}) == [{"value": []}]


def test_a_syslog_may_stand_in_front() -> None:
    assert of_line(b'<14>Jan  5 10:00:00 ids suricata[1]: {"a": 1}') == [{"a": 1}]
    assert of_line(b'<14>Jan  5 10:00:00 ids suricata[1]: {"a": 1} and more') is None
    assert of_line(b"[1, 2]") is None


def test_lines_are_told_from_what_goes_over_lines() -> None:
    assert are_lines(WRAPPED["lines"].encode())
    assert are_lines(b'{"half": \n{"a": 1}\n{"a": 2}\n{"a')
    assert not are_lines(WRAPPED["array over lines"].encode())
    assert not are_lines(WRAPPED["CloudTrail"].encode()[:5000])
    assert not are_lines(b"")


def test_a_half_written_end_is_counted() -> None:
    tally = Tally()
    assert list(streamed(iter([b'[{"a": 1}, {"a": 2']), tally)) == [{"a": 1}]
    assert tally.junk == 1


def test_what_is_too_large_is_looked_into_and_said() -> None:
    tally = Tally()
    filling = ",".join(json.dumps({"n": n, "x": "y" * 100_000}) for n in range(80))
    found = list(streamed(cut(f'{{"unheard-of": {{"of": [{filling}]}}}}'.encode(), 1 << 18), tally))
    assert [record["n"] for record in found] == list(range(80))
    assert tally.bounded == {records.TOO_LONG: 2}


@pytest.mark.parametrize("filling", [b"{", b'{"a":', b'"', b"[", b"\\", b'{"Records":[', b"}", b'{"a":"'])
def test_nesting_without_end_ends(filling: bytes) -> None:
    data = filling * (12_000_000 // len(filling))
    tally = Tally()
    assert sum(1 for _ in streamed(cut(data, 1 << 20), tally)) == 0


@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=3), max_size=8), st.integers(1, 60))
def test_pieces_make_no_difference(rows: list[dict[str, Any]], size: int) -> None:
    data = json.dumps(rows).encode()
    assert list(streamed(cut(data, size), Tally())) == list(streamed(iter([data]), Tally()))


@given(st.binary(max_size=200), st.integers(1, 60))
def test_no_bytes_make_it_fail(data: bytes, size: int) -> None:
    for record in streamed(cut(b'[{"a":' + data, size), Tally()):
        assert isinstance(record, dict)
    of_line(data)


def test_small_objects_in_one_that_does_not_end_are_not_begun_anew_for_each() -> None:
    """A record that is too long is looked through a few times, however many small ones are in it."""
    tally = Tally()
    data = b"{}" + (b'{"a":"' + b"x" * 500 + b'"}{') * 12_000
    assert next(streamed(cut(data, 1 << 18), tally)) == {}
    assert sum(1 for _ in streamed(cut(data, 1 << 18), tally)) > 1
    assert 0 < tally.bounded[records.TOO_LONG] < 20
