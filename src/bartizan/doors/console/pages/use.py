"""AI use: which AI there is, who decided what about it, how much goes there, and what is not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bartizan.core.errors import UsageError
from bartizan.doors.console import use_words
from bartizan.doors.console.answers import Done, File, Page
from bartizan.doors.console.charts import counted as chart_of
from bartizan.doors.console.render import plural
from bartizan.doors.console.routes import act, page
from bartizan.doors.console.use_needs import use_needs
from bartizan.home.ledger_usage import refresh as refresh_of
from bartizan.home.register import exceptions, names, register
from bartizan.inventory import sheet
from bartizan.inventory.coverage import coverage
from bartizan.inventory.system import Status
from bartizan.readers.logs.usage import Sort
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.doors.console.charts import Chart
    from bartizan.doors.console.uses import Counted
    from bartizan.inventory.coverage import Covered
    from bartizan.inventory.system import System

CSS = ("settings.css", "use.css")
RANGES = {"30d": (30, "30 days"), "90d": (90, "90 days"), "365d": (365, "a year")}
SHOWS = ("used", "all", "waiting", "undecided", "approved", "tolerated", "restricted", "blocked")
SORTS = ("people", "times", "sent", "proof", "last", "first", "review", "name")
AT_ONCE = 40
MAX_HOSTS = 10  # Candidates, and look-alikes, on the page itself; all of them are a page of their own.
MAX_NEEDS = 5
MAX_NAME = 100
FORMATS = ("csv", "json")


@dataclass(frozen=True, slots=True)
class View:
    """What of the register is looked at, and in which order: what stands in the address."""

    range: str = "30d"
    show: str = "used"
    sort: str = "people"
    words: str = ""
    sorts: str = "service"

    @classmethod
    def of(cls, asked: Asked) -> View:
        return cls(
            asked.option("range", tuple(RANGES)),
            asked.option("show", SHOWS),
            asked.option("sort", SORTS),
            " ".join(asked.query.get("q", "")[:MAX_NAME].split()),
            asked.option("of", ("service", Sort.CANDIDATE.value, Sort.LOOK_ALIKE.value)),
        )

    @property
    def days(self) -> int:
        return RANGES[self.range][0]

    def url(self, path: str = "/use", **other: object) -> str:
        """The address of this view, or of another that differs in something."""
        given = {
            "range": self.range,
            "show": self.show,
            "sort": self.sort,
            "q": self.words,
            "of": self.sorts,
            **{key: str(value) for key, value in other.items()},
        }
        plain = {"range": "30d", "show": "used", "sort": "people", "q": "", "of": "service", "from": "0"}
        said = {key: value for key, value in given.items() if value != plain.get(key)}
        return f"{path}?{urlencode(said)}" if said else path


def use(asked: Asked) -> Page:
    """The page."""
    view, now_us = View.of(asked), asked.now_us
    counted = asked.console.uses.counted(view.days, now_us)
    own = register(asked.console.home)
    everything = own.systems(told=counted.seen)
    of_sort = _of_sort(everything, view.sorts)
    some = _ordered(_shown(of_sort, view, now_us), view.sort)
    first = _first(asked, len(some))
    sources = coverage(asked.console.home.state, now_us)
    services = [one for one in everything if use_words.service(one)]
    hosts = [one for one in everything if not use_words.service(one)]
    found = use_needs(asked, most=MAX_NEEDS)
    values = {
        "view": view,
        "ranges": RANGES,
        "words": use_words,
        "lead": lead(services, counted, RANGES[view.range][1]),
        "sub": under(services, counted, sources, now_us),
        "needs": found[:MAX_NEEDS],
        "more_needs": max(0, len(found) - MAX_NEEDS),
        "chart": _chart(asked, services, counted, RANGES[view.range][1]),
        "sources": sources,
        "systems": some[first : first + AT_ONCE],
        "first": first,
        "found": len(some),
        "at_once": AT_ONCE,
        "shows": _counts(of_sort, now_us),
        "candidates": _few(hosts, Sort.CANDIDATE),
        "lookalikes": _few(hosts, Sort.LOOK_ALIKE),
        "asked_for": exceptions(asked.console.home).waiting(now_us),
        "titles": {one.id: one.title for one in everything},
        "name_requests": names(asked.console.home).waiting(now_us) if asked.who.may(Role.PRIVACY) else [],
        "empty": not everything,
        "author": asked.who.may(Role.AUTHOR),
    }
    value = _json(view, counted, some[first : first + AT_ONCE], first, len(some), sources) if asked.by_api else None
    return Page("use.html", values, value=value, css=CSS)


def download(asked: Asked) -> File:
    """Exactly this view as a file that `bartizan usage register import` reads."""
    view = View.of(asked)
    counted = asked.console.uses.counted(view.days, asked.now_us)
    everything = register(asked.console.home).systems(told=counted.seen)
    some = _ordered(_shown(_of_sort(everything, view.sorts), view, asked.now_us), view.sort)
    if asked.option("format", FORMATS) == "json":
        return File("ai-use.json", "application/json", sheet.as_json(some).encode())
    return File("ai-use.csv", "text/csv; charset=utf-8", sheet.as_csv(some).encode())


def add(asked: Asked) -> Done:
    """A system that no source told of."""
    id_ = asked.text("id", at_most=120)
    own = register(asked.console.home)
    if any(one.id == id_ for one in own.systems(told={})):
        raise UsageError(f"{id_}: is in the register already")
    system = own.add(id_, asked.who.person, asked.now_us)
    return Done(f"{system.title} is in the register.", use_words.address(id_), system.as_json())


def refresh(asked: Asked) -> Done:
    """Bring the register up to the ledger: what passed the gateway and the forward door."""
    done = refresh_of(asked.console.home, asked.now_us)
    exceptions(asked.console.home).expire(asked.now_us)
    new = f"; {plural(len(done.new), 'system')} new" if done.new else ""
    said = f"{plural(done.records, 'record')} of the ledger read{new}."
    return Done(said, "/use", {"records": done.records, "new": list(done.new)})


# ---- What is said ----------------------------------------------------------------------------------------------------


def lead(services: Sequence[System], counted: Counted, span: str) -> str:
    """The first sentence: how many, by how many, and how many of them nobody decided on."""
    used = [one for one in services if one.seen.count]
    if not services:
        return "No AI was seen yet."
    if not used:
        return f"No AI service was seen in use in {span}; {plural(len(services), 'is', 'are')} in the register."
    by = f" by {plural(counted.people, 'person', 'people')}" if counted.people else ""
    open_ = sum(one.status is Status.UNDECIDED for one in used)
    rest = "; somebody decided on each of them"
    if open_:
        rest = f"; nobody decided on {'it' if len(used) == 1 else 'any of them' if open_ == len(used) else open_}"
    elif len(used) == 1:
        rest = "; somebody decided on it"
    return f"{plural(len(used), 'AI service')} in use{by} in {span}{rest}."


def under(services: Sequence[System], counted: Counted, sources: Sequence[Covered], now_us: int) -> str:
    """What else somebody should know: private accounts, use against a decision, and what is not seen."""
    said = []
    if counted.personal:
        said.append(f"{plural(counted.personal, 'person', 'people')} used an account of their own.")
    against = sum(one.status.closed and one.seen.count > 0 for one in services)
    if against:
        word = "is" if against == 1 else "are"
        said.append(f"{plural(against, 'restricted or blocked service')} {word} still seen in use.")
    said.append(use_words.silence(sources, now_us))
    return " ".join(filter(None, said))


def _chart(asked: Asked, services: Sequence[System], counted: Counted, span: str) -> Chart:
    shapes = {one.id: use_words.shape(one.status) for one in services}
    made = asked.console.uses.bars(counted, shapes)
    totals: Counter[str] = Counter()
    for bar in made:
        totals.update(bar.counts)
    per = "week" if use_words.step_us(made) > 86_400_000_000 else "day"
    told = ", ".join(f"{totals[key]:,} {word}" for key, word in use_words.WORDS.items() if totals[key])
    says = f"How often AI was used per {per} in {span}: {told or 'not at all'}"
    return chart_of(made, use_words.WORDS, step_us=use_words.step_us(made), says=says, when=use_words.day_of)


# ---- Which of them ---------------------------------------------------------------------------------------------------


def _of_sort(everything: Iterable[System], sorts: str) -> list[System]:
    if sorts == "service":
        return [one for one in everything if use_words.service(one)]
    return [one for one in everything if one.sort.value == sorts]


def _waits(one: System, now_us: int) -> bool:
    return one.waits_us is not None or one.due(now_us)


def _belongs(one: System, show: str, now_us: int) -> bool:
    match show:
        case "all":
            return True
        case "used":
            return one.seen.count > 0
        case "waiting":
            return _waits(one, now_us)
    return one.status.word == show


def _shown(some: Iterable[System], view: View, now_us: int) -> list[System]:
    words = view.words.casefold().split()
    return [
        one
        for one in some
        if _belongs(one, view.show, now_us)
        and all(word in f"{one.id} {one.name} {one.vendor} {one.owner}".casefold() for word in words)
    ]


def _counts(some: Sequence[System], now_us: int) -> dict[str, int]:
    return {show: sum(_belongs(one, show, now_us) for one in some) for show in SHOWS}


def _ordered(some: list[System], sort: str) -> list[System]:
    match sort:
        case "times":
            some.sort(key=lambda one: -one.seen.count)
        case "sent":
            some.sort(key=lambda one: -one.seen.bytes_up)
        case "proof":
            some.sort(key=lambda one: (-one.seen.evidence, -one.seen.people))
        case "last":
            some.sort(key=lambda one: -one.last_us)
        case "first":
            some.sort(key=lambda one: -one.first_us)
        case "review":
            some.sort(key=lambda one: (one.review_day is None, one.review_day or 0))
        case "name":
            some.sort(key=lambda one: one.title.casefold())
    return some


def _few(hosts: Iterable[System], sort: Sort) -> dict[str, Any]:
    """Hosts of one sort that nobody decided on: some, and how many there are."""
    found = [one for one in hosts if one.sort is sort and one.status is Status.UNDECIDED]
    return {"shown": found[:MAX_HOSTS], "count": len(found)}


def _first(asked: Asked, count: int) -> int:
    given = asked.query.get("from", "")
    first = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0
    return min(first, max(0, count - 1) // AT_ONCE * AT_ONCE)


def _json(
    view: View, counted: Counted, some: Sequence[System], first: int, found: int, sources: Sequence[Covered]
) -> Mapping[str, object]:
    return {
        "schema": "bartizan.use/1",
        "days": view.days,
        "counted_us": counted.at_us,
        "people": counted.people,
        "with_personal_account": counted.personal,
        "from": first,
        "found": found,
        "systems": [one.as_json() for one in some],
        "sources": [one.as_json() for one in sources],
    }


ROUTES = (
    page("/use", use, Role.VIEWER),
    page("/use/download", download, Role.VIEWER),
    act("/use/add", add, Role.AUTHOR),
    act("/use/refresh", refresh, Role.AUTHOR),
)
