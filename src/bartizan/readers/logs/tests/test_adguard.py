"""The query log of AdGuard Home."""

from __future__ import annotations

from base64 import b64encode

import pytest
from known_hosts import visits
from network_logs import source

from bartizan.readers.logs.adguard import FORMAT
from bartizan.readers.logs.visit import Tally


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


def test_addresses_that_a_client_was_told() -> None:
    name = b"\x06claude\x02ai\0"
    packed = bytes.fromhex("000181800001000100000000") + name + b"\0\1\0\1"
    packed += b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4" + bytes([203, 0, 113, 7])
    record = {"T": "2026-01-05T10:00:00Z", "QH": "claude.ai", "QT": "A", "IP": "10.0.0.7"}
    for answer, host in (
        (b64encode(packed).decode(), b"claude.ai"),
        ("no base64 \u00e4", b""),
        ("AAAA", b""),
        (7, b""),
    ):
        tally = Tally()
        [visit] = visits(FORMAT, [record | {"Answer": answer}], tally)
        assert tally.answers.host("10.0.0.7", "203.0.113.7", visit.time_us) == host
