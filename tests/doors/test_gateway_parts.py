"""The parts of the gateway that hold no socket."""

from __future__ import annotations

import pytest

from bartizan.config import Protocol, Timeouts
from bartizan.core.errors import InputError
from bartizan.core.subject import Direction
from bartizan.doors.gateway.judging import subject_of
from bartizan.doors.gateway.request import Request
from bartizan.doors.gateway.upstream import REST_S, TRIES_BEFORE_REST, Breaker, Target
from bartizan.exchange.openai import OPENAI
from bartizan.home.metrics import Counters, Totals
from bartizan.vault import Identity

ADA = Identity("ada", ("finance",), "app", "k-1")


def target(url: str) -> Target:
    made = Target("one", Protocol.OPENAI, "", Timeouts())
    made.move(url)
    return made


@pytest.mark.parametrize(
    ("base", "path", "query", "address"),
    [
        ("https://a.example/v1", "/v1/chat/completions", b"", "https://a.example/v1/chat/completions"),
        ("https://a.example/v1/", "/v1/chat/completions", b"", "https://a.example/v1/chat/completions"),
        ("https://a.example", "/v1/messages", b"beta=true", "https://a.example/v1/messages?beta=true"),
        ("https://a.example/x/v1beta", "/v1/models", b"", "https://a.example/x/v1beta/models"),
        ("https://a.example/v1", "/v1/messages", b"a=%2F", "https://a.example/v1/messages?a=%2F"),
    ],
)
def test_a_base_url_with_or_without_its_version(base: str, path: str, query: bytes, address: str) -> None:
    found = target(base).address(path, query)
    assert found.at == ("a.example", 443, True)
    assert f"https://{found.authority.decode()}{found.target.decode()}" == address


def test_an_upstream_that_fails_again_and_again_rests_and_is_tried_once() -> None:
    breaker = Breaker()
    assert [breaker.failed(0.0) for _ in range(TRIES_BEFORE_REST)] == [False] * (TRIES_BEFORE_REST - 1) + [True]
    assert not breaker.closed(REST_S / 2)
    assert breaker.closed(REST_S + 0.1)
    assert not breaker.closed(REST_S + 0.2), "a second one waits for how the first one ends"
    assert breaker.worked()
    assert breaker.closed(REST_S + 0.3)


def request(query: bytes) -> Request:
    scope = {"method": "POST", "path": "/v1/chat/completions", "query_string": query}

    async def nothing(*_: object) -> dict[str, object]:
        return {}

    return Request(scope, nothing, nothing, "id", OPENAI, 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "rest", "wait_s"),
    [
        (b"", b"", 0.0),
        (b"wait=7", b"", 7.0),
        (b"beta=true&wait=120&x=%20", b"beta=true&x=%20", 120.0),
        (b"await=1", b"await=1", 0.0),
    ],
)
def test_the_wait_is_taken_out_of_the_query(query: bytes, rest: bytes, wait_s: float) -> None:
    one = request(query)
    one.read_query(120)
    assert (one.query, one.wait_s) == (rest, wait_s)


@pytest.mark.parametrize("query", [b"wait=0", b"wait=121", b"wait=-1", b"wait=1.5", b"wait=", b"wait=%31%32%33%34"])
def test_a_wait_out_of_bounds_is_an_error(query: bytes) -> None:
    with pytest.raises(InputError):
        request(query).read_query(120)


def test_hop_by_hop_headers_and_ours_stay_here() -> None:
    one = request(b"")
    one.read_head(
        [(b"connection", b"keep-alive, x-hop"), (b"x-hop", b"1"), (b"te", b"trailers"), (b"x-bartizan-odd", b"1"),
         (b"authorization", b"Bearer k"), (b"anthropic-version", b"2023-06-01"), (b"accept-encoding", b"br")]
    )  # fmt: skip
    assert one.forward == [(b"anthropic-version", b"2023-06-01")]
    assert one.secrets() == ["k"]


def test_with_a_key_of_ours_the_other_credential_is_none() -> None:
    one = request(b"")
    one.read_head([(b"authorization", b"Bearer theirs"), (b"x-bartizan-key", b"ours")])
    assert one.secrets() == ["ours"]


def test_what_is_judged_says_where_it_goes_and_never_who_sent_it() -> None:
    context = subject_of({"text": "Hello", "direction": "in", "context": {"provider": "house"}}, ADA, 1).context
    assert (context.person, context.provider, context.direction) == ("ada", "house", Direction.IN)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"text": "a", "messages": []},
        {"text": 1},
        {"text": "a", "kind": "chat"},
        {"messages": "a"},
        {"text": "a", "direction": "up"},
        {"text": "a", "context": {"person": "eve"}},
        {"text": "a", "context": {"host": 1}},
        {"text": "a", "surprise": 1},
    ],
)
def test_what_cannot_be_judged_is_said(value: dict[str, object]) -> None:
    with pytest.raises(InputError):
        subject_of(value, ADA, 1)


def test_counters_of_processes_add_up_and_never_go_back() -> None:
    one, two, totals = Counters(), Counters(), Totals()
    one.add("requests", "/v1/messages", "200", by=3)
    two.add("requests", "/v1/messages", "200")
    one.took("judge_seconds", 0.0003)
    totals.heard(0, one.samples({"in_flight": 2}))
    totals.heard(1, two.samples({"in_flight": 1}))
    assert b'bartizan_requests_total{route="/v1/messages",status="200"} 4.0' in totals.text([])
    totals.ended(0)
    text = totals.text([("process_restarts", "counter", "Started again.", 1)]).decode()
    assert 'bartizan_requests_total{route="/v1/messages",status="200"} 4.0' in text
    assert "bartizan_in_flight 1.0" in text
    assert 'bartizan_judge_seconds_bucket{le="0.0005"} 1.0' in text
    assert "bartizan_process_restarts_total 1.0" in text


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        (b"application/json", False),
        (b"application/json; charset=utf-8", False),
        (b'application/json;charset="UTF-8"; x=1', False),
        (b"application/json; charset=utf-16", True),
        (b"application/json; charset = utf-7", True),
        (b"application/json; charset=utf-8; charset=utf-7", True),
        (b"application/json; charset*=utf-7", True),
    ],
)
def test_a_body_that_somebody_could_read_in_another_encoding_is_refused(kind: bytes, refused: bool) -> None:
    if not refused:
        request(b"").read_head([(b"content-type", kind)])
        return
    with pytest.raises(InputError, match="UTF-8"):
        request(b"").read_head([(b"content-type", kind)])
