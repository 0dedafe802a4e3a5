"""Sophos Firewall in both of its layouts, and UTM."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.sophos import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara", b"chatgpt.com", Evidence.UPLOADED, False),
        ("10.0.0.8", b"claude.ai", Evidence.CONNECTED, True),
        ("lea", b"api.openai.com", Evidence.PROMPT, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_times_of_the_three_layouts() -> None:
    assert [v.time_us // 1_000_000 - 1_767_607_200 for v in visits(FORMAT, source(FORMAT.id))] == [0, 1, 3]


def test_a_page_that_warns_stands_before_the_site() -> None:
    line = source(FORMAT.id)[0].replace(b'"Allowed"', b'"Warned"')
    assert [v.denied for v in visits(FORMAT, [line])] == [True]
