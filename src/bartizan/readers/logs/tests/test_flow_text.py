"""Flows as nfdump and flow-tools print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_hosts import lines, sample, visits

from bartizan.readers.logs.flow_text import FORMAT
from bartizan.readers.logs.visit import Evidence, Tally, Visit

AT_US = 1_767_607_190_000_000  # 2026-01-05 09:59:50
CSV = """
ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt
2026-01-05 09:59:50,2026-01-05 09:59:59,9.000,10.0.0.7,203.0.113.9,50000,443,TCP,...AP...,0,0,9,52000,0,0
2026-01-05 09:59:50,2026-01-05 09:59:59,9.000,203.0.113.9,10.0.0.7,443,50000,TCP,...AP...,0,0,9,700,0,0
Summary
flows,bytes,packets,avg_bps,avg_pps,avg_bpp
2,52700,18,2358000,5,59122
"""
TOOLS = """
#:unix_secs,unix_nsecs,sysuptime,exaddr,dpkts,doctets,first,last,engine_type,engine_id,srcaddr,dstaddr,nexthop
1767607190,0,9,192.0.2.1,9,52000,1,2,0,0,10.0.0.7,203.0.113.9,0.0.0.0
"""
PRINTED = """
Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port   Packets    Bytes Flows
2026-01-05 09:59:50.000     00:00:09.000 TCP           10.0.0.7:50000 ->      203.0.113.9:443          9    52000     1
Summary: total flows: 1, total bytes: 52000, total packets: 9, avg bps: 2.4 M, avg pps: 5, avg bpp: 59122
Time window: 2026-01-05 09:50:00 - 2026-01-05 10:00:00
"""
EXTENDED = """
2026-01-05 09:59:50.000     00:00:09.000 TCP 10.0.0.7:50000 -> 203.0.113.9:443 ...AP... 0 9 52000 1 46222 5777 1
"""


def told_before() -> Tally:
    tally = Tally()
    tally.answers.told("10.0.0.7", "203.0.113.9", b"claude.ai", AT_US - 5_000_000, 60)
    tally.answers.told("fd00::7", "2001:db8::9", b"chatgpt.com", AT_US - 5_000_000, 60)
    return tally


@pytest.mark.parametrize("printed", [CSV, TOOLS, PRINTED, EXTENDED], ids=["csv", "flow-tools", "line", "extended"])
def test_flows_in_each_layout(printed: str) -> None:
    tally = told_before()
    assert FORMAT.recognise(sample(FORMAT, lines(printed))) == 1.0
    found = visits(FORMAT, lines(printed), tally)
    assert found == [Visit(AT_US, "10.0.0.7", b"claude.ai", Evidence.CONNECTED, bytes_up=52_000)]
    assert tally.junk == 0


def test_large_numbers_and_version_6() -> None:
    line = "2026-01-05 09:59:50.000  00:00:09.000 TCP  fd00::7.50000 ->  2001:db8::9.443   9    2.5 M     1"
    assert [(visit.actor, visit.bytes_up) for visit in visits(FORMAT, lines(line), told_before())] == [
        ("fd00::7", 2_500_000)
    ]


def test_without_an_answer_there_is_no_visit_and_other_lines_are_junk() -> None:
    tally = Tally()
    assert visits(FORMAT, [*lines(CSV), b"whatever", b"1,2,3"], tally) == []
    assert tally.junk == 2


@given(st.lists(st.binary(max_size=120), max_size=4), st.sampled_from([CSV, TOOLS, PRINTED]))
def test_any_bytes_at_all(more: list[bytes], printed: str) -> None:
    assert visits(FORMAT, [*lines(printed), *more]) == []
    FORMAT.recognise(sample(FORMAT, more))
