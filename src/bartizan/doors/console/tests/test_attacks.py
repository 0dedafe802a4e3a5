"""What somebody tries who wants more than they may: by addresses, forms, tokens, links and other spellings."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from running_console import Browser, RunningConsole, console
from values import card

from bartizan.cases import Opened, Wanted
from bartizan.core.decision import Action
from bartizan.core.subject import Context
from bartizan.doors.console.process import ways
from bartizan.exchange.body import read_body
from bartizan.ledger.entry import entry
from bartizan.readers.chat import chat
from bartizan.vault.accounts import Role

POLICY = """\
policy: house
version: 1.0.0
owner: security@example.org
bodies: all
clauses:
  - id: cards-take-two
    says: Card numbers wait for two people.
    when: {risk: personal.payment-card}
    then: review
    approvals: 2
"""
ODD = ("", "\x00", "a\x00b", "€日本\u202e", "٣", "-1", "9" * 30, "x" * 2000, "../../etc/passwd", "a\r\nx-more: 1")
NAMES = (
    "q", "text", "name", "reason", "why", "note", "to", "clause", "base", "before", "after", "since", "until", "at",
    "view", "range", "person", "user", "groups", "days", "decision", "exchange", "next", "plus", "minus",
)  # fmt: skip


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    with console(tmp_path_factory.mktemp("attacked") / "home", policy=POLICY) as running:
        running.account("boss@example.org", *Role)  # So that nobody below is the last admin.
        yield running


def held(up: RunningConsole, who: str = "mara@example.org", value: str = "a", exchange: str = "") -> Opened:
    """A case that takes two people."""
    wanted = Wanted(
        Action.REVIEW,
        who,
        "openai",
        {"cards-take-two": "d1"},
        {"cards-take-two": frozenset({value * 64})},
        ("personal.payment-card",),
        ("Two others have to agree.",),
        exchange,
        "console" if exchange else "",
    )
    return up.console.desk.open(wanted, f"pay with {card()}".encode(), time.time_ns() // 1000)


def token(up: RunningConsole, name: str, *roles: Role) -> str:
    return up.console.accounts.add_token(up.account(name, *roles).person, f"t{time.time_ns()}", 1)[1]


def everywhere(path: str, word: str) -> str:
    """A path with a word in the place of each name."""
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + quote(word, safe="") + rest.partition("}")[2]
    return path


@pytest.mark.parametrize("word", ["€x", "a\r\nx-more: 1", "a\x00", "../..", "٣", "9" * 30])
def test_no_path_and_no_field_breaks_a_page(up: RunningConsole, word: str) -> None:
    browser = up.browser(*Role, name="all@example.org")
    program = token(up, "all@example.org", *Role)
    odd = ODD[len(word) % len(ODD) :] + ODD
    for number, way in enumerate(ways()):
        if way.stream is not None or way.path in ("/sign-out", "/sign-in", "/policy/check"):
            continue
        path, fields = everywhere(way.path, word), dict.fromkeys(NAMES, odd[number % len(ODD)])
        if way.method == "GET":
            query = "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())
            answers = [browser.get(path), browser.get(path + query), browser.api("GET", path + query, program)]
        else:
            answers = [browser.post(path, fields), browser.api("POST", path, program, fields)]
        for answer in answers:
            assert answer.status < 500, (way.method, path)
            assert "x-more" not in answer.headers


def test_signing_in_leads_nowhere_else(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER)
    for to in ("//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "evil.example"):
        assert browser.get(f"/sign-in?next={quote(to, safe='')}").headers["location"] == "/"
    assert browser.get(f"/sign-in?next={quote('/events?q=€', safe='')}").headers["location"] == "/events?q=%E2%82%AC"


@pytest.mark.parametrize("raw", ['{"reason": "\\ud800"}', '{"a": ' + "9" * 6000 + "}", "[" * 5000, '{"a": {}}', "\x00"])
def test_json_that_is_none_is_refused(up: RunningConsole, raw: str) -> None:
    headers = {"authorization": f"Bearer {token(up, 'json@example.org')}"}
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=20)
    connection.request("POST", "/api/1/mine/c-0000000000000000/reason", raw.encode(), headers)
    assert connection.getresponse().status in (400, 404)
    connection.close()


def test_a_token_does_not_become_a_password(up: RunningConsole) -> None:
    program, secret = token(up, "found@example.org", Role.ANALYST), "correct horse " + "battery staple"
    answer = Browser(up.port).api("POST", "/account/password", program, {"password": secret, "again": secret})
    assert answer.status == 400
    assert not up.account("found@example.org").has_password


def test_a_token_does_not_become_a_session(up: RunningConsole) -> None:
    admin = token(up, "stolen@example.org", *Role)
    program, boss = Browser(up.port), up.account("boss@example.org")
    credentials = "SELECT kind, count(*) FROM credential GROUP BY kind ORDER BY kind"
    held = up.home.state.query(credentials)
    for path, fields in (
        (f"/settings/accounts/{boss.person}/link", {"minutes": "10"}),
        ("/account/tokens", {"name": "another", "days": "30"}),
        ("/account/password", {"password": "correct horse " * 2, "again": "correct horse " * 2}),
    ):
        answer = program.api("POST", path, admin, fields)
        assert answer.status == 400 and "by a person" in str(answer.json["error"]), path
        assert "sign-in/" not in answer.text and "bz-" not in answer.text
    made = program.api("POST", "/settings/accounts", admin, {"name": "new@example.org", "roles": ["viewer"]})
    assert made.status == 200 and made.json["schema"] == "bartizan.account/1" and made.json["roles"] == ["viewer"]
    assert "sign-in" not in made.text
    assert up.home.state.query(credentials) == held


def test_who_only_has_cases_is_named_to_nobody_without_a_record(up: RunningConsole) -> None:
    employee, colleague = up.account("quiet@example.org"), up.account("seen@example.org", Role.ANALYST)
    viewer = up.browser(Role.VIEWER)
    page = viewer.get(f"/people/{employee.person}")
    assert page.status == 200 and "quiet@example.org" not in page.text
    assert "seen@example.org" in viewer.get(f"/people/{colleague.person}").text


def test_one_person_is_no_second_person(up: RunningConsole) -> None:
    case = held(up).case
    browser = up.browser(Role.ANALYST, name="ann@example.org")
    path, yes = f"/review/{case.id}/decide", {"decision": "approve"}
    assert browser.post(path, yes).status == 303
    assert browser.post(path, yes).status == 403
    assert browser.api("POST", path, token(up, "ann@example.org"), yes).status == 403
    assert up.console.desk.case(case.id, time.time_ns() // 1000).state == "open"


def test_who_asks_does_not_approve_however_they_spell_themselves(up: RunningConsole) -> None:
    for number, spelled in enumerate(("Mara@Example.org", " mara@example.org", "\uff4dara@example.org")):
        case = held(up, spelled, "bcd"[number]).case
        own = up.browser(Role.ANALYST, name="mara@example.org")
        assert own.post(f"/review/{case.id}/decide", {"decision": "approve"}).status == 403
        program = token(up, "mara@example.org")
        assert own.api("POST", f"/review/{case.id}/decide", program, {"decision": "approve"}).status == 403


def test_a_case_of_somebody_else_is_none(up: RunningConsole) -> None:
    case = held(up, value="e")
    other = up.browser(*Role, name="curious@example.org")
    assert other.get(f"/mine/{case.case.id}").status == 404
    assert other.post(f"/mine/{case.case.id}/reason", {"reason": "mine"}).status == 404
    assert other.post(f"/mine/{case.case.id}/review").status == 404
    before = up.console.desk.case(case.case.id, time.time_ns() // 1000)
    page = Browser(up.port).get(f"/c/{case.token}?reason=because&decision=approve")
    assert page.status == 200 and card() not in page.text
    assert Browser(up.port).get(f"/c/{case.token}/reason?reason=because").status == 405
    assert up.console.desk.case(case.case.id, time.time_ns() // 1000) == before


def test_a_role_that_is_gone_reads_nothing_that_was_opened_before(up: RunningConsole) -> None:
    raw = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "the very words"}]}).encode()
    subject = chat(read_body(raw).value, context=Context(person="mara@example.org", model="gpt-4o"))
    home = up.home
    exchange = "0" * 25 + "A"
    made = entry(
        subject, home.loop().judge(subject), exchange=exchange, side="request", door="gateway",
        policy=home.policy().ref, detectors="00", content=raw, vault=home.vault,
    )  # fmt: skip
    up.console.writer.wait(up.console.writer.append(made, (("request", raw),)))
    case = held(up, value="f", exchange=exchange).case
    reader = up.browser(Role.ANALYST, Role.AUTHOR, name="reader@example.org")
    assert reader.post(f"/events/{exchange}/open").status == 303
    assert reader.post(f"/review/{case.id}/open").status == 303
    assert "the very words" in reader.get(f"/events/{exchange}").text
    assert card() in reader.get(f"/review/{case.id}?view=raw").text
    up.console.accounts.change(up.account("reader@example.org").person, (Role.AUTHOR,), by="")
    assert "the very words" not in reader.get(f"/events/{exchange}").text
    assert card() not in reader.get(f"/review/{case.id}?view=raw").text


def test_an_open_page_keeps_no_session_alive(up: RunningConsole) -> None:
    browser = up.browser(Role.VIEWER, name="away@example.org")
    person, state = up.account("away@example.org").person, up.home.state
    away_us = time.time_ns() // 1000 - 7 * 3_600_000_000
    state.change("UPDATE credential SET seen_us = ? WHERE person = ? AND kind = 'session'", (away_us, person))

    def seen_us() -> int:
        (session,) = up.console.accounts.sessions(person)
        return session.seen_us

    assert browser.get("/latest-count?after=0&since=0").status == 200
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=20)
    connection.request("GET", "/live/stream", headers={"cookie": browser.cookie})
    assert connection.getresponse().status == 200
    connection.close()
    assert seen_us() == away_us
    assert browser.get("/live").status == 200
    assert seen_us() > away_us
    state.change("UPDATE credential SET seen_us = ? WHERE person = ?", (away_us - 2 * 3_600_000_000, person))
    assert browser.get("/latest-count?after=0&since=0").status == 303


def test_nobody_watches_without_a_session(up: RunningConsole) -> None:
    assert Browser(up.port).get("/live/stream").status == 303
    assert up.browser(name="nobody@example.org").get("/live/stream").status == 403
    browser = up.browser(Role.VIEWER, name="leaving@example.org")
    cookie = browser.cookie
    assert browser.post("/sign-out").status == 303
    assert Browser(up.port, cookie).get("/live/stream").status == 303
