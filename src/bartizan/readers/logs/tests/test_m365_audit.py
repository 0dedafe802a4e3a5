"""Microsoft 365: interactions with Copilot and other AI, consents."""

from __future__ import annotations

from known_hosts import sample, visits
from vendor_logs import source

from bartizan.readers.logs.m365_audit import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally


def test_the_visits_of_a_log() -> None:
    """And nothing of the decoys: other hosts and applications, wherever an AI's name stands."""
    tally = Tally()
    assert [(v.actor, v.host or v.app, v.evidence, v.denied) for v in visits(FORMAT, source(FORMAT.id), tally)] == [
        ("mara@corp.example", "Microsoft 365 Copilot", Evidence.PROMPT, False),
        ("jonas@corp.example", "ChatGPT", Evidence.PROMPT, False),
        ("mara@corp.example", "ChatGPT", Evidence.AUTHENTICATED, False),
    ]
    assert tally.junk == 0


def test_the_whole_log_is_recognised() -> None:
    assert FORMAT.recognise(sample(FORMAT, source(FORMAT.id))) == 1.0
