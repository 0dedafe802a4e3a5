"""What people say about AI systems, and what waits for them to say it."""

from __future__ import annotations

import pytest
from registry import DAY, HEAD, NOW, Registry, used

from bartizan.core.errors import StoreError, UsageError
from bartizan.inventory.fields import FIELDS
from bartizan.inventory.system import Status, Tier
from bartizan.readers.logs.usage import AccountKind, Sort
from bartizan.readers.logs.visit import DAY_US


def test_a_decision_holds_and_is_on_record(registry: Registry) -> None:
    registry.feed(used())
    system = registry.register.decide(
        "some-chat",
        Status.RESTRICTED,
        "ciso@example.org",
        NOW + 5,
        why="No contract yet.",
        alternative="other-chat",
        changes={"owner": "it@example.org", "review_day": "2027-03-01"},
    )
    assert (system.status, system.alternative, system.owner, system.review) == (
        Status.RESTRICTED,
        "other-chat",
        "it@example.org",
        "2027-03-01",
    )
    assert (system.decided_us, system.decided_by, system.waits_us) == (NOW + 5, registry.who("ciso@example.org"), None)
    assert registry.events[-1] == {
        "event": "use-decided",
        "exchange": "",
        "system": "some-chat",
        "by": registry.who("ciso@example.org"),
        "status": "restricted",
        "was": "undecided",
        "alternative": "other-chat",
        "fields": ["owner", "review_day"],
    }


def test_reasons_and_notes_are_sealed(registry: Registry) -> None:
    registry.feed(used())
    registry.register.decide("some-chat", Status.BLOCKED, "ciso", NOW, why="marker-9f2c in a reason")
    registry.register.set("some-chat", {}, "ciso", NOW, notes="marker-9f2c in a note")
    files = b"".join(path.read_bytes() for path in registry.store.home.iterdir() if path.is_file())
    assert b"marker-9f2c" not in files
    assert "marker-9f2c" not in repr(registry.events)
    (decided,) = registry.register.history("some-chat")
    assert registry.register.why(decided) == "marker-9f2c in a reason"
    assert registry.register.notes("some-chat") == "marker-9f2c in a note"


def test_a_reason_outlives_the_month_it_was_written_in(registry: Registry) -> None:
    """Retention ends the keys of old months; a decision that holds needs its reason."""
    registry.feed(used())
    registry.register.decide("some-chat", Status.BLOCKED, "ciso", NOW, why="No contract.")
    registry.store.change("DELETE FROM person_key WHERE period < '2999-01'")
    assert registry.register.why(registry.register.history("some-chat")[0]) == "No contract."


def test_what_cannot_be_recorded_does_not_hold(registry: Registry) -> None:
    registry.feed(used())
    registry.fails = True
    with pytest.raises(StoreError):
        registry.register.decide("some-chat", Status.BLOCKED, "ciso", NOW, why="x")
    with pytest.raises(StoreError):
        registry.register.set("some-chat", {"owner": "it"}, "ciso", NOW)
    with pytest.raises(StoreError):
        registry.register.add("new", "ciso", NOW)
    (system,) = registry.register.systems()
    assert (system.status, system.owner, registry.register.history("some-chat")) == (Status.UNDECIDED, "", [])


@pytest.mark.parametrize("status", [Status.RESTRICTED, Status.BLOCKED])
def test_who_may_not_use_it_is_owed_a_reason(registry: Registry, status: Status) -> None:
    registry.feed(used())
    with pytest.raises(UsageError, match="say why"):
        registry.register.decide("some-chat", status, "ciso", NOW)
    registry.register.decide("some-chat", Status.APPROVED, "ciso", NOW)


@pytest.mark.parametrize("sort", [Sort.CANDIDATE, Sort.LOOK_ALIKE])
def test_what_only_looks_like_ai_is_never_blocked(registry: Registry, sort: Sort) -> None:
    registry.feed(used(system="ai.example", sort=sort))
    with pytest.raises(UsageError, match="cannot be blocked"):
        registry.register.decide("ai.example", Status.BLOCKED, "ciso", NOW, why="x")
    assert registry.register.decide("ai.example", Status.TOLERATED, "ciso", NOW).waits_us is None


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"alternative": "some-chat"}, "no alternative to itself"),
        ({"alternative": "nothing-known"}, "is a system of the register"),
        ({"changes": {"risk_tier": "huge"}}, "risk_tier: is not one of minimal"),
        ({"changes": {"review_day": "soon"}}, "review_day: is not a date"),
        ({"changes": {"colour": "red"}}, '"colour" is no field'),
        ({"changes": {"owner": "a\x1b[31m"}}, "owner: has characters that nobody can see"),
        ({"changes": {"purpose": "x" * 501}}, "purpose: has more than 500"),
        ({"why": "x" * 4001}, "a reason is 1 to 4000"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changed(registry: Registry, given: dict[str, object], what: str) -> None:
    registry.feed(used())
    told = len(registry.events)
    with pytest.raises(UsageError, match=what):
        registry.register.decide("some-chat", Status.APPROVED, "ciso", NOW, **given)  # type: ignore[arg-type]
    assert len(registry.events) == told
    assert registry.register.system("some-chat").decided_us is None


def test_all_mistakes_come_at_once(registry: Registry) -> None:
    with pytest.raises(UsageError) as raised:
        registry.register.set("some-chat", {"risk_tier": "huge", "account": "mine", "x": ""}, "ciso", NOW)
    assert len(str(raised.value).splitlines()) == 3


def test_an_unknown_system_is_said(registry: Registry) -> None:
    with pytest.raises(UsageError, match='no system "nobody"'):
        registry.register.decide("nobody", Status.APPROVED, "ciso", NOW)
    with pytest.raises(UsageError, match="lower-case"):
        registry.register.set("No Body", {"owner": "x"}, "ciso", NOW)
    with pytest.raises(UsageError, match="say who you are"):
        registry.register.set("other-chat", {}, "  ", NOW)


def test_every_field_can_be_written(registry: Registry) -> None:
    values = {
        "name": "Some Chat Pro",
        "vendor": "V",
        "category": "chat",
        "owner": "it@example.org",
        "purpose": "drafts",
        "data_classes": "public; internal, public",
        "account": "corporate",
        "risk_tier": "limited",
        "legal_basis": "Art. 6 (1) f GDPR",
        "oversight": "team leads read samples",
        "retention": "30 days",
        "instructions": "line one\nline two",
        "review_day": "2027-01-31",
    }
    assert values.keys() == FIELDS.keys()
    system = registry.register.set("some-chat", values, "ada", NOW)
    assert (system.data_classes, system.account, system.risk_tier) == (
        ("internal", "public"),
        AccountKind.CORPORATE,
        Tier.LIMITED,
    )
    assert (system.instructions, system.review, system.vendor) == ("line one\nline two", "2027-01-31", "V")
    assert registry.told() == ["use-added", "use-changed"]


def test_a_name_of_ones_own_is_a_system_of_ones_own(registry: Registry) -> None:
    assert registry.register.set("our-bot", {"owner": "it"}, "ada", NOW).sort is Sort.OWN
    assert registry.register.set("other-chat", {"owner": "it"}, "ada", NOW).sort is Sort.SERVICE
    assert registry.register.system("other-chat").vendor == "Other Vendor"


def test_what_nobody_uses_waits_for_nobody(registry: Registry) -> None:
    registry.register.set("other-chat", {"owner": "it"}, "ada", NOW)
    assert registry.register.waits(NOW) == []


def test_a_decision_taken_back_asks_nobody_again(registry: Registry) -> None:
    """Somebody looked and left it open: more use of it is no reason to ask once more."""
    registry.feed(used())
    registry.register.decide("some-chat", Status.UNDECIDED, "ciso", NOW)
    registry.feed(used("bob"), head=b"other" + HEAD)
    assert registry.register.waits(NOW) == []


def test_a_day_of_review_that_has_come_waits_again(registry: Registry) -> None:
    registry.feed(used())
    registry.register.decide("some-chat", Status.APPROVED, "ciso", NOW, changes={"review_day": "2026-01-31"})
    system = registry.register.system("some-chat")
    assert system.review_day is not None
    before, after = (system.review_day - 1) * DAY_US, system.review_day * DAY_US + 5
    assert registry.register.waits(before) == [] and registry.register.waiting(before) == 0
    assert [one.id for one in registry.register.waits(after)] == ["some-chat"]
    assert registry.register.waiting(after) == 1
    registry.register.decide("some-chat", Status.APPROVED, "ciso", after)
    assert registry.register.waits(after) == []


def test_services_wait_in_front_of_hosts_that_look_like_ai(registry: Registry) -> None:
    registry.feed(used(system="ai.example", sort=Sort.CANDIDATE))
    registry.feed(used(), head=b"other" + HEAD, now_us=NOW + 9)
    assert [one.id for one in registry.register.waits(NOW + 9)] == ["some-chat", "ai.example"]


def test_lists_are_by_status_and_sort(registry: Registry) -> None:
    registry.feed(used(), used("bob"), used("bob", "other-chat"), used(system="ai.example", sort=Sort.CANDIDATE))
    registry.register.decide("other-chat", Status.APPROVED, "ciso", NOW)
    assert [one.id for one in registry.register.systems()] == ["some-chat", "ai.example", "other-chat"]
    assert [one.id for one in registry.register.systems(status=Status.APPROVED)] == ["other-chat"]
    assert [one.id for one in registry.register.systems(sorts=[Sort.CANDIDATE])] == ["ai.example"]
    assert registry.register.systems(since_day=DAY + 1)[0].seen.people == 0


def test_a_system_for_programs_names_no_person(registry: Registry) -> None:
    registry.feed(used("mara@example.org"))
    registry.register.decide("some-chat", Status.TOLERATED, "ciso@example.org", NOW)
    told = registry.register.system("some-chat").as_json()
    assert told["schema"] == "bartizan.system/1" and told["status"] == "tolerated"
    assert "example.org" not in repr(told)
