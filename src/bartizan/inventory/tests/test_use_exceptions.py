"""Who may use what is restricted, and until when; what holds for whom, as doors ask for it."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry import NOW, Registry, used

from bartizan.core.errors import CaseClosed, CaseDenied, CaseUnknown, StoreError, UsageError
from bartizan.inventory.exceptions import MAX_OPEN, State, UseException, Who
from bartizan.inventory.statuses import FRESH_S, Statuses
from bartizan.inventory.system import Status
from bartizan.readers.logs.usage import Sort
from bartizan.readers.logs.visit import DAY_US

UNTIL = NOW + 30 * DAY_US


@pytest.fixture
def restricted(registry: Registry) -> Registry:
    registry.feed(used(), used(system="other-chat"), used(system="ai.example", sort=Sort.CANDIDATE))
    registry.register.decide("some-chat", Status.RESTRICTED, "ciso", NOW, why="x", alternative="other-chat")
    registry.register.decide("other-chat", Status.APPROVED, "ciso", NOW)
    return registry


def ask(registry: Registry, kind: Who = Who.PERSON, who: str = "mara", until_us: int = UNTIL) -> UseException:
    return registry.exceptions.ask("some-chat", kind, who, until_us, "For a study.", "mara", NOW)


def status(registry: Registry, person: str = "mara", groups: tuple[str, ...] = (), now_us: int = NOW) -> Status:
    return registry.statuses().status_for("some-chat", person, groups, now_us).status


def test_an_exception_that_nobody_approved_is_none(restricted: Registry) -> None:
    made = ask(restricted)
    assert made.state is State.ASKED
    assert status(restricted) is Status.RESTRICTED
    assert restricted.exceptions.in_force(NOW) == []
    assert [one.id for one in restricted.exceptions.waiting(NOW)] == [made.id]


def test_an_approved_one_holds_for_its_person_alone_until_its_end(restricted: Registry) -> None:
    made = restricted.exceptions.approve(ask(restricted).id, "ciso", NOW + 1, "Fine.")
    assert (made.state, made.decided_us, made.decided_by) == (State.GRANTED, NOW + 1, restricted.who("ciso"))
    assert status(restricted) is Status.TOLERATED
    assert status(restricted, "eve") is Status.RESTRICTED
    assert status(restricted, "") is Status.RESTRICTED
    assert status(restricted, restricted.who("mara")) is Status.TOLERATED
    assert status(restricted, now_us=UNTIL - 1) is Status.TOLERATED
    assert status(restricted, now_us=UNTIL) is Status.RESTRICTED
    assert restricted.exceptions.texts(made.id) == ("For a study.", "Fine.")


def test_for_a_group_or_for_everyone(restricted: Registry) -> None:
    restricted.exceptions.approve(ask(restricted, Who.GROUP, "research").id, "ciso", NOW)
    assert status(restricted, "eve", ("research",)) is Status.TOLERATED
    assert status(restricted, "eve", ("sales",)) is Status.RESTRICTED
    assert restricted.statuses().statuses(NOW)["some-chat"] is Status.RESTRICTED
    restricted.exceptions.approve(ask(restricted, Who.EVERYONE, "").id, "ciso", NOW)
    assert status(restricted, "eve") is Status.TOLERATED
    assert restricted.statuses().statuses(NOW)["some-chat"] is Status.TOLERATED
    assert restricted.statuses().statuses(UNTIL)["some-chat"] is Status.RESTRICTED


@pytest.mark.parametrize("by", ["mara", " MARA ", "ｍａｒａ"])
def test_nobody_allows_an_exception_to_themselves(restricted: Registry, by: str) -> None:
    with pytest.raises(CaseDenied):
        restricted.exceptions.approve(ask(restricted).id, by, NOW)
    other = restricted.exceptions.ask("some-chat", Who.PERSON, "mara", UNTIL, "For her.", "bob", NOW)
    with pytest.raises(CaseDenied):
        restricted.exceptions.approve(other.id, by, NOW)
    assert restricted.exceptions.refuse(other.id, by, NOW).state is State.REFUSED


def test_it_ends_by_itself_and_that_is_recorded_once(restricted: Registry) -> None:
    granted = restricted.exceptions.approve(ask(restricted).id, "ciso", NOW)
    waiting = ask(restricted, Who.GROUP, "research")
    assert restricted.exceptions.expire(UNTIL - 1) == []
    assert [one.id for one in restricted.exceptions.expire(UNTIL)] == [granted.id]
    assert restricted.exceptions.expire(UNTIL + 1) == []
    assert restricted.told().count("use-exception-expired") == 2
    assert {one.state for one in restricted.exceptions.all(UNTIL)} == {State.ENDED}
    with pytest.raises(CaseClosed):
        restricted.exceptions.approve(waiting.id, "ciso", UNTIL + 2)


def test_it_can_be_ended_before(restricted: Registry) -> None:
    made = restricted.exceptions.approve(ask(restricted).id, "ciso", NOW)
    assert restricted.exceptions.end(made.id, "ciso", NOW + 1).state is State.ENDED
    assert status(restricted) is Status.RESTRICTED
    with pytest.raises(CaseClosed):
        restricted.exceptions.end(made.id, "ciso", NOW + 2)


def test_what_cannot_be_recorded_is_not_granted(restricted: Registry) -> None:
    made = ask(restricted)
    restricted.fails = True
    with pytest.raises(StoreError):
        restricted.exceptions.approve(made.id, "ciso", NOW)
    restricted.fails = False
    assert restricted.exceptions.one(made.id, NOW).state is State.ASKED
    assert restricted.exceptions.approve(made.id, "ciso", NOW + 1).state is State.GRANTED


def test_of_two_who_decide_at_once_one_is_told(restricted: Registry) -> None:
    made, told = ask(restricted), []

    def decide(by: str) -> None:
        try:
            told.append(restricted.exceptions.approve(made.id, by, NOW).state.value)
        except CaseClosed:
            told.append("closed")

    threads = [threading.Thread(target=decide, args=(f"officer-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == ["closed", "closed", "closed", "granted"]
    assert restricted.told().count("use-exception-granted") == 1


@pytest.mark.parametrize(
    ("kind", "who", "until_us", "why", "what"),
    [
        (Who.PERSON, "", UNTIL, "x", "say which person"),
        (Who.GROUP, "a\nb", UNTIL, "x", "say which group"),
        (Who.EVERYONE, "mara", UNTIL, "x", "names nobody"),
        (Who.PERSON, "mara", NOW, "x", "ends within 366 days"),
        (Who.PERSON, "mara", NOW + 367 * DAY_US, "x", "ends within 366 days"),
        (Who.PERSON, "mara", UNTIL, " ", "a reason is"),
    ],
)
def test_what_is_wrong_is_said(restricted: Registry, kind: Who, who: str, until_us: int, why: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        restricted.exceptions.ask("some-chat", kind, who, until_us, why, "mara", NOW)
    assert restricted.exceptions.all(NOW) == []


def test_an_unknown_one_is_said(restricted: Registry) -> None:
    with pytest.raises(CaseUnknown):
        restricted.exceptions.approve("x-none", "ciso", NOW)
    with pytest.raises(UsageError, match="no system"):
        restricted.exceptions.ask("nobody", Who.EVERYONE, "", UNTIL, "x", "mara", NOW)


def test_nobody_fills_the_queue(restricted: Registry) -> None:
    for _ in range(MAX_OPEN):
        ask(restricted)
    with pytest.raises(UsageError, match="wait already"):
        ask(restricted)


def test_reasons_are_sealed(restricted: Registry) -> None:
    made = restricted.exceptions.ask("some-chat", Who.PERSON, "mara", UNTIL, "marker-77aa", "mara", NOW)
    restricted.exceptions.approve(made.id, "ciso", NOW, "marker-77aa too")
    files = b"".join(path.read_bytes() for path in restricted.store.home.iterdir() if path.is_file())
    assert b"marker-77aa" not in files and "marker-77aa" not in repr(restricted.events)


def test_forgetting_a_person_ends_their_exception(restricted: Registry) -> None:
    made = restricted.exceptions.approve(ask(restricted).id, "ciso", NOW)
    restricted.vault.forget("mara")
    assert restricted.exceptions.one(made.id, NOW).state is State.ENDED
    assert restricted.exceptions.texts(made.id) == ("", "")


# ---- As doors ask ---------------------------------------------------------------------------------------------------


def test_a_door_hears_what_may_be_used_instead(restricted: Registry) -> None:
    found = restricted.statuses().status_for("some-chat", "eve", (), NOW)
    assert (found.name, found.decided, found.alternative_name) == ("Some Chat", Status.RESTRICTED, "Other Chat")
    assert not found.exception


def test_what_the_register_does_not_have_is_undecided(restricted: Registry) -> None:
    assert restricted.statuses().status_for("nobody", "eve", (), NOW).status is Status.UNDECIDED


def test_candidates_have_no_status(restricted: Registry) -> None:
    assert restricted.statuses().statuses(NOW) == {
        "some-chat": Status.RESTRICTED,
        "other-chat": Status.APPROVED,
    }
    assert restricted.statuses().standings(NOW).keys() == {"some-chat", "other-chat"}


def test_another_process_is_heard_within_a_quarter_of_a_second(restricted: Registry) -> None:
    clock = [100.0]
    statuses = Statuses(restricted.store, restricted.vault, lambda: clock[0])
    assert statuses.status_for("some-chat", "eve", (), NOW).status is Status.RESTRICTED
    restricted.register.decide("some-chat", Status.APPROVED, "ciso", NOW)
    assert statuses.status_for("some-chat", "eve", (), NOW).status is Status.RESTRICTED
    clock[0] += FRESH_S
    assert statuses.status_for("some-chat", "eve", (), NOW).status is Status.APPROVED


def test_an_exception_ends_on_its_microsecond_without_anybody_looking(restricted: Registry) -> None:
    restricted.exceptions.approve(ask(restricted).id, "ciso", NOW)
    statuses = Statuses(restricted.store, restricted.vault, lambda: 100.0)  # It never reads the file again.
    assert statuses.status_for("some-chat", "mara", (), UNTIL - 1).status is Status.TOLERATED
    assert statuses.status_for("some-chat", "mara", (), UNTIL).status is Status.RESTRICTED


@given(st.sampled_from(Who), st.sampled_from(["p-1", "p-2", ""]), st.frozensets(st.sampled_from(["a", "b"])))
def test_whom_an_exception_covers(kind: Who, person: str, groups: frozenset[str]) -> None:
    who = {Who.PERSON: "p-1", Who.GROUP: "a", Who.EVERYONE: ""}[kind]
    one = UseException("x", "some-chat", kind, who, State.GRANTED, UNTIL, "p-3", NOW, "p-4", NOW)
    expected = {Who.PERSON: person == "p-1", Who.GROUP: "a" in groups, Who.EVERYONE: True}[kind]
    assert one.covers(person, groups) is expected
    assert not replace(one, state=State.REFUSED).holds(NOW)
