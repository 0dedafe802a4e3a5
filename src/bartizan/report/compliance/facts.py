"""What the queries ask: everything a home knows, at one moment. People are in it as pseudonyms alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bartizan.cases.case import Case
from bartizan.inventory.coverage import Covered
from bartizan.inventory.exceptions import UseException
from bartizan.inventory.names import NameRequest
from bartizan.inventory.system import Status, System
from bartizan.ledger.standing import Outside
from bartizan.policy.model import Policy
from bartizan.readers.logs.usage import Sort

DECISIONS = "decisions"  # The key of records that are decisions and no event.


@dataclass(frozen=True, slots=True)
class Span:
    """Records of one sort in one log, by number, both included."""

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class Log:
    """One log of the ledger.

    Args:
        size: How many records it has. `signed`: how many its newest checkpoint covers.
        root: Of that checkpoint, base64. `number`: its own. `note`: the signed note.
        spans: Where records of each sort lie, by the name of the event, or DECISIONS: events of all time, because the
            register is what all of them made it; decisions of the time asked for.
    """

    name: str
    origin: str = ""
    size: int = 0
    signed: int = 0
    number: int = 0
    root: str = ""
    note: str = ""
    first_us: int = 0
    problem: str = ""
    spans: Mapping[str, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Incident:
    """A decision that stopped, held or changed something."""

    exchange: str
    time_us: int
    outcome: str
    risks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """A home at one moment.

    Args:
        systems: The register as it is now; what sources tell counts from `since_us` on.
        around: How many people used a restricted or blocked system after it was, without an exception, by its id; use
            that no source ties to anybody counts as one person's. An exception for a group excuses everybody: what
            sources tell has no groups.
        cases: Those that were opened from `since_us` to `until_us`.
        policy: None while there is none in force; `policy_problem` says why, or that the file says something else.
        incidents: At most so many as were kept, the newest; `incident_count` counts all.
        outcomes: How many decisions of the time came to what.
        roles: The roles of each enabled account, by pseudonym.
        keys: Ids of gateway keys in use. `ownerless`: those of them that belong to nobody.
        feedback: What people said about decisions in the time.
    """

    now_us: int
    since_us: int
    until_us: int
    systems: tuple[System, ...] = ()
    around: Mapping[str, int] = field(default_factory=dict)
    exceptions: tuple[UseException, ...] = ()
    covered: tuple[Covered, ...] = ()
    cases: tuple[Case, ...] = ()
    names: tuple[NameRequest, ...] = ()
    policy: Policy | None = None
    policy_problem: str = ""
    retention_days: int = 0
    logs: tuple[Log, ...] = ()
    outside: Outside = field(default_factory=Outside)
    has_outside: bool = False
    incidents: tuple[Incident, ...] = ()
    incident_count: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    ownerless: tuple[str, ...] = ()
    feedback: int = 0

    @property
    def used(self) -> tuple[System, ...]:
        """Systems that are AI for sure and are used: seen in the time, or open to use."""
        return tuple(one for one in self.known if one.seen.count or one.status in (Status.APPROVED, Status.TOLERATED))

    @property
    def open(self) -> tuple[System, ...]:
        """Used ones that are not forbidden."""
        return tuple(one for one in self.used if not one.status.closed)

    @property
    def known(self) -> tuple[System, ...]:
        """Without hosts that merely look like AI."""
        return tuple(one for one in self.systems if one.sort in (Sort.SERVICE, Sort.OWN))
