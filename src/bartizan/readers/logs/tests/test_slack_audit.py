"""Slack: applications installed and restricted."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.slack_audit import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts and applications, wherever an AI's name stands."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", "ChatGPT", Evidence.AUTHENTICATED, False),
        ("mara@corp.example", "Otter.ai", Evidence.CONNECTED, True),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0
