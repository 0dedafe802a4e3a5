"""Zscaler: web, DNS and firewall events, with and without the envelope."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.visit import Evidence, Tally
from bartizan.readers.logs.zscaler import FORMAT


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", b"chatgpt.com", Evidence.PROMPT, False),
        ("jonas@corp.example", b"claude.ai", Evidence.RESOLVED, True),
        ("10.0.0.9", "ChatGPT", Evidence.UPLOADED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_an_event_without_its_envelope_is_the_same() -> None:
    bare = [record["event"] for record in source(FORMAT.id)][:2]
    assert visits(FORMAT, bare) == visits(FORMAT, source(FORMAT.id)[:2])
