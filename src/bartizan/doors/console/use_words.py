"""AI use in the words and shapes of the console: how a status is drawn, what a proof proves, how long a silence is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from bartizan.doors.console.render import plural
from bartizan.inventory.coverage import Covered
from bartizan.inventory.system import EPOCH, Status, System, iso
from bartizan.readers.logs.usage import AccountKind, Sort
from bartizan.readers.logs.visit import DAY_US, Evidence

WEEK_DAYS = 7
MAX_DAILY = 45  # Days that have a bar each; of more, weeks have.
MAX_ORIGIN = 40  # Code points of what an operator calls a source.
SHAPES = {
    Status.APPROVED: "allow",
    Status.TOLERATED: "warn",
    Status.UNDECIDED: "justify",
    Status.RESTRICTED: "review",
    Status.BLOCKED: "block",
}
"""A status as the shapes and colours of actions know it, the most open one first."""
WORDS = {shape: status.word for status, shape in SHAPES.items()}
PROOFS = {
    Evidence.PROMPT: ("prompt seen", "The gateway saw the prompt, or a log shows its path in clear."),
    Evidence.UPLOADED: ("sent data", "More was sent than a handshake needs: something went there."),
    Evidence.AUTHENTICATED: ("signed in", "Somebody signed in to it."),
    Evidence.CONNECTED: ("connected", "A connection was made. A page that embeds it makes one, too."),
    Evidence.RESOLVED: ("name asked for", "A machine asked for the name. A DNS request is not a prompt."),
}
ACCOUNTS = {AccountKind.PERSONAL: "personal", AccountKind.CORPORATE: "corporate", AccountKind.UNKNOWN: "not known"}
KINDS = {"logs": "Logs", "endpoint": "Machines", "code": "Code", "ledger": "Gateway's ledger"}
SERVICES = (Sort.SERVICE, Sort.OWN)
_HERE = frozenset({"download", "names", "restriction", "system"})


@dataclass(frozen=True, slots=True)
class Bar:
    """Use of one day or week: how often, by shape."""

    start_us: int
    counts: Mapping[str, int]


def address(id_: str) -> str:
    """Where a system's page is; some words are pages of their own."""
    return f"/use/{'system/' if id_ in _HERE else ''}{quote(id_, safe='')}"


def shape(status: Status) -> str:
    """The shape of a status."""
    return SHAPES[status]


def proof(level: int) -> str:
    """What is proved, in words."""
    return PROOFS[Evidence(level)][0] if level else "nothing seen"


def service(system: System) -> bool:
    """Whether a decision about it can be made: it is no mere look of AI."""
    return system.sort in SERVICES


def bars(by_day: Iterable[tuple[str, int, int]], shapes: Mapping[str, str], since_day: int, days: int) -> list[Bar]:
    """How often systems were used, by day, or by week where that would be too many bars. `shapes`: by system."""
    step = WEEK_DAYS if days > MAX_DAILY else 1
    count = -(-days // step)
    first = since_day + days - count * step
    made: list[dict[str, int]] = [{} for _ in range(count)]
    for system, day, times in by_day:
        at = (day - first) // step
        if 0 <= at < count and system in shapes:
            made[at][shapes[system]] = made[at].get(shapes[system], 0) + times
    return [Bar((first + n * step) * DAY_US, counts) for n, counts in enumerate(made)]


def step_us(bars_: Sequence[Bar]) -> int:
    """What lies between two bars."""
    return bars_[1].start_us - bars_[0].start_us if len(bars_) > 1 else DAY_US


def day_of(when_us: int, _: int = 0) -> str:
    """A bar's day. Sources count days in UTC."""
    at = datetime.fromtimestamp(when_us / 1e6, UTC)
    return f"{at.day} {at:%b}"


def since(when_us: int, now_us: int) -> str:
    """Since when there was nothing: a weekday within a week, else the day."""
    at = datetime.fromtimestamp(when_us / 1e6, UTC)
    return f"{at:%A}" if now_us - when_us < WEEK_DAYS * DAY_US else f"{at.day} {at:%b}"


def title(covered: Covered) -> str:
    """A source as people say it: "squid (proxy-1)"."""
    origin = covered.origin if len(covered.origin) <= MAX_ORIGIN else f"{covered.origin[:MAX_ORIGIN]}…"
    name = covered.format[:MAX_ORIGIN] or KINDS.get(covered.kind, covered.kind)
    return f"{name} ({origin})" if origin else name


def silence(sources: Sequence[Covered], now_us: int) -> str:
    """Which sources are silent, as part of the first sentence; "" where none is."""
    silent = [one for one in sources if one.silent]
    if not silent:
        return ""
    first = min(silent, key=lambda one: one.last_us or one.read_us)
    last_us = first.last_us or first.read_us
    if len(silent) == 1:
        return f"Nothing from {title(first)} since {since(last_us, now_us)}."
    told = sum(not one.never for one in sources)
    return f"{len(silent)} of {plural(told, 'source')} are silent, {title(first)} since {since(last_us, now_us)}."


def iso_day(when_us: int) -> str:
    """The day of a time, for machines."""
    return iso(when_us // DAY_US)


@lru_cache(maxsize=4096)
def day(days: int | None) -> str:
    """A day (since 1970) as people read it: "23 Nov 2026"."""
    if days is None:
        return ""
    try:
        at = datetime.fromtimestamp(days * DAY_US / 1e6, UTC)
    except (ValueError, OverflowError):
        return f"day {days}"
    return f"{at.day} {at:%b %Y}"


def day_number(iso: str) -> int | None:
    """An ISO day since 1970; None for what is none."""
    try:
        return (datetime.fromisoformat(iso).date() - EPOCH).days
    except ValueError:
        return None
