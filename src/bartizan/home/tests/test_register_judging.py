"""What sources tell is kept, judged and recorded, once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from registry import DAY, HEAD, NOW, used

from bartizan.catalogue.listing import Listed, Service
from bartizan.core.errors import CaseDenied
from bartizan.home import Home
from bartizan.home.forgetting import effect
from bartizan.home.outbox import Outbox
from bartizan.home.register import Taken, exceptions, names, reached, register, take, usages
from bartizan.inventory.exceptions import Who
from bartizan.inventory.feeding import SourceKind, SourceRead
from bartizan.inventory.system import Status
from bartizan.ledger.read import Record, records
from bartizan.readers.logs.observe import Observation
from bartizan.readers.logs.usage import AccountKind, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence
from bartizan.vault.accounts import Role

HOME = Service("some-chat", "Some Chat", "Some Vendor", "chat")
HOSTS = {
    "some-chat.example": Listed("some-chat.example", HOME, "A"),
    "api.some-chat.example": Listed("api.some-chat.example", HOME, "A"),
    "ai.example": Listed("ai.example", tier="candidate", score=0.6),
    "some-chat.test": Listed("some-chat.test", lookalike_of="some-chat.example"),
}


def taken(home: Home, *found: Usage, head: bytes = HEAD) -> Taken:
    return take(home, found, SourceRead(SourceKind.LOGS, "squid", head), NOW)


def decisions(home: Home) -> list[Record]:
    return [record for record in records(home.path) if record.get("door") == "logs" and "event" not in record]


def events(home: Home) -> list[str]:
    return [str(record["event"]) for record in records(home.path) if "event" in record]


# ---- Observations ---------------------------------------------------------------------------------------------------


def seen(host: str = "some-chat.example", **changes: object) -> Observation:
    base = Observation(
        "ada", host, "", Evidence.UPLOADED, "", False, DAY, 3, 100, 0, DAY * DAY_US + 5, DAY * DAY_US + 9
    )
    return base._replace(**changes)  # type: ignore[arg-type]  # Fields by name.


def told(*observations: Observation, company: frozenset[str] = frozenset()) -> list[Usage]:
    return usages(observations, lambda one: HOSTS.get(one.host), today=DAY + 1, company=company)


def test_hosts_of_a_service_are_one_usage() -> None:
    (usage,) = told(seen(), seen("api.some-chat.example", visits=2, bytes_up=50, last_us=DAY * DAY_US + 99))
    assert (usage.system, usage.count, usage.bytes_up, usage.hosts) == ("some-chat", 5, 150, 2)
    assert (usage.first_us, usage.last_us) == (DAY * DAY_US + 5, DAY * DAY_US + 99)


def test_days_evidence_and_accounts_are_told_apart() -> None:
    assert len(told(seen(), seen(day=DAY - 1), seen(evidence=Evidence.PROMPT), seen(account="a@gmail.com"))) == 4


def test_what_was_not_let_through_is_a_name_that_was_asked_for() -> None:
    (usage,) = told(seen(denied=True, evidence=Evidence.CONNECTED))
    assert usage.evidence is Evidence.RESOLVED


def test_what_has_no_time_is_of_the_day_of_reading() -> None:
    (usage,) = told(seen(day=0, first_us=0, last_us=0))
    assert usage.day == DAY + 1


def test_an_account_is_private_or_the_organisations() -> None:
    company = frozenset({"example.org"})
    kinds = [told(seen(account=who), company=company)[0].account for who in ("a@gmail.com", "a@hr.example.org", "x")]
    assert kinds == [AccountKind.PERSONAL, AccountKind.CORPORATE, AccountKind.UNKNOWN]


def test_what_nobody_wants_to_hear_of_is_left_out() -> None:
    assert told(seen("news.example")) == []
    assert reached(Listed("news.example")) is None


def test_a_look_alike_is_not_the_service_it_imitates() -> None:
    found = {one.system: one.reached.sort for one in told(seen("some-chat.test"), seen("ai.example"))}
    assert found == {"some-chat.test": Sort.LOOK_ALIKE, "ai.example": Sort.CANDIDATE}


# ---- Judged and recorded --------------------------------------------------------------------------------------------


def test_an_undecided_service_is_warned_of_recorded_and_waits(opened_home: Home) -> None:
    done = taken(opened_home, used(evidence=Evidence.PROMPT, count=3))
    assert (dict(done.actions), dict(done.risks)) == ({"warn": 1}, {"usage.unapproved": 1})
    (record,) = decisions(opened_home)
    assert (record["kind"], record["action"], record["clauses"]) == ("log", "warn", ["watch-undecided-ai"])
    assert (record["person"], record["target"]) == (
        opened_home.vault.pseudonym("ada@example.org"),
        {"provider": "some-chat", "sanctioned": False},
    )
    assert record["when_us"] == DAY * DAY_US + 8 * 3_600_000_000 + 60_000_000
    assert "use-review-opened" in events(opened_home)


def test_a_log_that_is_read_twice_is_recorded_once(opened_home: Home) -> None:
    taken(opened_home, used(), used("bob"))
    again = taken(opened_home, used(), used("bob"))
    assert again.fed.known and not again.actions
    assert len(decisions(opened_home)) == 2


def test_what_a_log_tells_more_of_is_the_same_event(opened_home: Home) -> None:
    taken(opened_home, used(), used("bob"))
    taken(opened_home, used(evidence=Evidence.PROMPT), used(), used("bob"))
    found = decisions(opened_home)
    assert len(found) == 3 and len({record["exchange"] for record in found}) == 2


def test_an_approved_service_is_kept_and_not_recorded(opened_home: Home) -> None:
    taken(opened_home, used())
    register(opened_home).decide("some-chat", Status.APPROVED, "ciso", NOW)
    done = taken(opened_home, used("bob"), head=b"more" + HEAD)
    assert not done.actions and done.fed.rows == 1
    assert len(decisions(opened_home)) == 1


def test_a_blocked_service_would_have_been_blocked(opened_home: Home) -> None:
    taken(opened_home, used())
    register(opened_home).decide("some-chat", Status.BLOCKED, "ciso", NOW, why="No contract.")
    done = taken(opened_home, used("bob", evidence=Evidence.UPLOADED), head=b"more" + HEAD)
    assert (dict(done.actions), dict(done.risks)) == ({"allow": 1}, {"usage.blocked-service": 1})
    assert decisions(opened_home)[-1]["would"]["action"] == "block"


def test_an_exception_is_known_to_the_judge(opened_home: Home) -> None:
    taken(opened_home, used())
    register(opened_home).decide("some-chat", Status.BLOCKED, "ciso", NOW, why="No contract.")
    kept = exceptions(opened_home)
    made = kept.ask("some-chat", Who.PERSON, "bob", NOW + DAY_US, "Study.", "bob", NOW)
    kept.approve(made.id, "ciso", NOW)
    assert not taken(opened_home, used("bob", evidence=Evidence.PROMPT), head=b"more" + HEAD).risks


def test_a_service_is_new_for_a_week_once_the_register_knows_what_is_old(opened_home: Home) -> None:
    first = taken(opened_home, used(day=DAY - 20), used(day=DAY - 20, system="other-chat"))
    assert not first.risks["usage.first-seen"], "at first everything would be new"
    later = taken(opened_home, used(day=DAY - 1, system="third-chat"), used(day=DAY - 1), head=b"more" + HEAD)
    assert later.risks["usage.first-seen"] == 1


def test_an_unusual_upload_goes_by_the_persons_other_days(opened_home: Home) -> None:
    usual = [used(day=DAY - n, bytes_up=2_000_000 + 100_000 * (n % 3)) for n in range(1, 31)]
    others = [used("bob", day=DAY - n, bytes_up=90_000_000) for n in range(1, 31)]
    taken(opened_home, *usual, *others)
    large = [used(bytes_up=90_000_000), used("bob", bytes_up=90_000_000), used("eve", bytes_up=90_000_000)]
    done = taken(opened_home, *large, head=b"more" + HEAD)
    assert done.risks["usage.unusual-upload"] == 1
    (finding,) = [
        finding
        for record in decisions(opened_home)
        for finding in record["findings"]
        if finding["risk"] == "usage.unusual-upload"
    ]
    assert dict(finding["measures"])["usual_days"] == 30


def test_what_is_too_much_to_judge_is_kept_and_said(opened_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bartizan.home.register.MAX_JUDGED", 2)
    done = taken(opened_home, *(used(day=DAY - n) for n in range(5)))
    assert (done.beyond, done.fed.rows, sum(done.actions.values())) == (3, 5, 2)
    assert {record["when_us"] // DAY_US for record in decisions(opened_home)} == {DAY, DAY - 1}


def test_nobodys_name_and_no_host_is_written(opened_home: Home) -> None:
    marked = replace(used("marker-5e1b@example.org"), reached=used().reached)
    taken(opened_home, marked, used("x", "marker-5e1b.ai", sort=Sort.SERVICE))
    files = b"".join(path.read_bytes() for path in opened_home.path.iterdir() if path.is_file())
    assert b"marker-5e1b@" not in files


def test_a_time_from_the_future_is_now(opened_home: Home) -> None:
    taken(opened_home, used(day=DAY + 4000))
    (record,) = decisions(opened_home)
    assert record["when_us"] == NOW


# ---- Names ----------------------------------------------------------------------------------------------------------


def test_names_are_opened_by_accounts_with_the_role(opened_home: Home) -> None:
    taken(opened_home, used("mara"))
    for who, role in (("ada", Role.PRIVACY), ("bob", Role.PRIVACY), ("eve", Role.ADMIN)):
        opened_home.accounts.add(who, [role], by="")
    opened = names(opened_home)
    pseudonym = opened_home.vault.pseudonym("mara")
    with pytest.raises(CaseDenied):
        opened.ask(pseudonym, "Why.", "eve", NOW)
    asked = opened.ask(pseudonym, "Why.", "ada", NOW)
    opened.approve(asked.id, "bob", NOW)
    assert opened.shown(asked.id, "ada", NOW) == "mara"
    told_ = [event for event in events(opened_home) if event.startswith("name-")]
    assert told_ == ["name-asked", "name-approved", "name-opened"]


def test_a_person_who_is_forgotten_takes_their_use_along(opened_home: Home) -> None:
    taken(opened_home, *told(seen(actor="mara"), seen(actor="ines")))
    mara, ines = (opened_home.vault.pseudonym(name) for name in ("mara", "ines"))
    assert effect(opened_home.state, mara).uses == 1
    opened_home.vault.forget("mara")
    assert effect(opened_home.state, mara).nothing
    assert opened_home.state.query("SELECT person FROM usage_") == [(ines,)]


def test_use_is_kept_for_its_days(opened_home: Home) -> None:
    taken(opened_home, *told(seen(actor="mara")))
    ((day,),) = opened_home.state.query("SELECT day FROM usage_")
    opened_home.retain((day + 400) * DAY_US)
    assert opened_home.state.query("SELECT day FROM usage_") == [(day,)]
    opened_home.retain((day + 401) * DAY_US)
    assert opened_home.state.query("SELECT day FROM usage_") == []
    assert len(register(opened_home).systems()) == 1


def test_a_service_that_waits_for_a_decision_is_told_of_once(opened_home: Home) -> None:
    box = Outbox(opened_home.state, str, "https://ai.example.org", ("review",))
    box.adopt(("chat",), 0)
    taken(opened_home, *told(seen(actor="mara"), seen(actor="ines")))
    (system,) = register(opened_home).systems()
    now_us = DAY * DAY_US
    assert (box.review(now_us), box.review(now_us)) == (1, 0)
    (row,) = box.due("chat", now_us, 10)
    assert row.notice.ref == f"use:{system.id}" and row.notice.link.endswith(f"/use/{system.id}")
    assert system.name in row.notice.facts["service"]
    box.settled([row], now_us)
    assert (box.review(now_us + 90 * DAY_US), box.due("chat", now_us + 90 * DAY_US, 10)) == (0, ())
