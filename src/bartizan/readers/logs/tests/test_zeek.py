"""Zeek's logs: tab-separated and JSON, alone and together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_hosts import sample, visits
from network_logs import source

from bartizan.readers.logs.visit import Evidence, Tally
from bartizan.readers.logs.zeek import FORMAT

AT = 1_767_607_200_000_000
SSL = [b"#separator \\x09", b"#path\tssl", b"#fields\tts\tuid\tid.orig_h\tserver_name"]
CONN = [b"#path\tconn", b"#fields\tts\tuid\tid.orig_h\tid.resp_h\torig_bytes\tresp_bytes"]
NAMED = b"1767607200\tC1\t10.0.0.7\tclaude.ai"


def row(uid: bytes = b"C1", up: bytes = b"52000") -> bytes:
    return b"\t".join((b"1767607201", uid, b"10.0.0.7", b"203.0.113.9", up, b"7"))


def told(*rows: bytes) -> list[tuple[int, str, bytes, Evidence, int]]:
    return [(visit.time_us, visit.actor, visit.host, visit.evidence, visit.bytes_up) for visit in visits(FORMAT, rows)]


def as_json(**fields: Any) -> bytes:
    return json.dumps(
        {"ts": 1767607200, "uid": "C1", "id.orig_h": "10.0.0.7", "id.resp_h": "203.0.113.9"} | fields
    ).encode()


def test_names_of_connections() -> None:
    assert told(*source("zeek")) == [
        (AT + 123_456, "10.0.0.7", b"chatgpt.com", Evidence.CONNECTED, 0),
        (AT + 1_000_000, "10.0.0.8", b"claude.ai", Evidence.CONNECTED, 0),
    ]


@pytest.mark.parametrize(("up", "evidence"), [(b"52000", Evidence.UPLOADED), (b"900", Evidence.CONNECTED)])
def test_a_connection_has_its_bytes_from_conn(up: bytes, evidence: Evidence) -> None:
    assert told(*SSL, NAMED, *CONN, row(up=up)) == [(AT, "10.0.0.7", b"claude.ai", evidence, int(up))]


def test_conn_may_come_first() -> None:
    assert told(*CONN, row(), *SSL, NAMED) == [(AT, "10.0.0.7", b"claude.ai", Evidence.UPLOADED, 52_000)]


def test_a_connection_without_a_name_is_no_visit_and_another_uid_is_another_one() -> None:
    assert told(*CONN, row(), row(b"C2")) == []
    assert told(*SSL, NAMED, *CONN, row(b"C2")) == [(AT, "10.0.0.7", b"claude.ai", Evidence.CONNECTED, 0)]


def test_interleaved_json() -> None:
    rows = [
        as_json(server_name="claude.ai", version="TLSv13"),
        as_json(uid="C2", query="chatgpt.com", qtype_name="A", answers=["0.0.0.0"], rejected=False),
        as_json(
            uid="C3",
            host="api.openai.com",
            method="POST",
            uri="/v1/chat/completions",
            request_body_len=900,
            referrer="https://x/",
        ),
        as_json(uid="C4", host="www.bbc.co.uk", uri="/?claude.ai", referrer='"host":"claude.ai"'),
        as_json(conn_state="SF", orig_bytes=52_000, resp_bytes=9),
    ]
    assert sample(FORMAT, rows).lines
    assert FORMAT.recognise(sample(FORMAT, rows)) == 1.0
    found = {(visit.host, visit.evidence, visit.bytes_up, visit.denied) for visit in visits(FORMAT, rows)}
    assert found == {
        (b"claude.ai", Evidence.UPLOADED, 52_000, False),
        (b"chatgpt.com", Evidence.RESOLVED, 0, True),
        (b"api.openai.com", Evidence.PROMPT, 900, False),
    }


def test_json_may_name_its_log_and_its_time_in_iso() -> None:
    line = as_json(_path="ssl", ts="2026-01-05T10:00:00.000000Z", server_name="claude.ai")
    assert told(line) == [(AT, "10.0.0.7", b"claude.ai", Evidence.CONNECTED, 0)]


def test_an_escaped_name_in_json_is_read() -> None:
    assert len(told(as_json(server_name="claude.ai").replace(b"claude", b"\\u0063laude"))) == 1


def test_the_user_of_a_request_is_the_actor() -> None:
    rows = [b"#path\thttp", b"#fields\tts\tid.orig_h\tmethod\thost\turi\trequest_body_len\tusername"]
    rows.append(b"1767607200\t10.0.0.7\tPOST\tclaude.ai\t/upload\t900\tmara")
    assert told(*rows) == [(AT, "mara", b"claude.ai", Evidence.UPLOADED, 900)]


def test_another_separator_and_columns_in_another_order() -> None:
    rows = [
        b"#separator \\x2c",
        b"#path,dns",
        b"#fields,query,id.orig_h,ts,rejected",
        b"claude.ai,10.0.0.7,1767607200,T",
    ]
    (visit,) = visits(FORMAT, rows)
    assert (visit.time_us, visit.actor, visit.host, visit.denied) == (AT, "10.0.0.7", b"claude.ai", True)


def test_a_log_of_another_kind_is_no_junk_and_no_visit() -> None:
    rows = [b"#path\tsoftware", b"#fields\tts\thost\tname", b"1767607200\tclaude.ai\tx"]
    tally = Tally()
    assert visits(FORMAT, rows, tally) == []
    assert tally.junk == 0


def test_rows_of_another_width_are_junk() -> None:
    tally = Tally()
    assert visits(FORMAT, [*SSL, b"1767607200\tC1", NAMED + b"\tmore"], tally) == []
    assert tally.junk == 2


ROWS = st.lists(
    st.sampled_from([*SSL, NAMED, *CONN, row(), row(b"C2"), as_json(server_name="claude.ai"), b"#", b"#fields", b"{"]),
    max_size=12,
)


@given(ROWS)
def test_headers_and_rows_in_any_order_tell_of_no_more_visits_than_rows(rows: list[bytes]) -> None:
    assert len(visits(FORMAT, rows)) <= len(rows)
