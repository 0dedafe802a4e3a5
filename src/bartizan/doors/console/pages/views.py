"""Saved views: a filter, its columns and its grouping under a name, for whoever saved it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bartizan.core.errors import InputError, UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.columns import View, asked_fields
from bartizan.doors.console.routes import act, page
from bartizan.events.saved import MAX_NAME, MAX_VIEWS
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked

CSS = ("event.css", "events.css")
_PSEUDONYM = re.compile(r"p-[0-9a-f]{20}|")


def views(asked: Asked) -> Page:
    """All of them, and those that can be put back."""
    saved, who = asked.console.saved, asked.who.person
    mine, removed = saved.of(who), saved.removed(who)
    values = {"saved": mine, "removed": removed, "most": MAX_VIEWS, "shows": _shows}
    value = {"views": [one.as_json() for one in mine], "removed": [one.as_json() for one in removed]}
    return Page("events_views.html", values, value=value, css=CSS)


def open_(asked: Asked) -> Done:
    """The view behind a name."""
    for one in asked.console.saved.of(asked.who.person):
        if one.id == asked.path["id"]:
            return Done("", "/events" + (f"?{one.query}" if one.query else ""), one.as_json())
    raise UsageError("you have no saved view of this kind any more")


def save(asked: Asked) -> Done:
    """Keep what is looked at, under a name; in place of the view that has it."""
    name = asked.text("name", at_most=MAX_NAME)
    view = View.read(asked.fields, asked.now_us)
    if view.filter.words:
        raise InputError("words are looked for anew each time, on record; save the view without them", "view")
    people = (*view.filter.values("who"), *view.filter.values("who", negated=True))
    if not all(map(_PSEUDONYM.fullmatch, people)):
        raise InputError("a saved view has people by their pseudonym (who:p-…)", "view")
    made = asked.console.saved.save(asked.who.person, name, view.query)
    return Done("Saved; it stands under Saved views.", view.link(), made.as_json())


def delete(asked: Asked) -> Done:
    """Take one away; it can be put back for a day."""
    gone = asked.console.saved.remove(asked.who.person, asked.path["id"])
    return Done("Deleted; for a day it can be put back, below.", "/events/views", gone.as_json())


def put_back(asked: Asked) -> Done:
    """Bring one back."""
    back = asked.console.saved.put_back(asked.who.person, asked.path["id"])
    return Done("It is back.", "/events/views", back.as_json())


def _shows(query: str, now_us: int) -> View | None:
    """What a kept query means today; None where it means nothing any more."""
    try:
        return View.read(asked_fields("?" + query), now_us)
    except InputError:
        return None


ROUTES = (
    page("/events/views", views, Role.VIEWER),
    page("/events/views/{id}", open_, Role.VIEWER),
    act("/events/views", save, Role.VIEWER),
    act("/events/views/{id}/delete", delete, Role.VIEWER),
    act("/events/views/{id}/put-back", put_back, Role.VIEWER),
)
