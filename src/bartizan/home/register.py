"""The register of a home: fed by observations, judged, recorded.

    observations ──▶ usages ──▶ feed ──▶ known ──▶ Loop.judge ──▶ ledger
    what sources     person,    kept,    what was    findings,     door "logs"
    tell             day        once     decided     decision

What was kept before is not judged again: a log that is read twice is recorded once. A usage that changed (the log has
grown) is recorded under the same exchange as before, so that it stays one event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from bartizan.catalogue.catalogue import Catalogue
from bartizan.catalogue.listing import Listed, Service
from bartizan.core.decision import Decision
from bartizan.core.subject import Context, Kind, Subject, Trust
from bartizan.home import Home, catalogues
from bartizan.home.recording import Recorder
from bartizan.inventory.exceptions import Exceptions
from bartizan.inventory.feeding import Fed, SourceRead, feed
from bartizan.inventory.names import Names
from bartizan.inventory.register import Named, Register
from bartizan.inventory.seen import uploads
from bartizan.inventory.statuses import Statuses
from bartizan.profiles.robust import first_seen, last_days, spread
from bartizan.readers.endpoint.trace import account_kind
from bartizan.readers.logs.observe import Observation
from bartizan.readers.logs.usage import AccountKind, Reached, Sort, Usage, Usual, daily
from bartizan.readers.logs.visit import DAY_US, Evidence
from bartizan.vault.accounts import Role

DOOR = "logs"
MAX_JUDGED = 50_000  # Usages of one reading, the newest first; what lies beyond is in the register and said.
NEW_DAYS = 7  # How long a service is new.
USUAL_DAYS = 60  # How far back "usual" looks.
LARGE_BYTES = 1_000_000  # What is smaller is nobody's unusual upload: it is not compared.


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one source.

    Args:
        fed: What the register kept.
        actions: How many usages were decided how, by Decision.outcome; those without findings are not in it.
        risks: How many findings of each risk.
        beyond: Usages that were kept and not judged, because there were too many.
    """

    fed: Fed
    actions: Counter[str]
    risks: Counter[str]
    beyond: int = 0


def register(home: Home, catalogue: Catalogue | None = None) -> Register:
    """The register of a home. Decisions go to the log of administration."""

    def named(id_: str) -> Named | None:
        service = (catalogue or in_force(home)).service(id_)
        return Named(service.name, service.vendor, service.category) if service else None

    return Register(home.state, home.vault, home.record, named)


def statuses(home: Home) -> Statuses:
    """What holds for whom, fast."""
    return Statuses(home.state, home.vault)


def exceptions(home: Home) -> Exceptions:
    """Who may use what is restricted, until when."""
    return Exceptions(home.state, home.vault, home.record)


def names(home: Home) -> Names:
    """Who a pseudonym is, by four eyes: of accounts with the role privacy."""

    def officer(person: str) -> bool:
        return any(one.person == person and one.may(Role.PRIVACY) for one in home.accounts.accounts())

    return Names(home.state, home.vault, home.record, officer)


def in_force(home: Home) -> Catalogue:
    """The catalogue with the home's own words, read again when those change. Raises InputError."""
    stamps = tuple(_stamp(home.path / name) for name in (catalogues.OVERLAY, catalogues.UPDATE))
    return _read(home.path, stamps)


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@lru_cache(maxsize=2)
def _read(home: Path, stamps: tuple[int, ...]) -> Catalogue:
    return catalogues.catalogue(home)


# ---- From observations to usages -------------------------------------------------------------------------------------


def usages(
    observations: Iterable[Observation],
    listed: Callable[[Observation], Listed | None],
    *,
    today: int,
    company: frozenset[str] = frozenset(),
) -> list[Usage]:
    """What observations tell of systems, by actor, system, day, evidence and account.

    Args:
        listed: What the catalogue says of an observation's host or application; None: nothing.
        today: The day (since 1970) for what has no time.
        company: The organisation's own domains, by which an account is told to be a private one.
    """
    found: dict[tuple[str, str, int, Evidence, AccountKind], Usage] = {}
    hosts: dict[tuple[str, str, int, Evidence, AccountKind], set[str]] = {}
    for one in observations:
        what = listed(one)
        to = reached(what) if what is not None else None
        if to is None:
            continue
        # What the source let nothing through of proves no more than that somebody asked for the name.
        evidence = Evidence.RESOLVED if one.denied else one.evidence
        account = AccountKind(account_kind(one.account, "", company))
        day = one.day if one.first_us else today
        key = (one.actor, to.system, day, evidence, account)
        usage = Usage(one.actor, to, day, evidence, one.visits, one.bytes_up, 1, account, one.first_us, one.last_us)
        known = found.get(key)
        found[key] = usage if known is None else _added(known, usage)
        hosts.setdefault(key, set()).add(one.host or one.app)
    return [replace(usage, hosts=len(hosts[key])) for key, usage in found.items()]


def reached(listed: Listed) -> Reached | None:
    """What a look-up found, as a usage names it; None for a host that nobody wants to hear of."""
    if listed.lookalike_of:
        return Reached(listed.host, Sort.LOOK_ALIKE, lookalike_of=listed.lookalike_of, score=listed.score)
    if listed.service is not None:
        return of_service(listed.service, listed.tier or "")
    if listed.tier == "candidate":
        return Reached(listed.host, Sort.CANDIDATE, tier="candidate", score=listed.score)
    return None


def of_service(service: Service, tier: str = "") -> Reached:
    """A service that something else than a host betrayed: a package, a process, an account."""
    return Reached(service.id, Sort.SERVICE, service.name, tier)


def _added(one: Usage, other: Usage) -> Usage:
    return replace(
        one,
        count=one.count + other.count,
        bytes_up=one.bytes_up + other.bytes_up,
        first_us=min(filter(None, (one.first_us, other.first_us)), default=0),
        last_us=max(one.last_us, other.last_us),
    )


# ---- Kept, judged, recorded ------------------------------------------------------------------------------------------


def take(
    home: Home, found: Iterable[Usage], source: SourceRead, now_us: int, *, catalogue: Catalogue | None = None
) -> Taken:
    """Keep what a source tells, judge what is new in it by the home's policy, and record the decisions.

    Returns when they are durable. Raises StoreError, PolicyError; UsageError for a step that does not fit the last one.
    """
    given = list(found)
    own = register(home, catalogue)
    fed = feed(own, given, source, now_us)
    pseudonyms = home.vault.pseudonyms({usage.actor for usage in given})
    fresh = [one for one in daily(given) if (one.system, pseudonyms[one.actor], one.day) in fed.changed]
    fresh.sort(key=lambda one: (-one.day, one.system, one.actor))
    if source.begin >= 0:
        near = fresh[:MAX_JUDGED]
        fresh[:MAX_JUDGED] = [_day_so_far(home, one, pseudonyms[one.actor], fed.source) for one in near]
    actions: Counter[str] = Counter()
    risks: Counter[str] = Counter()
    if fresh:
        with Recorder(home, DOOR) as recorder:
            _judged(home, recorder, known(home, own, fresh[:MAX_JUDGED], now_us), now_us, actions, risks)
    return Taken(fed, actions, risks, max(0, len(fresh) - MAX_JUDGED))


def _day_so_far(home: Home, step: Usage, person: str, source: str) -> Usage:
    """What a source told of a day in all its steps: many small uploads are one large one."""
    ((count, bytes_up, hosts, evidence),) = home.state.query(
        "SELECT sum(count), sum(bytes_up), max(hosts), max(evidence) FROM usage_ "
        "WHERE system = ? AND person = ? AND day = ? AND source = ?",
        (step.system, person, step.day, source),
    )
    return replace(step, count=count, bytes_up=bytes_up, hosts=hosts, evidence=Evidence(evidence))


def _judged(
    home: Home, recorder: Recorder, usages: Iterable[Usage], now_us: int, actions: Counter[str], risks: Counter[str]
) -> None:
    ticket, loop = 0, recorder.loop
    for usage in usages:
        subject = loop.remembering(subject_of(usage, now_us))
        decision = loop.judge(subject)
        if not decision.seen:
            continue
        actions[decision.outcome] += 1
        risks.update(_risks(decision))
        pseudonym = home.vault.pseudonym(usage.actor)
        ticket = recorder.record(subject, decision, _exchange(usage, pseudonym), content(usage, pseudonym), loop.policy)
    if ticket:
        recorder.wait(ticket)


def _risks(decision: Decision) -> set[str]:
    return {getattr(seen.item, "risk", "") for seen in decision.seen} - {""}


def subject_of(usage: Usage, now_us: int) -> Subject:
    """A usage as the loop judges it: who, to which system, when."""
    context = Context(
        person=usage.actor,
        provider=usage.system,
        sanctioned=usage.excepted or usage.status in ("approved", "tolerated"),
        when_us=min(usage.last_us or usage.day * DAY_US, now_us) or now_us,
    )
    return Subject(Kind.LOG, "", usage, Trust.FOREIGN, context=context)


def content(usage: Usage, person: str) -> bytes:
    """What is kept of a usage beside its record: numbers, no name and no host."""
    facts = (usage.system, person, usage.day, usage.evidence.word, usage.count, usage.bytes_up, usage.account.value)
    return " ".join(map(str, facts)).encode()


def _exchange(usage: Usage, pseudonym: str) -> str:
    """The same for one person, system and day, so that what is read again stays one event."""
    return "u-" + sha256(f"{usage.system}\0{pseudonym}\0{usage.day}".encode()).hexdigest()[:24]


# ---- What the register adds ------------------------------------------------------------------------------------------


def known(home: Home, own: Register, usages: Iterable[Usage], now_us: int) -> Iterator[Usage]:
    """The usages with what the register knows: status, exceptions, whether the service is new, what is usual."""
    standing = statuses(home)
    firsts = {one: first_us // DAY_US for one, first_us in home.state.query("SELECT id, first_us FROM system")}
    begun = home.state.query("SELECT coalesce(min(day), 0) FROM usage_")[0][0]
    for usage in usages:
        stands = standing.status_for(usage.system, usage.actor, (), now_us)
        first = firsts.get(usage.system, usage.day)
        yield replace(
            usage,
            status=stands.decided.value,
            excepted=bool(stands.exception),
            only=stands.account,
            alternative=stands.alternative_name,
            # In the first week of the register everything would be new.
            new=first - begun >= NEW_DAYS and first_seen(first, usage.day, NEW_DAYS),
            usual=_usual(own, home, usage),
        )


def _usual(own: Register, home: Home, usage: Usage) -> Usual | None:
    if usage.bytes_up < LARGE_BYTES or not usage.actor:
        return None
    person = home.vault.pseudonym(usage.actor)
    days = uploads(own.store, usage.system, person, usage.day - USUAL_DAYS, usage.day - 1)
    usual = spread(last_days([(day, float(size)) for day, size in days.items()], usage.day, USUAL_DAYS))
    return Usual(usual.count, usual.median, usual.mad_octaves)
