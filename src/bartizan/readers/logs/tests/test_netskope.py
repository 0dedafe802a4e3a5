"""Netskope: pages, activities of applications, accounts."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.netskope import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts, referers, queries, user agents."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", b"chatgpt.com", Evidence.UPLOADED, False),
        ("jonas@corp.example", "ChatGPT", Evidence.PROMPT, False),
        ("lea", "ChatGPT", Evidence.CONNECTED, True),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0


def test_the_account_at_the_application_is_told() -> None:
    assert [v.account for v in visits(FORMAT, source(FORMAT.id))] == ["", "jonas@gmail.example", ""]
