"""Accounts, links, sessions and tokens of the console."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bartizan.core.errors import SignInDenied, StoreFull, UsageError
from bartizan.store.state import State
from bartizan.vault import MasterKey, Vault
from bartizan.vault.accounts import Account, Accounts, Role
from bartizan.vault.credentials import DAY_US, IDLE_US, KEPT_US, MAX_SESSIONS, MINUTE_US, SEEN_US, SESSION_US

ALL = frozenset(Role)
GOOD = " ".join(("quiet", "otter", "paints", "seven"))  # Put together here, so that no scanner takes it for one.


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_us = 1_795_415_000_000_000

    def __call__(self) -> int:
        return self.now_us


class House:
    """Accounts of a home of their own, and what they recorded."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = State.open(home)
        self.vault = Vault.open(self.state, MasterKey.load(home, {}, create=True))
        self.clock = Clock()
        self.events: list[Mapping[str, object]] = []
        self.full = False
        self.accounts = Accounts(self.state, self.vault, self.record, self.clock)

    def record(self, event: Mapping[str, object]) -> None:
        if self.full:
            raise StoreFull("no room")
        self.events.append(event)

    def told(self) -> list[object]:
        return [event["event"] for event in self.events]

    def add(self, name: str, *roles: Role) -> Account:
        return self.accounts.add(name, roles, by="")

    def signed_in(self, account: Account) -> str:
        return self.accounts.begin_with_link(self.accounts.link(account.person, by=""))[0]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.state.close()


def refused(act: Callable[[], object], match: str = "") -> str:
    with pytest.raises(UsageError, match=match) as caught:
        act()
    return str(caught.value)


def denied(act: Callable[[], object]) -> SignInDenied:
    with pytest.raises(SignInDenied) as caught:
        act()
    return caught.value


# ---- Accounts -------------------------------------------------------------------------------------------------------


def test_an_account_is_its_person_s_and_its_roles_are_what_it_may(house: House) -> None:
    anna = house.add("anna@example.org", Role.ANALYST)
    assert anna.person == house.vault.pseudonym("anna@example.org")
    assert house.accounts.account(anna.person) == anna == house.accounts.named(" Anna@Example.org ")
    assert [role for role in Role if anna.may(role)] == [Role.VIEWER, Role.ANALYST]
    nobody = house.add("bob")
    assert [role for role in Role if nobody.may(role)] == []
    assert [one.name for one in house.accounts.accounts()] == ["anna@example.org", "bob"]
    assert house.events[0] == {
        "event": "account-added",
        "exchange": "",
        "person": anna.person,
        "by": "",
        "roles": ["analyst"],
    }


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "two\nlines", "turned\u202eround", "zero\u200bwidth"])
def test_a_name_can_be_seen_whole(house: House, name: str) -> None:
    refused(lambda: house.add(name), "a name is")
    assert house.told() == []


def test_a_name_is_taken_whatever_the_case_of_its_letters(house: House) -> None:
    anna = house.add("anna")
    refused(lambda: house.add("ANNA"), "there is an account of this name")
    house.accounts.disable(anna.person, by="")
    refused(lambda: house.add("anna"), "it is disabled")
    assert house.add("שרה").name == "שרה"


def test_somebody_without_an_account_is_said(house: House) -> None:
    for act in (
        lambda: house.accounts.account("p-0"),
        lambda: house.accounts.named("nobody"),
        lambda: house.accounts.change("p-0", ALL, by=""),
        lambda: house.accounts.disable("p-0", by=""),
        lambda: house.accounts.enable("p-0", by=""),
        lambda: house.accounts.link("p-0", by=""),
        lambda: house.accounts.add_token("p-0", "x", 1),
        lambda: house.accounts.set_password("p-0", GOOD),
    ):
        refused(act, "no such account")
    assert house.told() == []


def test_roles_change_at_the_next_request(house: House) -> None:
    house.add("root", *Role)
    anna = house.add("anna", Role.VIEWER)
    secret = house.signed_in(anna)
    house.accounts.change(anna.person, {Role.PRIVACY}, by="p-root")
    session = house.accounts.session(secret)
    assert session is not None
    assert session.account.may(Role.PRIVACY)
    assert house.events[-1]["roles"] == ["privacy"] and house.events[-1]["were"] == ["viewer"]
    before = len(house.events)
    house.accounts.change(anna.person, {Role.PRIVACY}, by="p-root")
    assert len(house.events) == before, "what changes nothing is not recorded"


def test_the_last_admin_stays(house: House) -> None:
    first, second = house.add("first", *Role), house.add("second", Role.ADMIN)
    house.accounts.disable(second.person, by=first.person)
    for act in (
        lambda: house.accounts.disable(first.person, by=first.person),
        lambda: house.accounts.change(first.person, {Role.VIEWER}, by=first.person),
    ):
        refused(act, "last account with the role admin")
    assert house.accounts.account(first.person).may(Role.ADMIN)
    assert house.told()[-1] == "account-disabled", "what was refused is not recorded"
    house.accounts.enable(second.person, by=first.person)
    assert house.accounts.disable(first.person, by=second.person).disabled_us == house.clock.now_us


def test_of_two_admins_who_disable_each_other_one_stays(house: House) -> None:
    both = [house.add(name, Role.ADMIN) for name in ("first", "second")]
    refusals: list[str] = []
    start = threading.Barrier(2)

    def disable(person: str) -> None:
        start.wait()
        try:
            house.accounts.disable(person, by="")
        except UsageError as error:
            refusals.append(str(error))

    in_threads([lambda person=one.person: disable(person) for one in both])
    assert len(refusals) == 1
    assert sum(one.may(Role.ADMIN) for one in house.accounts.accounts()) == 1


def in_threads(acts: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- Links ----------------------------------------------------------------------------------------------------------


def test_a_link_signs_in_once(house: House) -> None:
    anna = house.add("anna", Role.VIEWER)
    token = house.accounts.link(anna.person, by="p-root")
    secret, session = house.accounts.begin_with_link(token)
    assert session.account == anna and session.how == "link"
    assert house.accounts.session(secret) == session
    assert "link" in str(denied(lambda: house.accounts.begin_with_link(token)))
    assert house.told() == ["account-added", "link-made", "signed-in", "sign-in-failed"]
    assert house.events[-1]["person"] == anna.person, "whose link was tried again is told"


def test_a_link_ends_after_its_minutes(house: House) -> None:
    anna = house.add("anna")
    token = house.accounts.link(anna.person, by="", minutes=10)
    house.clock.now_us += 10 * MINUTE_US
    denied(lambda: house.accounts.begin_with_link(token))
    for minutes in (0, 1441):
        refused(lambda minutes=minutes: house.accounts.link(anna.person, by="", minutes=minutes), "minutes")


def test_nothing_else_opens_by_a_link(house: House) -> None:
    anna = house.add("anna")
    token = house.accounts.link(anna.person, by="")
    cookie = house.signed_in(anna)
    _, program = house.accounts.add_token(anna.person, "ci", 1)
    for wrong in ("", token[:-1], token + "x", token.swapcase(), "bz-l-", "\ud800", "x" * 100_000, cookie, program):
        denied(lambda wrong=wrong: house.accounts.begin_with_link(wrong))
    assert house.accounts.session(token) is None and house.accounts.session(program) is None
    assert house.accounts.by_token(token) is None and house.accounts.by_token(cookie) is None
    assert house.told().count("sign-in-failed") == 1, "however many are tried within a minute"
    house.accounts.begin_with_link(token)


def test_of_two_who_follow_a_link_at_once_one_gets_in(house: House) -> None:
    anna = house.add("anna")
    for _ in range(10):
        token, start, got = house.accounts.link(anna.person, by=""), threading.Barrier(4), []

        def follow(token: str = token, start: threading.Barrier = start, got: list[bool] = got) -> None:  # type: ignore[type-arg]
            start.wait()
            try:
                house.accounts.begin_with_link(token)
                got.append(True)
            except SignInDenied:
                got.append(False)

        in_threads([follow] * 4)
        assert sorted(got) == [False, False, False, True]


def test_who_cannot_be_recorded_does_not_get_in_and_keeps_the_link(house: House) -> None:
    anna = house.add("anna")
    token = house.accounts.link(anna.person, by="")
    house.full = True
    with pytest.raises(StoreFull):
        house.accounts.begin_with_link(token)
    assert house.accounts.sessions(anna.person) == ()
    house.full = False
    assert house.accounts.begin_with_link(token)


def test_nothing_secret_is_in_a_file_or_a_record(house: House) -> None:
    anna = house.add("anna-canary", *Role)
    token = house.accounts.link(anna.person, by="")
    cookie, session = house.accounts.begin_with_link(token)
    house.accounts.set_password(anna.person, GOOD, keep=session.id)
    _, program = house.accounts.add_token(anna.person, "ci", 1)
    denied(lambda: house.accounts.begin_with_password("anna-canary", "wrong-canary"))
    files = b"".join(path.read_bytes() for path in house.home.glob("state.sqlite*"))
    for secret in (token, cookie, program, GOOD, session.csrf, "anna-canary", "wrong-canary"):
        assert secret.encode() not in files
        assert secret not in str(house.events)
    assert session.csrf not in repr(session)


# ---- Passwords ------------------------------------------------------------------------------------------------------


def test_a_password_signs_in_and_a_wrong_one_says_the_same_as_a_wrong_name(house: House) -> None:
    anna = house.add("anna", Role.VIEWER)
    house.accounts.set_password(anna.person, GOOD)
    secret, session = house.accounts.begin_with_password("Anna ", GOOD)
    assert session.account.has_password and session.how == "password"
    assert house.accounts.session(secret) == session
    house.add("no-password")
    off = house.add("off")
    house.accounts.set_password(off.person, GOOD)
    house.accounts.disable(off.person, by="")
    said = {
        str(denied(lambda name=name, word=word: house.accounts.begin_with_password(name, word)))
        for name, word in (
            ("anna", GOOD + "x"),
            ("anna", ""),
            ("anna", "x" * 2000),
            ("anna", "\ud800" * 12),
            ("nobody", GOOD),
            ("", GOOD),
            ("no-password", GOOD),
            ("off", GOOD),
            ("x" * 100_000, GOOD),
        )
    }
    assert len(said) == 1
    failed = [event["person"] for event in house.events if event["event"] == "sign-in-failed"]
    assert failed.count(anna.person) == 1, "once a minute"


def test_a_name_that_nobody_has_takes_as_long(house: House) -> None:
    anna = house.add("anna")
    house.accounts.set_password(anna.person, GOOD)

    def least_s(name: str) -> float:
        times = []
        for _ in range(3):
            began = time.process_time()
            denied(lambda: house.accounts.begin_with_password(name, "wrong"))
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = least_s("anna"), least_s("nobody")
    assert min(known, unknown) / max(known, unknown) > 0.5


def test_a_new_password_ends_the_other_sessions(house: House) -> None:
    anna = house.add("anna")
    other, mine = house.signed_in(anna), house.signed_in(anna)
    kept = house.accounts.session(mine)
    assert kept is not None
    house.accounts.set_password(anna.person, GOOD, keep=kept.id)
    assert house.accounts.session(other) is None and house.accounts.session(mine) is not None
    house.accounts.set_password(anna.person, GOOD[::-1], by="")
    assert house.accounts.session(mine) is None
    denied(lambda: house.accounts.begin_with_password("anna", GOOD))
    assert [event["by"] for event in house.events if event["event"] == "password-set"] == [anna.person, ""]


def test_a_password_that_does_not_hold_is_not_taken(house: House) -> None:
    anna = house.add("anna.smith@example.org")
    refused(lambda: house.accounts.set_password(anna.person, "short"), "at least 12")
    refused(lambda: house.accounts.set_password(anna.person, "anna.smith@example.org"), "name it belongs to")
    assert not house.accounts.account(anna.person).has_password


def test_who_is_signed_in_can_be_asked_again(house: House) -> None:
    anna = house.add("anna")
    house.accounts.set_password(anna.person, GOOD)
    assert house.accounts.knows(anna.person, GOOD)
    for _ in range(5):
        assert not house.accounts.knows(anna.person, "wrong")
    assert denied(lambda: house.accounts.knows(anna.person, GOOD)).wait_s > 0


def test_an_old_hash_is_made_anew_when_its_password_is_known(house: House) -> None:
    from argon2 import PasswordHasher

    anna = house.add("anna")
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(GOOD)
    house.state.change("UPDATE account SET password = ? WHERE person = ?", (weak, anna.person))
    house.accounts.begin_with_password("anna", GOOD)
    kept = house.state.query("SELECT password FROM account")[0][0]
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    house.accounts.begin_with_password("anna", GOOD)


def test_a_damaged_hash_lets_nobody_in(house: House) -> None:
    anna = house.add("anna")
    for damaged in (
        "",
        "x",
        "$argon2id$v=19$m=65536,t=3,p=4$eA$eA",
        "$argon2id$v=19$m=4294967295,t=9,p=4$eHh4eHh4eHg$eA",
    ):
        house.state.change("UPDATE account SET password = ? WHERE person = ?", (damaged, anna.person))
        house.accounts._throttle.let_in(house.vault.credential_digest("tried name", "anna"))
        denied(lambda: house.accounts.begin_with_password("anna", GOOD))


def test_guessing_has_to_wait_and_a_link_does_not(house: House) -> None:
    anna = house.add("anna")
    house.accounts.set_password(anna.person, GOOD)
    for name in ("anna", "nobody"):
        for _ in range(5):
            assert denied(lambda name=name: house.accounts.begin_with_password(name, "x")).wait_s == 0
        assert denied(lambda name=name: house.accounts.begin_with_password(name, GOOD)).wait_s in (2, 3)
    assert house.signed_in(anna)
    house.clock.now_us += 3 * 1_000_000
    assert house.accounts.begin_with_password("anna", GOOD)


# ---- Sessions -------------------------------------------------------------------------------------------------------


def test_a_session_ends_when_idle_and_after_its_time(house: House) -> None:
    anna = house.add("anna")
    idle = house.signed_in(anna)
    house.clock.now_us += IDLE_US - 1
    assert house.accounts.session(idle)
    house.clock.now_us += IDLE_US
    assert house.accounts.session(idle) is None
    busy = house.signed_in(anna)
    for _ in range(SESSION_US // (IDLE_US // 2) - 1):
        house.clock.now_us += IDLE_US // 2
        assert house.accounts.session(busy)
    house.clock.now_us += IDLE_US // 2
    assert house.accounts.session(busy) is None
    assert house.accounts.sessions(anna.person) == ()


def test_last_seen_is_written_once_a_minute(house: House) -> None:
    secret = house.signed_in(house.add("anna"))
    version = house.state.version()
    house.clock.now_us += SEEN_US - 1
    house.accounts.session(secret)
    assert house.state.version() == version
    house.clock.now_us += 1
    house.accounts.session(secret)
    house.accounts.session(secret)
    assert house.state.version() == version + 1


def test_a_state_that_takes_no_writes_keeps_nobody_out(house: House) -> None:
    secret = house.signed_in(house.add("anna"))
    house.clock.now_us += 2 * SEEN_US
    house.state.query("PRAGMA query_only=ON")
    assert house.accounts.session(secret)
    assert house.accounts.session(secret)
    house.state.query("PRAGMA query_only=OFF")
    house.clock.now_us += 2 * SEEN_US
    session = house.accounts.session(secret)
    assert session
    assert house.accounts.sessions(session.account.person)[0].seen_us == house.clock.now_us


def test_sessions_are_ended_one_by_one_or_all_but_mine(house: House) -> None:
    anna, bob = house.add("anna"), house.add("bob")
    secrets = [house.signed_in(anna) for _ in range(3)]
    his = house.signed_in(bob)
    first = house.accounts.session(secrets[0])
    assert first
    assert house.accounts.end_others(anna.person, first.id) == 2
    assert [house.accounts.session(one) is not None for one in secrets] == [True, False, False]
    house.accounts.end(first.id)
    house.accounts.end(first.id)
    assert house.accounts.session(secrets[0]) is None
    assert house.accounts.session(his)


def test_each_session_has_a_csrf_token_of_its_own_that_stays(house: House) -> None:
    anna = house.add("anna")
    one, other = house.signed_in(anna), house.signed_in(anna)
    csrf = [session.csrf for secret in (one, one, other) if (session := house.accounts.session(secret))]
    assert csrf[0] == csrf[1] != csrf[2]
    assert len(csrf[0]) == 64


def test_a_disabled_account_is_out_at_once_and_for_good(house: House) -> None:
    anna = house.add("anna", Role.VIEWER)
    cookie, link = house.signed_in(anna), house.accounts.link(anna.person, by="")
    _, program = house.accounts.add_token(anna.person, "ci", 1)
    assert house.accounts.by_token(program) == anna
    assert not house.accounts.disable(anna.person, by="").may(Role.VIEWER)
    for _ in range(2):
        assert house.accounts.session(cookie) is None and house.accounts.by_token(program) is None
        denied(lambda: house.accounts.begin_with_link(link))
        house.accounts.enable(anna.person, by="")
    house.accounts.disable(anna.person, by="")
    refused(lambda: house.accounts.link(anna.person, by=""), "disabled")
    refused(lambda: house.accounts.add_token(anna.person, "x", 1), "disabled")


def test_another_process_ends_a_session_too(house: House) -> None:
    anna = house.add("anna", Role.VIEWER)
    cookie = house.signed_in(anna)
    state = State.open(house.home)
    Accounts(state, Vault.open(state, MasterKey.load(house.home, {})), house.record, house.clock).disable(
        anna.person, ""
    )
    state.close()
    assert house.accounts.session(cookie) is None


def test_sessions_of_a_person_are_bounded_and_old_ones_leave_the_file(house: House) -> None:
    anna = house.add("anna")
    for _ in range(MAX_SESSIONS + 3):
        house.clock.now_us += 1
        house.signed_in(anna)
    assert len(house.accounts.sessions(anna.person)) == MAX_SESSIONS
    house.clock.now_us += KEPT_US + IDLE_US + 1
    house.signed_in(anna)
    assert house.state.query("SELECT count(*) FROM credential") == [(2,)], "the session and its link"


def test_a_look_at_a_session_costs_microseconds(house: House) -> None:
    """Not a benchmark: a bound that only a write or a hash in the hot path would break."""
    secret = house.signed_in(house.add("anna"))
    began = time.thread_time()
    for _ in range(1000):
        house.accounts.session(secret)
    assert (time.thread_time() - began) / 1000 < 300e-6


# ---- Tokens ---------------------------------------------------------------------------------------------------------


def test_a_token_is_its_account_until_it_ends(house: House) -> None:
    anna = house.add("anna", Role.ANALYST)
    id_, secret = house.accounts.add_token(anna.person, "dashboard", 30)
    assert secret.startswith("bz-a-")
    assert house.accounts.by_token(secret) == anna
    refused(lambda: house.accounts.add_token(anna.person, "dashboard", 30), "has that name")
    for days in (0, 367):
        refused(lambda days=days: house.accounts.add_token(anna.person, "x", days), "days")
    (held,) = house.accounts.tokens(anna.person)
    assert (held.id, held.name, held.until_us) == (id_, "dashboard", house.clock.now_us + 30 * DAY_US)
    assert house.accounts.end_token(id_, by="").id == id_
    assert house.accounts.by_token(secret) is None and house.accounts.tokens() == ()
    refused(lambda: house.accounts.end_token(id_, by=""), "no token of that id")
    _, short = house.accounts.add_token(anna.person, "dashboard", 1)
    house.clock.now_us += DAY_US
    assert house.accounts.by_token(short) is None
    assert [event["token"] for event in house.events if str(event["event"]).startswith("token-")][:2] == [id_, id_]


def test_ended_tokens_and_disabled_accounts_do_not_come_back_with_an_old_state(house: House) -> None:
    house.add("root", *Role)
    anna, bob = house.add("anna"), house.add("bob")
    id_, token = house.accounts.add_token(anna.person, "a", 30)
    _, other = house.accounts.add_token(bob.person, "b", 30)
    assert house.vault.revoke_again({id_, "k-0"}) == 1 and house.vault.revoke_again({id_}) == 0
    assert house.accounts.by_token(token) is None and house.accounts.by_token(other) == bob
    assert house.vault.disable_again({bob.person, "p-0"}) == 1 and house.vault.disable_again({bob.person}) == 0
    assert house.accounts.by_token(other) is None
    assert house.accounts.account(bob.person).disabled_us


# ---- Forgetting -----------------------------------------------------------------------------------------------------


def test_a_forgotten_person_has_no_account_and_what_was_said_about_them_is_gone(house: House) -> None:
    house.add("root", *Role)
    anna = house.add("anna", Role.ADMIN)
    house.accounts.set_password(anna.person, GOOD)
    cookie, link = house.signed_in(anna), house.accounts.link(anna.person, by="")
    _, token = house.accounts.add_token(anna.person, "ci", 1)
    for subject, assignee in (("e1", anna.person), ("e2", "p-other")):
        house.state.change("INSERT INTO assignment VALUES (?, ?, ?, 0)", (subject, assignee, anna.person))
    for id_, person, example in (
        ("f1", anna.person, "proposed"),
        ("f2", anna.person, "taken"),
        ("f3", "p-o", "proposed"),
    ):
        house.state.change(
            "INSERT INTO feedback VALUES (?, 'E', 'mistake', 'c', ?, 'p-by', 0, ?, x'01', x'02')",
            (id_, person, example),
        )
    house.vault.forget("anna")
    assert house.accounts.session(cookie) is None and house.accounts.by_token(token) is None
    denied(lambda: house.accounts.begin_with_link(link))
    denied(lambda: house.accounts.begin_with_password("anna", GOOD))
    refused(lambda: house.accounts.account(anna.person), "no such account")
    assert house.state.query("SELECT person FROM credential") == []
    assert house.state.query("SELECT subject FROM assignment") == [("e2",)]
    assert house.state.query("SELECT id, example, sealed_note, sealed_example FROM feedback ORDER BY id") == [
        ("f1", "dismissed", None, None),
        ("f2", "taken", None, None),
        ("f3", "proposed", b"\x01", b"\x02"),
    ]
    again = house.add("anna")
    assert again.person != anna.person and again.roles == frozenset()
