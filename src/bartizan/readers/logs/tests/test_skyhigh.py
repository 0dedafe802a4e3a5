"""Skyhigh Web Gateway: fields by the names of the header."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.skyhigh import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, users, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara", b"chatgpt.com:443", Evidence.UPLOADED, False),
        ("10.0.0.8", b"claude.ai", Evidence.CONNECTED, True),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_time_and_sizes() -> None:
    first = visits(FORMAT, source(FORMAT.id))[0]
    assert (first.time_us, first.bytes_up, first.bytes_down) == (1_767_607_200_000_000, 52_000, 900)


def test_a_field_that_was_left_out_moves_the_others() -> None:
    header, row, *_ = source(FORMAT.id)
    shorter = [header.replace(b" bytes_from_client", b""), row.replace(b" 52000", b"")]
    assert [(v.bytes_up, v.bytes_down) for v in visits(FORMAT, shorter)] == [(0, 900)]
