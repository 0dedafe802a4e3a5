"""Who a pseudonym is: told after two people agreed, for a while, on record."""

from __future__ import annotations

import pytest
from registry import NOW, Registry, used

from bartizan.core.errors import CaseClosed, CaseDenied, CaseUnknown, StoreError, UsageError
from bartizan.inventory.names import ASKED_US, SHOWN_US, State


@pytest.fixture
def office(registry: Registry) -> Registry:
    registry.feed(used("mara@example.org"))
    registry.officers = {registry.who(name) for name in ("ada", "bob", "mara@example.org")}
    return registry


def ask(office: Registry, by: str = "ada") -> str:
    return office.names.ask(office.who("mara@example.org"), "The upload of Monday.", by, NOW).id


def test_four_eyes_open_a_name_for_a_quarter_of_an_hour(office: Registry) -> None:
    id_ = ask(office)
    with pytest.raises(CaseClosed, match="waits for another"):
        office.names.shown(id_, "ada", NOW + 1)
    office.names.approve(id_, "bob", NOW + 2)
    assert office.names.shown(id_, "ada", NOW + 3) == "mara@example.org"
    assert office.names.shown(id_, "ada", NOW + 1 + SHOWN_US) == "mara@example.org"
    with pytest.raises(CaseClosed, match="is over"):
        office.names.shown(id_, "ada", NOW + 2 + SHOWN_US)
    person = office.who("mara@example.org")
    assert [(e["event"], e["person"], e["by"]) for e in office.events[1:]] == [
        ("name-asked", person, office.who("ada")),
        ("name-approved", person, office.who("bob")),
        ("name-opened", person, office.who("ada")),
        ("name-opened", person, office.who("ada")),
    ]
    assert office.events[-1]["approved_by"] == office.who("bob")


@pytest.mark.parametrize("by", ["ada", " ADA", "ａｄａ"])
def test_nobody_agrees_to_their_own_request(office: Registry, by: str) -> None:
    office.officers.add(office.who(by.strip()))
    id_ = ask(office)
    with pytest.raises(CaseDenied):
        office.names.approve(id_, by, NOW)
    assert office.names.one(id_, NOW).state is State.ASKED


def test_nobody_decides_on_their_own_name(office: Registry) -> None:
    id_ = ask(office)
    with pytest.raises(CaseDenied, match="own name"):
        office.names.approve(id_, "mara@example.org", NOW)
    with pytest.raises(CaseDenied, match="own name"):
        office.names.refuse(id_, "mara@example.org", NOW)


def test_it_takes_the_role_for_each_step(office: Registry) -> None:
    with pytest.raises(CaseDenied, match="role privacy"):
        ask(office, "eve")
    id_ = ask(office)
    with pytest.raises(CaseDenied, match="role privacy"):
        office.names.approve(id_, "eve", NOW)
    office.names.approve(id_, "bob", NOW)
    with pytest.raises(CaseDenied, match="to the one who asked"):
        office.names.shown(id_, "bob", NOW)
    office.officers.discard(office.who("ada"))
    with pytest.raises(CaseDenied, match="role privacy"):
        office.names.shown(id_, "ada", NOW)


def test_a_refused_one_shows_nothing(office: Registry) -> None:
    id_ = ask(office)
    assert office.names.refuse(id_, "bob", NOW).state is State.REFUSED
    with pytest.raises(CaseClosed, match="refused"):
        office.names.shown(id_, "ada", NOW)
    with pytest.raises(CaseClosed):
        office.names.approve(id_, "bob", NOW)


def test_a_request_does_not_wait_for_ever(office: Registry) -> None:
    id_ = ask(office)
    assert [one.id for one in office.names.waiting(NOW)] == [id_]
    assert office.names.waiting(NOW + ASKED_US) == []
    with pytest.raises(CaseClosed):
        office.names.approve(id_, "bob", NOW + ASKED_US)


def test_what_cannot_be_recorded_is_not_told(office: Registry) -> None:
    id_ = ask(office)
    office.names.approve(id_, "bob", NOW)
    office.fails = True
    with pytest.raises(StoreError):
        office.names.shown(id_, "ada", NOW)


def test_who_was_forgotten_has_no_name(office: Registry) -> None:
    id_ = ask(office)
    office.names.approve(id_, "bob", NOW)
    pseudonym = office.who("mara@example.org")
    office.vault.forget("mara@example.org")
    with pytest.raises(UsageError, match="has no name"):
        office.names.shown(id_, "ada", NOW)
    with pytest.raises(UsageError, match="has no name"):
        office.names.ask(pseudonym, "Again.", "ada", NOW)
    assert office.names.reason(id_) == ""


def test_the_reason_is_for_whoever_decides_and_sealed(office: Registry) -> None:
    id_ = office.names.ask(office.who("mara@example.org"), "marker-31c0", "ada", NOW).id
    assert office.names.reason(id_) == "marker-31c0"
    files = b"".join(path.read_bytes() for path in office.store.home.iterdir() if path.is_file())
    assert b"marker-31c0" not in files and "marker-31c0" not in repr(office.events)
    with pytest.raises(UsageError, match="a reason is"):
        office.names.ask(office.who("mara@example.org"), "", "ada", NOW)
    with pytest.raises(CaseUnknown):
        office.names.one("n-none", NOW)
