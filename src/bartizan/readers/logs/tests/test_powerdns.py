"""The log of the PowerDNS Recursor."""

from __future__ import annotations

from known_hosts import visits
from network_logs import source

from bartizan.readers.logs.powerdns import FORMAT
from bartizan.readers.logs.visit import Tally


def test_questions_structured_and_not() -> None:
    found = visits(FORMAT, source("powerdns"), Tally(reference_us=1_767_700_000_000_000))
    assert [(visit.time_us, visit.actor, visit.host) for visit in found] == [
        (1_767_607_200_506_000, "10.0.0.7", b"chatgpt.com"),
        (1_767_607_201_000_000, "fd00::8", b"claude.ai"),
    ]
