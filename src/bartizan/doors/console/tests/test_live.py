"""Live shows what happens as it happens, and stops when nobody may watch any more."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_console import Browser, RunningConsole, console

from bartizan.doors.console import feed as feed_module
from bartizan.doors.console.feed import MAX_BEHIND, MAX_LISTENERS, MAX_QUIET, MAX_ROWS
from bartizan.home import Home
from bartizan.ledger.writer import Writer
from bartizan.vault.accounts import Role

DEADLINE_S = 20


class Gateway:
    """Writes what a gateway would, by the real writer."""

    def __init__(self, home: Home) -> None:
        self.writer: Writer = home.writer("gateway-0")
        self.home, self.number = home, 0

    def decide(
        self, *, action: str = "allow", risk: str = "", model: str = "gpt-5", person: str = "ada", **more: object
    ) -> str:
        """One exchange's request."""
        self.number += 1
        id_ = f"01TEST{self.number:06}"
        told: dict[str, object] = {
            "action": action,
            "door": "gateway",
            "exchange": id_,
            "kind": "chat",
            "side": "request",
            "direction": "out",
            "when_us": time.time_ns() // 1000,
            "person": self.home.vault.pseudonym("ada"),
            "target": {"provider": "openai", "model": model},
        }
        if risk:
            told["findings"] = [{"risk": risk, "severity": "critical", "confidence": 0.99}]
            told["clauses"] = ["no-secrets-out"]
        self.last = self.writer.append(told)
        return id_

    def durable(self) -> None:
        """Until all of it is on the disk."""
        self.writer.wait(self.last)


class Events:
    """A stream as a browser reads it."""

    def __init__(self, browser: Browser, path: str, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", browser.port, timeout=DEADLINE_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", path, headers={"cookie": browser.cookie, **named})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def __iter__(self) -> Iterator[tuple[str, dict[str, object], str]]:
        """(name, data, id) until it ends."""
        name, data, id_ = "", "", ""
        while line := self.answer.readline():
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data = value
            elif field == "id":
                id_ = value
            elif not field and name:
                yield name, json.loads(data), id_
                name = data = ""

    def until(self, wanted: Callable[[str, Mapping[str, object]], bool]) -> tuple[dict[str, object], str]:
        """The first event like that."""
        end = time.monotonic() + DEADLINE_S
        for name, data, id_ in self:
            if wanted(name, data):
                return data, id_
            assert time.monotonic() < end, "it never came"
        raise AssertionError("the stream ended")

    def rows(self) -> tuple[dict[str, object], str]:
        """The next rows."""
        return self.until(lambda name, _: name == "rows")

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningConsole]:
    with console(tmp_path / "home") as running:
        yield running
        running.console.live.end()


@pytest.fixture
def gateway(up: RunningConsole) -> Iterator[Gateway]:
    one = Gateway(up.home)
    yield one
    one.writer.close()


@contextmanager
def listening(browser: Browser, path: str = "/live/stream", **headers: str) -> Iterator[Events]:
    events = Events(browser, path, **headers)
    try:
        yield events
    finally:
        events.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def indexed(up: RunningConsole, count: int) -> None:
    until(lambda: up.console.index.count() >= count)


def test_the_page_is_whole_without_a_stream(up: RunningConsole, gateway: Gateway) -> None:
    browser = up.browser(Role.VIEWER)
    assert "Nothing yet" in browser.get("/live").text
    blocked = gateway.decide(action="block", risk="secret.aws-access-key")
    gateway.decide(model="<img src=x onerror=alert(1)>\u202e")
    indexed(up, 2)
    text = browser.get("/live").text
    assert f"/events/{blocked}" in text and "AWS access key id" in text and "Credentials do not leave" in text
    assert "<img" not in text and "&lt;img" in text and "right-to-left override" in text
    assert "Load again" in text and "<script>" not in text
    only = browser.get("/live?q=action:block").text
    assert only.count("data-row") == 1 and blocked in only


def test_a_filter_that_cannot_be_read_says_why_and_keeps_what_was_typed(up: RunningConsole) -> None:
    answer = up.browser(Role.VIEWER).get("/live?q=actoin:block")
    assert answer.status == 200 and "did you mean" in answer.text and 'value="actoin:block"' in answer.text
    assert 'data-stream=""' in answer.text


def test_rows_come_as_they_are_decided_and_an_answer_changes_its_row(up: RunningConsole, gateway: Gateway) -> None:
    browser = up.browser(Role.VIEWER)
    with listening(browser) as events:
        assert events.status == 200
        id_ = gateway.decide()
        data, number = events.rows()
        assert data["rows"] == 1 and data["more"] == 0 and f'data-x="{id_}"' in str(data["html"])
        assert number == str(data["number"]) == str(up.console.index.newest())
        gateway.writer.append(
            {"action": "block", "door": "gateway", "exchange": id_, "kind": "chat", "side": "answer", "when_us": 1}
        )
        data, _ = events.rows()
        assert f'data-x="{id_}"' in str(data["html"]) and "Blocked" in str(data["html"])


def test_the_filter_of_the_page_is_the_filter_of_the_stream(up: RunningConsole, gateway: Gateway) -> None:
    browser = up.browser(Role.VIEWER)
    with listening(browser, "/live/stream?q=action:block") as events:
        gateway.decide()
        wanted = gateway.decide(action="block")
        data, _ = events.rows()
        assert data["rows"] == 1 and wanted in str(data["html"])
    with listening(browser, "/live/stream?q=actoin:block") as events:
        assert events.status == 400


def test_many_at_once_are_the_newest_and_a_count(up: RunningConsole, gateway: Gateway) -> None:
    held = [gateway.decide(action="review") for _ in range(5)]
    for _ in range(95):
        gateway.decide()
    gateway.durable()
    indexed(up, 100)
    with listening(up.browser(Role.VIEWER)) as events:
        data, _ = events.rows()
    html = str(data["html"])
    assert (data["rows"], data["more"]) == (5 + MAX_QUIET, 95 - MAX_QUIET)
    assert all(one in html for one in held), "what was acted on is told first"
    assert html.index("01TEST000100") < html.index("01TEST000099") < html.index(held[-1])
    with listening(up.browser(Role.VIEWER), "/live/stream?q=action:allow+action:review") as events:
        for _ in range(MAX_ROWS + 10):
            gateway.decide(action="review")
        assert events.rows()[0]["rows"] <= MAX_ROWS


def test_who_comes_back_is_told_what_they_missed(up: RunningConsole, gateway: Gateway) -> None:
    browser = up.browser(Role.VIEWER)
    with listening(browser) as events:
        first = gateway.decide()
        _, number = events.rows()
    second = gateway.decide()
    gateway.durable()
    indexed(up, 2)
    for events in (
        Events(browser, "/live/stream", last_event_id=number),
        Events(browser, f"/live/stream?after={number}"),
    ):
        data, _ = events.rows()
        events.close()
        assert second in str(data["html"]) and first not in str(data["html"])


def test_a_number_from_an_index_that_was_thrown_away_begins_anew(up: RunningConsole, gateway: Gateway) -> None:
    id_ = gateway.decide()
    indexed(up, 1)
    with listening(up.browser(Role.VIEWER), "/live/stream?after=99999999") as events:
        data, number = events.rows()
    assert id_ in str(data["html"]) and number == "1"


def test_what_was_missed_is_bounded(up: RunningConsole, gateway: Gateway) -> None:
    gateway.decide()
    indexed(up, 1)
    first = up.console.index.newest()
    for _ in range(MAX_BEHIND + 200):
        gateway.decide()
    gateway.durable()
    indexed(up, MAX_BEHIND + 201)
    with listening(up.browser(Role.VIEWER), f"/live/stream?after={first}") as events:
        data, _ = events.rows()
    assert data["rows"] == MAX_QUIET and data["rows"] + data["more"] == MAX_BEHIND + 200


def test_the_rates_of_a_door_are_told(up: RunningConsole, gateway: Gateway) -> None:
    for _ in range(30):
        gateway.decide()
    gateway.decide(action="block")
    gateway.durable()
    indexed(up, 31)
    with listening(up.browser(Role.VIEWER)) as events:
        data, _ = events.until(lambda name, data: name == "rates" and "31 examined" in str(data["html"]))
    assert "Gateway" in str(data["html"]) and "Blocked" in str(data["html"])
    doors = up.console.live.strips(time.time_ns() // 1000)
    assert doors["all"].examined == 31 and doors["all"].counts["block"] == 1


def test_nobody_watches_without_a_role_and_no_longer_than_their_session(
    up: RunningConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "SESSION_EVERY_S", 0.05)
    for path in ("/live", "/live/stream"):
        assert up.browser(name="nobody@example.org").get(path).status == 403
        assert up.browser().get(path).status == 303
    browser = up.browser(Role.VIEWER)
    with listening(browser) as events:
        events.until(lambda name, _: name == "rates")
        (session,) = up.console.accounts.sessions(up.account("viewer@example.org").person)
        up.console.accounts.end(session.id)
        told = [name for name, _, _ in events]
    assert told[-1] == "over"


def test_so_many_watch_and_no_more(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER)
    all_ = [Events(browser, "/live/stream") for _ in range(MAX_LISTENERS)]
    try:
        assert {one.status for one in all_} == {200}
        with listening(browser) as events:
            assert events.status == 503 and events.answer.getheader("retry-after")
    finally:
        for one in all_:
            one.close()
    # Who went makes room.
    until(lambda: not up.console.live.feed.full)


def test_a_console_that_stops_lets_everybody_go(up: RunningConsole) -> None:
    with listening(up.browser(Role.VIEWER)) as events:
        events.until(lambda name, _: name == "rates")
        began = time.monotonic()
        up.console.live.end()
        list(events)
        assert time.monotonic() - began < 5
