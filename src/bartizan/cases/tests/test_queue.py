"""Whose cases they are, which wait for whom, and what reaches the one who asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from office import ASKED, HELD, NOW, Office

from bartizan.cases import State
from bartizan.cases.desk import CLAIM_US, MAX_REASON
from bartizan.core.decision import Action
from bartizan.core.errors import CaseClosed, CaseDenied, CaseUnknown, InputError, StoreError

BOB = "bob@example.org"


def test_whoever_follows_the_link_may_give_the_reason(office: Office) -> None:
    opened = office.desk.open(ASKED, b"the text", NOW)
    done = office.desk.give_reason_linked(opened.token, "For the audit.", NOW + 1)
    assert (done.state, done.decided_by) == (State.GRANTED, "") and len(office.grants()) == 1
    assert [(e["event"], e["by"], e["via"]) for e in office.events] == [("case-granted", "", "link")]
    assert office.desk.texts(done.id, BOB, NOW) == {"reason": "For the audit."}
    with pytest.raises(CaseClosed, match="granted"):
        office.desk.give_reason_linked(opened.token, "Again.", NOW + 2)


def test_how_a_reason_came_is_in_the_ledger(office: Office) -> None:
    for by_key, via in ((True, "key"), (False, "person")):
        case = office.open()
        office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=by_key)
        assert office.events[-1]["via"] == via and office.events[-1]["by"] == case.person


def test_a_link_is_no_person(office: Office) -> None:
    office.person_only = frozenset({"no-secrets"})
    opened = office.desk.open(ASKED, b"the text", NOW)
    with pytest.raises(CaseDenied, match="sign in, so that a person gives the reason"):
        office.desk.give_reason_linked(opened.token, "I am a person, really.", NOW)
    assert office.desk.ask_review_linked(opened.token, NOW).action is Action.REVIEW, "somebody else decides"


@pytest.mark.parametrize("token", ["", "0" * 32, "\ud800"])
def test_no_link_no_effect(office: Office, token: str) -> None:
    office.open()
    with pytest.raises(CaseUnknown):
        office.desk.give_reason_linked(token, "Mine.", NOW)
    with pytest.raises(CaseUnknown):
        office.desk.ask_review_linked(token, NOW)


def test_a_link_ends_with_its_case(office: Office) -> None:
    opened = office.desk.open(ASKED, b"the text", NOW)
    with pytest.raises(CaseUnknown):
        office.desk.give_reason_linked(opened.token, "Late.", opened.case.expires_us)


def test_somebody_may_be_asked_to_look_instead(office: Office) -> None:
    case = office.open()
    assert office.desk.waits(NOW) == []
    asked = office.desk.ask_review(case.id, ASKED.person, NOW + 1, "It is for the auditor.")
    assert (asked.action, asked.state, asked.needs) == (Action.REVIEW, State.OPEN, 1)
    assert [(e["event"], e["by"]) for e in office.events] == [("case-review-asked", case.person)]
    assert office.desk.ask_review(case.id, ASKED.person, NOW + 2) == asked and len(office.events) == 1
    assert [c.id for c in office.desk.waits(NOW + 2)] == [case.id]
    assert office.open().id == case.id, "a retry finds it"

    kept = office.desk.give_reason(case.id, ASKED.person, "It is for the auditor, Ms Roe.", NOW + 3, by_key=True)
    assert kept.state is State.OPEN and not office.grants(), "their own reason is not enough any more"
    assert office.desk.decide(case.id, True, BOB, NOW + 4).state is State.GRANTED
    assert office.desk.texts(case.id, BOB, NOW)["reason"] == "It is for the auditor, Ms Roe."


def test_a_review_is_not_asked_for_without_a_record_or_in_the_middle_of_a_decision(office: Office) -> None:
    case = office.open()
    office.fails = True
    with pytest.raises(StoreError):
        office.desk.ask_review(case.id, ASKED.person, NOW)
    office.fails = False
    assert office.desk.case(case.id, NOW).action is Action.JUSTIFY
    office.store.change("UPDATE case_ SET decided_us = ?, decided_by = 'p-other' WHERE id = ?", (NOW, case.id))
    with pytest.raises(CaseClosed):
        office.desk.ask_review(case.id, ASKED.person, NOW + 1)
    assert office.desk.ask_review(case.id, ASKED.person, NOW + CLAIM_US).action is Action.REVIEW


def test_a_review_is_asked_for_by_its_owner_while_it_is_open(office: Office) -> None:
    case = office.open()
    with pytest.raises(CaseUnknown):
        office.desk.ask_review(case.id, "eve@example.org", NOW)
    with pytest.raises(InputError):
        office.desk.ask_review(case.id, ASKED.person, NOW, "x" * (MAX_REASON + 1))
    assert office.desk.case(case.id, NOW).action is Action.JUSTIFY
    office.desk.decide(case.id, False, BOB, NOW)
    with pytest.raises(CaseClosed):
        office.desk.ask_review(case.id, ASKED.person, NOW)


def test_people_see_their_own_newest_first(office: Office) -> None:
    ids = [office.open(replace(ASKED, destination=f"d{n}"), NOW + n).id for n in range(5)]
    office.open(replace(ASKED, person=BOB), NOW)
    assert [c.id for c in office.desk.of(ASKED.person, NOW + 9)] == ids[::-1]
    assert [c.id for c in office.desk.of(office.vault.pseudonym(ASKED.person), NOW + 9, limit=2)] == ids[:2:-1]
    assert office.desk.of("nobody@example.org", NOW) == []


def test_what_waits_comes_by_its_deadline(office: Office) -> None:
    late = office.open(replace(HELD, destination="late"), NOW + 5)
    soon = office.open(replace(HELD, destination="soon"), NOW + 1)
    office.open(ASKED, NOW)
    assert [c.id for c in office.desk.waits(NOW + 6)] == [soon.id, late.id]
    assert [c.id for c in office.desk.waits(NOW + 6, limit=1)] == [soon.id]
    assert [c.id for c in office.desk.waits(soon.expires_us)] == [late.id]
    assert (office.desk.waiting(NOW + 6), office.desk.waiting(soon.expires_us)) == (2, 1)
    office.desk.decide(soon.id, True, BOB, NOW + 7)
    assert [c.id for c in office.desk.waits(NOW + 8)] == [late.id]


def test_how_long_people_waited(office: Office) -> None:
    for n, waited in enumerate((30, 10, 20)):
        case = office.open(replace(HELD, destination=f"d{n}"), NOW)
        office.desk.decide(case.id, n != 1, BOB, NOW + waited)
    case = office.open()
    office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW + 15, by_key=True)
    office.open(replace(HELD, destination="open"), NOW)
    assert office.desk.waiting_times(NOW, NOW + 99) == (10, 20, 30), "reasons and open ones are no reviews that ended"
    assert office.desk.waiting_times(NOW + 15, NOW + 25) == (20,)


def test_a_note_reaches_the_one_it_was_written_to(office: Office) -> None:
    opened = office.desk.open(HELD, b"the text", NOW)
    assert office.desk.told(opened.case) == ""
    office.desk.decide(opened.case.id, False, BOB, NOW, "Send the summary instead.")
    recorded = len(office.events)
    for case in (
        office.desk.owned(opened.case.id, ASKED.person, NOW),
        office.desk.linked(opened.token, NOW),
    ):
        assert office.desk.told(case) == "Send the summary instead."
    assert len(office.events) == recorded, "one's own letter"
    office.vault.forget(ASKED.person)
    assert office.desk.told(office.desk.case(opened.case.id, NOW)) == ""
    assert office.desk.told(replace(opened.case, id="c-gone")) == ""
