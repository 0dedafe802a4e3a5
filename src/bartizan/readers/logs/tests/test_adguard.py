"""The query log of AdGuard Home."""

from __future__ import annotations

import pytest
from known_hosts import visits
from network_logs import source

from bartizan.readers.logs.adguard import FORMAT


def test_queries_and_what_was_filtered() -> None:
    found = [(visit.time_us, visit.actor, visit.host, visit.denied) for visit in visits(FORMAT, source("adguard"))]
    assert found == [
        (1_767_603_600_500_000, "10.0.0.7", b"chatgpt.com", False),
        (1_767_607_201_000_000, "10.0.0.8", b"claude.ai", True),
        (1_767_607_202_000_000, "10.0.0.9", b"api.openai.com", True),
    ]


@pytest.mark.parametrize(
    ("result", "denied"),
    [
        ({"IsFiltered": True}, True),
        ({"IsFiltered": True, "Reason": 8}, True),
        ({"IsFiltered": True, "Reason": 7}, False),  # A search made safe.
        ({"Reason": 1}, False),
        ({"Reason": 11, "IPList": ["10.0.0.4"]}, False),
        ({"Reason": 11, "IPList": []}, False),
        (None, False),
    ],
)
def test_reasons(result: object, denied: bool) -> None:
    record = {"T": "2026-01-05T10:00:00Z", "QH": "claude.ai", "QT": "A", "IP": "10.0.0.7", "Result": result}
    assert [visit.denied for visit in visits(FORMAT, [record])] == [denied]
