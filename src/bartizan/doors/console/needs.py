"""What a person has to do: whatever waits, broke or burst, the most pressing first. Everything else is settled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bartizan.doors.console.lines import paused, short, titles
from bartizan.doors.console.render import HOUR_US, MINUTE_US, clock, lasting, plural
from bartizan.events import Filter
from bartizan.home.alarms import alarms
from bartizan.home.checks import CHECKS, Level
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bartizan.cases import Case
    from bartizan.doors.console.asked import Asked
    from bartizan.events import Group, Index
    from bartizan.home.alarms import Alarm

WEEK_HOURS = 7 * 24
WEEK_US = WEEK_HOURS * HOUR_US
EACH = 2  # Cases that are named one by one; more are one line.
MAX_ALARMS = 3
BURST = 20  # Events of one shape in an hour; fewer are no burst, however unusual.
UNUSUAL = 5  # times the usual hour
MAX_BURSTS = 2
CHECKED = ("home", "keys", "checkpoint", "recording", "disk")  # Those that cost next to nothing.


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to do. `what` and `when` may hold names from outside.

    `outcome` gives it the shape of an action; where it is "", `icon` and `word` say what sort of thing it is. `to` is
    where the button leads; with `act` it is a form that says it is dealt with.
    """

    role: Role  # who can do it
    what: str
    when: str
    button: str
    to: str = ""
    act: str = ""
    outcome: str = ""
    icon: str = "bell"
    word: str = ""
    lead: str = ""  # in bold before `what`


@dataclass(frozen=True, slots=True)
class Burst:
    """Similar events that are many more than usual: the count of their hour, and what is usual for an hour."""

    group: Group
    count: int
    usual: float


def needs(asked: Asked, since_us: int) -> list[Need]:
    """All of them. Raises StoreError."""
    return [*_policy(asked), *_ledger(asked), *_alarms(asked), *_cases(asked), *_bursts(asked, since_us),
            *_settings(asked), *_examples(asked)]  # fmt: skip


def late(asked: Asked, waits: Iterable[Case]) -> int:
    """How many cases wait for longer than they should."""
    goal_us = asked.console.config.cases.goal_minutes * MINUTE_US
    return sum(asked.now_us - case.created_us > goal_us for case in waits)


def _policy(asked: Asked) -> Iterator[Need]:
    status = asked.console.home.policy_status
    if not status.problems:
        return
    then = "the one before it stays in force" if status.ref else "nothing passes until one does"
    what = f"The policy file does not hold: {then}."
    faults = plural(len(status.problems), "fault")
    yield Need(Role.AUTHOR, what, faults, "Mend it", "/policy", icon="paper", word="Policy")


def _ledger(asked: Asked) -> Iterator[Need]:
    now, problem = asked.console.verifier.now, asked.console.index.status().problem
    if now.report is not None and now.report.faults:
        faults, when = len(now.report.faults), clock(now.finished_us, asked.now_us)
        what = f"The ledger does not hold: {plural(faults, 'fault')}."
        yield Need(Role.VIEWER, what, f"checked {when}", "Look", "/ledger", icon="chain", word="Ledger")
    elif problem:
        what = f"Part of the ledger cannot be read: {problem}"
        yield Need(Role.VIEWER, what, "now", "Look", "/ledger", icon="chain", word="Ledger")


def _alarms(asked: Asked) -> Iterator[Need]:
    found = [one for one in alarms(asked.console.home.state, asked.now_us - WEEK_US) if one.seen_us is None]
    if asked.console.home.policy_status.problems:
        found = [one for one in found if one.name != "policy-broken"]
    for one in found[:MAX_ALARMS]:
        yield Need(Role.ANALYST, one.says, _often(one, asked), "I know", act=f"/alarms/{one.id}/seen", word="Alarm")
    if rest := found[MAX_ALARMS:]:
        what = f"{plural(len(rest), 'more alarm')} that nobody has seen."
        yield Need(Role.ANALYST, what, "within 7 days", "I know them", act="/alarms/all/seen", word="Alarm")


def _often(one: Alarm, asked: Asked) -> str:
    since = f"since {clock(one.first_us, asked.now_us)}"
    return f"{one.times:,} times {since}" if one.times > 1 else clock(one.first_us, asked.now_us)


def _cases(asked: Asked) -> Iterator[Need]:
    waits = asked.console.desk.waits(asked.now_us)
    if len(waits) > EACH:
        oldest_us = asked.now_us - min(case.created_us for case in waits)
        behind = late(asked, waits)
        when = f"the first for {lasting(oldest_us)}" + (f", {behind:,} past the goal" if behind else "")
        what = f"{len(waits):,} requests wait for somebody to decide"
        yield Need(Role.ANALYST, what, when, "Decide", "/review", outcome="review")
        return
    for case in waits:
        seen, more = titles(case.risks)
        seen += f" and {more} more" if more else ""
        what = f"wants to send something to {case.destination or 'a model'}" + (f": {seen}" if seen else "")
        when = f"waiting {lasting(asked.now_us - case.created_us)}"
        yield Need(Role.ANALYST, what, when, "Decide", f"/review/{case.id}", outcome="review", lead=short(case.person))


def _bursts(asked: Asked, since_us: int) -> Iterator[Need]:
    console = asked.console
    found = [one for one in bursts(console.index, since_us, asked.now_us) if not paused(one.group.row)]
    taken = console.feedback.assigned_among(f"shape:{one.group.shape}" for one in found)
    left = [one for one in found if f"shape:{one.group.shape}" not in taken]
    for one in left[:MAX_BURSTS]:
        row = one.group.row
        seen, more = titles(row.risks)
        seen = (seen or "what could not be examined") + (f" and {more} more" if more else "")
        usual = "never seen before" if not one.usual else f"usually {_few(one.usual)}"
        when = f"within an hour, {usual}; last {clock(one.group.last_us, asked.now_us)}"
        yield Need(
            Role.ANALYST,
            seen,
            when,
            "Look",
            f"/events?q=shape:{row.shape}",
            act=f"/bursts/{row.shape}/take",
            outcome=row.outcome,
            lead=f"{one.count:,} alike:",
        )


def bursts(index: Index, since_us: int, now_us: int) -> list[Burst]:
    """Similar events that were acted on more than 20 times in an hour, and at least five times as often as usual.

    The hour is the last one, or one that holds all of them since `since_us`. The usual is the mean hour of the week
    before, and as much more as that hour had more of all else: an hour of twice the traffic has twice of everything.
    What was slow all day and bursts at three is told at three, not at nine.
    """
    hour = _acted(index, now_us - HOUR_US, now_us)
    found = {one.shape: one for one in hour}
    for one in _acted(index, since_us, now_us):
        if one.last_us - one.first_us <= HOUR_US:
            found.setdefault(one.shape, one)
    made = []
    for one in found.values():
        if one.count > BURST:
            before = Filter.parse(f"shape:{one.shape} -action:allow", now_us)
            before = before.plus("after", _moment(one.first_us - WEEK_US)).plus("before", _moment(one.first_us))
            usual = index.count(before, at_most=20_000) / WEEK_HOURS
            if one.count >= UNUSUAL * usual * _busier(index, one, usual):
                made.append(Burst(one, one.count, usual))
    return sorted(made, key=lambda one: -one.count)


def _busier(index: Index, one: Group, usual: float) -> float:
    """How many times the other exchanges of a mean hour of the week before came in the hour of these; at least once."""
    (hour,) = index.buckets(one.first_us, one.first_us + HOUR_US, HOUR_US)
    (week,) = index.buckets(one.first_us - WEEK_US, one.first_us, WEEK_US)
    others = sum(week.counts.values()) / WEEK_HOURS - usual
    return max(1.0, (sum(hour.counts.values()) - one.count) / others) if others > 0 else 1.0


def _acted(index: Index, since_us: int, now_us: int) -> Iterable[Group]:
    return index.groups(Filter.parse(f"-action:allow after:{_moment(since_us)}", now_us), limit=10)


def _settings(asked: Asked) -> Iterator[Need]:
    if not asked.who.may(Role.ADMIN):
        return
    config = asked.console.config
    found = [one for name in CHECKED for one in CHECKS[name](config, os.environ) if one.level is Level.FAIL]
    if found:
        more = f"and {len(found) - 1} more" if len(found) > 1 else "unsafe"
        yield Need(Role.ADMIN, found[0].says, more, "Look", "/settings", icon="gear", word="Settings")


def _examples(asked: Asked) -> Iterator[Need]:
    found = asked.console.feedback.proposed()
    if not found:
        return
    what = (
        f"{plural(len(found), 'mistake')} could become {'an example' if len(found) == 1 else 'examples'} of the policy"
    )
    when = f"the first {lasting(asked.now_us - found[0].at_us)} ago"
    to = f"/policy/{found[0].clause}" if len({one.clause for one in found}) == 1 else "/policy?show=attention"
    yield Need(Role.AUTHOR, what, when, "Learn", to, icon="paper", word="To learn")


def _few(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 1 else "less than one"


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S")
