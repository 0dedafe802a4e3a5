"""Names, keys and forgetting: what is done about a person is on record, and told before it is done."""

from __future__ import annotations

import pytest

from bartizan.core.errors import StoreFull, UsageError
from bartizan.home import Home, gateway_keys
from bartizan.home.forgetting import effect
from bartizan.home.naming import find_person, open_name
from bartizan.ledger import erase
from bartizan.ledger.read import records

ALICE = "alice@example.org"


def full(event) -> None:
    raise StoreFull("no room")


def events(home: Home) -> list[dict]:
    return [record for record in records(home.path) if record.get("event") != "opened"]


def test_a_name_is_recorded_before_it_is_told(opened_home: Home) -> None:
    alice = opened_home.vault.pseudonym(ALICE)
    assert open_name(opened_home, opened_home.record, alice, "p-me") == ALICE
    (event,) = events(opened_home)
    assert (event["event"], event["person"], event["by"]) == ("name-opened", alice, "p-me")
    assert ALICE not in str(event)
    with pytest.raises(StoreFull):
        open_name(opened_home, full, alice, "p-me")


def test_nobody_has_no_name_and_no_record(opened_home: Home) -> None:
    alice = opened_home.vault.pseudonym(ALICE)
    opened_home.vault.forget(alice)
    for gone in (alice, "p-nobody", ""):
        with pytest.raises(UsageError):
            open_name(opened_home, opened_home.record, gone, "p-me")
    assert events(opened_home) == []


def test_who_gives_a_name_learns_whose_records_are_whose_on_record(opened_home: Home) -> None:
    alice = opened_home.vault.pseudonym(ALICE)
    assert find_person(opened_home, full, alice, "p-me") == alice  # who has the pseudonym learns nothing
    assert find_person(opened_home, opened_home.record, ALICE, "p-me") == alice
    (event,) = events(opened_home)
    assert (event["event"], event["person"], event["by"]) == ("name-opened", alice, "p-me")
    with pytest.raises(StoreFull):
        find_person(opened_home, full, ALICE, "p-me")
    with pytest.raises(UsageError):
        find_person(opened_home, opened_home.record, "nobody@example.org", "p-me")


def test_keys_are_given_and_ended_on_record(opened_home: Home) -> None:
    vault, record = opened_home.vault, opened_home.record
    id_, secret = gateway_keys.add(vault, record, " laptop ", user=ALICE, groups=["b", "a", "b"], by="p-me")
    who = opened_home.who(secret)
    assert who is not None and (who.person, who.groups, who.key) == (ALICE, ("a", "b"), id_)
    gone = gateway_keys.revoke(vault, record, "laptop", by="p-me")
    assert gone.id == id_ and opened_home.who(secret) is None
    added, ended = events(opened_home)
    assert (added["event"], added["key"], added["by"], added["groups"]) == ("key-added", id_, "p-me", ["a", "b"])
    assert (ended["event"], ended["key"], ended["by"]) == ("key-revoked", id_, "p-me")
    assert added["person"] == ended["person"] == vault.pseudonym(ALICE)
    assert secret not in str(added)


def test_a_key_that_cannot_be_recorded_opens_nothing(opened_home: Home) -> None:
    with pytest.raises(StoreFull):
        gateway_keys.add(opened_home.vault, full, "laptop")
    made = [key for key in opened_home.vault.keys() if key.name == "laptop"]  # noqa: SIM118  Not a dict.
    assert [key.revoked_us is None for key in made] == [False]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\u202eb", "line\nbreak"])
def test_a_name_that_nobody_sees_is_none(opened_home: Home, name: str) -> None:
    with pytest.raises(UsageError):
        gateway_keys.add(opened_home.vault, opened_home.record, name)
    with pytest.raises(UsageError):
        gateway_keys.add(opened_home.vault, opened_home.record, "laptop", groups=[name])


def test_the_effect_of_forgetting_is_what_forgetting_does(opened_home: Home) -> None:
    vault = opened_home.vault
    alice = vault.pseudonym(ALICE)
    assert effect(opened_home.state, alice, ALICE).nothing
    gateway_keys.add(vault, opened_home.record, "laptop", user=ALICE)
    gateway_keys.add(vault, opened_home.record, "old", user=ALICE)
    gateway_keys.revoke(vault, opened_home.record, "old")
    vault.seal_as(alice, 1_795_000_000_000_000, b"text", b"")
    vault.seal_as(vault.pseudonym("bob@example.org"), 1_795_000_000_000_000, b"text", b"")
    opened_home.state.change("INSERT INTO grant_ VALUES (?, 'c', 'd', 'e', 'f', 9, NULL)", (ALICE,))
    opened_home.state.change("INSERT INTO account VALUES (?, '[]', NULL, 1, NULL)", (alice,))
    told = effect(opened_home.state, alice, ALICE)
    assert told.keys == ("laptop", "old") and told.keys_in_force == 1 and told.grants == 1 and told.account
    assert len(told.months) == 1 and not told.nothing
    with opened_home.admin() as writer:
        gone = erase.forget(writer, vault, alice, by="dpo@example.org", why="asked")
    assert (gone.months, gone.keys, gone.grants) == (len(told.months), len(told.keys), told.grants)
    assert effect(opened_home.state, alice, ALICE).nothing
