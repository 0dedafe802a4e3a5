"""Query logs of the Route 53 Resolver."""

from __future__ import annotations

from known_hosts import visits
from network_logs import source

from bartizan.readers.logs.route53 import FORMAT


def test_queries_and_what_the_firewall_blocked() -> None:
    found = [(visit.time_us, visit.actor, visit.host, visit.denied) for visit in visits(FORMAT, source("route53"))]
    assert found == [
        (1_767_607_200_000_000, "10.0.0.7", b"chatgpt.com.", False),
        (1_767_607_201_000_000, "10.0.0.8", b"claude.ai.", True),
    ]


def test_an_alert_of_the_firewall_lets_through() -> None:
    record = source("route53")[1] | {"firewall_rule_action": "ALERT"}
    assert [visit.denied for visit in visits(FORMAT, [record])] == [False]
