"""What is restricted, as lists and before they are made; and what somebody sees who was stopped by one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from ai_in_use import asked_for, decided, told
from running_console import RunningConsole, console

from bartizan.doors.console.pages import coach
from bartizan.home.register import exceptions, register
from bartizan.inventory.exceptions import Who
from bartizan.inventory.exports import exports
from bartizan.inventory.system import Status
from bartizan.ledger.read import records
from bartizan.readers.logs.visit import DAY_US
from bartizan.vault.accounts import Role

NOW = time.time_ns() // 1000


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningConsole]:
    with console(tmp_path / "home") as running:
        told(running.home, NOW)
        decided(running.home, NOW)
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """The same, for tests that change nothing of the register."""
    with console(tmp_path_factory.mktemp("shared") / "home") as running:
        told(running.home, NOW)
        decided(running.home, NOW)
        yield running


# ---- What is restricted ----------------------------------------------------------------------------------------------


def test_the_table_says_what_a_list_would_stop(up: RunningConsole) -> None:
    asked_for(up.home, NOW)
    text = unescape(up.browser(Role.VIEWER).get("/use/restriction").text)
    assert "1 service is restricted, 1 service is blocked." in text
    assert "2 of these services were still used" in text
    assert 'href="/use/deepseek"' in text and 'class="name" href="/use/chatgpt"' not in text
    for one in exports().values():
        assert one.leaks in text and (f'href="/use/restriction/{one.id}"' in text or one.id == "nftables")
    assert "Asked for" in text


def test_hosts_can_be_tried(shared: RunningConsole) -> None:
    path = "/use/restriction?hosts=chat.deepseek.com%0Aexample.org%20%3Cb%3E"
    text = unescape(shared.browser(Role.VIEWER).get(path).text)
    assert "1 of 3 hosts would be stopped." in text and "no host" in text
    who = shared.account("token@example.org", Role.VIEWER)
    secret = shared.console.accounts.add_token(who.person, "t", 1)[1]
    value = shared.browser().api("GET", path, secret).json
    assert [(one["host"], one["blocked"]) for one in value["hosts"]] == [
        ("chat.deepseek.com", True),
        ("example.org", False),
        ("<b>", False),
    ]
    assert {one["id"] for one in value["services"]} == {"deepseek", "perplexity"}


@pytest.mark.parametrize("format_", sorted(exports().keys() - {"nftables"}))
def test_every_list_is_a_file(shared: RunningConsole, format_: str) -> None:
    answer = shared.browser(Role.VIEWER).get(
        f"/use/restriction/{format_}?coach=ai.example.org&gateway=gw.example.org:8403"
    )
    assert answer.status == 200 and "attachment" in answer.headers["content-disposition"]
    assert "deepseek" in answer.text and "chatgpt.com" not in answer.text
    if format_ == "squid":
        assert "https://ai.example.org/coach/deepseek" in answer.text


def test_what_is_no_host_gets_into_no_list(shared: RunningConsole) -> None:
    browser = shared.browser(Role.VIEWER)
    assert browser.get("/use/restriction/squid?coach=a%0Ahttp_access%20allow%20all").status == 400
    assert browser.get("/use/restriction/pac?gateway=x%22;evil:1").status == 400
    assert browser.get("/use/restriction/nothing").status == 400
    assert "nftables --resolve" in browser.get("/use/restriction/nftables").text


def test_an_exception_for_everyone_leaves_the_list(up: RunningConsole) -> None:
    own = exceptions(up.home)
    made = own.ask("deepseek", Who.EVERYONE, "", NOW + DAY_US, "A fair.", "ada", NOW)
    own.approve(made.id, "bob", NOW)
    assert "deepseek" not in up.browser(Role.VIEWER).get("/use/restriction/hosts").text
    assert "In force" in up.browser(Role.VIEWER).get("/use/restriction").text


# ---- Who was stopped -------------------------------------------------------------------------------------------------


def test_a_stopped_person_reads_what_why_what_instead_and_whom_to_ask(shared: RunningConsole) -> None:
    answer = shared.browser().get("/coach/deepseek")
    text = unescape(answer.text)
    assert answer.status == 200 and "is not for use in this organisation." in text
    assert "About deepseek: use your work account." in text and 'data-copy="chatgpt.com"' in text
    assert "it@example.org" in text and "/sign-in?next=/coach/deepseek" in text
    assert "reason of deepseek" not in text and "p-" not in text.partition("<main")[2]
    assert "http" not in text.partition("<main")[2]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store" and "set-cookie" not in answer.headers
    assert "only for those here who have an exception." in unescape(shared.browser().get("/coach/perplexity").text)


def test_whoever_a_resolver_led_here_is_led_to_the_page_that_says_why(tmp_path: Path) -> None:
    with console(tmp_path / "led", config="console_url: https://ai.example.org\n") as up:
        told(up.home, NOW)
        decided(up.home, NOW)
        answer = up.browser().get("/a/path?q=1", host="chat.deepseek.com")
        assert (answer.status, answer.headers["location"]) == (302, "https://ai.example.org/coach/deepseek")
        assert answer.body == b"" and answer.headers["cache-control"] == "no-store"
        assert up.browser().get("/", host="www.perplexity.ai:80").headers["location"].endswith("/coach/perplexity")
        for other in ("chatgpt.com", "evil.example", "chat.deepseek.com.evil.example", "[::", "a b"):
            assert up.browser().get("/", host=other).status == 421
        assert up.browser().post("/coach/deepseek/ask", host="chat.deepseek.com").status == 421


def test_without_an_address_for_links_nobody_is_led_anywhere(shared: RunningConsole) -> None:
    assert shared.browser().get("/", host="chat.deepseek.com").status == 421


def test_a_title_holds_no_tags_and_says_what_is_in_it(up: RunningConsole) -> None:
    register(up.home).set("deepseek", {"name": "A <b>bold</b> & name"}, "ada@example.org", NOW)
    title = up.browser().get("/coach/deepseek").text.partition("<title>")[2].partition("</title>")[0]
    assert title == "A &lt;b&gt;bold&lt;/b&gt; &amp; name is not for use here · Bartizan"


def test_nothing_is_kept_of_who_looked(shared: RunningConsole) -> None:
    before = len(list(records(shared.home.path)))
    shared.browser().get("/coach/deepseek")
    assert len(list(records(shared.home.path))) == before


@pytest.mark.parametrize("id_", ["chatgpt", "nothing", "..%2fx", "%3Cscript%3E", "a" * 3000, "%E2%80%AE"])
def test_of_what_is_not_stopped_nothing_is_told(shared: RunningConsole, id_: str) -> None:
    answer = shared.browser().get(f"/coach/{id_}")
    if answer.status != 404:  # A path that leads nowhere at all.
        assert "Nothing of that name is stopped here." in answer.text
    assert "ChatGPT" not in answer.text and "<script>" not in answer.text.lower().partition("<main")[2]


def test_an_id_of_ones_own_is_written_in_lists_as_it_is(up: RunningConsole) -> None:
    own = register(up.home)
    own.add("our.own_tool", "ada", NOW)
    own.decide("our.own_tool", Status.BLOCKED, "ada", NOW, why="x")
    assert "our.own_tool" in up.browser().get("/coach/our.own_tool").text


def test_a_program_gets_json(shared: RunningConsole) -> None:
    answer = shared.browser()._ask("GET", "/coach/deepseek", b"", {"accept": "application/json"})
    value = json.loads(answer.text)
    assert answer.status == 403 and value["service"]["status"] == "blocked"
    assert "use your work account" in value["error"]["message"] and value["alternative"]
    answer = shared.browser()._ask("GET", "/coach/nothing", b"", {"accept": "application/json"})
    assert (answer.status, json.loads(answer.text)["error"]["type"]) == (404, "not_restricted")
    assert shared.browser()._ask("GET", "/sign-in", b"", {"accept": "application/json"}).text.startswith("<!doctype")


def test_an_alternative_that_is_stopped_too_is_none(up: RunningConsole) -> None:
    register(up.home).decide("chatgpt", Status.BLOCKED, "ada", NOW, why="x")
    assert "What you can use instead" not in up.browser().get("/coach/deepseek").text


def test_who_has_an_account_asks_for_an_exception_of_their_own(up: RunningConsole) -> None:
    browser = up.browser(name="mara@example.org")
    assert browser.get("/coach/deepseek").status == 200
    assert (
        browser.post("/coach/deepseek/ask", {"why": "A tender.", "days": "7"}).headers["location"] == "/coach/deepseek"
    )
    (made,) = exceptions(up.home).all(NOW)
    person = up.account("mara@example.org").person
    assert (made.system, made.who, made.asked_by) == ("deepseek", person, person)
    assert "You asked for an exception" in browser.get("/coach/deepseek").text
    exceptions(up.home).approve(made.id, "ciso@example.org", NOW)
    text = browser.get("/coach/deepseek").text
    assert "You have an exception." in text and "Ask for an exception" not in text
    assert "You have an exception." not in up.browser().get("/coach/deepseek").text
    assert browser.post("/coach/chatgpt/ask", {"why": "x", "days": "7"}).status == 400
    assert (
        up.browser().post("/coach/deepseek/ask", {"why": "x", "days": "7"}).headers["location"].startswith("/sign-in")
    )


def test_one_address_cannot_ask_without_end(up: RunningConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coach, "LOOKS", coach.Links(2))
    answers = [up.browser().get("/coach/deepseek").status for _ in range(5)]
    assert answers[:2] == [200, 200] and 400 in answers
