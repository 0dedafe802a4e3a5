"""The outbox: everything new is told once, to each channel, in order; nothing is lost, whoever dies when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bartizan.config import Config, Mail, Notify, Syslog, Webhook
from bartizan.config.model import Address
from bartizan.home.alarms import raise_alarm, seen
from bartizan.home.notices import MAX_FACT, Notice, What, plain
from bartizan.home.outbox import DAY_US, KEPT_US, LONGEST_WAIT_US, Outbox, Row, channels, nothing_yet, standings
from bartizan.home.outbox import test as send_test
from bartizan.store.state import State

NOW = 1_763_879_881_000_000
HOUR_US = 3_600_000_000
BASE = "https://ai.example.org"
SAYS = {"no-secrets": "Credentials do not leave\u202e the company."}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State.open(tmp_path)


def opened(state: State, id_: str, at_us: int = NOW, action: str = "review", **more: object) -> str:
    values = {
        "id": id_, "state": "open", "action": action, "person": "p-1f", "clauses": '["no-secrets", "gone"]',
        "clause_digests": "[]", "destination": "openai", '"values"': "{}", "tell": "[]", "exchange": "01J0",
        "risks": json.dumps(["secret.aws-access-key", "third.party"]), "writer": "gateway-0.1",
        "created_us": at_us, "expires_us": at_us + 7 * DAY_US, **more,
    }  # fmt: skip
    marks = ", ".join("?" * len(values))
    state.change(f"INSERT INTO case_ ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))  # type: ignore[arg-type]
    return id_


def outbox(state: State, *names: str, now_us: int = NOW, actions: tuple[str, ...] = ("review", "justify")) -> Outbox:
    made = Outbox(state, lambda id_: SAYS.get(id_, ""), BASE, actions)
    made.adopt(names or ("a",), now_us)
    return made


def refs(rows: tuple[Row, ...]) -> list[str]:
    return [row.notice.ref for row in rows]


def test_a_notice_of_a_case_has_facts_and_no_text(state: State) -> None:
    box = outbox(state)
    opened(state, "c-1")
    assert box.follow(NOW + 5) == 1
    (row,) = box.due("a", NOW + 5, 10)
    assert row.notice == Notice(
        What.CASE,
        "case:c-1",
        "A case waits for a person",
        {
            "case": "c-1",
            "risks": "AWS access key id; third.party",
            "clause": "no-secrets: Credentials do not leave the company.; gone",
            "person": "p-1f",
            "to": "openai",
            "wants": "an approval by somebody else",
            "until": "2025-11-30 06:38 UTC",
        },
        f"{BASE}/review/c-1",
        NOW,
    )
    assert row.notice.lines()[0] == "Case: c-1" and Notice.read(row.notice.text()) == row.notice


def test_each_channel_is_told_once_and_in_order(state: State) -> None:
    box = outbox(state, "a", "b")
    for id_ in ("c-1", "c-2"):
        opened(state, id_)
    raise_alarm(state, "upstream-down", "", {"upstream": "house", "why": "x"}, NOW)
    assert (box.follow(NOW + 5), box.follow(NOW + 5), box.review(NOW + 6)) == (6, 0, 0)
    assert (
        refs(box.due("a", NOW + 6, 10)) == refs(box.due("b", NOW + 6, 10)) == ["case:c-1", "case:c-2", f"alarm:1:{NOW}"]
    )
    box.settled(box.due("a", NOW + 6, 1), NOW + 7)
    assert refs(box.due("a", NOW + 7, 10)) == ["case:c-2", f"alarm:1:{NOW}"]
    assert len(box.due("b", NOW + 7, 10)) == 3


def test_who_dies_between_two_steps_finds_the_same_again(state: State) -> None:
    box = outbox(state)
    opened(state, "c-1")
    box = outbox(state, now_us=NOW + HOUR_US)  # Died before it looked.
    assert box.review(NOW + HOUR_US) == 1
    before = box.due("a", NOW + HOUR_US, 10)
    box = outbox(state, now_us=NOW + 2 * HOUR_US)  # Died after sending, before saying so.
    assert box.review(NOW + 2 * HOUR_US) == 0
    assert box.due("a", NOW + 2 * HOUR_US, 10) == before


def test_a_new_channel_hears_of_what_is_new_and_one_that_is_gone_of_nothing(state: State) -> None:
    opened(state, "c-1", NOW - HOUR_US)
    box = outbox(state, "a")
    opened(state, "c-2")
    assert box.review(NOW + 1) == 1
    box = outbox(state, "b", now_us=NOW + 2)
    assert box.review(NOW + 2) == 0 and box.due("a", NOW + 2, 10) == ()
    box = outbox(state, "a", "b", now_us=NOW + 3)
    assert box.review(NOW + 3) == 0


def test_a_case_that_is_written_down_late_or_by_another_clock_is_found(state: State) -> None:
    box = outbox(state, now_us=NOW - DAY_US)
    box.follow(NOW)
    opened(state, "c-1", NOW - 30_000_000)
    assert box.follow(NOW + 1) == 1
    box.follow(NOW + HOUR_US)
    opened(state, "c-2", NOW - 20_000_000)  # The clock went back an hour; it had been written before.
    assert box.follow(NOW - 10_000_000) == 1


def test_cases_that_wait_for_who_asks_may_be_left_out(state: State) -> None:
    box = outbox(state, actions=("review",))
    opened(state, "c-1", action="justify")
    assert box.review(NOW + 1) == 0
    state.change("UPDATE case_ SET action = 'review' WHERE id = 'c-1'")  # They asked somebody.
    assert box.review(NOW + HOUR_US) == 1


def test_once_when_the_time_is_nearly_over(state: State) -> None:
    box = outbox(state)
    opened(state, "c-1")
    box.follow(NOW)
    assert box.review(NOW + 6 * DAY_US) == 0
    assert box.review(NOW + int(6.4 * DAY_US)) == 1
    assert box.review(NOW + int(6.5 * DAY_US)) == 0
    case, late = box.due("a", NOW + int(6.5 * DAY_US), 10)
    assert (case.notice.what, late.notice.what) == (What.CASE, What.DEADLINE)
    assert late.notice.title == "A case is about to expire"


@pytest.mark.parametrize("change", ["state = 'granted'", f"expires_us = {NOW}"])
def test_what_is_decided_by_then_is_not_told(state: State, change: str) -> None:
    box = outbox(state)
    for id_ in ("c-1", "c-2"):
        opened(state, id_)
    box.follow(NOW)
    state.change(f"UPDATE case_ SET {change} WHERE id = 'c-1'")
    assert refs(box.due("a", NOW + 1, 1)) == ["case:c-2"]
    assert box.review(NOW + 2) == 0


def test_alarms(state: State) -> None:
    box = outbox(state)
    raise_alarm(state, "notice-failed", "notifier", {"channel": "a", "why": "x"}, NOW)
    seen(state, raise_alarm(state, "ledger-failed", "gateway-0", {"why": "x"}, NOW), NOW + 1)
    raise_alarm(state, "process-ended", "supervisor", {"process": "gateway-1", "pid": 7, "code": -9}, NOW, times=2)
    assert (box.follow(NOW + 1), box.review(NOW + 2)) == (1, 0)
    (row,) = box.due("a", NOW + 2, 10)
    assert row.notice.title == "The process gateway-1 ended (code -9) and is started again."
    assert row.notice.facts == {"process": "supervisor", "times": "2"} and row.notice.link == BASE


def test_the_oldest_that_waits_holds_the_others_back(state: State) -> None:
    box = outbox(state)
    for id_ in ("c-1", "c-2"):
        opened(state, id_)
    box.follow(NOW)
    box.later(box.due("a", NOW, 1), NOW + 100, "HTTP 500")
    assert box.due("a", NOW + 99, 10) == ()
    first, second = box.due("a", NOW + 100, 10)
    assert (first.tries, second.tries) == (1, 0)
    box.given_up([first], NOW + 101, "HTTP 500")
    assert refs(box.due("a", NOW + 101, 10)) == ["case:c-2"]


def test_a_clock_that_went_back_holds_nothing_for_ever(state: State) -> None:
    box = outbox(state)
    opened(state, "c-1")
    box.follow(NOW)
    box.later(box.due("a", NOW, 1), NOW + 10 * LONGEST_WAIT_US, "HTTP 500")
    assert len(box.due("a", NOW, 1)) == 1


def test_old_rows_go_but_for_cases_that_still_wait(state: State) -> None:
    box = outbox(state)
    for id_ in ("c-1", "c-2"):
        opened(state, id_, expires_us=NOW + 400 * DAY_US)
    box.follow(NOW)
    box.settled(box.due("a", NOW, 10), NOW)
    state.change("UPDATE case_ SET state = 'refused' WHERE id = 'c-1'")
    box.review(NOW + KEPT_US + 1)
    assert state.query("SELECT ref FROM outbox") == [("case:c-2",)]
    assert box.review(NOW + KEPT_US + 2) == 0


def config(tmp_path: Path) -> Config:
    hooks = {
        "chat": Webhook(url_file=tmp_path / "chat.url"),
        "more": Webhook(url_env="MORE"),
        "in": Webhook(url="http://a/b"),
    }
    mail = Mail(Address("mail.example", 25), sender="a@b.c", to=("d@e.f", "g@h.i"))
    return Config(home=tmp_path, notify=Notify(webhooks=hooks, mail=mail, syslog=Syslog("udp://a:514")))


def test_how_channels_stand(state: State, tmp_path: Path) -> None:
    settings = config(tmp_path)
    known = channels(settings)
    assert [(one.name, one.where) for one in known] == [
        ("webhook:chat", f"the address in {tmp_path}/chat.url"),
        ("webhook:more", "the address in $MORE"),
        ("webhook:in", "http://a/b"),
        ("mail", "d@e.f, g@h.i by way of mail.example:25"),
        ("syslog", "udp://a:514"),
    ]
    assert standings(state, settings) == tuple(map(nothing_yet, known))
    box = outbox(state, "mail", "syslog")
    for id_ in ("c-1", "c-2", "c-3"):
        opened(state, id_)
    box.follow(NOW)
    rows = box.due("mail", NOW, 3)
    box.settled(rows[:1], NOW + 1)
    box.given_up(rows[1:2], NOW + 2, "HTTP 400")
    box.later(rows[2:], NOW + 9, "nobody listens there")
    mail, syslog = standings(state, settings)[3:]
    assert (mail.waiting, mail.last_sent_us, mail.error, mail.next_us, mail.given_up) == (
        1, NOW + 1, "nobody listens there", NOW + 9, 1,
    )  # fmt: skip
    assert (syslog.waiting, syslog.last_sent_us, syslog.error) == (3, None, "")
    assert box.last_sent_us("mail") == NOW + 1 and box.last_sent_us("syslog") == 0


def test_a_test_can_be_asked_for(state: State) -> None:
    box = outbox(state)
    send_test(state, "a", BASE, "01J0", NOW)
    (row,) = box.due("a", NOW, 10)
    assert row.notice.what is What.TEST and row.notice.link == BASE


def test_a_fact_is_one_line_that_shows_all_it_has() -> None:
    assert plain("a\r\nBcc: b\x00\u202ec\u200bd\te") == "a Bcc: b c d e"
    assert len(plain("ä" * 999)) == MAX_FACT
