"""W3C extended logs: ProxySG, then TMG in the same file."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.visit import Evidence, Tally
from bartizan.readers.logs.w3c import FORMAT


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts and applications, wherever an AI's name stands."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara", b"api.openai.com", Evidence.PROMPT, False),
        ("10.0.0.8", b"claude.ai", Evidence.CONNECTED, True),
        ("CORP\\lea", b"chatgpt.com", Evidence.UPLOADED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_the_server_of_the_log_is_not_what_was_visited() -> None:
    """Of a web server its own name, and of anybody the page before, is nobody's visit."""
    rows = [
        b"#Fields: date time s-computername cs(Referer) cs-uri-stem c-ip",
        b"2026-01-05 10:00:00 claude.ai https://chatgpt.com/ /claude.ai 10.0.0.7",
    ]
    assert visits(FORMAT, rows) == []


def test_rows_without_fields_or_of_other_length_are_junk() -> None:
    tally = Tally()
    rows = [
        b"2026-01-05 claude.ai",
        b"#Fields: date cs-host",
        b"2026-01-05 claude.ai more",
        b"# a note",
        b"2026-01-05 claude.ai",
    ]
    assert [v.host for v in visits(FORMAT, rows, tally)] == [b"claude.ai"]
    assert tally.junk == 3


def test_zeek_is_another_layout() -> None:
    assert FORMAT.recognise(sample(FORMAT, [b"#separator \\x09", b"#fields\tts\tuid\thost", b"1\tC\tclaude.ai"])) == 0
