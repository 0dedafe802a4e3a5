"""Where a clause wants two people: whose yes counts, what it takes, and what the ledger says first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office import ASKED, HELD, NOW, Office

from bartizan.cases import Case, State
from bartizan.cases.desk import CLAIM_US
from bartizan.core.errors import CaseClosed, CaseDenied, StoreError


def names(office: Office, id_: str) -> list[str]:
    return [str(e["event"]) for e in office.events if e["case"] == id_]


def test_two_people_let_it_pass(office: Office) -> None:
    office.reviewers = 2
    case = office.open(HELD)
    assert (case.needs, case.approvals) == (2, ())
    first = office.desk.decide(case.id, True, "bob@example.org", NOW + 1, "Fine with me.")
    bob, eve = map(office.vault.pseudonym, ("bob@example.org", "eve@example.org"))
    assert (first.state, first.needs, first.approvals, first.decided_by) == (State.OPEN, 2, (bob,), None)
    assert not office.grants()
    done = office.desk.decide(case.id, True, "eve@example.org", NOW + 2, "And with me.")
    assert (done.state, done.needs, done.approvals, done.decided_by) == (State.GRANTED, 2, (bob, eve), eve)
    assert done.as_json()["approvals"] == [bob, eve] and done.as_json()["needs"] == 2
    assert len(office.grants()) == 1
    assert [(e["event"], e["by"]) for e in office.events] == [("case-approved", bob), ("case-granted", eve)]
    assert office.desk.told(done) == "Fine with me.\n\nAnd with me."


@pytest.mark.parametrize("spelling", ["bob@example.org", " Bob@Example.org ", "\uff42ob@example.org", "pseudonym"])
def test_one_person_under_two_spellings_is_one(office: Office, spelling: str) -> None:
    office.reviewers = 2
    case = office.open(HELD)
    office.desk.decide(case.id, True, "bob@example.org", NOW)
    again = office.vault.pseudonym("bob@example.org") if spelling == "pseudonym" else spelling
    with pytest.raises(CaseDenied, match="you approved it already"):
        office.desk.decide(case.id, True, again, NOW + 1)
    assert names(office, case.id) == ["case-approved"] and not office.grants()


def test_the_one_who_asks_is_neither_of_the_two(office: Office) -> None:
    office.reviewers = 2
    case = office.open(HELD)
    office.desk.decide(case.id, True, "bob@example.org", NOW)
    for requester in (ASKED.person, ASKED.person.upper(), case.person):
        with pytest.raises(CaseDenied, match="their own request"):
            office.desk.decide(case.id, True, requester, NOW)


def test_one_refusal_ends_it_also_by_whoever_had_approved(office: Office) -> None:
    office.reviewers = 2
    for who in ("eve@example.org", "bob@example.org"):
        case = office.open(HELD)
        office.desk.decide(case.id, True, "bob@example.org", NOW)
        done = office.desk.decide(case.id, False, who, NOW + 1)
        assert done.state is State.REFUSED and done.approvals == (office.vault.pseudonym("bob@example.org"),)
        assert not office.grants()
        with pytest.raises(CaseClosed):
            office.desk.decide(case.id, True, "dan@example.org", NOW + 2)


def test_no_approval_without_its_record(office: Office) -> None:
    office.reviewers = 2
    case = office.open(HELD)
    office.fails = True
    with pytest.raises(StoreError):
        office.desk.decide(case.id, True, "bob@example.org", NOW, "Fine.")
    office.fails = False
    assert office.desk.case(case.id, NOW).approvals == () and office.desk.told(case) == ""


def test_a_policy_that_asks_for_fewer_by_now_lets_the_first_go_on(office: Office) -> None:
    office.reviewers = 2
    case = office.open(HELD)
    office.desk.decide(case.id, True, "bob@example.org", NOW)
    office.reviewers = 1
    assert office.desk.decide(case.id, True, "bob@example.org", NOW + 1).state is State.GRANTED


def test_a_policy_that_asks_for_more_by_now_is_heard(office: Office) -> None:
    case = office.open(HELD)
    office.reviewers = 2
    assert office.desk.decide(case.id, True, "bob@example.org", NOW).state is State.OPEN


def test_a_reason_takes_nobody_else(office: Office) -> None:
    office.reviewers = 2
    case = office.open(ASKED)
    assert case.needs == 1
    done = office.desk.give_reason(case.id, ASKED.person, "Needed.", NOW, by_key=True)
    assert (done.state, done.needs, done.approvals) == (State.GRANTED, 1, ())


def test_an_approval_beside_a_live_decision_is_told(office: Office) -> None:
    office.reviewers = 2
    case = office.open(HELD)
    office.store.change("UPDATE case_ SET decided_us = ?, decided_by = 'p-other' WHERE id = ?", (NOW, case.id))
    with pytest.raises(CaseClosed, match="just now"):
        office.desk.decide(case.id, True, "bob@example.org", NOW + 1)
    assert office.events == []
    assert office.desk.decide(case.id, True, "bob@example.org", NOW + CLAIM_US).approvals


def test_what_nobody_could_grant_is_not_recorded_as_granted(office: Office) -> None:
    case = office.open(HELD)

    def gone(_: str) -> int:
        raise CaseDenied("there is no policy")

    office.desk._grant_days = gone
    with pytest.raises(CaseDenied):
        office.desk.decide(case.id, True, "bob@example.org", NOW)
    assert office.events == [] and office.desk.decide(case.id, False, "bob@example.org", NOW).state is State.REFUSED


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """What each came to, begun together: a result, or the class of its error."""
    start, outcomes = threading.Barrier(len(deeds)), [None] * len(deeds)

    def one(number: int, deed: Callable[[], object]) -> None:
        start.wait()
        try:
            outcomes[number] = deed()
        except (CaseClosed, CaseDenied) as error:
            outcomes[number] = type(error)

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_two_first_ones_at_once_are_both_heard(office: Office) -> None:
    """However the two interleave, both count, one grant comes of it, and no note is lost."""
    office.reviewers = 2

    def decide(id_: str, number: int) -> Case:
        return office.desk.decide(id_, True, f"r{number}@example.org", NOW, f"note {number}")

    for round_ in range(20):
        case = office.open(replace(HELD, destination=f"d{round_}"))
        before = len(office.grants())
        done = at_once(*(partial(decide, case.id, n) for n in (1, 2)))
        final = office.desk.case(case.id, NOW)
        assert CaseClosed not in done and final.state is State.GRANTED and len(final.approvals) == 2
        assert len(office.grants()) == before + 1
        told = names(office, case.id)
        assert told.count("case-granted") == 1 and told.count("case-approved") in (1, 2)
        assert sorted(office.desk.told(final).split("\n\n")) == ["note 1", "note 2"]


def test_many_at_once_come_to_one_end(office: Office) -> None:
    office.reviewers = 2

    def decide(id_: str, number: int) -> Case:
        return office.desk.decide(id_, number > 1, f"r{number}@example.org", NOW + number)

    for round_ in range(10):
        case = office.open(replace(HELD, destination=f"d{round_}"))
        before = len(office.grants())
        at_once(*(partial(decide, case.id, n) for n in range(8)))
        final = office.desk.case(case.id, NOW + 9)
        ends = [name for name in names(office, case.id) if name != "case-approved"]
        assert ends == ["case-granted" if final.state is State.GRANTED else "case-refused"]
        assert len(office.grants()) - before == (final.state is State.GRANTED)
        approved = [e["by"] for e in office.events if e["case"] == case.id and e["event"] == "case-approved"]
        assert len(approved) == len(set(approved))
        # One whose record came while somebody else granted decided nothing; nobody counts without a record.
        assert set(final.approvals) <= {*approved, final.decided_by}


NUMBERS = count()  # One file, a case of its own for each example.
STEPS = st.lists(st.tuples(st.booleans(), st.sampled_from(["ada", "bob", "Bob", "eve", "dan"])), max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, needs=st.sampled_from([1, 2]))
def test_in_any_order_enough_different_people_and_no_refusal(
    office: Office, steps: list[tuple[bool, str]], needs: int
) -> None:
    """A grant takes as many people as the policy wants, none of them the one who asks, and no refusal before."""
    office.reviewers = needs
    case = office.open(replace(HELD, person="ada", destination=f"d{next(NUMBERS)}"))
    yes: set[str] = set()
    wanted = State.OPEN
    for at, (approve, who) in enumerate(steps):
        closed, own, twice = wanted is not State.OPEN, who == "ada", approve and who.lower() in yes
        if closed or own or twice:
            with pytest.raises(CaseClosed if closed else CaseDenied):
                office.desk.decide(case.id, approve, who, NOW + at)
            continue
        if approve:
            yes.add(who.lower())
            wanted = State.GRANTED if len(yes) >= needs else State.OPEN
        else:
            wanted = State.REFUSED
        assert office.desk.decide(case.id, approve, who, NOW + at).state is wanted
        assert len(office.desk.case(case.id, NOW + at).approvals) == len(yes)
    granted = [grant for grant in office.grants("ada") if grant.destination == case.destination]
    assert bool(granted) == (wanted is State.GRANTED)
    assert len([e for e in office.events if e["case"] == case.id]) == len(yes) + (wanted is State.REFUSED)
