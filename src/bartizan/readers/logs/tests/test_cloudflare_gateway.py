"""Cloudflare Gateway: queries, requests and sessions."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.cloudflare_gateway import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", b"chatgpt.com", Evidence.RESOLVED, False),
        ("10.0.0.8", b"claude.ai", Evidence.UPLOADED, False),
        ("jonas@corp.example", b"api.openai.com", Evidence.CONNECTED, True),
        ("lea@corp.example", b"claude.ai", Evidence.CONNECTED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_time_comes_as_text_or_in_nanoseconds() -> None:
    record = {"QueryName": "claude.ai", "SrcIP": "10.0.0.7"}
    times = ["2026-01-05T10:00:00Z", "1767607200", "1767607200000000000", 1767607200000000000]
    assert {v.time_us for v in visits(FORMAT, [record | {"Datetime": one} for one in times])} == {1_767_607_200_000_000}
