"""Pausing a source: by whom, why and until when; shown wherever somebody on duty looks, and lifted with one press."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from running_console import Browser, RunningConsole, console

from bartizan.home import pauses
from bartizan.ledger.read import Record, records
from bartizan.vault.accounts import Role

WHY = "sends one prompt again and again: <b>zq-loop</b>"
EXCHANGE = "0" * 25 + "P"
PAGES = ("/", "/live", "/settings", "/settings/keys", "/pauses")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningConsole]:
    with console(tmp_path / "home") as running:
        yield running


def key(up: RunningConsole, name: str = "loop", user: str = "ann@example.org") -> str:
    return up.home.vault.add_key(name, user)[0]


def events(up: RunningConsole) -> list[Record]:
    named = ("key-paused", "key-resumed", "pause-read")
    return [one for one in records(up.home.path) if one.get("event") in named]


def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline_s


def decided(up: RunningConsole, key: str, person: str, **more: object) -> None:
    """A request as a gateway records it."""
    told = {
        "action": "allow", "detectors": "00", "digest": "00", "direction": "out", "door": "gateway", "kind": "chat",
        "exchange": EXCHANGE, "policy": up.home.policy().ref, "side": "request", "trust": "user",
        "when_us": time.time_ns() // 1000, "key": key, "person": person, **more,
    }  # fmt: skip
    up.console.record(told)
    until(lambda: up.console.index.event(EXCHANGE) is not None)


def analyst(up: RunningConsole) -> Browser:
    return up.browser(Role.VIEWER, Role.ANALYST, Role.ADMIN, name="ann.alyst@example.org")


def test_an_analyst_pauses_from_an_event_and_lifts_from_every_page(up: RunningConsole) -> None:
    id_, person = key(up), up.home.vault.pseudonym("ann@example.org")
    decided(up, id_, person)
    browser = analyst(up)
    page = browser.get(f"/events/{EXCHANGE}").text
    assert "Pause source" in page and f'value="key:{id_}"' in page and f'value="person:{person}"' in page
    assert f"/pauses?event={EXCHANGE}" in browser.get("/live").text
    assert f'value="key:{id_}"' in browser.get(f"/pauses?event={EXCHANGE}").text
    for page in PAGES:
        assert "Lift now" not in browser.get(page).text
    fields = {"source": f"key:{id_}", "for": "1h", "why": WHY, "back": f"/events/{EXCHANGE}"}
    answer = browser.post("/pauses", fields)
    assert (answer.status, answer.headers["location"]) == (303, f"/events/{EXCHANGE}")
    (one,) = pauses.active(up.home.state, time.time_ns() // 1000)
    assert (one.source, one.until_us - one.at_us) == (id_, 3_600_000_000)
    for page in PAGES:
        text = browser.get(page).text
        assert "Lift now" in text and id_ in text, page
    assert "ann.alyst@example.org" in browser.get("/").text and "paused until" in browser.get("/settings/keys").text
    assert browser.post(f"/pauses/key/{id_}/lift", {"back": "//evil.example"}).headers["location"] == "/"
    assert pauses.active(up.home.state, time.time_ns() // 1000) == ()
    who = up.account("ann.alyst@example.org").person
    assert [(told["event"], told["by"], told["key"]) for told in events(up)] == [
        ("key-paused", who, id_), ("key-resumed", who, id_),
    ]  # fmt: skip


def test_the_reason_is_sealed_and_opening_it_is_recorded(up: RunningConsole) -> None:
    id_ = key(up)
    browser = analyst(up)
    assert browser.post("/pauses", {"source": id_, "for": "15m", "why": WHY}).status == 303
    for page in PAGES:
        assert "zq-loop" not in browser.get(page).text
    assert b"zq-loop" not in b"".join(path.read_bytes() for path in up.home.path.iterdir() if path.is_file())
    assert browser.post(f"/pauses/key/{id_}/why").status == 303
    assert WHY in unescape(browser.get("/pauses").text) and "<b>zq-loop" not in browser.get("/pauses").text
    assert [told["event"] for told in events(up)] == ["key-paused", "pause-read"]
    viewer = up.browser(Role.VIEWER, name="looks@example.org")
    assert "zq-loop" not in viewer.get("/pauses").text


def test_only_an_analyst_pauses_and_programs_may(up: RunningConsole) -> None:
    id_, person = key(up), up.home.vault.pseudonym("ann@example.org")
    viewer = up.browser(Role.VIEWER, name="looks@example.org")
    assert "takes the role analyst" in viewer.get("/pauses").text
    for path in ("/pauses", f"/pauses/key/{id_}/lift", f"/pauses/key/{id_}/why"):
        assert viewer.post(path, {"source": id_, "why": "x"}).status == 403
    token = up.console.accounts.add_token(up.account("prog@example.org", Role.ANALYST, Role.VIEWER).person, "t", 1)[1]
    program = Browser(up.port)
    for source in ("nobody", "person:ann@example.org", f"key:{person}", "p-" + "0" * 20):
        assert program.api("POST", "/pauses", token, {"source": source, "why": "x"}).status == 400, source
    assert program.api("POST", "/pauses", token, {"source": person, "for": "8d", "why": "x"}).status == 400
    assert program.api("POST", "/pauses", token, {"source": person, "why": ""}).status == 400
    made = program.api("POST", "/pauses", token, {"source": person, "for": "2h", "why": "x"})
    assert made.status == 200 and made.json["kind"] == "person"
    listed = program.api("GET", "/pauses", token).json
    assert listed["schema"] == "bartizan.pauses/1" and listed["pauses"] == [
        {name: made.json[name] for name in ("kind", "source", "person", "by", "at_us", "until_us")}
    ]
    assert program.api("GET", "/", token).json["paused"] == listed["pauses"]
    assert program.api("POST", f"/pauses/person/{person}/lift", token).status == 200
    assert program.api("POST", f"/pauses/person/{person}/lift", token).status == 400


def test_a_refused_request_of_a_paused_source_is_told_as_one(up: RunningConsole) -> None:
    id_, person = key(up), up.home.vault.pseudonym("ann@example.org")
    paused = {"kind": "key", "since_us": 1, "until_us": 2}
    decided(up, id_, person, action="block", paused=paused)
    page = up.browser(Role.VIEWER).get(f"/events/{EXCHANGE}").text
    assert "was not read: its source was paused" in page and "Somebody had paused this key" in page
    assert "Not read: source paused" in up.browser(Role.VIEWER).get("/live").text
