"""A row of the register: one AI system in use, what is known of it, and what was decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from bartizan.readers.logs.usage import AccountKind, Sort
from bartizan.readers.logs.visit import DAY_US, Evidence

EPOCH = date(1970, 1, 1)


class Status(StrEnum):
    """What was decided about a system. UNDECIDED waits for somebody."""

    UNDECIDED = ""
    APPROVED = "approved"
    TOLERATED = "tolerated"
    RESTRICTED = "restricted"  # only with an exception
    BLOCKED = "blocked"

    @property
    def word(self) -> str:
        """As it is printed."""
        return self.value or "undecided"

    @property
    def closed(self) -> bool:
        """Whether nobody may use it without an exception."""
        return self in (Status.RESTRICTED, Status.BLOCKED)


class Tier(StrEnum):
    """How much is at stake: the levels of Regulation (EU) 2024/1689, and nobody looked yet."""

    UNKNOWN = ""
    MINIMAL = "minimal"
    LIMITED = "limited"
    HIGH = "high"
    PROHIBITED = "prohibited"


@dataclass(frozen=True, slots=True)
class Seen:
    """What sources tell of a system's use.

    Where sources of several formats saw the same person on the same day, the one that saw most counts: adding up a
    resolver's log and a proxy's would count each use twice. So counts and bytes are what was at least there.

    Args:
        people: Pseudonyms that were seen; use that no source ties to anybody is in `count` alone.
        by_evidence: Counts by the value of `readers.logs.visit.Evidence`.
        sources: Kinds and formats, as in "logs squid".
        accounts: The kinds of accounts, unknown ones left out.
    """

    people: int = 0
    count: int = 0
    bytes_up: int = 0
    evidence: int = 0
    by_evidence: tuple[tuple[int, int], ...] = ()
    sources: tuple[str, ...] = ()
    accounts: tuple[AccountKind, ...] = ()
    days: int = 0


@dataclass(frozen=True, slots=True)
class System:
    """One AI system in use.

    Args:
        id: Of the catalogue's service, or a name of one's own; a candidate's or look-alike's is its host.
        owner: A role or a mailbox, never a private person.
        alternative: The id of another system that may be used instead.
        data_classes: What may be put into it. `data_seen`: risks found in what went there.
        account: Which accounts may be used.
        review_day: When somebody looks at it again (days since 1970), None: never.
        waits_us: Since when a decision is waited for.
        decided_by: A pseudonym, "" while nobody decided.
    """

    id: str
    sort: Sort = Sort.SERVICE
    name: str = ""
    vendor: str = ""
    category: str = ""
    status: Status = Status.UNDECIDED
    alternative: str = ""
    owner: str = ""
    purpose: str = ""
    data_classes: tuple[str, ...] = ()
    data_seen: tuple[str, ...] = ()
    account: AccountKind = AccountKind.UNKNOWN
    risk_tier: Tier = Tier.UNKNOWN
    legal_basis: str = ""
    oversight: str = ""
    retention: str = ""
    instructions: str = ""
    review_day: int | None = None
    first_us: int = 0
    last_us: int = 0
    created_us: int = 0
    changed_us: int = 0
    waits_us: int | None = None
    decided_us: int | None = None
    decided_by: str = ""
    seen: Seen = Seen()

    @property
    def title(self) -> str:
        """Its name, or its id where it has none."""
        return self.name or self.id

    @property
    def review(self) -> str:
        """The day of the next look, ISO; "" where there is none."""
        return iso(self.review_day)

    def due(self, now_us: int) -> bool:
        """Whether its day of review has come."""
        return self.review_day is not None and self.review_day <= now_us // DAY_US

    def as_json(self) -> dict[str, object]:
        """For programs. Persons are pseudonyms; notes and reasons are sealed and not in it."""
        seen = self.seen
        return {
            "schema": "bartizan.system/1",
            "id": self.id,
            "sort": self.sort.value,
            "name": self.name,
            "vendor": self.vendor,
            "category": self.category,
            "status": self.status.value,
            "alternative": self.alternative,
            "owner": self.owner,
            "purpose": self.purpose,
            "data_classes": list(self.data_classes),
            "account": self.account.value,
            "risk_tier": self.risk_tier.value,
            "legal_basis": self.legal_basis,
            "oversight": self.oversight,
            "retention": self.retention,
            "instructions": self.instructions,
            "review": self.review,
            "waits_since": when(self.waits_us),
            "decided": when(self.decided_us),
            "decided_by": self.decided_by,
            "first_seen": when(self.first_us),
            "last_seen": when(self.last_us),
            "seen": {
                "people": seen.people,
                "count": seen.count,
                "bytes_up": seen.bytes_up,
                "days": seen.days,
                "evidence": _evidence(seen.evidence),
                "by_evidence": {_evidence(level): count for level, count in seen.by_evidence},
                "accounts": [one.value for one in seen.accounts],
                "sources": list(seen.sources),
                "data": list(self.data_seen),
            },
        }


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision about a system. `why` is sealed and opened by `Register.why`."""

    number: int
    system: str
    status: Status
    alternative: str
    review_day: int | None
    by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one person and one system at a time: what a door acts on.

    `status` has the person's exceptions in it: with one, a restricted or blocked system is a tolerated one, and
    `exception` is its id. `decided` is the status as it was decided.
    """

    system: str
    name: str = ""
    status: Status = Status.UNDECIDED
    decided: Status = Status.UNDECIDED
    alternative: str = ""
    alternative_name: str = ""
    exception: str = ""
    account: AccountKind = AccountKind.UNKNOWN


def iso(day: int | None) -> str:
    """A day as people write it; "" for none."""
    return (EPOCH + timedelta(days=day)).isoformat() if day is not None else ""


def when(when_us: int | None) -> str | None:
    """A time as programs read it (RFC 3339, UTC); None for none."""
    if not when_us:
        return None
    return datetime.fromtimestamp(when_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _evidence(level: int) -> str | None:
    return Evidence(level).word if level else None
