"""Who opens a sealed text is on record before anybody reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bartizan.core.errors import InputError, StoreFull, UsageError
from bartizan.ledger.opening import Gone, Searched, decisions, open_texts, records_of, search_texts

if TYPE_CHECKING:
    from conftest import Place


class Told(list[dict[str, Any]]):
    """Events as a ledger would take them."""

    def __call__(self, event) -> None:
        self.append(dict(event))


def full(event) -> None:
    raise StoreFull("no room")


def two_sides(place: Place) -> None:
    writer = place.writer()
    told = place.entry(0)
    writer.append(told, [("request", b"\xff raw as it came")])
    writer.append({**told, "side": "answer"}, [("answer", b'{"a": "b"}')])
    writer.append({"event": "case-opened", "exchange": "X00000", "action": "review"})
    writer.close()


def test_both_sides_are_opened_and_it_is_recorded(place: Place) -> None:
    two_sides(place)
    told = Told()
    texts = open_texts(place.path, place.vault, "X00000", by="p-me", record=told)
    assert texts == {"request": b"\xff raw as it came", "answer": b'{"a": "b"}'}
    (event,) = told
    assert event["event"] == "text-opened" and event["exchange"] == "X00000" and event["by"] == "p-me"
    assert event["sides"] == ["answer", "request"]
    assert event["person"] == place.vault.pseudonym("alice@example.org")


def test_what_cannot_be_recorded_is_not_shown(place: Place) -> None:
    two_sides(place)
    with pytest.raises(StoreFull):
        open_texts(place.path, place.vault, "X00000", by="p-me", record=full)
    with pytest.raises(StoreFull):
        search_texts(place.path, place.vault, [("gateway-0.1", "X00000")], ["raw"], by="p", asked="", record=full)


def test_who_was_forgotten_has_no_text(place: Place) -> None:
    two_sides(place)
    place.vault.forget("alice@example.org")
    told = Told()
    texts = open_texts(place.path, place.vault, "X00000", by="p-me", record=told)
    assert all(isinstance(text, Gone) and "erased" in text.why for text in texts.values())
    assert not told


def test_nothing_sealed_is_nothing_opened(place: Place) -> None:
    place.write(1)
    told = Told()
    assert open_texts(place.path, place.vault, "X00000", by="p-me", record=told) == {}
    assert open_texts(place.path, place.vault, "unknown", by="p-me", record=told) == {}
    assert not told


def test_the_decisions_of_an_exchange_are_those_with_an_action_and_a_side(place: Place) -> None:
    two_sides(place)
    found = records_of(place.path, "X00000")
    assert [record.get("event") for record in found] == [None, None, "case-opened"]
    assert [record["side"] for record in decisions(reversed(found))] == ["request", "answer"]
    with pytest.raises(UsageError):
        decisions(records_of(place.path, "unknown"))


def all_of(place: Place, count: int) -> list[tuple[str, str]]:
    return [("gateway-0.1", f"X{n:05}") for n in range(count)]


def test_words_are_found_and_never_recorded(place: Place) -> None:
    place.write(20, bodies=True)
    told = Told()
    searched = search_texts(
        place.path, place.vault, all_of(place, 20), ["TEXT", "7"], by="p-me", asked="action:block", record=told
    )
    assert searched == Searched(("X00007", "X00017"), 20, 0, False)
    assert told == [{"event": "texts-searched", "exchange": "", "by": "p-me", "filter": "action:block", "texts": 20}]


def test_a_search_ends_at_its_bound_and_says_so(place: Place) -> None:
    place.write(20, bodies=True)
    searched = search_texts(
        place.path, place.vault, all_of(place, 20), ["text"], by="p", asked="", record=Told(), at_most=5
    )
    assert (len(searched.found), searched.opened, searched.more) == (5, 5, True)


def test_words_in_json_are_found_behind_its_escapes(place: Place) -> None:
    writer = place.writer()
    body = json.dumps({"messages": [{"content": 'Gr\u00fc\u00dfe an "alle"\n12345'}]}).encode()
    assert b"\\u00fc" in body
    writer.append(place.entry(0), [("request", body)])
    writer.close()
    for words in (["grüsse"], ['"alle"'], ["GRÜẞE", "12345"], ["messages"]):
        searched = search_texts(place.path, place.vault, all_of(place, 1), words, by="p", asked="", record=Told())
        assert searched.found == ("X00000",), words


def test_a_search_has_words_and_not_too_many(place: Place) -> None:
    for words in ([], [" "], ["x"] * 9):
        with pytest.raises(InputError):
            search_texts(place.path, place.vault, [], words, by="p", asked="", record=Told())
