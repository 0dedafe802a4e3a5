"""Check Point: pairs with colons, and those for Splunk."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.checkpoint import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("Mara Lind (mara)", b"chatgpt.com", Evidence.PROMPT, False),
        ("10.0.0.8", "Perplexity", Evidence.CONNECTED, True),
        ("10.0.0.9", b"claude.ai", Evidence.CONNECTED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_sizes_and_time() -> None:
    first = visits(FORMAT, source(FORMAT.id))[0]
    assert (first.bytes_up, first.bytes_down, first.time_us) == (52_000, 900, 1_767_607_200_000_000)
