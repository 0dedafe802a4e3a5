"""Overview says in a sentence whether anybody has to do anything, and is right about it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running_console import RunningConsole, console

from bartizan.cases import Wanted
from bartizan.core.decision import Action
from bartizan.doors.console.health import Pulse
from bartizan.doors.console.needs import BURST, bursts
from bartizan.doors.console.pages.overview import RANGES, bounds, say
from bartizan.doors.console.render import iso
from bartizan.home.alarms import alarms, raise_alarm
from bartizan.ledger.writer import Writer
from bartizan.vault.accounts import Role

HOUR_US = 3_600_000_000
DEADLINE_S = 20


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"ready": true, "why": []}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningConsole]:
    with console(tmp_path / "home") as running:
        yield running


@pytest.fixture
def served(up: RunningConsole) -> Iterator[RunningConsole]:
    """A console whose gateway answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    up.console.pulse.close()
    up.console.pulse = Pulse(f"http://127.0.0.1:{server.server_port}", up.home.config)
    try:
        yield up
    finally:
        up.console.pulse.close()
        server.shutdown()
        server.server_close()
        thread.join()


def decided(up: RunningConsole, count: int, *, action: str = "allow", ago_us: int = 0, **more: object) -> None:
    """So many exchanges, in the index. They came `ago_us` ago."""
    before = up.console.index.count(at_most=100_000)
    now_us = time.time_ns() // 1000
    clock = {"us": now_us - ago_us}
    writer = _writer(up, f"gateway-{before}", clock)
    for number in range(count):
        writer.append(_told(f"01X{before:06}Y{number:06}", action, clock["us"]) | more)
    writer.close()
    _until(lambda: up.console.index.count(at_most=100_000) == before + count)


def _told(exchange: str, action: str, when_us: int) -> dict[str, object]:
    return {
        "action": action,
        "door": "gateway",
        "exchange": exchange,
        "kind": "chat",
        "side": "request",
        "when_us": when_us,
        "person": "p-" + "0" * 20,
        "target": {"model": "gpt-5"},
    }


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "the index never had them"
        time.sleep(0.01)


def _writer(up: RunningConsole, name: str, clock: dict[str, int]) -> Writer:
    return Writer.open(
        up.home.path, name, vault=up.home.vault, signer=up.home.signer, reserve_bytes=0, clock_us=lambda: clock["us"]
    )


def test_who_has_no_role_sees_their_own_cases(up: RunningConsole) -> None:
    answer = up.browser(name="guest@example.org").get("/")
    assert (answer.status, answer.headers["location"]) == (303, "/mine")


def test_a_quiet_day_needs_nobody(served: RunningConsole) -> None:
    text = served.browser(Role.VIEWER).get("/").text
    assert "Nothing needs you. Everything was settled by policy." in text
    assert "0 exchanges examined in 24 hours" in text and "bartizan demo" in text


def test_a_gateway_that_is_gone_is_the_first_thing_said(up: RunningConsole) -> None:
    text = up.browser(Role.VIEWER).get("/").text
    assert "The gateway does not answer" in text and "nothing passes unexamined" in text
    assert "Nothing needs you" not in text


def test_a_gateway_that_went_away_is_told_with_how_stale_its_numbers_are(up: RunningConsole) -> None:
    now_s, browser = [time.time() - 2 * 3600], up.browser(Role.VIEWER)
    gateway = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=lambda: gateway.serve_forever(poll_interval=0.01))
    thread.start()
    up.console.pulse.close()
    pulse = Pulse(f"http://127.0.0.1:{gateway.server_port}", up.home.config, clock=lambda: now_s[0])
    up.console.pulse = pulse
    heard = pulse.health(wait_s=DEADLINE_S)
    gateway.shutdown()
    gateway.server_close()
    thread.join()
    now_s[0] = time.time()
    gone = pulse.health(wait_s=DEADLINE_S)
    assert heard.answers and not gone.answers and gone.heard_us == heard.heard_us
    page = browser.get("/").text
    since = re.search(r'The gateway does not answer since\s+<time datetime="([^"]+)"', page)
    assert since and since[1] == iso(heard.heard_us)
    assert "The gateway's numbers are from then." in page and "nothing passes unexamined" in page
    token = up.console.accounts.add_token(up.account("program@example.org", Role.VIEWER).person, "t", 1)[1]
    told = browser.api("GET", "/", token).json["gateway"]
    assert isinstance(told, dict) and (told["answers"], told["heard_us"]) == (False, heard.heard_us)


def test_what_waits_is_named_with_one_thing_to_do_each(served: RunningConsole) -> None:
    now_us = time.time_ns() // 1000
    raise_alarm(served.home.state, "upstream-down", "", {"upstream": "<b>openai"}, now_us, 3)
    served.console.desk.open(
        Wanted(Action.REVIEW, "ada", "openai/gpt-5", {"c": "d"}, {"c": frozenset({"0" * 64})}, ("personal.iban",)),
        b"the text",
        now_us - 20 * 60_000_000,
    )
    text = served.browser(Role.ANALYST).get("/").text
    assert "Two things need you. Everything else was settled by policy." in text
    assert "1 waiting longer than your goal of 15 minutes" in text
    assert "The upstream &lt;b&gt;openai does not answer." in text and "3 times since" in text
    assert re.search(r'href="/review/c-[0-9a-f]+">Decide', text) and "waiting 20 minutes" in text
    # Who may only look is told that it waits for others.
    assert "Nothing needs you; two things wait for others." in served.browser(Role.VIEWER).get("/").text


def test_an_alarm_is_off_the_list_once_somebody_has_seen_it(up: RunningConsole) -> None:
    now_us = time.time_ns() // 1000
    for name in ("ledger-failed", "upstream-down", "process-ended", "notice-failed", "passed-unrecorded"):
        raise_alarm(up.home.state, name, "", {}, now_us)
    analyst = up.browser(Role.ANALYST)
    assert "2 more alarms" in analyst.get("/").text
    first = next(one.id for one in alarms(up.home.state, 0))
    assert analyst.post(f"/alarms/{first}/seen").status == 303
    assert "is marked as seen" in analyst.get("/").text
    assert sum(one.seen_us is None for one in alarms(up.home.state, 0)) == 4
    assert analyst.post("/alarms/nonsense/seen").status == 400
    viewer = up.browser(Role.VIEWER)
    assert viewer.post("/alarms/all/seen").status == 403
    assert analyst.post("/alarms/all/seen").status == 303
    assert all(one.seen_us for one in alarms(up.home.state, 0))


def test_many_alike_that_never_were_before_are_a_burst_until_somebody_has_them(up: RunningConsole) -> None:
    finding = {"risk": "secret.github-token", "severity": "high", "confidence": 0.9}
    decided(up, BURST + 1, action="block", findings=[finding])
    decided(up, BURST, action="block", findings=[finding | {"risk": "secret.password"}])
    analyst = up.browser(Role.ANALYST)
    text = analyst.get("/").text
    assert "21 alike:" in text and "never seen before" in text and "20 alike" not in text
    (shape,) = re.findall(r'action="/bursts/([0-9a-f]+)/take"', text)
    answer = analyst.post(f"/bursts/{shape}/take")
    assert answer.headers["location"] == f"/events?q=shape:{shape}"
    assert "21 alike:" not in analyst.get("/").text
    assert analyst.post("/bursts/nonsense/take").status == 400


def test_what_comes_every_hour_is_no_burst_and_neither_is_a_busy_hour(up: RunningConsole) -> None:
    decided(up, 24 * 50, action="redact", ago_us=30 * HOUR_US)  # 7 an hour, over a week
    decided(up, 24 * 50, ago_us=29 * HOUR_US)
    decided(up, 30, action="redact")
    now_us = time.time_ns() // 1000 + 1_000_000

    def found() -> list[int]:
        return [one.count for one in bursts(up.console.index, now_us - 24 * HOUR_US, now_us)]

    assert found() == []
    decided(up, 100, action="redact")
    assert found() == [130], "more than five times seven, and nothing else came"
    decided(up, 400)
    assert found() == []


def test_new_rows_are_counted_and_those_that_were_answered_are_not_new(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER)
    decided(up, 2)
    page = browser.get("/").text
    (poll,) = re.findall(r'hx-get="([^"]+)"', page)
    poll = poll.replace("&amp;", "&")
    assert "new row" not in browser.get(poll).text and 'id="fresh"' in browser.get(poll).text
    decided(up, 3)
    assert "3 new rows" in browser.get(poll).text
    assert browser.get("/latest-count?after=x&since=%00").status == 200


def test_what_a_client_calls_itself_is_text(up: RunningConsole) -> None:
    decided(up, 1, action="block", app="<script>alert(1)</script>\u202e", person="", clauses=["<i>no"])
    text = up.browser(Role.VIEWER).get("/").text
    assert "<script>alert" not in text and "&lt;script&gt;" in text and "right-to-left override" in text
    assert "<i>no" not in text


@pytest.mark.parametrize("key", RANGES)
def test_the_page_stays_small_however_much_there_was(up: RunningConsole, key: str) -> None:
    span = RANGES[key]
    now_us = time.time_ns() // 1000
    clock = {"us": 0}
    writer = _writer(up, "gateway-0", clock)
    for ago in range(span.steps - 1, -1, -1):
        clock["us"] = now_us - ago * span.step_us
        for action in ("warn", "justify", "review", "block"):
            told = _told(f"01X{ago:03}{action.upper()}", action, clock["us"])
            ticket = writer.append(told | {"clauses": [f"clause-{n}" for n in range(40)]})
        writer.wait(ticket)
    writer.close()
    _until(lambda: up.console.index.count() == 4 * span.steps)
    answer = up.browser(Role.ADMIN, Role.ANALYST).get(f"/?range={key}")
    assert answer.status == 200 and len(answer.body) < 60_000
    assert up.browser(Role.VIEWER).get("/?range=nonsense").status == 200


def test_programs_read_the_same(up: RunningConsole) -> None:
    decided(up, 2, action="block")
    who = up.account("robot@example.org", Role.VIEWER)
    token = up.console.accounts.add_token(who.person, "t", 1)[1]
    told = up.browser().api("GET", "/", token).json
    assert told["examined"] == 2 and told["outcomes"] == {"block": 2} and told["gateway"]["answers"] is False


@given(st.sampled_from(sorted(RANGES)), st.integers(1_700_000_000, 1_900_000_000))
def test_a_chart_ends_with_the_step_of_now(key: str, now_s: int) -> None:
    span = RANGES[key]
    since_us, until_us = bounds(span, now_s * 1_000_000)
    assert until_us - since_us == span.steps * span.step_us
    # A day is an hour longer when the clocks change.
    assert 0 < until_us - now_s * 1_000_000 <= span.step_us + HOUR_US
    assert datetime.fromtimestamp(until_us / 1e6).second == 0


@pytest.mark.parametrize(
    ("yours", "all_", "says"),
    [
        (0, 0, "Nothing needs you. Everything was settled by policy."),
        (1, 1, "One thing needs you. Everything else was settled by policy."),
        (12, 12, "12 things need you. Everything else was settled by policy."),
        (1, 2, "One thing needs you. One thing waits for others."),
        (0, 1, "Nothing needs you; one thing waits for others."),
    ],
)
def test_the_sentence(yours: int, all_: int, says: str) -> None:
    assert say(yours, all_) == says
