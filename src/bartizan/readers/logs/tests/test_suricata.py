"""Suricata's EVE."""

from __future__ import annotations

import json
from typing import Any

from known_hosts import visits
from network_logs import source

from bartizan.readers.logs.suricata import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally

BASE = {"timestamp": "2026-01-05T10:00:00.000000+0100", "src_ip": "10.0.0.7", "dest_ip": "203.0.113.9", "proto": "TCP"}
AT = 1_767_603_600_000_000


def line(kind: str, id_: int = 1, **more: Any) -> bytes:
    return json.dumps(BASE | {"flow_id": id_, "event_type": kind} | more).encode()


def tls(flow: int = 1, host: str = "claude.ai") -> bytes:
    return line("tls", flow, tls={"sni": host})


def flow(flow: int = 1, up: int = 52_000) -> bytes:
    return line("flow", flow, flow={"bytes_toserver": up, "bytes_toclient": 7})


def told(*rows: bytes) -> list[tuple[bytes, Evidence, int, bool]]:
    return [(visit.host, visit.evidence, visit.bytes_up, visit.denied) for visit in visits(FORMAT, rows)]


def test_names_queries_requests_and_bytes() -> None:
    found = sorted(
        (visit.time_us, visit.actor, visit.host, visit.evidence, visit.bytes_up)
        for visit in visits(FORMAT, source("suricata"))
    )
    assert found == [
        (1_767_607_200_000_000, "10.0.0.7", b"chatgpt.com", Evidence.UPLOADED, 52_000),
        (1_767_607_201_000_000, "10.0.0.8", b"claude.ai", Evidence.RESOLVED, 0),
        (1_767_607_202_000_000, "10.0.0.9", b"api.openai.com", Evidence.RESOLVED, 0),
        (1_767_607_204_000_000, "10.0.0.9", b"api.openai.com", Evidence.PROMPT, 0),
    ]


def test_a_connection_is_one_visit_with_its_bytes() -> None:
    assert told(tls(), flow()) == [(b"claude.ai", Evidence.UPLOADED, 52_000, False)]
    assert told(tls(), flow(up=3000)) == [(b"claude.ai", Evidence.CONNECTED, 3000, False)]
    assert told(tls(), flow(flow=2)) == [(b"claude.ai", Evidence.CONNECTED, 0, False)]
    assert told(tls(), tls(), flow()) == [(b"claude.ai", Evidence.UPLOADED, 52_000, False)]
    assert told(flow()) == []


def test_quic_has_a_name_as_well() -> None:
    assert told(line("quic", quic={"sni": "claude.ai"})) == [(b"claude.ai", Evidence.CONNECTED, 0, False)]


def test_what_a_rule_dropped_was_denied() -> None:
    alert = line("alert", alert={"action": "blocked"}, tls={"sni": "claude.ai"})
    assert told(tls(), alert) == [(b"claude.ai", Evidence.CONNECTED, 0, True)]
    assert told(alert, tls()) == [(b"claude.ai", Evidence.CONNECTED, 0, True)]
    assert told(line("alert", alert={"action": "allowed"}, tls={"sni": "claude.ai"})) == []


def test_answers_and_names_in_strings_are_no_visits() -> None:
    assert told(line("dns", dns={"type": "answer", "rrname": "claude.ai"})) == []
    assert (
        told(
            line(
                "http",
                http={"hostname": "www.bbc.co.uk", "url": '/"sni":"claude.ai"', "http_refer": "https://claude.ai/"},
            )
        )
        == []
    )
    assert told(line("tls", tls={"subject": 'CN="sni":"claude.ai"', "sni": "notclaude.ai"})) == []


def test_an_escaped_name_is_read() -> None:
    assert told(tls().replace(b"claude", b"\\u0063laude")) == [(b"claude.ai", Evidence.CONNECTED, 0, False)]


def test_the_second_question_of_a_request_counts() -> None:
    asked = line("dns", dns={"type": "request", "queries": [{"rrname": "www.bbc.co.uk"}, {"rrname": "claude.ai"}]})
    assert told(asked) == [(b"claude.ai", Evidence.RESOLVED, 0, False)]


def test_zones_are_taken_into_account() -> None:
    assert [visit.time_us for visit in visits(FORMAT, [tls()])] == [AT]


def test_addresses_that_a_client_was_told() -> None:
    records = [
        {"rrname": "claude.ai", "rrtype": "CNAME", "ttl": 300, "rdata": "claude.cdn.example"},
        {"rrname": "claude.cdn.example", "rrtype": "A", "ttl": 300, "rdata": "203.0.113.7"},
    ]
    asked = {"rrname": "claude.ai", "rrtype": "A"}
    back = {"src_ip": "10.0.0.1", "src_port": 53, "dest_ip": "10.0.0.7"}
    for event in (
        line("dns", dns={"version": 2, "type": "answer", "answers": records, **asked}),
        line("dns", dns={"version": 3, "type": "response", "queries": [asked], "answers": records}),
        line("dns", dns={"type": "answer", "ttl": 300, "rdata": "203.0.113.7", **asked}),
        line("dns", dns={"type": "answer", "answers": records, **asked}, **back),
    ):
        tally = Tally()
        assert visits(FORMAT, [event], tally) == []
        assert tally.answers.host("10.0.0.7", "203.0.113.7", AT + 200_000_000) == b"claude.ai"
        assert tally.answers.host("10.0.0.7", "claude.cdn.example", AT) == b""
