"""Sources that are refused for a while: it holds, it is recorded, it ends by itself, and nothing of the why is open."""

from __future__ import annotations

import pytest

from bartizan.core.errors import InputError, StoreError, UsageError
from bartizan.home import Home, pauses
from bartizan.home.pauses import MINUTE_US, Pauses
from bartizan.ledger.read import records
from bartizan.vault import Identity

NOW_US = 1_800_000_000_000_000
WHY = "zq-the-reason-" + "7f3a"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def key(home: Home, name: str, user: str = "") -> Identity:
    found = home.vault.who(home.vault.add_key(name, user)[1])
    assert found is not None
    return found


def paused(home: Home, source: pauses.Source, *, minutes: int = 60, now_us: int = NOW_US, by: str = "") -> pauses.Pause:
    return pauses.pause(home.vault, home.record, source, minutes=minutes, why=WHY, by=by, now_us=now_us)


def test_a_key_is_paused_alone_and_a_person_with_all_keys(opened_home: Home) -> None:
    home = opened_home
    laptop, job = key(home, "laptop", "ann@example.org"), key(home, "job", "ann@example.org")
    of = Pauses(home.state, home.vault).of
    assert of(laptop, lambda: NOW_US) is None
    fresh = Pauses(home.state, home.vault).of
    made = paused(home, pauses.key_source(home.vault, "laptop"))
    assert fresh(laptop, lambda: NOW_US) == made and fresh(job, lambda: NOW_US) is None
    whole = paused(home, pauses.person_source(home.vault, "ann@example.org"), minutes=120)
    fresh = Pauses(home.state, home.vault).of
    assert fresh(job, lambda: NOW_US) == whole == fresh(laptop, lambda: NOW_US)


def test_another_process_hears_of_it_within_a_quarter_of_a_second(opened_home: Home) -> None:
    home, clock = opened_home, Clock()
    laptop = key(home, "laptop")
    mine = Pauses(home.state, home.vault, clock)
    assert mine.of(laptop, lambda: NOW_US) is None
    with Home.open(home.path, environ={}) as other:
        made = paused(other, pauses.key_source(other.vault, laptop.key))
    clock.now_s += 0.25
    assert mine.of(laptop, lambda: NOW_US) == made
    with Home.open(home.path, environ={}) as other:
        pauses.lift(other.vault, other.record, "key", laptop.key, by="", now_us=NOW_US)
    clock.now_s += 0.25
    assert mine.of(laptop, lambda: NOW_US) is None


def test_it_ends_by_itself(opened_home: Home) -> None:
    home = opened_home
    laptop = key(home, "laptop")
    paused(home, pauses.key_source(home.vault, "laptop"), minutes=15)
    mine, end = Pauses(home.state, home.vault), NOW_US + 15 * MINUTE_US
    assert mine.of(laptop, lambda: end - 1) is not None
    assert mine.of(laptop, lambda: end) is None
    assert pauses.active(home.state, end) == ()
    with pytest.raises(UsageError, match="not paused"):
        pauses.lift(home.vault, home.record, "key", laptop.key, by="", now_us=end)


def test_pausing_again_counts_from_now(opened_home: Home) -> None:
    home = opened_home
    key(home, "laptop")
    source = pauses.key_source(home.vault, "laptop")
    paused(home, source, minutes=1440)
    (one,) = (paused(home, source, minutes=15, now_us=NOW_US + 5),)
    assert pauses.active(home.state, NOW_US + 5) == (one,)


def test_who_why_and_until_when_are_recorded_and_the_why_is_sealed(opened_home: Home) -> None:
    home = opened_home
    laptop = key(home, "laptop", "ann@example.org")
    person = home.vault.pseudonym("ann@example.org")
    paused(home, pauses.key_source(home.vault, "laptop"), by="p-boss")
    assert pauses.reason(home.vault, home.record, "key", laptop.key, by="p-boss", now_us=NOW_US) == WHY
    pauses.lift(home.vault, home.record, "key", laptop.key, by="p-other", now_us=NOW_US)
    told = [one for one in records(home.path) if one.get("event") in ("key-paused", "pause-read", "key-resumed")]
    assert [(one["event"], one["by"], one["key"], one["person"]) for one in told] == [
        ("key-paused", "p-boss", laptop.key, person),
        ("pause-read", "p-boss", laptop.key, person),
        ("key-resumed", "p-other", laptop.key, person),
    ]
    assert told[0]["until_us"] == NOW_US + 60 * MINUTE_US and told[0]["bodies"][0]["side"] == "why"
    assert WHY.encode() not in b"".join(path.read_bytes() for path in home.path.iterdir() if path.is_file())


def test_what_cannot_be_recorded_is_paused_all_the_same_and_not_lifted(opened_home: Home) -> None:
    home = opened_home
    laptop = key(home, "laptop")

    def full(event: object, bodies: object = ()) -> None:
        raise StoreError("the disk is full")

    source = pauses.key_source(home.vault, "laptop")
    with pytest.raises(StoreError):
        pauses.pause(home.vault, full, source, minutes=15, why=WHY, by="", now_us=NOW_US)
    with pytest.raises(StoreError):
        pauses.lift(home.vault, full, "key", laptop.key, by="", now_us=NOW_US)
    assert Pauses(home.state, home.vault).of(laptop, lambda: NOW_US) is not None


def test_forgetting_a_person_leaves_no_reason(opened_home: Home) -> None:
    home = opened_home
    key(home, "laptop", "ann@example.org")
    paused(home, pauses.person_source(home.vault, "ann@example.org"))
    home.vault.forget("ann@example.org")
    assert home.state.query("SELECT * FROM pause") == []


def test_mistakes_are_said(opened_home: Home) -> None:
    home = opened_home
    key(home, "laptop")
    source = pauses.key_source(home.vault, "laptop")
    for why in ("", "  ", "x" * 1001):
        with pytest.raises(InputError, match="why"):
            pauses.pause(home.vault, home.record, source, minutes=15, why=why, by="", now_us=NOW_US)
    for text in ("", "1", "0m", "8d", "1h30", "-1h", "٣m", "1y"):
        with pytest.raises(InputError, match="for"):
            pauses.lasting(text)
    assert [pauses.lasting(text) for text in ("15m", "1h", "7d")] == [15, 60, 7 * 24 * 60]
    for find in (pauses.key_source, pauses.person_source):
        with pytest.raises(UsageError):
            find(home.vault, "nobody")
