"""Flows as routers export them, joined with what their clients were told by name servers."""

from __future__ import annotations

import pytest
from captured import CLIENT, SERVER, ethernet, pcap, query, udp
from exported_flows import AT, ipfix, version_5, version_9
from hypothesis import given
from hypothesis import strategies as st
from known_hosts import visits

from bartizan.readers.logs import pcap as captures
from bartizan.readers.logs.answers import Answers
from bartizan.readers.logs.flow_exports import NO_TEMPLATE
from bartizan.readers.logs.netflow import BROKEN, FORMAT
from bartizan.readers.logs.visit import Evidence, Sample, Tally, Visit

AT_US = AT * 1_000_000
ROWS = [(CLIENT, SERVER, 52_000), ("10.0.0.8", SERVER, 9), (SERVER, CLIENT, 7), (CLIENT, "203.0.113.1", 7)]
ROWS_6 = [("fd00::7", "2001:db8::9", 52_000)]


def told_before() -> Tally:
    tally = Tally()
    tally.answers.told(CLIENT, SERVER, b"claude.ai", AT_US - 30_000_000, 60)
    tally.answers.told("fd00::7", "2001:db8::9", b"chatgpt.com", AT_US - 30_000_000, 60)
    return tally


def chunks(data: bytes, size: int = 33) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


FLOW = Visit(AT_US - 10_000_000, CLIENT, b"claude.ai", Evidence.CONNECTED, bytes_up=52_000)
FLOW_6 = Visit(AT_US - 10_000_000, "fd00::7", b"chatgpt.com", Evidence.CONNECTED, bytes_up=52_000)
PACKETS = {"5": version_5(ROWS), "9": version_9(ROWS), "ipfix": ipfix(ROWS)}


@pytest.mark.parametrize("version", PACKETS)
def test_a_flow_is_a_visit_where_its_client_was_told_the_address(version: str) -> None:
    data = PACKETS[version] * 3
    assert FORMAT.recognise(Sample(data, (), ())) == 1.0
    assert visits(FORMAT, chunks(data), told_before()) == [FLOW] * 3
    assert visits(FORMAT, chunks(data)) == []


def test_versions_one_behind_the_other() -> None:
    data = b"".join([version_9(ROWS), version_5(ROWS), version_9(ROWS_6), ipfix(ROWS), version_9(ROWS, template=False)])
    assert visits(FORMAT, chunks(data), told_before()) == [FLOW, FLOW, FLOW_6, FLOW, FLOW]


def test_a_template_that_has_not_come_is_said() -> None:
    tally = told_before()
    assert visits(FORMAT, [version_9(ROWS, template=False), ipfix(ROWS, template=False)], tally) == []
    assert tally.bounded == {NO_TEMPLATE: 2}


@pytest.mark.parametrize("late_s", [-120, 600])
def test_an_answer_holds_for_its_time(late_s: int) -> None:
    tally = Tally()
    tally.answers.told(CLIENT, SERVER, b"claude.ai", AT_US - late_s * 1_000_000, 60)
    assert visits(FORMAT, [version_5(ROWS)], tally) == []


def test_a_later_answer_about_the_same_address_counts() -> None:
    tally = told_before()
    tally.answers.told(CLIENT, SERVER, b"chatgpt.com", AT_US - 20_000_000, 60)
    assert [visit.host for visit in visits(FORMAT, [version_5(ROWS)], tally)] == [b"chatgpt.com"]


def test_answers_are_bounded() -> None:
    answers = Answers()
    for n in range(100_010):
        answers.told(CLIENT, f"::{n:x}", b"claude.ai", AT_US, 60)
    assert answers.forgotten == 10
    assert answers.host(CLIENT, "::9", AT_US) == b""
    assert answers.host(CLIENT, "::a", AT_US) == b"claude.ai"


def test_a_capture_may_hold_both_answers_and_exports() -> None:
    sent = [
        udp(query("claude.ai", response=True), "10.0.0.53", CLIENT, (53, 50_000)),
        udp(version_5(ROWS), "10.0.0.1", "10.0.0.2", (2055, 2055)),
    ]
    found = visits(captures.FORMAT, [pcap(ethernet(one) for one in sent)])
    assert [(visit.host, visit.actor, visit.bytes_up) for visit in found] == [(b"claude.ai", CLIENT, 52_000)]


@pytest.mark.parametrize("version", PACKETS)
def test_what_breaks_off_is_said(version: str) -> None:
    tally = told_before()
    visits(FORMAT, [PACKETS[version] + PACKETS[version][:-6]], tally)
    assert tally.bounded == {BROKEN: 1}
    assert tally.junk == 1


@given(st.binary(max_size=300))
def test_any_bytes_at_all(data: bytes) -> None:
    assert visits(FORMAT, [data]) == []
    for packet in PACKETS.values():
        visits(FORMAT, [packet + data], told_before())
        visits(FORMAT, [packet[:16] + data], told_before())


@given(st.data())
def test_a_spoiled_export_never_raises(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(sorted(PACKETS.values())))
    at = data.draw(st.integers(0, len(whole) - 1))
    visits(FORMAT, [whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :] + whole], told_before())
