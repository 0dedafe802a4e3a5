"""All events: filtered, grouped, counted, searched and taken along. The whole view is in its URL."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bartizan.core.errors import InputError
from bartizan.doors.console import downloads
from bartizan.doors.console.answers import Done, File, Page
from bartizan.doors.console.bulk import MAX_AT_ONCE
from bartizan.doors.console.columns import ALWAYS, COLUMNS, MAX_ROWS, View, asked_fields
from bartizan.doors.console.routes import act, page
from bartizan.events import Filter
from bartizan.events.row import Row
from bartizan.home.naming import open_name
from bartizan.ledger.opening import MAX_SEARCHED, Searched, search_texts
from bartizan.rules.risks import catalogue
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bartizan.doors.console.asked import Asked

MAX_COUNTED = 10_000
MAX_FOUND = 100  # Events of a search on one page.
MAX_GROUPS = 40
FIELDS = ("action", "clause", "risk", "who", "app", "model", "door", "severity")
NAMES = {
    "action": "Decision",
    "clause": "Clause",
    "risk": "What was seen",
    "who": "Person",
    "app": "App",
    "model": "Model",
    "door": "Door",
    "severity": "Severity",
}
VIEWS = (
    ("All", ""),
    ("Acted on", "-action:allow"),
    ("Blocked", "action:block"),
    ("Held", "action:review action:justify"),
    ("Redacted", "action:redact"),
    ("Would have been", "-would:allow"),
    ("Not examined", "failed:yes"),
)
"""Views that have a name for everybody. Others are saved by whoever wants them."""

CSS = ("event.css", "events.css")
JS = ("event.js", "events.js")
MAX_IN_MENU = 8  # Saved views; all of them have a page of their own.


def events(asked: Asked) -> Page | Done:
    """A page of events, what they have in common, and where to go on."""
    typed = asked.query.get("q", "")
    fields = asked_fields(asked.url)
    try:
        view = View.read(fields | {"q": (typed,)}, asked.now_us)
        changed = _changed(asked, view.filter)
    except InputError as error:
        nothing = View.read(fields | {"q": ("",)}, asked.now_us)
        return _page(asked, nothing, {"typed": typed[:1000], "problem": str(error)}, 400)
    if changed is not None:
        return Done("", view.of(changed).link())
    if len(fields.get("columns", ())) > 1 and not asked.by_api:
        return Done("", view.link())  # Ticked boxes, as one word: a view has one address.
    return _page(asked, view, {"typed": view.filter.text, "problem": ""})


def search(asked: Asked) -> Done:
    """Look for words in the sealed texts of what the filter means. How many were opened is recorded, and no word."""
    view = View.read({**asked.fields, "q": (asked.text("q", at_most=1000),)}, asked.now_us).one_by_one()
    filter_ = view.filter
    if not filter_.words:
        raise InputError("has no words to look for", "q")
    rows, more = _with_texts(asked, _wordless(filter_))
    console = asked.console
    made = search_texts(
        console.home.path,
        console.home.vault,
        [(row.writer, row.exchange) for row in rows],
        filter_.words,
        by=asked.who.person,
        asked=_wordless(filter_).text,
        record=console.record,
    )
    made = Searched(made.found, made.opened, made.gone, made.more or more)
    if asked.session is not None:
        console.opened.keep(asked.session.id, _key(filter_), made, 200 * len(made.found), asked.now_us)
    return Done("", view.link(), {"found": list(made.found), "opened": made.opened, "more": made.more})


def download(asked: Asked) -> File:
    """Exactly this view, as a table, as the ledger's records, or for another system. Chosen columns are a table's."""
    view = View.read(asked_fields(asked.url), asked.now_us)
    filter_ = view.filter
    format_ = asked.option("format", downloads.FORMATS)
    if filter_.words:
        searched = _searched(asked, filter_)
        if searched is None:
            raise InputError("search the sealed texts first", "q")
        rows: Iterator[Row] = iter(_found(asked, searched, downloads.MAX_ROWS))
    else:
        rows = downloads.rows(asked.console.index, filter_)
    if format_ != "csv" or view.usual:
        return downloads.file(rows, format_, asked.console.home.path)
    return downloads.chosen(_with_told(asked, rows, view), view.columns)


# ---- Inside ---------------------------------------------------------------------------------------------------------


def _changed(asked: Asked, filter_: Filter) -> Filter | None:
    """The filter with what a + or − adds, or with a name as the pseudonym it stands for. Raises InputError."""
    for sign in ("plus", "minus"):
        field, colon, value = asked.query.get(sign, "").partition(":")
        if colon:
            return filter_.plus(field, value) if sign == "plus" else filter_.minus(field, value)
    if not any(term.field == "who" for term in filter_.terms):
        return None
    resolved = filter_.resolved(lambda name: _pseudonym(asked, name))
    return resolved if resolved.terms != filter_.terms else None


def _pseudonym(asked: Asked, name: str) -> str | None:
    """Who a name is, for those who may open names; one's own for everybody. The rest types pseudonyms."""
    console = asked.console
    if name.casefold() in ("me", asked.who.name.casefold()):
        return asked.who.person
    if not asked.who.may(Role.PRIVACY):
        return None
    pseudonym = console.home.vault.known(name)
    if pseudonym is not None:
        open_name(console.home, console.record, pseudonym, asked.who.person)  # It is the same knowledge: recorded.
    return pseudonym


def _page(asked: Asked, view: View, values: dict[str, Any], status: int = 200) -> Page:
    index, filter_ = asked.console.index, view.filter
    wordless = _wordless(filter_)
    searched = _searched(asked, filter_) if filter_.words else None
    grouped = view.grouped and not filter_.words and not values["problem"]
    before = asked.query.get("before", "")
    groups = index.groups(wordless, limit=MAX_GROUPS) if grouped else ()
    listing = not (grouped or filter_.words or values["problem"])
    found = index.page(wordless, before=before, limit=view.rows) if listing else None
    rows: tuple[Row, ...] = found.rows if found else ()
    if searched is not None:
        rows = tuple(_found(asked, searched, MAX_FOUND * view.rows // MAX_ROWS))
    ledger = index.status()
    count = index.count(wordless, MAX_COUNTED) if not values["problem"] else 0
    saved = asked.console.saved.of(asked.who.person)
    values |= {
        "filter": filter_,
        "view": view,
        "columns": COLUMNS,
        "always": ALWAYS,
        "told": {row.exchange: one for row, one in _with_told(asked, rows, view)},
        "saved": [(one, one.query == view.query) for one in saved[:MAX_IN_MENU]],
        "saved_count": len(saved),
        "analyst": asked.who.may(Role.ANALYST),
        "max_at_once": MAX_AT_ONCE,
        "all": listing,
        "terms": [(term.text, view.of(filter_.without(term)).link()) for term in filter_.terms]
        + [(f"“{word}”", view.of(filter_.without(word)).link()) for word in filter_.words],
        "rows": rows,
        "groups": groups,
        "grouped": grouped,
        "next": view.link(before=found.next) if found and found.next else "",
        "paged": bool(before),
        "count": count,
        "at_most": MAX_COUNTED,
        "panel": index.panel(wordless, FIELDS) if not values["problem"] else {},
        "fields": NAMES,
        "views": [(name, "/events" + (f"?{urlencode({'q': q})}" if q else ""), q == filter_.text) for name, q in VIEWS],
        "searched": searched,
        "max_searched": MAX_SEARCHED,
        "may_search": asked.who.may(Role.ANALYST),
        "ledger": ledger,
        "risks": catalogue(),
        "file": lambda format_: "/events/download?" + urlencode({"q": filter_.text, "format": format_}),
        "file_chosen": "" if view.usual else "/events/download?" + view.one_by_one().query,
        "hint": _hint(asked, filter_),
    }
    listed = {
        "filter": filter_.text,
        "columns": list(view.columns),
        "count": count,
        "events": [told(row) for row in rows],
        "groups": [{**asdict(group), "row": told(group.row)} for group in groups],
        "next": found.next if found else "",
    }
    return Page(
        "events.html", values, status, value=listed if status == 200 else {"error": values["problem"]}, css=CSS, js=JS
    )


def _hint(asked: Asked, filter_: Filter) -> str:
    """What to know about a filter that can find nothing."""
    names = [value for value in filter_.values("who") if value and not value.startswith("p-")]
    if names and not asked.who.may(Role.PRIVACY):
        return "A person is asked for by pseudonym (who:p-…). Names are opened by somebody with the role privacy."
    return "Nobody of that name is known here." if names else ""


def _wordless(filter_: Filter) -> Filter:
    return Filter(filter_.terms, (), filter_.now_us)


def _with_texts(asked: Asked, filter_: Filter) -> tuple[list[Row], bool]:
    """The newest events of which a text was kept, and whether there may be more of them."""
    rows: list[Row] = []
    before = ""
    for _ in range(20):  # Ten thousand events: where few texts are kept, the rest is long past.
        found = asked.console.index.page(filter_, before=before, limit=500)
        rows += [row for row in found.rows if row.body]
        before = found.next
        if not before or len(rows) > MAX_SEARCHED:
            break
    return rows, bool(before)


def _key(filter_: Filter) -> str:
    return f"search {filter_.text}"


def _searched(asked: Asked, filter_: Filter) -> Searched | None:
    """What this session found with this very filter a while ago."""
    found = asked.opened(_key(filter_)) if asked.who.may(Role.ANALYST) else None
    return found if isinstance(found, Searched) else None


def _found(asked: Asked, searched: Searched, most: int) -> list[Row]:
    rows = (asked.console.index.event(exchange) for exchange in searched.found[:most])
    return [row for row in rows if row is not None]


def _with_told(asked: Asked, rows: Iterable[Row], view: View) -> Iterator[tuple[Row, Mapping[str, str]]]:
    """Rows with what people said of them, where a column asks for it."""
    feedback, accounts = asked.console.feedback, asked.console.accounts
    names = {one.person: one.name for one in accounts.accounts()} if "assigned" in view.columns else {}
    rows = iter(rows)
    while some := list(islice(rows, 500)):
        ids = [row.exchange for row in some]
        said = feedback.among(ids) if "said" in view.columns else {}
        assigned = feedback.assigned_among(ids) if "assigned" in view.columns else {}
        for row in some:
            whose = assigned[row.exchange].assignee if row.exchange in assigned else ""
            called = Counter(one.verdict.value for one in said.get(row.exchange, ()))
            told = ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in called.items())
            yield row, {"said": told, "assigned": names.get(whose, whose)}


def told(row: Row) -> dict[str, Any]:
    """A row for programs."""
    return {"schema": "bartizan.event/1"} | {name: one for name, one in asdict(row).items() if name != "number"}


ROUTES = (
    page("/events", events, Role.VIEWER),
    page("/events/download", download, Role.VIEWER),
    act("/events/search", search, Role.ANALYST),
)
