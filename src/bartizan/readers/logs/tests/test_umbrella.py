"""Umbrella: identities with commas, older rows, requests beside queries."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.umbrella import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("Lind, Mara (mara@corp.example)", b"chatgpt.com.", Evidence.RESOLVED, False),
        ("10.0.0.8", b"claude.ai.", Evidence.RESOLVED, True),
        ("jonas", b"api.openai.com.", Evidence.RESOLVED, False),
        ("jonas", b"api.openai.com", Evidence.PROMPT, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_a_row_says_how_much_was_sent_and_when() -> None:
    dns, *_, request = visits(FORMAT, source(FORMAT.id))
    assert (dns.time_us, dns.bytes_up) == (1_767_607_200_000_000, 0)
    assert (request.time_us, request.bytes_up, request.bytes_down) == (1_767_607_203_000_000, 52_000, 1_489)


def test_a_header_is_no_junk_and_another_csv_is() -> None:
    tally = Tally()
    visits(FORMAT, [b'"Timestamp","Policy Identity","Identities"', b'"2026","chatgpt.com"', b"", b"\xff"], tally)
    assert tally.junk == 2
