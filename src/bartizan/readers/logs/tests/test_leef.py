"""LEEF: versions 1.0 and 2.0, each way to name what stands between pairs."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.leef import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara", b"chatgpt.com", Evidence.UPLOADED, False),
        ("jonas", b"claude.ai", Evidence.CONNECTED, True),
        ("10.0.0.9", b"api.openai.com", Evidence.PROMPT, False),
        ("lea", b"claude.ai", Evidence.CONNECTED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_a_delimiter_may_be_left_out_and_tabs_may_have_become_spaces() -> None:
    rows = [
        b"LEEF:2.0|v|p|1|web|src=10.0.0.7\turl=https://claude.ai/",
        b"LEEF:2.0|v|p|1|web||src=10.0.0.7\turl=https://claude.ai/",
        b"LEEF:1.0|v|p|1|web|src=10.0.0.7 url=https://claude.ai/ action=allow",
    ]
    assert [(v.actor, v.host) for v in visits(FORMAT, rows)] == [("10.0.0.7", b"claude.ai")] * 3


def test_times() -> None:
    assert [v.time_us // 1_000_000 - 1_767_607_200 for v in visits(FORMAT, source(FORMAT.id))] == [0, 1, 2, 3]
