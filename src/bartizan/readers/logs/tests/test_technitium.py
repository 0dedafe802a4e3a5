"""The log of Technitium DNS Server."""

from __future__ import annotations

from known_hosts import visits
from network_logs import source

from bartizan.readers.logs.technitium import FORMAT
from bartizan.readers.logs.visit import Tally


def test_queries_in_utc_and_in_local_time() -> None:
    found = visits(FORMAT, source("technitium"), Tally(offset_us=3_600_000_000))
    assert [(visit.time_us, visit.actor, visit.host, visit.denied) for visit in found] == [
        (1_767_607_200_000_000, "10.0.0.7", b"chatgpt.com", False),
        (1_767_603_601_000_000, "fd00::8", b"claude.ai", True),
    ]
