"""A paused source: refused by every gateway process within a second, on record, and unread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from running_gateway import RunningGateway, gateway
from scripted_upstream import ScriptedUpstream, anthropic_says, openai_says
from values import ssn

from bartizan.home import Home
from bartizan.home.past import past
from bartizan.ledger.read import Record, records

POLICY = f"""\
policy: paused
version: 1.0.0
owner: security@example.org
bodies: all
clauses:
  - id: ssn-needs-approval
    says: A social security number leaves only with an approval.
    when: {{risk: personal.us-ssn, direction: out}}
    then: review
    examples: {{breaks: ["my SSN is {ssn()}"], keeps: ["my SSN is secret"]}}
"""
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as one:
        one.on("m", openai_says("Done."))
        one.on("c", anthropic_says("Done."))
        yield one


@pytest.fixture(scope="module")
def up(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    config = (
        f"upstreams:\n  one: {{url: '{upstream.url}/v1', protocol: openai}}\n"
        f"  claude: {{url: '{upstream.url}', protocol: anthropic}}\n"
    )
    path = tmp_path_factory.mktemp("paused") / "home"
    with gateway(path, {}, "--workers", "2", config=config, policy=POLICY) as one:
        yield one


def said(text: str = "hello", model: str = "one/m") -> dict[str, object]:
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": text}]}


def added(up: RunningGateway, name: str, *more: str) -> tuple[str, str]:
    told = json.loads(up.run("keys", "add", name, *more, "--format", "json").stdout)
    return str(told["id"]), str(told["secret"])


def eventually(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s


def told(up: RunningGateway, exchange: str) -> list[Record]:
    return [one for one in records(up.home) if one.get("exchange") == exchange]


def test_a_paused_key_is_refused_everywhere_and_the_record_says_so(up: RunningGateway) -> None:
    id_, key = added(up, "loop", "--user", "ann@example.org")
    other = added(up, "other")[1]
    assert up.ask("POST", CHAT, said(), key=key)[0] == 200
    up.run("keys", "pause", "loop", "--for", "1h", "--why", "the same prompt again and again")
    eventually(lambda: all(up.ask("POST", CHAT, said(), key=key)[0] == 400 for _ in range(8)))  # of both processes

    status, headers, body = up.ask("POST", CHAT, said("zq-unread"), key=key)
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (400, "content_policy_violation")
    assert "paused until" in error["message"] and "security@example.org" in error["message"]
    (record,) = told(up, headers["x-bartizan-decision"])
    assert (record["action"], record["key"], record["side"]) == ("block", id_, "request")
    assert record["paused"]["kind"] == "key" and "clauses" not in record and "bodies" not in record
    assert b"zq-unread" not in b"".join(path.read_bytes() for path in up.home.glob("log-*"))

    status, _, body = up.ask("POST", MESSAGES, said(model="claude/c"), key=key)
    assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")
    status, headers, body = up.ask("POST", "/v1/judge", {"text": "hello"}, key=key)
    assert status == 400 and told(up, headers["x-bartizan-decision"])[0]["side"] == "subject"
    assert up.ask("GET", "/v1/models", key=key)[0] == 200
    assert up.ask("POST", CHAT, said(), key=other)[0] == 200

    with Home.open(up.home, environ={}) as home:  # What if another policy held: nobody knows what those texts were.
        found = list(past(home, home.policy(), records(up.home)))
    assert found and record["exchange"] not in {one.id for one in found}

    up.run("keys", "resume", id_)
    eventually(lambda: all(up.ask("POST", CHAT, said(), key=key)[0] == 200 for _ in range(8)))
    up.run("ledger", "verify")


def test_who_waits_for_a_person_is_not_let_through_by_them(up: RunningGateway) -> None:
    id_, key = added(up, "waits", "--user", "kim@example.org")
    answers: list[tuple[int, dict[str, str], bytes]] = []
    waiter = threading.Thread(
        target=lambda: answers.append(
            up.ask("POST", f"{CHAT}?wait=60", said(f"my SSN is {ssn()}"), key=key, timeout_s=90)
        )
    )
    waiter.start()
    cases: list[str] = []

    def opened() -> bool:
        found = json.loads(up.run("cases", "list", "--format", "json").stdout)["cases"]
        cases[:] = [one["id"] for one in found if one["state"] == "open"]
        return bool(cases)

    eventually(opened)
    up.run("keys", "pause", "--person", "kim@example.org", "--why", "the laptop is lost")
    up.run("cases", "decide", cases[0], "--approve", "--by", "boss@example.org")
    waiter.join(60)
    status, headers, body = answers[0]
    assert status == 400 and "paused until" in json.loads(body)["error"]["message"]
    assert told(up, headers["x-bartizan-decision"])[0]["paused"]["kind"] == "person"
    assert id_
