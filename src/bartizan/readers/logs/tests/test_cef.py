"""CEF: escapes, spaces in values, the syntax of syslog before it."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.cef import FORMAT, extension
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", b"chatgpt.com", Evidence.PROMPT, False),
        ("jonas@corp.example", b"claude.ai", Evidence.CONNECTED, True),
        ("10.0.0.9", "openai-base", Evidence.CONNECTED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_a_value_goes_on_to_the_next_key_and_loses_its_escapes() -> None:
    assert extension(rb"msg=a b\=c d\\e\nf act=allowed  cs1Label=x y cs1= suser=mara lind") == {
        "msg": "a b=c d\\e\nf", "act": "allowed", "cs1label": "x y", "cs1": "", "suser": "mara lind",
    }  # fmt: skip


def test_of_a_key_that_stands_twice_the_first_counts() -> None:
    line = b"CEF:0|v|p|1|1|n|1|src=10.0.0.7 dhost=www.bbc.co.uk requestClientApplication=x dhost=claude.ai act=allowed"
    assert visits(FORMAT, [line]) == []


def test_the_time_of_syslog_counts_where_the_event_has_none() -> None:
    line = b"<134>1 2026-01-05T10:00:02Z fw - - - CEF:0|v|p|1|1|n|1|src=10.0.0.7 dhost=claude.ai"
    assert [v.time_us for v in visits(FORMAT, [line])] == [1_767_607_202_000_000]


def test_a_log_that_mentions_cef_is_none() -> None:
    lines = [
        b'10.0.0.7 - - "GET /?CEF:0|a|b|c|d|e|f| HTTP/1.1" 200',
        b'{"message": "CEF:0|a|b|c|d|e|f|dhost=claude.ai"}',
    ]
    assert FORMAT.recognise(sample(FORMAT, lines)) == 0
