"""Overview: do I have to do something? One sentence, at most five things to do, and how everything is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bartizan.core.errors import PolicyError, UsageError
from bartizan.doors.console.answers import Done, File, Page
from bartizan.doors.console.charts import ACTED, WORDS, Chart, Mark, sparks, stacked
from bartizan.doors.console.charts import clock as axis
from bartizan.doors.console.health import disk
from bartizan.doors.console.lines import clauses, lines, short, titles
from bartizan.doors.console.needs import WEEK_US, late, needs
from bartizan.doors.console.pages.pauses import shown
from bartizan.doors.console.render import DISCIPLINES, HOUR_US, MINUTE_US, plural
from bartizan.doors.console.routes import Needs, act, page, poll
from bartizan.doors.console.use_card import UseCard, use_card
from bartizan.doors.console.use_needs import use_needs
from bartizan.events import Filter
from bartizan.home.alarms import alarms, seen
from bartizan.home.versions import Versions
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.doors.console.health import Health
    from bartizan.events import Bucket

MAX_NEEDS = 5
LATEST = 10
NEW = 200
COUNT_WORDS = ("Nothing", "One thing", "Two things", "Three things", "Four things", "Five things", "Six things",
               "Seven things", "Eight things", "Nine things", "Ten things")  # fmt: skip
ICONS = {"securing-ai": "cube", "ai-use": "speech", "ai-safety": "scales", "ai-for-security": "mail"}
MARKS = {
    "key-added": "key added",
    "key-revoked": "key revoked",
    "forgotten": "person forgotten",
    "retention-asked": "texts dropped",
    "account-added": "account added",
    "account-disabled": "account disabled",
    "key-paused": "key paused",
    "person-paused": "person paused",
    "key-resumed": "key passes again",
    "person-resumed": "person passes again",
}
MARKED = tuple(MARKS)


@dataclass(frozen=True, slots=True)
class Range:
    """A time to look at: its bars, and how it is said."""

    key: str
    name: str
    says: str  # "80,060 examined in …"
    step_us: int
    steps: int
    per: str
    spark: int  # steps in one bar of a card


RANGES = {
    one.key: one
    for one in (
        Range("24h", "24 h", "24 hours", HOUR_US, 24, "hour", 1),
        Range("1h", "1 h", "the last hour", MINUTE_US, 60, "minute", 3),
        Range("7d", "7 days", "7 days", 6 * HOUR_US, 28, "6 hours", 2),
        Range("30d", "30 days", "30 days", 24 * HOUR_US, 30, "day", 2),
    )
}
SHOWN = ("1h", "24h", "7d", "30d")


@dataclass(frozen=True, slots=True)
class Discipline:
    """One of the four: its number, its bars, and a fact."""

    id: str
    name: str
    icon: str
    number: int
    unit: str
    chart: Chart
    acted: tuple[tuple[str, int], ...]  # (outcome, how often)
    most: str  # the risk seen most in those
    times: int
    use: UseCard | None = None  # which AI is in use, where any source told


def overview(asked: Asked) -> Page | Done:
    """The page. Who has no role has nothing to watch: their own cases."""
    if not asked.who.may(Role.VIEWER):
        return Done("", "/mine")
    console, now_us = asked.console, asked.now_us
    health = console.pulse.health()
    span = RANGES[asked.option("range", tuple(RANGES))]
    since_us, until_us = bounds(span, now_us)
    buckets = console.index.buckets(since_us, until_us, span.step_us)
    total: Counter[str] = Counter()
    for one in buckets:
        total.update(one.counts)
    examined, acted = total.total(), total.total() - total["allow"]
    waits = console.desk.waits(now_us)
    found = [*needs(asked, since_us), *use_needs(asked)]
    yours = [one for one in found if asked.who.may(one.role)]
    rows = console.index.page(limit=LATEST).rows
    at = console.index.newest()
    paused = shown(asked)
    values = {
        "ranges": [RANGES[key] for key in SHOWN],
        "span": span,
        "health": health,
        "say": say(len(yours), len(found)),
        "examined": examined,
        "acted": acted,
        "late": late(asked, waits),
        "goal_us": console.config.cases.goal_minutes * MINUTE_US,
        "paused": paused,
        "analyst": asked.who.may(Role.ANALYST),
        "needs": [*yours, *(one for one in found if one not in yours)][:MAX_NEEDS],
        "more": max(0, len(found) - MAX_NEEDS),
        "may_act": asked.who.may(Role.ANALYST),
        "disciplines": _disciplines(asked, span, since_us, until_us),
        "chart": _chart(asked, span, buckets, since_us, until_us, examined, acted),
        "gateway": _gateway(asked, health),
        "lines": lines(rows, clauses(console.home), now_us),
        "fresh": _fresh(span.key, at, rows[0].time_us if rows else 0, 0),
        "people": [_person(*one) for one in console.index.top_people(since_us)],
        "hits": _hits(asked, since_us),
        "mistakes": _mistakes(asked),
    }
    value = {
        "schema": "bartizan.overview/1",
        "range": span.key,
        "examined": examined,
        "outcomes": total,
        "late": values["late"],
        "needs": [asdict(one) for one in found],
        "paused": [one.pause.as_json() for one in paused],
        "gateway": asdict(health),
    }
    return Page("overview.html", values, css=("overview.css",), value=value)


def latest_count(asked: Asked) -> File:
    """How many exchanges came since the page was made: a piece of that page, which asks for it now and then."""
    span = RANGES[asked.option("range", tuple(RANGES))]
    after, newest_us = (_whole(asked.query.get(name, "")) for name in ("after", "since"))
    rows = asked.console.index.after(after, NEW)
    new = sum(row.time_us > newest_us for row in rows)
    return File("latest-count", "text/html; charset=utf-8", asked.console.part(
        "overview_fresh.html", {"fresh": _fresh(span.key, after, newest_us, new), "most": NEW}
    ).encode())  # fmt: skip


def alarm_seen(asked: Asked) -> Done:
    """Somebody knows of an alarm, or of all of them."""
    state, which = asked.console.home.state, asked.path["id"]
    if which == "all":
        for one in alarms(state, asked.now_us - WEEK_US):
            if one.seen_us is None:
                seen(state, one.id, asked.now_us)
        return Done("All alarms are marked as seen.", "/")
    if not (which.isascii() and which.isdigit() and len(which) < 18):
        raise UsageError("there is no such alarm")
    there = seen(state, int(which), asked.now_us)
    return Done("The alarm is marked as seen." if there else "Somebody has seen that alarm before.", "/")


def burst_taken(asked: Asked) -> Done:
    """Somebody looks after similar events, so that nobody else has to."""
    shape = asked.path["shape"]
    Filter.parse(f"shape:{shape}", asked.now_us)  # Raises InputError for what is none.
    asked.console.feedback.assign(f"shape:{shape}", asked.who.person, asked.who.person, asked.now_us)
    return Done("You look after these now; it is off the list.", f"/events?q=shape:{shape}")


# ---- Inside ---------------------------------------------------------------------------------------------------------


def bounds(span: Range, now_us: int) -> tuple[int, int]:
    """The first and the last moment of a chart whose bars begin where a clock on the wall would have them begin."""
    now = datetime.fromtimestamp(now_us / 1e6).astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight
    step = timedelta(microseconds=span.step_us)
    while end <= now:
        end += step if span.step_us >= HOUR_US else max(step, (now - end) // step * step)
    until_us = int(end.timestamp()) * 1_000_000
    return until_us - span.steps * span.step_us, until_us


def say(yours: int, all_: int) -> str:
    """The sentence."""
    if not all_:
        return "Nothing needs you. Everything was settled by policy."
    others = all_ - yours
    if not yours:
        return f"Nothing needs you; {_things(others).lower()} {'waits' if others == 1 else 'wait'} for others."
    needs_ = "needs" if yours == 1 else "need"
    rest = f"{_things(others)} {'waits' if others == 1 else 'wait'} for others." if others else ""
    return f"{_things(yours)} {needs_} you. {rest or 'Everything else was settled by policy.'}"


def _things(count: int) -> str:
    return COUNT_WORDS[count] if count < len(COUNT_WORDS) else f"{count:,} things"


def _chart(
    asked: Asked, span: Range, buckets: Sequence[Bucket], since_us: int, until_us: int, examined: int, acted: int
) -> Chart:
    says = f"{acted:,} of {plural(examined, 'exchange')} acted on in {span.says}"
    most = max(buckets, key=_acted, default=None)
    if most is not None and _acted(most):
        what = max((outcome for outcome in ACTED if most.counts.get(outcome)), key=lambda one: most.counts[one])
        says += f"; most from {_when(most.start_us, span.step_us)} on: {_acted(most):,}, "
        says += f"of which {most.counts[what]:,} {WORDS[what]}"
    return stacked(buckets, step_us=span.step_us, says=says, marks=_marks(asked, since_us, until_us), when=_when)


def _acted(one: Bucket) -> int:
    return sum(one.counts.get(outcome, 0) for outcome in ACTED)


def _when(at_us: int, step_us: int) -> str:
    if 6 * HOUR_US <= step_us < 24 * HOUR_US:
        return datetime.fromtimestamp(at_us / 1e6).astimezone().strftime("%a %H:%M")
    return axis(at_us, step_us)


def _marks(asked: Asked, since_us: int, until_us: int) -> list[Mark]:
    """What somebody changed meanwhile."""
    changes = asked.console.index.changes(since_us, until_us, limit=20, what=MARKED)
    marks = [Mark(one.time_us, MARKS[one.what]) for one in changes]
    marks += [
        Mark(one.at_us, f"policy {one.name.rpartition('@')[2]}")
        for one in Versions(asked.console.home.state).before(limit=20)
        if since_us <= one.at_us < until_us and one.id > 1  # The first one changed nothing.
    ]
    return sorted(marks, key=lambda mark: mark.at_us)


def _disciplines(asked: Asked, span: Range, since_us: int, until_us: int) -> list[Discipline]:
    """Those that something serves, or that anything was seen of: an area that does not work yet is not shown."""
    console = asked.console
    counts = console.index.discipline_counts(since_us)
    used = use_card(asked)
    served = {one.value for detector in console.home.detectors for one in detector.serves}
    made = []
    for id_, name in DISCIPLINES.items():
        total = counts.get(id_, {})
        use = used if id_ == "ai-use" else None
        if id_ not in served and not total and use is None:
            continue
        number = sum(total.values())
        step_us = span.step_us * span.spark
        buckets = console.index.buckets(since_us, until_us, step_us, discipline=id_)
        acted = tuple((outcome, total[outcome]) for outcome in reversed(ACTED) if total.get(outcome))
        most, times = _most(asked, id_, since_us) if number else ("", 0)
        says = f"{name}: acted on {sum(n for _, n in acted):,} times in {span.says}"
        unit = "exchanges" if id_ == "ai-use" else "exchanges with a finding"
        chart = sparks(buckets, step_us=step_us, says=says, when=_when)
        if use is not None:
            number, unit, chart = use.services, use.unit, use.chart
        made.append(Discipline(id_, name, ICONS[id_], number, unit, chart, acted, most, times, use))
    return made


def _most(asked: Asked, discipline: str, since_us: int) -> tuple[str, int]:
    """What was seen most in the events of a discipline that were acted on, of a week at most."""
    since_us = max(since_us, asked.now_us - WEEK_US)
    filter_ = Filter.parse(f"-action:allow discipline:{discipline}", asked.now_us)
    minutes = max(1, (asked.now_us - since_us) // MINUTE_US)
    found = asked.console.index.values(filter_.plus("after", f"{minutes}m"), "risk", 1)
    return (titles((found[0][0],))[0], found[0][1]) if found else ("", 0)


def _gateway(asked: Asked, health: Health) -> dict[str, Any]:
    """What the card says beside what was heard."""
    console, now_us = asked.console, asked.now_us
    (minute,) = console.index.buckets(now_us - MINUTE_US, now_us, MINUTE_US)
    status = console.index.status()
    detectors = console.home.detectors
    failing = [one for one in health.failing if one]
    return {
        "second": sum(minute.counts.values()) / 60,
        "down": [one.name for one in health.upstreams if one.down],
        "upstreams": len(console.config.upstreams),
        "detectors": len(detectors),
        "failing": failing,
        "behind": status.behind,
        "newest_us": status.newest_us,
        "disk": disk(console.home.path),
        "url": console.gateway,
    }


def _person(who: str, outcome: str, count: int) -> dict[str, Any]:
    is_person = who.startswith("p-")
    to = f"/people/{who}" if is_person else ""
    return {"name": short(who), "whole": who, "is_person": is_person, "to": to, "outcome": outcome, "count": count}


def _hits(asked: Asked, since_us: int) -> list[tuple[str, str, int]]:
    """The clauses that matched most: (id, what it says, how often)."""
    said = clauses(asked.console.home)
    hits = sorted(asked.console.index.clause_hits(since_us).items(), key=lambda one: (-one[1], one[0]))
    return [(clause, said.get(clause, ""), count) for clause, count in hits[:5]]


def _mistakes(asked: Asked) -> dict[str, Any]:
    """What people told us within a week, and what became of it."""
    console, since_us = asked.console, asked.now_us - WEEK_US
    counts = console.feedback.counts(since_us).values()
    acted = sum(
        count
        for one in console.index.buckets(since_us, asked.now_us, asked.now_us - since_us)
        for outcome, count in one.counts.items()
        if outcome != "allow"
    )
    newest = Versions(console.home.state).newest()
    return {
        "mistakes": sum(one.mistake for one in counts),
        "missed": sum(one.missed for one in counts),
        "acted": acted,
        "waiting": len(console.feedback.proposed()),
        "taken": len(console.feedback.taken()),
        "changed": newest if newest is not None and newest.id > 1 else None,
        "changed_by": _name(asked, newest.by) if newest else "",
        "policy": _policy_name(asked),
    }


def _name(asked: Asked, person: str) -> str:
    if not person:
        return "in the file"
    try:
        return asked.console.accounts.account(person).name
    except UsageError:
        return short(person)


def _policy_name(asked: Asked) -> str:
    try:
        policy = asked.console.home.policy()
    except PolicyError:
        return ""
    return f"{policy.name}@{policy.version}"


def _fresh(key: str, after: int, newest_us: int, new: int) -> Mapping[str, object]:
    return {"range": key, "after": after, "since": newest_us, "new": new}


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


ROUTES = (
    page("/", overview, Needs.PERSON),
    poll("/latest-count", latest_count, Role.VIEWER),
    act("/alarms/{id}/seen", alarm_seen, Role.ANALYST),
    act("/bursts/{shape}/take", burst_taken, Role.ANALYST),
)
