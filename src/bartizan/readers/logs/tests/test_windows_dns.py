"""The debug log of Windows DNS Server."""

from __future__ import annotations

import pytest
from known_hosts import lines, visits
from network_logs import source

from bartizan.readers.logs.visit import Tally
from bartizan.readers.logs.windows_dns import FORMAT

PACKET = "{} 0A1C PACKET  000001D9AF5C7C00 UDP Rcv 10.0.0.7        5b47   Q [0001   D   NOERROR] A      {}"
CLAUDE = "(6)claude(2)ai(0)"
AT = 1_767_607_200_000_000  # 2026-01-05 10:00


def test_only_what_a_client_asked_counts_and_lengths_are_right() -> None:
    found = [(visit.time_us, visit.actor, visit.host) for visit in visits(FORMAT, source("windows-dns"))]
    assert found == [
        (AT, "10.0.0.7", b"chatgpt.com"),
        (AT + 43_201_000_000, "fd00::8", b"api.openai.com"),
    ]


@pytest.mark.parametrize(
    "stamp",
    [
        "1/5/2026 10:00:00 AM", "05.01.2026 10:00:00", "5/01/2026 10:00:00", "05-01-2026 10:00:00",
        "2026-01-05 10:00:00",
        "2026/01/05 10:00:00", "2026. 01. 05. 10:00:00", "20260105 10:00:00", "5-1-2026 10.00.00",
        "1/5/2026 10:00:00 a.m.",
    ],
)  # fmt: skip
def test_dates_as_languages_write_them(stamp: str) -> None:
    assert [visit.time_us for visit in visits(FORMAT, lines(PACKET.format(stamp, CLAUDE)))] == [AT]


def test_a_later_date_tells_which_number_is_the_day() -> None:
    text = PACKET.format("12/31/2025 10:00:00", CLAUDE) + "\n" + PACKET.format("1/5/2026 10:00:00", CLAUDE)
    assert [visit.time_us for visit in visits(FORMAT, lines(text))] == [AT - 5 * 86_400_000_000, AT]


def test_times_are_local() -> None:
    east = Tally(offset_us=3_600_000_000)
    (visit,) = visits(FORMAT, lines(PACKET.format("1/5/2026 11:00:00 AM", CLAUDE)), east)
    assert visit.time_us == AT


@pytest.mark.parametrize(
    "labels", ["(9)claude(2)ai(0)", "(6)claude(2)ai(0)x", "(6)claude(2)ai", "(9)claude.ai(0)", "(0)"]
)
def test_a_name_with_wrong_lengths_is_no_visit(labels: str) -> None:
    assert visits(FORMAT, lines(PACKET.format("1/5/2026 10:00:00 AM", labels))) == []


def test_what_explains_the_log_is_no_junk() -> None:
    head = """
DNS Server log file creation at 1/5/2026 9:59:00 AM
Log file wrap at 1/5/2026 9:59:00 AM

Message logging key (for packets - other items use a subset of these fields):
\tField #  Information         Values
\t-------  -----------         ------
\t   1     Date
\t  11     Opcode              Q = Standard Query

""" + PACKET.format("1/5/2026 10:00:00 AM", CLAUDE)
    tally = Tally()
    assert len(visits(FORMAT, lines(head), tally)) == 1
    assert tally.junk == 0
