"""One AI system: who uses it how much, what proves it, what was decided and why, and what another decision would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bartizan.core.errors import InputError
from bartizan.doors.console import use_words
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.charts import Chart, Mark
from bartizan.doors.console.charts import counted as chart_of
from bartizan.doors.console.pages.policy import names as colleagues
from bartizan.doors.console.pages.use import CSS, RANGES
from bartizan.doors.console.render import plural
from bartizan.doors.console.routes import act, page
from bartizan.events import Filter
from bartizan.home.register import exceptions, in_force, register, statuses
from bartizan.home.restricting import restriction
from bartizan.inventory import seen
from bartizan.inventory.exports import exports
from bartizan.inventory.fields import FIELDS
from bartizan.inventory.system import Seen, Standing, Status, Tier
from bartizan.readers.logs.usage import AccountKind
from bartizan.readers.logs.visit import Evidence
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.doors.console.uses import Counted
    from bartizan.inventory.seen import PersonUse
    from bartizan.inventory.system import Decided, System

MAX_PEOPLE = 20
MAX_HOSTS = 40
MAX_HISTORY = 20
MAX_EXCEPTIONS = 50
MAX_UNUSUAL = 200
MAX_OTHERS = 400  # Systems that can be named as an alternative without knowing an id.
LONG = frozenset({"instructions"})
# Facts on the page, in the order of questions that an auditor asks.
FACTS = (
    "owner", "purpose", "data_classes", "account", "risk_tier", "legal_basis", "oversight", "retention",
    "instructions", "review_day",
)  # fmt: skip
CHOICES: Mapping[str, Sequence[str]] = {
    "account": [one.value for one in AccountKind],
    "risk_tier": [one.value for one in Tier],
}
MEANS = {
    Status.APPROVED: "May be used. Findings about its use stay quiet.",
    Status.TOLERATED: "May be used for now; somebody should look at it again.",
    Status.RESTRICTED: "Nobody may use it without an exception.",
    Status.BLOCKED: "Nobody may use it.",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that can be made, and what it would do."""

    status: Status
    means: str


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a service is: what a list would stop, and what is never put into one."""

    stopped: tuple[str, ...]
    left: tuple[str, ...]
    more: int = 0


def system(asked: Asked) -> Page:
    """The page."""
    id_, home, now_us = asked.path["id"], asked.console.home, asked.now_us
    range_ = asked.option("range", tuple(RANGES))
    days, span = RANGES[range_]
    counted = asked.console.uses.counted(days, now_us)
    own = register(home)
    found = own.system(id_, told=counted.seen)
    people = seen.people(home.state, system=id_, since_day=counted.since_day, limit=MAX_PEOPLE + 1)
    history = own.history(id_)[:MAX_HISTORY]
    granted = exceptions(home).all(now_us, system=id_, limit=MAX_EXCEPTIONS)
    hosts = _hosts(asked, found)
    known = {one.system: one.name for one in statuses(home).standings(now_us).values()}
    unusual = _unusual(asked, id_, counted.since_day)
    values = {
        "ai": found,
        "words": use_words,
        "status_of": Status,
        "span": range_,
        "ranges": RANGES,
        "says": says(found, span),
        "alternative": known.get(found.alternative, found.alternative),
        "chart": _chart(found, counted, span, unusual),
        "unusual": len(unusual),
        "ladder": _ladder(found.seen),
        "people": people[:MAX_PEOPLE],
        "more_people": max(0, found.seen.people - MAX_PEOPLE),
        "hosts": hosts,
        "history": [(one, own.why(one)) for one in history],
        "exceptions": [(one, *exceptions(home).texts(one.id)) for one in granted],
        "names": colleagues(asked),
        "facts": [(name, FIELDS[name], _fact(found, name)) for name in FACTS],
        "every_field": [(name, field, _written(found, name)) for name, field in FIELDS.items()],
        "long": LONG,
        "options": CHOICES,
        "notes": own.notes(id_),
        "choices": _choices(found, hosts),
        "others": dict(sorted(known.items(), key=lambda one: one[1].casefold())[:MAX_OTHERS]),
        "author": asked.who.may(Role.AUTHOR),
        "privacy": asked.who.may(Role.PRIVACY),
        "decidable": use_words.service(found),
        "because": _because(asked, found),
    }
    value = _json(found, values, people, history) if asked.by_api else None
    return Page("use_system.html", values, value=value, css=CSS)


def decide(asked: Asked) -> Done:
    """Say what may be done with it."""
    id_, own = asked.path["id"], register(asked.console.home)
    word = asked.choice("status", [one.word for one in Status])
    status = Status("" if word == Status.UNDECIDED.word else word)
    changes = {"review_day": asked.text("review_day", needed=False, at_most=10)} if "review_day" in asked.fields else {}
    alternative = asked.text("alternative", needed=False, at_most=120) if "alternative" in asked.fields else None
    why = asked.text("why", needed=status.closed)
    found = own.decide(id_, status, asked.who.person, asked.now_us, why=why, alternative=alternative, changes=changes)
    then = " Lists that are exported from now on have it." if status.closed else ""
    return Done(f"{found.title} is {status.word} from now on.{then}", use_words.address(id_), found.as_json())


def set_(asked: Asked) -> Done:
    """Write down what is known of it; a field that is not sent stays as it was."""
    id_, own = asked.path["id"], register(asked.console.home)
    before = own.system(id_, told={})
    sent = {name: asked.text(name, needed=False) for name in FIELDS if name in asked.fields}
    changes = {name: value for name, value in sent.items() if value != _written(before, name)}
    notes = asked.text("notes", needed=False) if "notes" in asked.fields else None
    if notes is not None and notes == own.notes(id_):
        notes = None
    if not changes and notes is None:
        return Done("Nothing was changed.", use_words.address(id_), before.as_json())
    found = own.set(id_, changes, asked.who.person, asked.now_us, notes=notes)
    return Done("It is written down.", use_words.address(id_), found.as_json())


# ---- What is said ----------------------------------------------------------------------------------------------------


def says(found: System, span: str) -> str:
    """The page in a sentence."""
    if not use_words.service(found):
        what = "looks like AI" if found.sort.value == "candidate" else "imitates a known AI service"
        return f"An unknown host that {what}; reached by {plural(found.seen.people, 'person', 'people')} in {span}."
    used = "Not seen in use"
    if found.seen.count:
        used = f"Used by {plural(found.seen.people, 'person', 'people')}"
        if not found.seen.people:
            used = f"Used {plural(found.seen.count, 'time')} by nobody whom a source names"
    if found.status is Status.UNDECIDED:
        return f"{used} in {span}; nobody decided on it."
    but = "but" if found.status.closed and found.seen.count else "and"
    return f"{used} in {span}, {but} {found.status.word}."


def _because(asked: Asked, found: System) -> str:
    """Why the catalogue takes a host for a candidate or a look-alike."""
    if use_words.service(found):
        return ""
    listed = in_force(asked.console.home).lookup(found.id)
    imitates = f"It imitates {listed.lookalike_of}. " if listed.lookalike_of else ""
    return f"{imitates}{listed.because}".strip()


def _chart(found: System, counted: Counted, span: str, unusual: Sequence[int]) -> Chart:
    shape = use_words.shape(found.status)
    told = [one for one in counted.by_day if one[0] == found.id]
    made = use_words.bars(told, {found.id: shape}, counted.since_day, counted.days)
    step_us = use_words.step_us(made)
    most = max(told, key=lambda one: one[2], default=None)
    per = "week" if step_us > 86_400_000_000 else "day"
    text = f"Use per {per} in {span}: {plural(found.seen.count, 'time')}"
    text += f", most on {use_words.day(most[1])} with {most[2]:,}" if most else ""
    text += f"; at least {found.seen.bytes_up:,} bytes sent" if found.seen.bytes_up else ""
    marks = [Mark(when_us, "unusual upload") for when_us in sorted(set(unusual))]
    return chart_of(made, {shape: "times"}, step_us=step_us, says=text, when=use_words.day_of, marks=marks)


def _unusual(asked: Asked, id_: str, since_day: int) -> list[int]:
    """When somebody sent far more than they usually do: what the detector found."""
    try:
        filter_ = Filter.parse("risk:usage.unusual-upload", asked.now_us).plus("provider", id_)
        filter_ = filter_.plus("after", f"{max(1, asked.now_us // 86_400_000_000 - since_day + 1)}d")
        return [row.time_us for row in asked.console.index.page(filter_, limit=MAX_UNUSUAL).rows]
    except InputError:
        return []  # An id that no filter can say has no events either.


def _ladder(told: Seen) -> list[tuple[int, str, int]]:
    """Every level of evidence: (level, what it proves, how often), the strongest first."""
    counts = dict(told.by_evidence)
    return [(int(level), use_words.PROOFS[level][1], counts.get(level, 0)) for level in reversed(Evidence)]


def _hosts(asked: Asked, found: System) -> Hosts:
    if not use_words.service(found):
        return Hosts((), (found.id,))
    catalogue = in_force(asked.console.home)
    rows = catalogue.hosts(found.id, ("A", "B", "C", "M"))
    table = restriction(catalogue, [Standing(found.id, found.title, Status.BLOCKED)], (), asked.now_us)
    stopped = [f"*.{one.host}" if one.below else one.host for one in table.entries]
    left = sorted({row.text for row in rows if row.match != "regex" and table.blocks(row.text) is None})
    more = max(0, len(stopped) - MAX_HOSTS) + max(0, len(left) - MAX_HOSTS)
    return Hosts(tuple(stopped[:MAX_HOSTS]), tuple(left[:MAX_HOSTS]), more)


def _choices(found: System, hosts: Hosts) -> list[Choice]:
    """Every decision with its consequence."""
    made = []
    stopped = len(hosts.stopped)
    people = plural(found.seen.people, "person", "people")
    for status in (Status.APPROVED, Status.TOLERATED, Status.RESTRICTED, Status.BLOCKED):
        means = MEANS[status]
        if status.closed:
            means += "" if found.status.closed else f" {people} used it lately."
            where = f"{plural(stopped, 'host')} in {plural(len(exports()), 'kind')} of lists and at the forward door"
            means += f" It is stopped at {where}." if stopped else " No list can stop it: it has no host of its own."
        elif not status.closed and found.status.closed and stopped:
            means += f" {plural(stopped, 'host')} {'leaves' if stopped == 1 else 'leave'} every list."
        made.append(Choice(status, means))
    return made


def _written(found: System, name: str) -> str:
    """A field as people write it."""
    if name == "review_day":
        return found.review
    value = getattr(found, name)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _fact(found: System, name: str) -> str:
    return use_words.day(found.review_day) if name == "review_day" else _written(found, name)


def _json(
    found: System, values: Mapping[str, Any], people: Sequence[PersonUse], history: Sequence[Decided]
) -> dict[str, object]:
    whys = [why for _, why in values["history"]]
    return {
        **found.as_json(),
        "notes": values["notes"],
        "people": [
            {"person": one.person, "count": one.count, "bytes_up": one.bytes_up, "days": one.days} for one in people
        ],
        "decisions": [
            {"status": one.status.word, "by": one.by, "at_us": one.at_us, "why": why}
            for one, why in zip(history, whys, strict=True)
        ],
        "exceptions": [one.as_json() for one, *_ in values["exceptions"]],
        "stopped_hosts": list(values["hosts"].stopped),
    }


ROUTES = (
    page("/use/{id}", system, Role.VIEWER),
    page("/use/system/{id}", system, Role.VIEWER),
    act("/use/{id}/decide", decide, Role.AUTHOR),
    act("/use/{id}/set", set_, Role.AUTHOR),
)
