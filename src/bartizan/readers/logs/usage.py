"""The use of one AI system by one actor on one day: what detectors examine (Kind.LOG) and the register keeps.

Made of observations (`observe`), which are counted lines. What sources cannot know (what was decided about a system,
what is usual for this person) is filled in by whoever judges.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from bartizan.readers.logs.visit import Evidence


class AccountKind(StrEnum):
    """With whose account somebody used a service."""

    UNKNOWN = ""
    PERSONAL = "personal"
    CORPORATE = "corporate"


class Sort(StrEnum):
    """What somebody reached. Only services and systems of one's own can be restricted."""

    SERVICE = "service"  # of the catalogue
    OWN = "own"  # named by the organisation: a model of its own, a tool that no catalogue knows
    CANDIDATE = "candidate"  # an unknown host that looks like AI: for review, never blocked
    LOOK_ALIKE = "look-alike"  # a host that imitates one: a matter of security, no AI


@dataclass(frozen=True, slots=True)
class Usual:
    """What this person usually sends to this system: of the days before this one on which they sent anything.

    `mad_octaves` is the median absolute deviation of the sizes' binary logarithms: 1 is twice or half as much.
    """

    days: int = 0
    median_bytes: float = 0.0
    mad_octaves: float = 0.0


class Reached(NamedTuple):
    """What was reached.

    Args:
        system: Id of the service, or the host (lower-case A-label) of a candidate or a look-alike.
        tier: "A" named by curated sources, "B" by directories only, "C" a vendor's own site, "M" mixed use.
        lookalike_of: The known domain that it imitates.
        score: Of a candidate: how much it looks like AI, 0 to 1.
    """

    system: str
    sort: Sort = Sort.SERVICE
    name: str = ""
    tier: str = ""
    lookalike_of: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """One actor, system and day.

    Args:
        actor: The user if logged, else the client's address; "" where neither is. Never stored: the vault's pseudonym.
        day: Days since 1970, UTC.
        evidence: The strongest there is; `count` counts all.
        hosts: How many different hosts of the system.
        first_us: 0 where the source has no time; then `day` is that of the reading.

    What the register adds:
        status: As decided: approved, tolerated, restricted, blocked or "".
        excepted: An exception of this person holds.
        only: Which accounts may be used with it, AccountKind.UNKNOWN: any.
        alternative: The name of what may be used instead.
        new: The organisation first used it within the last week.
        usual: What is usual for this person and system.
    """

    actor: str
    reached: Reached
    day: int
    evidence: Evidence
    count: int = 1
    bytes_up: int = 0
    hosts: int = 1
    account: AccountKind = AccountKind.UNKNOWN
    first_us: int = 0
    last_us: int = 0
    status: str = ""
    excepted: bool = False
    only: AccountKind = AccountKind.UNKNOWN
    alternative: str = ""
    new: bool = False
    usual: Usual | None = None

    @property
    def system(self) -> str:
        """The id of what was used."""
        return self.reached.system


def daily(usages: Iterable[Usage]) -> list[Usage]:
    """One usage per actor, system and day, as subjects are made of: the strongest evidence, everything counted.

    Of accounts a personal one counts, for that is what somebody would want to know of.
    """
    found: dict[tuple[str, str, int], Usage] = {}
    for usage in usages:
        key = (usage.actor, usage.system, usage.day)
        known = found.get(key)
        found[key] = usage if known is None else _both(known, usage)
    return [found[key] for key in sorted(found)]


_ACCOUNTS = (AccountKind.UNKNOWN, AccountKind.CORPORATE, AccountKind.PERSONAL)


def _both(one: Usage, other: Usage) -> Usage:
    return replace(
        one,
        evidence=max(one.evidence, other.evidence),
        count=one.count + other.count,
        bytes_up=one.bytes_up + other.bytes_up,
        hosts=max(one.hosts, other.hosts),
        account=max(one.account, other.account, key=_ACCOUNTS.index),
        first_us=min(filter(None, (one.first_us, other.first_us)), default=0),
        last_us=max(one.last_us, other.last_us),
    )
