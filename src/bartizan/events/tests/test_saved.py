"""Saved views: each account's own, bounded, replaced by name, and back again after a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.core.errors import InputError, UsageError
from bartizan.events.saved import KEPT_US, MAX_NAME, MAX_QUERY, MAX_VIEWS, SavedViews
from bartizan.store.state import State

MARA, NILS = "p-" + "1" * 20, "p-" + "2" * 20


class Clock:
    """A clock that goes when told to."""

    now_us = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def views(tmp_path: Path, clock: Clock) -> Iterator[SavedViews]:
    state = State.open(tmp_path)
    yield SavedViews(state, clock)
    state.close()


def names(views: SavedViews, person: str = MARA) -> list[str]:
    return [one.name for one in views.of(person)]


def test_a_view_belongs_to_whoever_saved_it(views: SavedViews) -> None:
    made = views.save(MARA, "  Held \n today ", "q=action%3Areview")
    assert (made.name, made.query) == ("Held today", "q=action%3Areview")
    assert views.of(MARA) == (made,) and views.of(NILS) == ()
    with pytest.raises(UsageError):
        views.remove(NILS, made.id)
    assert names(views) == ["Held today"]


def test_a_name_is_there_once(views: SavedViews) -> None:
    views.save(MARA, "mine", "q=action%3Ablock")
    again = views.save(MARA, "mine", "q=action%3Awarn")
    assert views.of(MARA) == (again,)
    assert views.save(NILS, "mine", "").query == "" and views.of(MARA) == (again,)


def test_what_was_removed_comes_back_within_a_day(views: SavedViews, clock: Clock) -> None:
    first, second = views.save(MARA, "first", "a"), views.save(MARA, "second", "b")
    views.remove(MARA, first.id)
    assert names(views) == ["second"] and views.removed(MARA) == (first,) and views.removed(NILS) == ()
    with pytest.raises(UsageError):
        views.remove(MARA, first.id)
    with pytest.raises(UsageError):
        views.put_back(NILS, first.id)
    assert views.put_back(MARA, first.id) == first and names(views) == ["first", "second"]
    views.remove(MARA, second.id)
    clock.now_us += KEPT_US + 1
    assert views.removed(MARA) == ()
    with pytest.raises(UsageError, match="kept for a day"):
        views.put_back(MARA, second.id)


def test_a_name_that_was_taken_anew_leaves_nothing_to_put_back(views: SavedViews) -> None:
    old = views.save(MARA, "mine", "old")
    views.remove(MARA, old.id)
    views.save(MARA, "mine", "new")
    assert views.removed(MARA) == ()
    with pytest.raises(UsageError):
        views.put_back(MARA, old.id)


def test_there_are_only_so_many(views: SavedViews) -> None:
    made = [views.save(MARA, f"view {n:02}", "") for n in range(MAX_VIEWS)]
    with pytest.raises(UsageError, match="50 saved views"):
        views.save(MARA, "one more", "")
    views.save(MARA, "view 00", "other")  # In its place.
    views.save(NILS, "one", "")  # Somebody else's do not count.
    views.remove(MARA, made[7].id)
    views.save(MARA, "one more", "")
    assert len(views.of(MARA)) == MAX_VIEWS and views.removed(MARA) == ()


@pytest.mark.parametrize(
    ("name", "query"), [("", ""), (" \n\t", ""), ("n" * (MAX_NAME + 1), ""), ("n", "q" * (MAX_QUERY + 1))]
)
def test_what_is_empty_or_too_long_is_said(views: SavedViews, name: str, query: str) -> None:
    with pytest.raises(InputError):
        views.save(MARA, name, query)


@pytest.mark.parametrize("name", ["<script>", "a\u202eb", "'; DROP TABLE saved_view; --", "\ud800", "\x00", "אבג"])
def test_any_name_is_a_name(views: SavedViews, name: str) -> None:
    made = views.save(MARA, name, "q=x")
    assert views.of(MARA) == (made,)
    views.remove(MARA, made.id)
    assert views.put_back(MARA, made.id) == made
