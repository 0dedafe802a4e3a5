"""PAN-OS: commas in quotes, a prefix, applications."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.panos import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("corp\\mara", b"chatgpt.com", Evidence.PROMPT, False),
        ("10.0.0.8", "openai-base", Evidence.UPLOADED, False),
        ("corp\\jonas", b"claude.ai", Evidence.CONNECTED, True),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_a_traffic_log_says_how_much() -> None:
    traffic = visits(FORMAT, source(FORMAT.id))[1]
    assert (traffic.bytes_up, traffic.bytes_down, traffic.time_us) == (52_000, 18_000, 1_767_607_201_000_000)


def test_a_row_that_was_cut_is_no_visit() -> None:
    tally = Tally()
    line = source(FORMAT.id)[0]
    for end in range(0, line.index(b"chatgpt.com") + 4, 7):
        assert visits(FORMAT, [line[:end]], tally) == []
