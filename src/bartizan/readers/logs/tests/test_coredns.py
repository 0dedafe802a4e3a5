"""The log of CoreDNS."""

from __future__ import annotations

from known_hosts import lines, visits
from network_logs import source

from bartizan.readers.logs.coredns import FORMAT


def test_queries_with_and_without_a_container_around() -> None:
    found = [(visit.time_us, visit.actor, visit.host, visit.denied) for visit in visits(FORMAT, source("coredns"))]
    assert found == [
        (0, "10.0.0.7", b"chatgpt.com.", False),
        (1_767_607_201_123_456, "fd00::8", b"claude.ai.", True),
        (1_767_607_202_000_000, "10.0.0.9", b"api.openai.com.", False),
    ]


def test_a_name_inside_of_another_field_is_none() -> None:
    line = '[INFO] 10.0.0.7:40212 - 7 "TXT IN x\\"A\\032IN\\032claude.ai. udp 51 false 1232" NOERROR qr 1 0.1s'
    assert visits(FORMAT, lines(line)) == []
