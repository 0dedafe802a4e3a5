"""The policy's file is changed as a whole or not at all, by whoever saw what it said last."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bartizan.config.policy import text_of
from bartizan.core.errors import InputError, PolicyChanged, PolicyError, StoreError
from bartizan.home import Home
from bartizan.home.rewriting import MAX_WHY, change_policy
from bartizan.home.versions import Versions, digest_of, noticed
from bartizan.ledger.read import records
from bartizan.policy.clause import Mode
from bartizan.policy.edit import with_mode

OBSERVED = "watch-personal-data"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home.open(tmp_path / "home", environ={}) as home:
        yield home


def text(home: Home) -> str:
    return text_of(home.config.policy_path)


def enforced(home: Home) -> str:
    return with_mode(text(home), OBSERVED, Mode.ENFORCE)


def changed(home: Home, new: str, why: str = "because") -> object:
    return change_policy(home, home.record, digest_of(text(home)), new, by="p-1", why=why)


def events(home: Home) -> list[dict[str, object]]:
    return [one for one in records(home.path) if str(one.get("event", "")).startswith("policy-")]


def test_a_change_is_in_force_recorded_and_kept(home: Home) -> None:
    before, new = text(home), enforced(home)
    home.policy()
    made = change_policy(home, home.record, digest_of(before), new, by="p-1", why=" Agreed on.  ")
    assert home.policy().clause(OBSERVED).enforced
    assert text(home) == new
    assert (made.by, made.why, made.digest) == ("p-1", "Agreed on.", home.policy().digest)
    versions = Versions(home.state)
    assert versions.newest() == made == versions.version(made.id) == versions.of_digest(made.digest)
    assert versions.text(made.id) == new
    (event,) = events(home)
    assert (event["by"], event["before"], event["after"]) == ("p-1", digest_of(before), made.digest)
    assert "Agreed" not in str(event)


def test_the_first_of_two_wins_and_the_second_is_told(home: Home) -> None:
    before = digest_of(text(home))
    first = change_policy(home, home.record, before, enforced(home), by="p-1", why="a")
    with pytest.raises(PolicyChanged):
        change_policy(home, home.record, before, text(home) + "# mine\n", by="p-2", why="b")
    assert digest_of(text(home)) == first.digest
    assert len(events(home)) == 1


def test_of_many_at_once_exactly_one_wins(home: Home) -> None:
    before, old = digest_of(text(home)), text(home)
    outcomes: list[str] = []

    def one(number: int) -> None:
        try:
            change_policy(home, home.record, before, f"{old}# {number}\n", by=f"p-{number}", why="race")
            outcomes.append("won")
        except PolicyChanged:
            outcomes.append("told")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["told"] * 5 + ["won"]
    newest = Versions(home.state).newest()
    assert newest is not None and newest.digest == digest_of(text(home))


def test_what_does_not_hold_is_refused_with_its_places_and_nothing_happens(home: Home) -> None:
    old = text(home)
    with pytest.raises(PolicyError) as caught:
        changed(home, old.replace("then: redact", "then: nothing", 1))
    assert caught.value.problems[0].line == 19
    with pytest.raises(PolicyError):
        changed(home, "policy: [")
    assert text(home) == old
    assert events(home) == []


@pytest.mark.parametrize("why", ["", "  \n", "x" * (MAX_WHY + 1)])
def test_a_change_has_a_reason(home: Home, why: str) -> None:
    with pytest.raises(InputError, match="why"):
        changed(home, enforced(home), why)


def test_the_same_again_is_no_change(home: Home) -> None:
    with pytest.raises(InputError, match="same"):
        changed(home, text(home))


def test_a_link_stays_a_link_and_mode_and_line_ends_stay(home: Home, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    real = checkout / "bartizan-policy.yaml"
    path = home.config.policy_path
    real.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    real.chmod(0o664)
    path.unlink()
    path.symlink_to(real)
    changed(home, enforced(home))
    assert path.is_symlink() and real.stat().st_mode & 0o7777 == 0o664
    assert real.read_bytes().startswith(b"\xef\xbb\xbf#") and b"\r\n" in real.read_bytes()
    assert home.policy().clause(OBSERVED).enforced
    assert sorted(os.listdir(checkout)) == ["bartizan-policy.yaml"]


def test_what_cannot_be_recorded_is_not_done(home: Home) -> None:
    def full(_: Mapping[str, object]) -> None:
        raise StoreError("the disk is full")

    old = text(home)
    with pytest.raises(StoreError, match="disk"):
        change_policy(home, full, digest_of(old), enforced(home), by="p-1", why="x")
    assert text(home) == old
    assert not [name for name in os.listdir(home.path) if "part" in name]
    assert Versions(home.state).newest() is None


def test_a_file_that_goes_meanwhile_leaves_no_version(home: Home) -> None:
    """The new text cannot be moved into a folder that is not there any more: the record says so."""
    folder = home.path.parent / "conf"
    folder.mkdir()
    path = home.config.policy_path
    path.rename(folder / "policy.yaml")
    path.symlink_to(folder / "policy.yaml")
    told: list[str] = []

    def record(event: Mapping[str, object]) -> None:
        if not told:
            folder.rename(folder.with_name("gone"))
        told.append(str(event["event"]))

    before, new = digest_of(text(home)), enforced(home)
    with pytest.raises(StoreError, match="cannot be changed from here"):
        change_policy(home, record, before, new, by="p-1", why="x")
    assert told == ["policy-changed", "policy-not-changed"]
    assert Versions(home.state).newest() is None


def test_a_change_from_outside_is_noticed_once(home: Home) -> None:
    first = noticed(home, 1)
    assert first is not None and (first.by, first.why, first.at_us) == ("", "", 1)
    assert noticed(home, 2) == first
    home.config.policy_path.write_text(enforced(home))
    second = noticed(home, 3)
    assert second is not None and (second.id > first.id, second.at_us) == (True, 3)
    assert [one.id for one in Versions(home.state).before()] == [second.id, first.id]
    assert [one.id for one in Versions(home.state).before(second.id)] == [first.id]


def test_one_made_here_is_not_noticed_again(home: Home) -> None:
    noticed(home)
    changed(home, enforced(home))
    newest = noticed(home)
    assert newest is not None and newest.by == "p-1"


def test_what_does_not_hold_is_no_version(home: Home) -> None:
    home.config.policy_path.write_text("policy: [")
    assert noticed(home) is None
    home.config.policy_path.unlink()
    assert noticed(home) is None
    assert Versions(home.state).newest() is None


@pytest.mark.parametrize("ask", [Versions.version, Versions.text])
def test_a_version_that_is_not_there(home: Home, ask: Callable[[Versions, int], object]) -> None:
    with pytest.raises(Exception, match="no such version"):
        ask(Versions(home.state), 7)
