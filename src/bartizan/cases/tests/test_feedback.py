"""What people say about decisions: one verdict each, sealed to the person concerned, recorded before it counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bartizan.cases.feedback import AT_ONCE, MAX_NOTE, Assigned, Counts, Feedback, Proposal, Verdict
from bartizan.core.errors import InputError, StoreError, UsageError
from bartizan.store.state import State
from bartizan.vault import MasterKey, Vault

NOW = 1_763_879_881_000_000
ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"


class Desk:
    """Feedback over real files, with a list for the ledger and a clock that ticks."""

    def __init__(self, home: Path) -> None:
        self.state = State.open(home)
        self.vault = Vault.open(self.state, MasterKey(b"m" * 32, "test"))
        self.events: list[Mapping[str, object]] = []
        self.fails = False
        self.now_us = NOW
        self.feedback = Feedback(self.state, self.vault, self.record, self.clock_us)

    def record(self, event: Mapping[str, object]) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        self.events.append(event)

    def clock_us(self) -> int:
        self.now_us += 1
        return self.now_us

    def who(self, name: str) -> str:
        return self.vault.pseudonym(name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    yield one
    one.state.close()


def test_a_verdict_is_kept_and_recorded_without_its_words(desk: Desk) -> None:
    said = desk.feedback.give("01J0", "mistake", "no-iban", BOB, "A test account.", "pay to DE00", desk.who(ADA))
    assert (said.verdict, said.clause, said.person, said.by) == (
        Verdict.MISTAKE,
        "no-iban",
        desk.who(ADA),
        desk.who(BOB),
    )
    assert (said.example, said.side, said.has_note) == (Proposal.PROPOSED, "keeps", True)
    assert desk.feedback.about("01J0") == (said,) and desk.feedback.said(said.id) == said
    (event,) = desk.events
    assert event == {
        "event": "feedback",
        "exchange": "01J0",
        "feedback": said.id,
        "verdict": "mistake",
        "clause": "no-iban",
        "person": desk.who(ADA),
        "by": desk.who(BOB),
        "example": "proposed",
    }


def test_names_and_pseudonyms_are_the_same_people(desk: Desk) -> None:
    by_name = desk.feedback.give("01J0", Verdict.RIGHT, "a", BOB, person=ADA)
    by_pseudonym = desk.feedback.give("01J0", Verdict.RIGHT, "a", desk.who(BOB), person=desk.who(ADA))
    assert (by_name.person, by_name.by) == (by_pseudonym.person, by_pseudonym.by)
    assert desk.feedback.about("01J0") == (by_pseudonym,)


def test_a_later_verdict_replaces_the_earlier_of_the_same_person_alone(desk: Desk) -> None:
    first = desk.feedback.give("01J0", "mistake", "a", BOB)
    other = desk.feedback.give("01J0", "right", "a", EVE)
    second = desk.feedback.give("01J0", "right", "a", BOB)
    assert desk.feedback.about("01J0") == (other, second)
    with pytest.raises(UsageError):
        desk.feedback.said(first.id)
    assert [e["verdict"] for e in desk.events] == ["mistake", "right", "right"]


def test_a_verdict_is_taken_back(desk: Desk) -> None:
    desk.feedback.give("01J0", "mistake", "a", BOB)
    assert not desk.feedback.withdraw("01J0", EVE)
    assert desk.feedback.withdraw("01J0", BOB) and not desk.feedback.withdraw("01J0", BOB)
    assert desk.feedback.about("01J0") == ()
    assert [e["event"] for e in desk.events] == ["feedback", "feedback-withdrawn"]


def test_nothing_counts_without_its_record(desk: Desk) -> None:
    kept = desk.feedback.give("01J0", "mistake", "a", BOB, "words", "a text", ADA)
    desk.feedback.assign("01J0", EVE, BOB, NOW)
    desk.fails = True
    for deed in (
        lambda: desk.feedback.give("01J0", "right", "a", BOB),
        lambda: desk.feedback.withdraw("01J0", BOB),
        lambda: desk.feedback.take(kept.id, EVE),
        lambda: desk.feedback.dismiss(kept.id, EVE),
        lambda: desk.feedback.example_text(kept.id, EVE),
        lambda: desk.feedback.note_text(kept.id, EVE),
        lambda: desk.feedback.assign("01J0", BOB, BOB, NOW),
    ):
        with pytest.raises(StoreError):
            deed()
    assert desk.feedback.about("01J0") == (kept,)
    found = desk.feedback.assigned("01J0")
    assert found is not None and found.assignee == desk.who(EVE)


BAD = {
    "no verdict": {"verdict": "maybe"},
    "no exchange": {"exchange": ""},
    "an exchange that is a sentence": {"exchange": "the customer said no"},
    "an exchange too long": {"exchange": "x" * 129},
    "a clause that is a sentence": {"clause": "no secrets\nplease"},
    "nobody": {"by": " "},
    "a long note": {"note": "x" * (MAX_NOTE + 1)},
    "a long example": {"example": "x" * (MAX_NOTE + 1)},
    "an example of what was right": {"verdict": "right", "example": "x"},
    "an example for no clause": {"clause": "", "example": "x"},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD)
def test_what_means_nothing_is_refused(desk: Desk, wrong: dict[str, str]) -> None:
    with pytest.raises(InputError):
        desk.feedback.give(**({"exchange": "01J0", "verdict": "mistake", "clause": "a", "by": BOB} | wrong))
    assert desk.events == [] and desk.feedback.since(0) == ()


def test_an_example_waits_until_somebody_takes_or_dismisses_it(desk: Desk) -> None:
    one = desk.feedback.give("01J0", "mistake", "a", BOB, example="keep this")
    two = desk.feedback.give("01J1", "missed", "a", BOB, example="break this")
    desk.feedback.give("01J2", "mistake", "a", BOB)
    assert desk.feedback.proposed() == (one, two) and [s.side for s in (one, two)] == ["keeps", "breaks"]
    assert desk.feedback.example_text(two.id, EVE) == "break this"
    assert desk.feedback.take(one.id, EVE).example is Proposal.TAKEN
    assert desk.feedback.dismiss(two.id, EVE).example is Proposal.DISMISSED
    assert desk.feedback.proposed() == () and [said.id for said in desk.feedback.taken()] == [one.id]
    for id_ in (one.id, two.id):
        with pytest.raises(UsageError, match="already"):
            desk.feedback.take(id_, EVE)
    assert [(e["event"], e["by"]) for e in desk.events[3:]] == [
        (what, desk.who(EVE)) for what in ("example-opened", "example-taken", "example-dismissed")
    ]


def test_what_has_no_example_is_not_taken(desk: Desk) -> None:
    said = desk.feedback.give("01J0", "mistake", "a", BOB)
    with pytest.raises(UsageError, match="there is no example"):
        desk.feedback.take(said.id, EVE)
    assert desk.feedback.example_text(said.id, EVE) == desk.feedback.note_text(said.id, EVE) == ""
    for deed in (desk.feedback.take, desk.feedback.dismiss, desk.feedback.example_text, desk.feedback.note_text):
        with pytest.raises(UsageError):
            deed("f-none", EVE)


def test_forgetting_the_person_concerned_erases_what_was_said_of_them(desk: Desk) -> None:
    said = desk.feedback.give("01J0", "mistake", "a", BOB, "Ada typed it.", "her text", ADA)
    desk.vault.forget(ADA)
    assert desk.feedback.example_text(said.id, EVE) == desk.feedback.note_text(said.id, EVE) == ""
    assert desk.feedback.proposed() == () and desk.feedback.said(said.id).verdict is Verdict.MISTAKE
    with pytest.raises(UsageError, match="forgotten"):
        desk.feedback.give("01J1", "mistake", "a", BOB, "Again.", person=said.person)
    assert desk.feedback.give("01J1", "mistake", "a", BOB, person=said.person).person == said.person


def test_a_text_whose_key_is_gone_says_so(desk: Desk) -> None:
    said = desk.feedback.give("01J0", "mistake", "a", BOB, "words", "a text", ADA)
    desk.state.change("DELETE FROM person_key")
    erased = "(the text was erased: its key is gone)"
    assert desk.feedback.example_text(said.id, EVE) == desk.feedback.note_text(said.id, EVE) == erased
    assert len(desk.events) == 1, "nothing was opened"


def test_nothing_that_was_typed_lies_open_in_the_file(desk: Desk, tmp_path: Path) -> None:
    canary = "canary-7719"
    desk.feedback.give("01J0", "mistake", "a", f"{canary}-by", f"note {canary}", f"text {canary}", f"{canary}-of")
    desk.feedback.assign("01J0", f"{canary}-to", f"{canary}-by", NOW)
    assert canary not in repr(desk.events)
    for file in tmp_path.iterdir():
        assert canary.encode() not in file.read_bytes(), file.name


def test_wrongly_stopped_counts_exchanges_not_people(desk: Desk) -> None:
    for by in (BOB, EVE):
        desk.feedback.give("01J0", "mistake", "a", by)
    desk.feedback.give("01J1", "mistake", "a", BOB)
    desk.feedback.give("01J2", "right", "a", BOB)
    between = desk.now_us + 1
    desk.feedback.give("01J3", "missed", "b", BOB)
    assert desk.feedback.counts(NOW) == {"a": Counts(right=1, mistake=2), "b": Counts(missed=1)}
    assert desk.feedback.counts(between) == {"b": Counts(missed=1)}
    assert [s.exchange for s in desk.feedback.since(between)] == ["01J3"]
    assert [s.exchange for s in desk.feedback.since(NOW, limit=2)] == ["01J3", "01J2"]


def test_a_page_of_exchanges_is_asked_at_once(desk: Desk) -> None:
    wanted = [f"01J{n}" for n in range(AT_ONCE + 3)]
    for exchange in (wanted[0], wanted[-1]):
        desk.feedback.give(exchange, "mistake", "a", BOB)
        desk.feedback.assign(exchange, EVE, BOB, NOW)
    desk.feedback.give("elsewhere", "right", "a", BOB)
    assert sorted(desk.feedback.among(wanted)) == sorted((wanted[0], wanted[-1]))
    assert sorted(desk.feedback.assigned_among(wanted)) == sorted((wanted[0], wanted[-1]))
    assert desk.feedback.among(()) == desk.feedback.assigned_among(()) == {}


def test_somebody_looks_after_it(desk: Desk) -> None:
    assert desk.feedback.assigned("01J0") is None
    first = desk.feedback.assign("01J0", EVE, BOB, NOW)
    assert first == Assigned("01J0", desk.who(EVE), desk.who(BOB), NOW)
    second = desk.feedback.assign("c-1", EVE, EVE, NOW + 1)
    assert desk.feedback.of(EVE) == desk.feedback.of(desk.who(EVE)) == (second, first)
    desk.feedback.assign("01J0", BOB, EVE, NOW + 2)
    assert desk.feedback.of(EVE) == (second,)
    assert desk.feedback.assign("c-1", "", EVE, NOW + 3) is None
    assert desk.feedback.of(EVE) == () and desk.feedback.assigned("c-1") is None
    assert [(e["exchange"], e.get("case")) for e in desk.events] == [
        ("01J0", None), ("", "c-1"), ("01J0", None), ("", "c-1"),
    ]  # fmt: skip
    with pytest.raises(InputError):
        desk.feedback.assign("two words", EVE, BOB, NOW)


STEPS = st.lists(
    st.tuples(st.sampled_from(["right", "mistake", "missed", "withdraw"]), st.sampled_from([ADA, BOB, EVE])), max_size=8
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_everybody_has_at_most_one_verdict_and_it_is_their_last(desk: Desk, steps: list[tuple[str, str]]) -> None:
    desk.state.change("DELETE FROM feedback")
    last: dict[str, str] = {}
    for what, by in steps:
        if what == "withdraw":
            assert desk.feedback.withdraw("01J0", by) == (by in last)
            last.pop(by, None)
        else:
            desk.feedback.give("01J0", what, "a", by)
            last[by] = what
    assert {said.by: said.verdict.value for said in desk.feedback.about("01J0")} == {
        desk.who(by): what for by, what in last.items()
    }
