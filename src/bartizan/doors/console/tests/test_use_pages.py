"""AI use: which AI there is, who decided what, and what waits; decided, written down and taken along from here."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pytest
from ai_in_use import CANDIDATE, LOOK_ALIKE, asked_for, decided, told
from running_console import RunningConsole, console

from bartizan.doors.console import use_words
from bartizan.home.register import exceptions, in_force, register
from bartizan.inventory.exceptions import State
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


def page(up: RunningConsole, path: str, *roles: Role) -> str:
    answer = up.browser(*(roles or (Role.VIEWER,))).get(path)
    assert answer.status == 200, (path, answer.status, answer.text[:300])
    return unescape(answer.text)


def token(up: RunningConsole, *roles: Role) -> str:
    who = up.account("-".join(["token", *roles]) + "@example.org", *roles)
    return up.console.accounts.add_token(who.person, f"t{time.monotonic_ns()}", 1)[1]


# ---- The list --------------------------------------------------------------------------------------------------------


def test_the_first_sentence_says_how_much_ai_there_is_and_what_is_not_seen(up: RunningConsole) -> None:
    text = page(up, "/use")
    assert "5 AI services in use by 8 people in 30 days; nobody decided on 1." in text
    assert "1 person used an account of their own." in text
    assert "2 restricted or blocked services are still seen in use." in text
    assert "Nothing from dnsmasq (dns-1) since" in text and "silent for 9 days" in text
    assert "Nothing was ever read of: machines, code, gateway's ledger" in text


def test_what_waits_comes_first_and_leads_to_where_it_is_decided(up: RunningConsole) -> None:
    asked_for(up.home, NOW)
    text = page(up, "/use")
    assert 'href="/use/gemini">Decide' in text
    assert "2 hosts look like AI, and nobody judged them" in text
    assert "asks to use Deepseek nevertheless" in text or "asks to use DeepSeek nevertheless" in text
    for path in ("/", "/review"):
        text = page(up, path, Role.VIEWER, Role.AUTHOR)
        assert 'href="/use/gemini"' in text and "is used, and nobody decided on it" in text, path
    assert "AI services in use" in page(up, "/") and "8 people in 30 days; nobody decided on 1 of them." in page(
        up, "/"
    )


def test_a_view_stands_in_the_address_and_is_taken_along_as_it_is(up: RunningConsole) -> None:
    text = page(up, "/use?show=blocked")
    assert 'class="name" href="/use/deepseek"' in text and 'class="name" href="/use/claude"' not in text
    assert 'class="name" href="/use/claude"' in page(up, "/use?q=CLAUDE&show=all")
    assert "Nothing in this view." in page(up, "/use?q=nothing-like-it")
    answer = up.browser(Role.VIEWER).get("/use/download?show=blocked&format=csv")
    assert 'filename="ai-use.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == ["deepseek"] and rows[0]["people"] == "6"
    assert '"systems"' in up.browser(Role.VIEWER).get("/use/download?format=json").text


def test_a_cell_that_a_spreadsheet_would_compute_is_harmless(up: RunningConsole) -> None:
    register(up.home).set("claude", {"owner": "=HYPERLINK(1)"}, "ada", NOW)
    assert "'=HYPERLINK(1)" in up.browser(Role.VIEWER).get("/use/download").text


def test_programs_get_the_same(up: RunningConsole) -> None:
    value = up.browser().api("GET", "/use?show=approved", token(up, Role.VIEWER)).json
    assert (value["people"], value["with_personal_account"], value["found"]) == (8, 1, 1)
    assert [one["id"] for one in value["systems"]] == ["chatgpt"]
    assert {one["format"] for one in value["sources"] if one["silent"]} == {"dnsmasq"}


def test_an_empty_register_says_how_it_fills(tmp_path: Path) -> None:
    with console(tmp_path / "home") as up:
        text = page(up, "/use")
        assert "No AI was seen yet." in text and "bartizan usage logs --record" in text
        assert "AI services in use" not in page(up, "/")
        assert "Nothing is restricted or blocked." in page(up, "/use/restriction")


def test_many_are_paged(up: RunningConsole) -> None:
    own = register(up.home)
    for number in range(120):
        own.add(f"own-{number:03}", "ada", NOW)
    first, last = page(up, "/use?show=all&sort=name"), page(up, "/use?show=all&sort=name&from=80")
    assert "1 to 40 of 125" in first and "81 to 120 of 125" in last
    assert first.count("<tr data-row>") == 40 and len(first) < 100_000
    assert "121 to 125 of 125" in page(up, "/use?show=all&sort=name&from=99999")


# ---- One system ------------------------------------------------------------------------------------------------------


def test_a_system_says_who_uses_it_what_is_proved_and_where_it_is(up: RunningConsole) -> None:
    text = page(up, "/use/deepseek")
    assert "Used by 6 people in 30 days, but blocked." in text
    assert "A DNS request is not a prompt." in text and "*.deepseek.com" in text
    assert "reason of deepseek" in text and "person0@example.org" not in text
    assert up.home.vault.pseudonym("person0@example.org")[:14] in text
    assert "Deciding needs the role author." in text
    answer = up.browser(Role.VIEWER).get("/use/nothing")
    assert answer.status == 400 and "there is no system" in answer.text


def test_a_decision_shows_what_it_does_and_is_recorded(up: RunningConsole) -> None:
    browser = up.browser(Role.AUTHOR, Role.VIEWER)
    before = unescape(browser.get("/use/gemini").text)
    assert "4 people used it lately." in before and "kinds of lists and at the forward door" in before
    fields = {"status": "blocked", "why": "No contract.", "alternative": "chatgpt", "review_day": "2030-01-31"}
    assert browser.post("/use/gemini/decide", fields).headers["location"] == "/use/gemini"
    after = unescape(browser.get("/use/gemini").text)
    assert "is blocked from now on" in after and "but blocked" in after and "31 Jan 2030" in after
    (record,) = [
        one for one in records(up.home.path) if one.get("event") == "use-decided" and one["system"] == "gemini"
    ]
    assert (record["status"], record["by"]) == ("blocked", up.account("author-viewer@example.org").person)
    assert "No contract." not in repr(record)


def test_who_restricts_says_why(up: RunningConsole) -> None:
    answer = up.browser(Role.AUTHOR, Role.VIEWER).post("/use/gemini/decide", {"status": "blocked", "why": " "})
    assert answer.status == 400 and "why" in answer.text
    assert register(up.home).system("gemini").status is Status.UNDECIDED


def test_only_an_author_decides_and_writes(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER, Role.ANALYST)
    for path in ("/use/gemini/decide", "/use/gemini/set", "/use/add", "/use/refresh", f"/use/{CANDIDATE}/verdict"):
        assert browser.post(path, {"status": "approved"}).status == 403, path


def test_facts_are_written_down_and_only_what_changed_is_recorded(up: RunningConsole) -> None:
    browser = up.browser(Role.AUTHOR, Role.VIEWER)
    browser.post(
        "/use/claude/set", {"owner": "it@example.org", "purpose": "Drafts", "data_classes": "b; a", "notes": "n"}
    )
    found = register(up.home).system("claude")
    assert (found.purpose, found.data_classes, register(up.home).notes("claude")) == ("Drafts", ("a", "b"), "n")
    changed = [one for one in records(up.home.path) if one.get("event") == "use-changed"]
    assert changed[-1]["fields"] == ["data_classes", "notes", "purpose"]
    browser.post("/use/claude/set", {"purpose": "Drafts"})
    assert len([one for one in records(up.home.path) if one.get("event") == "use-changed"]) == len(changed)
    assert browser.post("/use/claude/set", {"risk_tier": "huge"}).status == 400


def test_a_word_that_is_a_page_can_be_a_system(up: RunningConsole) -> None:
    browser = up.browser(Role.AUTHOR, Role.VIEWER)
    assert browser.post("/use/add", {"id": "restriction"}).headers["location"] == "/use/system/restriction"
    assert "Not seen in use in 30 days; nobody decided on it." in page(up, "/use/system/restriction")


def test_programs_decide_by_the_same_functions(up: RunningConsole) -> None:
    secret = token(up, Role.AUTHOR)
    answer = up.browser().api("POST", "/use/gemini/decide", secret, {"status": "tolerated"})
    assert (answer.status, answer.json["status"]) == (200, "tolerated")
    value = up.browser().api("GET", "/use/gemini", token(up, Role.VIEWER)).json
    assert value["decisions"][0]["status"] == "tolerated" and value["people"]


# ---- Hosts that look like AI -----------------------------------------------------------------------------------------


def test_a_host_is_judged_and_the_catalogue_knows(up: RunningConsole) -> None:
    browser = up.browser(Role.AUTHOR, Role.VIEWER)
    assert "An unknown host that looks like AI" in browser.get(f"/use/{CANDIDATE}").text
    browser.post(f"/use/{CANDIDATE}/verdict", {"is": "service", "service": "pdf-gpt", "name": 'PDF "GPT" \\ 2'})
    found = in_force(up.home).lookup(f"www.{CANDIDATE}")
    assert found.service is not None and (found.service.id, found.service.name) == ("pdf-gpt", 'PDF "GPT" \\ 2')
    assert register(up.home).system("pdf-gpt").name == 'PDF "GPT" \\ 2'
    browser.post(f"/use/{LOOK_ALIKE}/verdict", {"is": "none", "why": "our own page for signing in"})
    assert not in_force(up.home).lookup(LOOK_ALIKE).matters
    assert "hosts look like AI" not in browser.get("/use").text
    (record,) = [one for one in records(up.home.path) if one.get("system") == LOOK_ALIKE and "status" in one]
    assert record["event"] == "use-decided"


def test_a_verdict_that_the_catalogue_cannot_hold_changes_nothing(up: RunningConsole) -> None:
    browser = up.browser(Role.AUTHOR, Role.VIEWER)
    answer = browser.post(f"/use/{CANDIDATE}/verdict", {"is": "service", "service": "No Id"})
    assert answer.status == 400 and not (up.home.path / "catalogue.toml").exists()
    assert browser.post("/use/claude/verdict", {"is": "none", "why": "x"}).status == 400


# ---- Exceptions and names --------------------------------------------------------------------------------------------


def test_an_exception_is_asked_for_by_one_and_allowed_by_another(up: RunningConsole) -> None:
    one, other = (up.browser(Role.AUTHOR, Role.VIEWER, name=f"author{n}@example.org") for n in (1, 2))
    last = (date.today() + timedelta(days=10)).isoformat()
    asked = {"kind": "group", "who": "research", "until": last, "why": "A trial."}
    assert one.post("/use/deepseek/exceptions", asked).headers["location"] == "/use/deepseek#exceptions"
    (made,) = exceptions(up.home).all(NOW)
    path = f"/use/deepseek/exceptions/{made.id}"
    assert one.post(f"{path}/decide", {"decision": "approve"}).status == 403
    assert other.post(f"/use/claude/exceptions/{made.id}/decide", {"decision": "approve"}).status == 404
    assert other.post(f"{path}/decide", {"decision": "approve", "note": "Fine."}).status == 303
    assert exceptions(up.home).one(made.id, NOW).state is State.GRANTED
    text = unescape(one.get("/use/deepseek").text)
    assert "group <bdi>research</bdi>" in text and "A trial." in text and "Fine." in text
    assert "In force" in page(up, "/use/restriction")
    assert one.post(f"{path}/end").status == 303
    assert exceptions(up.home).one(made.id, NOW).state is State.ENDED
    assert one.post("/use/deepseek/exceptions", asked | {"until": "tomorrow"}).status == 400


def test_a_name_takes_four_eyes(up: RunningConsole) -> None:
    first, second = (up.browser(Role.PRIVACY, Role.VIEWER, name=f"privacy{n}@example.org") for n in (1, 2))
    person = up.home.vault.pseudonym("person0@example.org")
    first.post("/use/names", {"person": person, "reason": "A works council asks."})
    (made,) = up.browser().api("GET", "/use/names", token(up, Role.PRIVACY)).json["requests"]
    path = f"/use/names/{made['id']}"
    assert first.post(f"{path}/decide", {"decision": "approve"}).status == 403
    assert first.post(f"{path}/show").status == 409
    text = unescape(second.get("/use/names").text)
    assert "A works council asks." in text and "person0@example.org" not in text
    assert "1 name of people is asked for" in second.get("/").text
    assert second.post(f"{path}/decide", {"decision": "approve"}).status == 303
    assert "person0@example.org" in first.post(f"{path}/show").text
    assert second.post(f"{path}/show").status == 403
    assert "person0@example.org" not in first.get("/use/names").text
    assert up.browser(Role.VIEWER, Role.AUTHOR).get("/use/names").status == 403
    opened = [one for one in records(up.home.path) if one.get("event") == "name-opened"]
    assert len(opened) == 1 and "person0" not in repr(opened)


# ---- Words -----------------------------------------------------------------------------------------------------------


def test_a_year_is_counted_by_weeks_that_end_today() -> None:
    made = use_words.bars([("a", 1000, 2), ("a", 1364, 3), ("b", 1364, 1)], {"a": "allow"}, 1000, 365)
    assert len(made) == 53 and made[-1].counts == {"allow": 3} and made[0].counts == {"allow": 2}
    assert made[-1].start_us == 1358 * DAY_US and use_words.step_us(made) == 7 * DAY_US
