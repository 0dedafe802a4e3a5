"""Live: what happens right now, and is it getting worse? Whole without JavaScript; with it, the page streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from bartizan.core.errors import InputError, LimitError
from bartizan.doors.console.answers import Page
from bartizan.doors.console.asked import Asked
from bartizan.doors.console.feed import Listener, Listening
from bartizan.doors.console.lines import clauses, lines
from bartizan.doors.console.pages.pauses import shown
from bartizan.doors.console.routes import page, stream
from bartizan.events import Filter
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWS = 100
CHOICES = (("", "All"), ("-action:allow", "Acted on"), ("action:block", "Blocked"), ("action:review", "Held"))


def live(asked: Asked) -> Page:
    """The strips of the last quarter of an hour, and the latest hundred exchanges."""
    console, text, why = asked.console, asked.query.get("q", "").strip(), ""
    at = console.index.newest()  # Before the rows: what comes between is told once more rather than never.
    filter_: Filter | None = None
    try:
        filter_ = Filter.parse(text, asked.now_us)
        rows = console.index.page(filter_, limit=ROWS).rows
    except (InputError, LimitError) as error:
        why, rows = str(error), ()
    values = {
        "lines": lines(rows, clauses(console.home), asked.now_us),
        "fresh": False,
        "q": text,
        "why": why,
        "words": bool(filter_ and filter_.words),
        "choices": CHOICES,
        "at": at,
        "streams": filter_ is not None,
        "paused": shown(asked),
        "analyst": asked.who.may(Role.ANALYST),
        **console.live.strips(asked.now_us),
    }
    return Page("live.html", values, css=("live.css",), js=("live.js",), value=_told(values, rows))


def _told(values: Mapping[str, object], rows: object) -> dict[str, object]:
    return {"events": rows, "number": values["at"], "why": values["why"]}


async def streamed(asked: Asked) -> Response:
    """The same as it happens, as server-sent events. `after`, or Last-Event-ID: the number of what came last."""
    live = asked.console.live
    try:
        filter_ = Filter.parse(asked.query.get("q", "").strip(), asked.now_us)
    except (InputError, LimitError) as error:
        return Response(f"{error}\n", 400, media_type="text/plain")
    if live.feed.full:
        return Response("as many watch as can be told\n", 503, {"retry-after": "10"}, media_type="text/plain")
    session = asked.session
    return Listening(live.feed, Listener(filter_, _number(asked), lambda: live.holds(session)))


def _number(asked: Asked) -> int:
    """From where on; nonsense is the beginning, which is bounded like everything that was missed."""
    text = asked.last_event or asked.query.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


ROUTES = (page("/live", live, Role.VIEWER), stream("/live/stream", streamed, Role.VIEWER))
