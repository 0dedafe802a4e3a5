"""Cases from the first refusal to the grant: who may, what it covers, and who hears about it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from office import ASKED, HELD, NOW, Office

from bartizan.cases import Granted, State, Wanted
from bartizan.cases.desk import CLAIM_US, DAY_US, MAX_OPEN, MAX_REASON, MAX_SUBJECT_BYTES
from bartizan.core.decision import Action
from bartizan.core.errors import CaseClosed, CaseDenied, CaseUnknown, InputError, StoreError, UsageError
from bartizan.core.subject import Context, Grant
from bartizan.store.state import State as Store
from bartizan.vault import MasterKey, Vault


def test_a_reason_grants_just_what_was_matched(office: Office) -> None:
    case = office.open()
    assert case.state is State.OPEN and not office.grants()
    done = office.desk.give_reason(case.id, ASKED.person, "For the audit.", NOW + 1, by_key=True)
    assert done.state is State.GRANTED and done.decided_us == NOW + 1
    assert office.grants() == {Grant(ASKED.person, "no-secrets", "d1", "openai", "a" * 64, NOW + 1 + 30 * DAY_US)}
    assert not office.grants("eve@example.org")
    assert not office.grants(now_us=NOW + 2 + 30 * DAY_US)
    assert [(e["event"], e["case"], e["person"]) for e in office.events] == [("case-granted", case.id, case.person)]


def test_each_clause_is_granted_its_own_values_alone(office: Office) -> None:
    two = replace(ASKED, clauses={"a": "d1", "b": "d2"}, values={"a": frozenset({"x", "y"}), "b": frozenset({"z"})})
    office.desk.give_reason(office.open(two).id, ASKED.person, "Needed.", NOW, by_key=True)
    assert {(g.clause, g.value) for g in office.grants()} == {("a", "x"), ("a", "y"), ("b", "z")}


def test_a_retry_finds_the_case_it_opened_before(office: Office) -> None:
    first = office.desk.open(ASKED, b"the text", NOW)
    again = office.desk.open(ASKED, b"the text, longer", NOW + 5)
    assert first.new and not again.new
    assert (again.case.id, again.token) == (first.case.id, first.token)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASKED, person="eve@example.org"),
        replace(ASKED, destination="anthropic"),
        replace(ASKED, clauses={"no-secrets": "d2"}),
        replace(ASKED, values={"no-secrets": frozenset({"b" * 64})}),
    ],
    ids=["person", "destination", "wording", "value"],
)
def test_anything_else_is_another_case(office: Office, other: Wanted) -> None:
    assert office.open(other).id != office.open().id


def test_a_closed_or_expired_case_is_not_found_again(office: Office) -> None:
    case = office.open()
    assert office.open(now_us=case.expires_us).id != case.id
    office.desk.decide(case.id, False, "bob@example.org", NOW)
    assert office.open().id != case.id


def test_nothing_matched_is_nothing_to_grant(office: Office) -> None:
    for wanted in (
        replace(ASKED, values={}),
        replace(ASKED, values={"no-secrets": frozenset()}),
        replace(ASKED, action=Action.BLOCK),
        replace(ASKED, person=""),
    ):
        with pytest.raises(UsageError):
            office.open(wanted)


def test_only_the_owner_sees_a_case(office: Office) -> None:
    case = office.open()
    assert office.desk.owned(case.id, ASKED.person, NOW) == case
    for person in ("eve@example.org", "", case.person):
        with pytest.raises(CaseUnknown):
            office.desk.owned(case.id, person, NOW)
        with pytest.raises(CaseUnknown):
            office.desk.give_reason(case.id, person, "Mine now.", NOW, by_key=False)
    with pytest.raises(CaseUnknown):
        office.desk.owned("c-nothing", ASKED.person, NOW)


def test_a_program_cannot_justify_itself_where_a_person_must(office: Office) -> None:
    office.person_only = frozenset({"no-secrets"})
    case = office.open()
    with pytest.raises(CaseDenied, match="bartizan cases reason"):
        office.desk.give_reason(case.id, ASKED.person, "I am a person, really.", NOW, by_key=True)
    assert office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=False).state is State.GRANTED


@pytest.mark.parametrize("reason", ["", "  \n", "x" * (MAX_REASON + 1)])
def test_a_reason_says_something_short(office: Office, reason: str) -> None:
    with pytest.raises(InputError):
        office.desk.give_reason(office.open().id, ASKED.person, reason, NOW, by_key=True)


def test_a_review_needs_somebody_else(office: Office) -> None:
    case = office.open(HELD)
    assert office.desk.give_reason(case.id, ASKED.person, "Please.", NOW, by_key=True).state is State.OPEN
    assert not office.grants()
    for requester in (ASKED.person, f" {ASKED.person} ", ASKED.person.upper(), case.person):
        with pytest.raises(CaseDenied):
            office.desk.decide(case.id, True, requester, NOW)
    done = office.desk.decide(case.id, True, "bob@example.org", NOW, "Seen the contract.")
    assert done.state is State.GRANTED and done.decided_by == office.vault.pseudonym("bob@example.org")
    assert len(office.grants()) == 1
    assert office.desk.texts(case.id, "bob@example.org", NOW) == {"reason": "Please.", "note": "Seen the contract."}


def test_a_refusal_grants_nothing(office: Office) -> None:
    case = office.open(HELD)
    assert office.desk.decide(case.id, False, "bob@example.org", NOW).state is State.REFUSED
    assert not office.grants()
    assert [e["event"] for e in office.events] == ["case-refused"]


def test_who_comes_second_is_told(office: Office) -> None:
    case = office.open(HELD)
    office.desk.decide(case.id, False, "bob@example.org", NOW)
    with pytest.raises(CaseClosed, match="refused"):
        office.desk.decide(case.id, True, "eve@example.org", NOW + 1)
    with pytest.raises(CaseClosed):
        office.desk.give_reason(case.id, ASKED.person, "Still.", NOW + 1, by_key=True)


def test_of_two_at_once_one_wins(office: Office) -> None:
    case, start, outcomes = office.open(HELD), threading.Barrier(8), []

    def decide(number: int) -> None:
        start.wait()
        try:
            done = office.desk.decide(case.id, number % 2 == 0, f"r{number}@example.org", NOW + number)
            outcomes.append(done.state.value)
        except CaseClosed:
            outcomes.append("told")

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes).count("told") == 7
    final = office.desk.case(case.id, NOW + 9)
    assert final.state.value in outcomes
    assert bool(office.grants()) == (final.state is State.GRANTED)
    assert len(office.events) == 1


def test_no_grant_without_its_record(office: Office) -> None:
    case = office.open()
    office.fails = True
    with pytest.raises(StoreError):
        office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=True)
    assert office.desk.case(case.id, NOW).state is State.OPEN and not office.grants()
    office.fails = False
    assert office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=True).state is State.GRANTED


def test_a_claim_of_a_dead_process_is_void_after_a_minute(office: Office) -> None:
    case = office.open(HELD)
    office.store.change("UPDATE case_ SET decided_us = ?, decided_by = 'p-dead' WHERE id = ?", (NOW, case.id))
    assert office.desk.case(case.id, NOW).state is State.OPEN
    with pytest.raises(CaseClosed):
        office.desk.decide(case.id, True, "bob@example.org", NOW + 1)
    assert office.desk.decide(case.id, True, "bob@example.org", NOW + CLAIM_US).state is State.GRANTED


def test_the_case_says_granted_only_when_everybody_knows(office: Office) -> None:
    seen = []
    case = office.open()
    office.desk._spread = lambda: seen.append((len(office.grants()), office.desk.case(case.id, NOW).state))
    office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=True)
    assert seen == [(1, State.OPEN)]


def test_a_grant_whose_process_died_goes_when_the_case_is_refused(office: Office) -> None:
    case = office.open(HELD)

    def die() -> None:
        raise KeyboardInterrupt

    office.desk._spread = die
    with pytest.raises(KeyboardInterrupt):
        office.desk.decide(case.id, True, "bob@example.org", NOW)
    assert len(office.grants()) == 1
    office.desk.decide(case.id, False, "eve@example.org", NOW + CLAIM_US)
    assert not office.grants()


def test_an_open_case_expires(office: Office) -> None:
    case = office.desk.open(ASKED, b"the text", NOW)
    late = case.case.expires_us
    assert office.desk.case(case.case.id, late).state is State.EXPIRED
    assert office.desk.cases(late, state=State.OPEN) == []
    with pytest.raises(CaseClosed, match="expired"):
        office.desk.decide(case.case.id, True, "bob@example.org", late)
    with pytest.raises(CaseUnknown):
        office.desk.linked(case.token, late)
    assert office.desk.expire(late) == 1 and office.desk.expire(late) == 0
    assert office.desk.texts(case.case.id, "bob@example.org", late) == {}
    assert [e["event"] for e in office.events] == ["case-expired"]


def test_nobody_fills_the_disk_with_cases(office: Office) -> None:
    ids = [office.open(replace(ASKED, destination=f"d{n}"), NOW + n).id for n in range(MAX_OPEN + 2)]
    other = office.open(replace(ASKED, person="bob@example.org"), NOW)
    still = office.desk.cases(NOW + 1000, state=State.OPEN)
    assert {case.id for case in still} == {*ids[2:], other.id}
    assert [e["case"] for e in office.events] == ids[:2]


def test_of_a_huge_text_the_beginning_is_kept(office: Office) -> None:
    case = office.desk.open(ASKED, b"x" * (MAX_SUBJECT_BYTES + 1), NOW).case
    kept = office.desk.texts(case.id, "bob@example.org", NOW)["subject"]
    assert kept.startswith("x" * MAX_SUBJECT_BYTES + "\n(the first 1048576 of 1048577 bytes)")


def test_the_link_shows_the_case_and_changes_nothing(office: Office) -> None:
    opened = office.desk.open(ASKED, b"the text", NOW)
    assert len(opened.token) == 32 and int(opened.token, 16) >= 0
    assert office.desk.linked(opened.token, NOW) == opened.case
    for wrong in ("", "0" * 32, opened.token.upper() + "x", opened.case.id, "\ud800"):
        with pytest.raises(CaseUnknown):
            office.desk.linked(wrong, NOW)


def test_opening_the_text_is_recorded_first(office: Office) -> None:
    case = office.open()
    office.fails = True
    with pytest.raises(StoreError):
        office.desk.texts(case.id, "bob@example.org", NOW)
    office.fails = False
    assert office.desk.texts(case.id, "bob@example.org", NOW) == {"subject": "the text"}
    assert [(e["event"], e["by"]) for e in office.events] == [
        ("case-opened", office.vault.pseudonym("bob@example.org"))
    ]


def test_the_text_goes_when_the_case_is_decided(office: Office) -> None:
    case = office.open()
    office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=True)
    assert "subject" not in office.desk.texts(case.id, "bob@example.org", NOW)


def test_a_forgotten_person_leaves_a_case_without_texts(office: Office) -> None:
    case = office.open()
    office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=True)
    office.vault.forget(ASKED.person)
    assert office.desk.texts(case.id, "bob@example.org", NOW) == {}
    assert office.desk.case(case.id, NOW).values == {}
    assert not office.grants()


def test_a_text_whose_key_is_gone_says_so(office: Office) -> None:
    case = office.open()
    office.store.change("DELETE FROM person_key")
    assert office.desk.texts(case.id, "bob@example.org", NOW) == {"subject": "(the text was erased: its key is gone)"}


def test_nothing_people_wrote_lies_open_in_the_file(office: Office, tmp_path: Path) -> None:
    canary = "canary-5150"
    wanted = replace(ASKED, person=f"{canary}@example.org")
    case = office.desk.open(wanted, canary.encode(), NOW).case
    office.desk.give_reason(case.id, wanted.person, f"because {canary}", NOW, by_key=True)
    held = office.desk.open(replace(wanted, action=Action.REVIEW, destination="b"), canary.encode(), NOW).case
    office.desk.decide(held.id, False, f"{canary}-reviewer", NOW, f"no, {canary}")
    for file in tmp_path.iterdir():
        if file.is_file():
            assert canary.encode() not in file.read_bytes(), file.name


def test_lists_are_newest_first_and_by_state(office: Office) -> None:
    old = office.open()
    new = office.open(replace(ASKED, destination="b"), NOW + 1)
    assert [c.id for c in office.desk.cases(NOW + 2)] == [new.id, old.id]
    office.desk.decide(old.id, True, "bob@example.org", NOW + 2)
    assert [c.id for c in office.desk.cases(NOW + 3, state=State.OPEN)] == [new.id]
    assert [c.id for c in office.desk.cases(NOW + 3, state=State.GRANTED)] == [old.id]


def test_another_process_sees_a_grant_at_once(office: Office, tmp_path: Path) -> None:
    other = Store.open(tmp_path)
    now_s = [0.0]
    granted = Granted(other, Vault.open(other, MasterKey(b"m" * 32, "test")), lambda: now_s[0])
    context = Context(person=ASKED.person, when_us=NOW)
    assert granted.history(context).digest == ""
    office.desk.give_reason(office.open().id, ASKED.person, "Needed.", NOW, by_key=True)
    now_s[0] += 0.3
    found = granted.history(context)
    assert len(found.grants) == 1 and len(found.digest) == 64
    other.close()
