"""NextDNS: columns by their names."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.nextdns import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("10.0.0.7", b"chatgpt.com", Evidence.RESOLVED, False),
        ("10.0.0.8", b"claude.ai", Evidence.RESOLVED, True),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_columns_are_found_by_name() -> None:
    rows = [
        b"timestamp,domain,query_type,dnssec,protocol,status,client_ip",
        b"2026-01-05T10:00:00Z,claude.ai,A,true,UDP,blocked,10.0.0.7",
    ]
    assert [(v.actor, v.denied) for v in visits(FORMAT, rows)] == [("10.0.0.7", True)]


def test_a_file_that_lost_its_header_is_read_as_documented() -> None:
    assert [v.actor for v in visits(FORMAT, source(FORMAT.id)[1:])] == ["10.0.0.7", "10.0.0.8"]
