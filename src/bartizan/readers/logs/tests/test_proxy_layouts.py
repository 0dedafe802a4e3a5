# ruff: noqa: E501 (a line of a log is as long as it is)
"""Squid, the Common Log Format and HAProxy: who reached what, and what is no visit though it looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_hosts import lines, sample, visits

from bartizan.readers.logs import clf, haproxy, squid
from bartizan.readers.logs.visit import Evidence, Format, Tally

AT = 1_767_607_200_123_000  # 2026-01-05 10:00:00.123 UTC
DATE = "[05/Jan/2026:10:00:00 +0000]"
OURS = {form.id: form for form in (squid.FORMAT, clf.FORMAT, haproxy.FORMAT)}

# line → actor, host, evidence, denied
HITS: dict[str, list[tuple[str, tuple[str, str, Evidence, bool]]]] = {
    "squid": [
        (
            "1767607200.123   9881 10.0.0.7 TCP_TUNNEL/200 51234 CONNECT chatgpt.com:443 mara@corp.example HIER_DIRECT/203.0.113.9 -",
            ("mara@corp.example", "chatgpt.com", Evidence.CONNECTED, False),
        ),
        (
            "1767607200.123 1 10.0.0.7 TCP_MISS/200 900 POST http://api.openai.com/v1/chat/completions - HIER_DIRECT/203.0.113.9 application/json",
            ("10.0.0.7", "api.openai.com", Evidence.PROMPT, False),
        ),
        (
            "1767607200.123 1 10.0.0.7 TCP_DENIED/403 3900 CONNECT claude.ai:443 mara HIER_NONE/- text/html",
            ("mara", "claude.ai", Evidence.CONNECTED, True),
        ),
        (  # ports in between, a name of a server and a user agent behind
            '1767607200.123 9881 10.0.0.7:50312 10.0.0.1:3128 TCP_TUNNEL/200 51234 CONNECT ChatGPT.com:443 - HIER_DIRECT/203.0.113.9 - chatgpt.com "curl/8"',
            ("10.0.0.7", "ChatGPT.com", Evidence.CONNECTED, False),
        ),
        (
            "1767607200.123 1 2001:db8::7 TCP_MISS/200 900 GET https://claude.ai/new?x=1 - HIER_DIRECT/203.0.113.9 text/html",
            ("2001:db8::7", "claude.ai", Evidence.CONNECTED, False),
        ),
    ],
    "clf": [
        (
            f'10.0.0.7 - mara@corp.example {DATE} "CONNECT chatgpt.com:443 HTTP/1.1" 200 51234',
            ("mara@corp.example", "chatgpt.com", Evidence.CONNECTED, False),
        ),
        (
            f'10.0.0.7 - - {DATE} "POST https://api.openai.com/v1/responses HTTP/2.0" 200 51 "-" "curl/8" TCP_MISS:HIER_DIRECT',
            ("10.0.0.7", "api.openai.com", Evidence.PROMPT, False),
        ),
        (
            f'10.0.0.7 - mara {DATE} "GET http://claude.ai/ HTTP/1.1" 403 51 "-" "curl/8" TCP_DENIED:HIER_NONE',
            ("mara", "claude.ai", Evidence.CONNECTED, True),
        ),
        (
            f'proxy.corp.example:3128 10.0.0.7 - Mara Lind {DATE} "CONNECT claude.ai:443 HTTP/1.0" 403 -',
            ("Mara Lind", "claude.ai", Evidence.CONNECTED, True),
        ),
    ],
    "haproxy": [
        (
            'Jan  5 10:00:00 lb1 haproxy[1443]: 10.0.0.7:50312 [05/Jan/2026:10:00:00.123] fwd~ out/srv1 0/0/10/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {chatgpt.com} "GET /new HTTP/1.1"',
            ("10.0.0.7", "chatgpt.com", Evidence.CONNECTED, False),
        ),
        (
            '10.0.0.7:50312 [05/Jan/2026:10:00:00.123] fwd out/<NOSRV> 0/-1/-1/-1/0 403 212 - - PR-- 1/1/0/0/0 0/0 {curl/8|claude.ai} "CONNECT claude.ai:443 HTTP/1.1"',
            ("10.0.0.7", "claude.ai", Evidence.CONNECTED, True),
        ),
        (
            '10.0.0.7:50312 [05/Jan/2026:10:00:00.123] fwd out/s 0/0/1/2/+3 200 +212 - - ---- 1/1/0/0/0 0/0 {10.1.1.1|api.openai.com|x} {json} "POST /v1/chat/completions HTTP/1.1"',
            ("10.0.0.7", "api.openai.com", Evidence.PROMPT, False),
        ),
        (
            '10.0.0.7:50312 [05/Jan/2026:10:00:00.123] fwd~ out/s 0/0/1/2/3 200 212 - - ---- 1/1/0/0/0 0/0 "GET /new HTTP/1.1" 0/0000000000000000/0/0/0 claude.ai/TLSv1.3/TLS_AES_256_GCM_SHA384',
            ("10.0.0.7", "claude.ai", Evidence.CONNECTED, False),
        ),
    ],
}
MISSES: dict[str, list[str]] = {
    "squid": [
        "1767607200.123 1 10.0.0.7 TCP_MISS/200 9 GET http://www.bbc.co.uk/?u=https://claude.ai/ - HIER_DIRECT/203.0.113.9 text/html",
        "1767607200.123 1 10.0.0.7 TCP_MISS/200 9 GET http://www.bbc.co.uk/claude.ai/ chatgpt.com HIER_DIRECT/203.0.113.9 text/html",
        "1767607200.123 1 10.0.0.7 TCP_MISS/200 9 GET http://chatgpt.com@evil.example/ - HIER_DIRECT/203.0.113.9 text/html",
        "1767607200.123 1 10.0.0.7 TCP_TUNNEL/200 9 CONNECT chatgpt.com.evil.example:443 - HIER_DIRECT/chatgpt.com -",
        "1767607200.123 1 10.0.0.7 TCP_TUNNEL/200 9 CONNECT notchatgpt.com:443 - HIER_DIRECT/203.0.113.9 -",
        "1767607200.123 1 10.0.0.7 NONE_NONE/400 9 - error:invalid-request - HIER_NONE/- -",
    ],
    "clf": [
        f'10.0.0.7 - - {DATE} "GET http://www.bbc.co.uk/?q=chatgpt.com HTTP/1.1" 200 9 "https://chatgpt.com/" "fetch claude.ai"',
        f'10.0.0.7 - chatgpt.com {DATE} "CONNECT www.bbc.co.uk:443 HTTP/1.1" 200 9',
        f'10.0.0.7 - - {DATE} "GET /claude.ai/ HTTP/1.1" 200 9',
    ],
    "haproxy": [
        '10.0.0.7:50312 [05/Jan/2026:10:00:00.123] fwd out/s 0/0/1/2/3 200 212 - - ---- 1/1/0/0/0 0/0 {www.bbc.co.uk|https://chatgpt.com/|claude.ai} "GET /?chatgpt.com HTTP/1.1"',
        '10.0.0.7:50312 [05/Jan/2026:10:00:00.123] fwd out/s 0/0/1/2/3 200 212 - - ---- 1/1/0/0/0 0/0 "GET /{chatgpt.com} HTTP/1.1"',
    ],
}


@pytest.mark.parametrize(("form_id", "line", "expected"), [(id_, *one) for id_, hits in HITS.items() for one in hits])
def test_a_visit_is_found(form_id: str, line: str, expected: tuple[str, str, Evidence, bool]) -> None:
    tally = Tally()
    (seen,) = visits(OURS[form_id], [line.encode()], tally)
    assert (seen.actor, seen.host.decode().removesuffix(":443"), seen.evidence, seen.denied) == expected
    assert seen.time_us // 1_000_000 == AT // 1_000_000
    assert tally.junk == 0


@pytest.mark.parametrize(("form_id", "line"), [(id_, line) for id_, misses in MISSES.items() for line in misses])
def test_a_host_elsewhere_in_the_line_is_no_visit(form_id: str, line: str) -> None:
    tally = Tally()
    assert visits(OURS[form_id], [line.encode()], tally) == []
    assert tally.junk == 0 or "NONE_NONE" in line


@pytest.mark.parametrize("form_id", sorted(OURS))
def test_each_log_is_recognised_by_its_own_reader_alone(form_id: str) -> None:
    own = [line.encode() for line, _ in HITS[form_id]]
    for form in OURS.values():
        assert form.recognise(sample(form, own)) == (form.id == form_id)


@pytest.mark.parametrize("form_id", sorted(OURS))
def test_what_is_none_of_the_layout_is_counted(form_id: str) -> None:
    tally = Tally()
    assert visits(OURS[form_id], lines("hello\n\x00\xff\n\nchatgpt.com\nGET http://claude.ai/"), tally) == []
    assert tally.junk == 4


def test_a_web_server_is_no_proxy() -> None:
    """Whose paths are asked for says nothing of where people went."""
    line = f'10.0.0.7 - - {DATE} "GET /chatgpt.com HTTP/1.1" 200 5 "https://claude.ai/" "curl"'.encode()
    assert clf.FORMAT.recognise(sample(clf.FORMAT, [line])) == 0.0


@pytest.mark.parametrize("form", OURS.values(), ids=lambda form: form.id)
@given(data=st.data())
def test_no_line_makes_a_reader_fail(form: Format, data: st.DataObject) -> None:
    """Any bytes; and honest lines with bytes put into them or cut off."""
    broken = [data.draw(st.binary(max_size=200))]
    for line, _ in HITS[form.id]:
        whole = line.encode()
        cut, put = data.draw(st.integers(0, len(whole))), data.draw(st.binary(max_size=12))
        broken += [whole[:cut] + put + whole[cut:], whole[:cut], whole[cut:]]
    form.recognise(sample(form, broken))
    for seen in visits(form, broken):
        assert 0 <= seen.time_us < 2**63
        assert seen.host


@pytest.mark.parametrize("form", OURS.values(), ids=lambda form: form.id)
def test_a_long_line_ends_in_time(form: Format) -> None:
    """Linear work: what is quadratic would take minutes here."""
    for line, _ in HITS[form.id]:
        whole = line.encode()
        for filling in (b'"', b" ", b"/", b"[", b"{x} ", b"A ", b"1/", b"TCP_X/200 ", b":1 ["):
            many = filling * (400_000 // len(filling))
            visits(form, [whole + many, many + whole, whole[: len(whole) // 2] + many + whole[len(whole) // 2 :]])
