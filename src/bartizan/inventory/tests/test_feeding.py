"""What sources tell goes into the register once, however often they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry import DAY, HEAD, NOW, Registry, used

from bartizan.core.errors import StoreError, UsageError
from bartizan.inventory.feeding import HEAD_BYTES, SourceKind, SourceRead, data_seen, feed, read_up_to
from bartizan.inventory.seen import days, people, seen, uploads
from bartizan.inventory.system import Seen
from bartizan.readers.logs.usage import AccountKind, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence
from bartizan.store.state import State as Store
from bartizan.vault import MasterKey, Vault


def test_a_system_is_in_the_register_once_somebody_used_it(registry: Registry) -> None:
    fed = registry.feed(used(count=3, bytes_up=500, evidence=Evidence.UPLOADED), used("bob", count=2))
    assert (fed.known, fed.rows, fed.new, fed.waiting) == (False, 2, ("some-chat",), ("some-chat",))
    (system,) = registry.register.systems()
    assert (system.id, system.name, system.vendor, system.category) == ("some-chat", "Some Chat", "Some Vendor", "chat")
    assert system.seen == Seen(
        people=2,
        count=5,
        bytes_up=500,
        evidence=Evidence.UPLOADED,
        by_evidence=((Evidence.CONNECTED, 2), (Evidence.UPLOADED, 3)),
        sources=("logs squid",),
        days=1,
    )
    assert system.first_us == DAY * DAY_US + 8 * 3_600_000_000


def test_people_are_pseudonyms(registry: Registry) -> None:
    registry.feed(used("mara.kantor@example.org"))
    (person,) = people(registry.store, system="some-chat")
    assert person.person == registry.who("mara.kantor@example.org")
    files = b"".join(path.read_bytes() for path in registry.store.home.iterdir() if path.is_file())
    assert b"mara.kantor" not in files


def test_a_log_that_is_read_twice_is_counted_once(registry: Registry) -> None:
    lines = (used(count=3, bytes_up=500), used("bob", evidence=Evidence.PROMPT))
    registry.feed(*lines)
    before = seen(registry.store)
    again = registry.feed(*lines)
    assert (again.known, again.rows, again.new, again.waiting, again.changed) == (True, 0, (), (), frozenset())
    assert seen(registry.store) == before


def test_a_log_that_has_grown_tells_only_what_is_new(registry: Registry) -> None:
    registry.feed(used(count=3), used("bob"))
    fed = registry.feed(used(count=5), used("bob"), used("eve"))
    assert (fed.known, fed.rows) == (True, 2)
    assert fed.changed == {("some-chat", registry.who(name), DAY) for name in ("ada@example.org", "eve")}
    assert registry.register.system("some-chat").seen.count == 7


def test_a_short_log_is_known_again_when_it_has_grown(registry: Registry) -> None:
    registry.feed(used(count=1), head=HEAD[:100])
    registry.feed(used(count=2), head=HEAD[:900])
    fed = registry.feed(used(count=4), head=HEAD)
    assert fed.known
    assert registry.register.system("some-chat").seen.count == 4
    assert registry.store.query("SELECT count(*) FROM usage_source") == [(1,)]


def test_a_header_alone_is_no_source_that_others_are_taken_for(registry: Registry) -> None:
    header = b"#fields ts uid host\n"
    assert not registry.feed(head=header).known
    one = registry.feed(used(count=1), head=header + b"1 a x\n")
    other = registry.feed(used(count=1), head=header + b"2 b x\n")
    assert not one.known and not other.known
    assert registry.register.system("some-chat").seen.count == 2


def test_two_logs_of_one_format_add_up(registry: Registry) -> None:
    registry.feed(used(count=3, bytes_up=10))
    registry.feed(used(count=4, bytes_up=20), head=b"other" + HEAD)
    found = registry.register.system("some-chat").seen
    assert (found.count, found.bytes_up, found.people) == (7, 30, 1)


def test_two_formats_that_saw_the_same_do_not(registry: Registry) -> None:
    registry.feed(used(count=3, bytes_up=10))
    registry.feed(used(count=4, evidence=Evidence.RESOLVED), format_="dnsmasq")
    found = registry.register.system("some-chat").seen
    assert (found.count, found.bytes_up, found.sources) == (4, 10, ("logs dnsmasq", "logs squid"))
    assert found.by_evidence == ((Evidence.RESOLVED, 4), (Evidence.CONNECTED, 3))


def test_sources_that_may_tell_the_same_lines_are_said(registry: Registry) -> None:
    assert registry.feed(used()).overlapping == 0
    assert registry.feed(used(), head=b"other" + HEAD).overlapping == 1
    assert registry.feed(used(day=DAY + 9), head=b"third" + HEAD).overlapping == 0
    assert registry.feed(used(), head=b"fourth" + HEAD, origin="proxy-2").overlapping == 0


def step(registry: Registry, begin: int, end: int, *usages: Usage) -> None:
    source = SourceRead(SourceKind.LOGS, "squid", HEAD, begin=begin, end=end)
    feed(registry.register, usages, source, NOW)


def test_a_source_that_is_followed_adds_up(registry: Registry) -> None:
    step(registry, 0, 100, used(count=3))
    step(registry, 100, 180, used(count=4))
    assert registry.register.system("some-chat").seen.count == 7
    assert read_up_to(registry.register, SourceKind.LOGS, HEAD[:HEAD_BYTES], "squid") == 180


@pytest.mark.parametrize("begin", [0, 99, 101])
def test_a_step_that_does_not_follow_changes_nothing(registry: Registry, begin: int) -> None:
    step(registry, 0, 100, used(count=3))
    with pytest.raises(UsageError, match="was read up to 100"):
        step(registry, begin, 180, used(count=4))
    assert registry.register.system("some-chat").seen.count == 3


def test_one_review_a_service(registry: Registry) -> None:
    registry.feed(used())
    registry.feed(used("bob"), head=b"other" + HEAD, now_us=NOW + 5)
    assert registry.events == [{"event": "use-review-opened", "exchange": "", "systems": ["some-chat"]}]
    (waiting,) = registry.register.waits(NOW)
    assert waiting.waits_us == NOW


def test_a_hundred_reviews_are_one_record(registry: Registry) -> None:
    registry.feed(*(used(system=f"chat-{n:03}") for n in range(150)))
    assert [len(list(event["systems"])) for event in registry.events] == [100, 50]  # type: ignore[call-overload]
    assert len(registry.register.waits(NOW)) == 150


def test_what_cannot_be_recorded_waits_for_nobody(registry: Registry) -> None:
    registry.fails = True
    with pytest.raises(StoreError):
        registry.feed(used())
    registry.fails = False
    assert registry.register.waits(NOW) == []
    assert registry.feed(used()).waiting == ("some-chat",)


def test_candidates_and_look_alikes_are_hosts(registry: Registry) -> None:
    registry.feed(
        used(system="ai.example", sort=Sort.CANDIDATE, tier="candidate"),
        used(system="some-chat.test", sort=Sort.LOOK_ALIKE, tier="", lookalike_of="some-chat.example"),
    )
    rows = {one.id: (one.sort, one.name) for one in registry.register.systems()}
    assert rows == {
        "ai.example": (Sort.CANDIDATE, ""),
        "some-chat.test": (Sort.LOOK_ALIKE, "imitates some-chat.example"),
    }


def test_a_full_register_leaves_hosts_out_and_says_so(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bartizan.inventory.feeding.MAX_SYSTEMS", 2)
    hosts = [used(system=f"{n}.ai", sort=Sort.CANDIDATE) for n in range(3)]
    fed = registry.feed(*hosts, used(system="some-chat"))
    assert fed.left_out == 1
    assert {one.id for one in registry.register.systems()} == {"0.ai", "1.ai", "some-chat"}
    assert {row[0] for row in registry.store.query("SELECT system FROM usage_")} == {"0.ai", "1.ai", "some-chat"}


@pytest.mark.parametrize("actor", ["\ud800", "p-00000000000000000000", "a\0b", "=cmd()", "x" * 5000, "тест"])
def test_any_actor_becomes_a_pseudonym(registry: Registry, actor: str) -> None:
    registry.feed(used(actor))
    (person,) = people(registry.store)
    assert person.person.startswith("p-") and person.person != actor


def test_nobody_in_particular_is_no_person(registry: Registry) -> None:
    registry.feed(used("", count=9))
    found = registry.register.system("some-chat").seen
    assert (found.people, found.count) == (0, 9)


def test_accounts_are_told_apart(registry: Registry) -> None:
    registry.feed(used(account=AccountKind.PERSONAL), used(account=AccountKind.CORPORATE), used())
    found = registry.register.system("some-chat").seen
    assert (found.accounts, found.count) == ((AccountKind.CORPORATE, AccountKind.PERSONAL), 3)
    assert people(registry.store)[0].accounts == (AccountKind.CORPORATE, AccountKind.PERSONAL)


def test_days_and_uploads(registry: Registry) -> None:
    registry.feed(used(bytes_up=10), used("bob", bytes_up=30), used(day=DAY - 2, bytes_up=5), used(day=DAY - 1))
    assert [(d.day, d.people, d.bytes_up) for d in days(registry.store)] == [
        (DAY - 2, 1, 5),
        (DAY - 1, 1, 0),
        (DAY, 2, 40),
    ]
    assert uploads(registry.store, "some-chat", registry.who("ada@example.org"), DAY - 9, DAY) == {DAY - 2: 5, DAY: 10}
    assert [one.bytes_up for one in people(registry.store, system="some-chat", since_day=DAY)] == [30, 10]
    assert [one.system for one in people(registry.store, person=registry.who("bob"))] == ["some-chat"]


def test_risks_that_were_found_are_kept_by_system(registry: Registry) -> None:
    registry.feed(used())
    data_seen(registry.register, {"some-chat": {"personal.iban"}, "nobody": {"x"}})
    data_seen(registry.register, {"some-chat": {"secret.api-key", "personal.iban"}})
    assert registry.register.system("some-chat").data_seen == ("personal.iban", "secret.api-key")


LINES = st.lists(
    st.builds(
        used,
        actor=st.sampled_from(["ada", "bob", "eve", ""]),
        system=st.sampled_from(["some-chat", "other-chat"]),
        day=st.integers(DAY - 2, DAY),
        evidence=st.sampled_from(Evidence),
        count=st.integers(1, 9),
        bytes_up=st.integers(0, 9),
        account=st.sampled_from(AccountKind),
    ),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(LINES, LINES, st.data())
def test_the_order_and_number_of_readings_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, one: list[Usage], other: list[Usage], data: st.DataObject
) -> None:
    """Two logs, one of which grows: read in any order and as often as you like, the register is the same."""
    grown = one + other
    sources = {"short": (one, b"a" * HEAD_BYTES), "long": (grown, b"a" * HEAD_BYTES), "b": (other, b"b" * HEAD_BYTES)}
    readings = [*data.draw(st.lists(st.sampled_from(sorted(sources)), max_size=4)), "long", "b"]
    assert _kept(tmp_path_factory, sources, readings) == _kept(tmp_path_factory, sources, ["b", "long"])


def _kept(
    folders: pytest.TempPathFactory, sources: dict[str, tuple[list[Usage], bytes]], readings: list[str]
) -> dict[str, Seen]:
    path: Path = folders.mktemp("register")
    store = Store.open(path)
    try:
        registry = Registry(store, Vault.open(store, MasterKey(b"m" * 32, "test")))
        for name in readings:
            usages, head = sources[name]
            registry.feed(*usages, head=head)
        return seen(store)
    finally:
        store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.tuples(LINES, st.sampled_from(["squid", "dnsmasq", "zeek"])), max_size=4))
def test_sums_are_those_of_the_definition(
    tmp_path_factory: pytest.TempPathFactory, logs: list[tuple[list[Usage], str]]
) -> None:
    """Of each person and day, the format that saw most counts; of those, the sum."""
    store = Store.open(tmp_path_factory.mktemp("register"))
    registry = Registry(store, Vault.open(store, MasterKey(b"m" * 32, "test")))
    told: dict[tuple[str, str, int], dict[str, list[Usage]]] = {}
    for number, (lines, format_) in enumerate(logs):
        registry.feed(*lines, head=b"%d" % number * HEAD_BYTES, format_=format_)
        for one in lines:
            told.setdefault((one.system, one.actor, one.day), {}).setdefault(format_, []).append(one)
    found = seen(store)
    store.close()
    for system in {key[0] for key in told}:
        mine = {key: formats.values() for key, formats in told.items() if key[0] == system}
        assert found[system].count == sum(max(sum(u.count for u in us) for us in by) for by in mine.values())
        assert found[system].bytes_up == sum(max(sum(u.bytes_up for u in us) for us in by) for by in mine.values())
        assert found[system].people == len({key[1] for key in mine} - {""})
        assert found[system].days == len({key[2] for key in mine})
        for level, count in found[system].by_evidence:
            assert count == sum(
                max(sum(u.count for u in us if u.evidence == level) for us in by) for by in mine.values()
            )
    assert found.keys() == {key[0] for key in told}
