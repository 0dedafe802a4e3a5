"""The queries behind the controls: pure functions of the facts, each a number, the rows behind it, and what it means.

A row is an id (of a system, an exception, a case, a clause, a log), never a person's name. A query that finds nothing
wrong because nothing is known says so: an empty register meets nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from bartizan.cases.case import State as CaseState
from bartizan.core.decision import Action
from bartizan.inventory.exceptions import State, Who
from bartizan.inventory.system import Status, System, Tier, when
from bartizan.policy.clause import Mode, Then
from bartizan.readers.logs.usage import AccountKind, Sort
from bartizan.readers.logs.visit import DAY_US
from bartizan.report.compliance.facts import DECISIONS, Facts

SIX_MONTHS_DAYS = 184  # The longest six months have 184 days.
REGISTER = ("use-",)
CASES = ("case-",)


class Result(StrEnum):
    """What a query comes to. GAP: something is missing. PEOPLE: nothing here can know it."""

    MET = "met"
    GAP = "gap"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a query: `value` of `of` are in order; `rows` are the ids that it is about."""

    result: Result
    value: int
    of: int
    says: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `rests`: names of events it rests on, or how they begin; DECISIONS for decisions."""

    id: str
    title: str
    rests: tuple[str, ...]
    ask: Callable[[Facts], Found]


def _all(what: Iterable[System], has: Callable[[System], bool], lacks: str, none: str) -> Found:
    """Whether all of them have something; the rows are those without."""
    every = tuple(what)
    rows = tuple(one.id for one in every if not has(one))
    if not every:
        return Found(Result.GAP, 0, 0, none)
    good = len(every) - len(rows)
    says = f"{len(rows)} of {len(every)} {lacks}"
    return Found(Result.GAP if rows else Result.MET, good, len(every), says, rows)


def _used(has: Callable[[System], bool], lacks: str) -> Callable[[Facts], Found]:
    def ask(facts: Facts) -> Found:
        return _all(facts.open, has, lacks, "the register has no system in use")

    return ask


def _high(has: Callable[[System], bool], lacks: str) -> Callable[[Facts], Found]:
    """Of systems of high risk; while some are not classified, nobody knows which those are."""

    def ask(facts: Facts) -> Found:
        unknown = tuple(one.id for one in facts.open if one.risk_tier is Tier.UNKNOWN)
        high = [one for one in facts.open if one.risk_tier is Tier.HIGH]
        found = _all(high, has, f"of high risk {lacks}", "")
        if unknown:
            says = f"{len(unknown)} of {len(facts.open)} in use have no risk tier yet"
            says += f"; {found.says}" if high else ""
            return Found(Result.GAP, found.value, found.of + len(unknown), says, (*found.rows, *unknown))
        if not facts.open:
            return Found(Result.GAP, 0, 0, "the register has no system in use")
        return found if high else Found(Result.MET, 0, 0, f"none of {len(facts.open)} in use is of high risk")

    return ask


# ---- The register ----------------------------------------------------------------------------------------------------


def _inventory(facts: Facts) -> Found:
    told = [one for one in facts.covered if not one.never]
    known, value = facts.known, len(facts.known)
    maybe = sum(one.sort is Sort.CANDIDATE for one in facts.systems)
    says = f"{value} systems, told by {len(told)} kinds of sources; {maybe} hosts wait to be looked at"
    return Found(Result.MET if known and told else Result.GAP, value, value, says, tuple(one.id for one in known))


def _sources(facts: Facts) -> Found:
    rows = tuple(sorted({f"{one.kind} {one.format}".strip() for one in facts.covered if one.silent or one.never}))
    quiet = sum(one.silent or one.never for one in facts.covered)
    good = len(facts.covered) - quiet
    says = f"{quiet} of {len(facts.covered)} kinds of sources are silent or never told: what they see is not known"
    return Found(Result.GAP if rows or not good else Result.MET, good, len(facts.covered), says, rows)


def _undecided(facts: Facts) -> Found:
    return _all(
        facts.used, lambda one: one.status is not Status.UNDECIDED, "in use are undecided", "no system is in use"
    )


def _reviews(facts: Facts) -> Found:
    return _all(
        facts.open,
        lambda one: one.review_day is not None and not one.due(facts.now_us),
        "in use have no day of review, or it has passed",
        "the register has no system in use",
    )


def _tiers(facts: Facts) -> Found:
    forbidden = tuple(one.id for one in facts.used if one.risk_tier is Tier.PROHIBITED)
    found = _used(lambda one: one.risk_tier is not Tier.UNKNOWN, "in use have no risk tier")(facts)
    if forbidden:
        says = f"{len(forbidden)} in use are of a prohibited kind; {found.says}"
        return Found(Result.GAP, found.value, found.of, says, tuple(dict.fromkeys((*forbidden, *found.rows))))
    return found


def _data(facts: Facts) -> Found:
    """A risk that was found is allowed where a class of the register is it, its family, or the family with `.*`."""
    seen = [one for one in facts.used if one.data_seen]
    rows = tuple(one.id for one in seen if one.status.closed or not all(_allowed(one, risk) for risk in one.data_seen))
    if not facts.used:
        return Found(Result.GAP, 0, 0, "no system is in use")
    if not seen:
        says = "nobody looked into what is sent" if not facts.outcomes else "nothing was found in what was sent"
        return Found(Result.MET if facts.outcomes else Result.PEOPLE, 0, 0, says)
    says = f"{len(rows)} of {len(seen)} were sent data that the register does not allow there"
    return Found(Result.GAP if rows else Result.MET, len(seen) - len(rows), len(seen), says, rows)


def _allowed(system: System, risk: str) -> bool:
    family = risk.partition(".")[0]
    return not {risk, family, f"{family}.*"}.isdisjoint(system.data_classes)


def _personal(facts: Facts) -> Found:
    return _all(
        facts.used,
        lambda one: AccountKind.PERSONAL not in one.seen.accounts or one.account is AccountKind.PERSONAL,
        "in use were reached with personal accounts",
        "no system is in use",
    )


def _closed(facts: Facts) -> Found:
    closed = [one for one in facts.known if one.status.closed]
    rows = tuple(one.id for one in closed if facts.around.get(one.id))
    people = sum(facts.around.get(id_, 0) for id_ in rows)
    says = f"{len(rows)} of {len(closed)} restricted or blocked are used nevertheless, without an exception"
    says += f", by {people} people" if rows else ""
    return Found(Result.GAP if rows else Result.MET, len(closed) - len(rows), len(closed), says, rows)


def _alternatives(facts: Facts) -> Found:
    closed = [one for one in facts.known if one.status.closed]
    found = _all(closed, lambda one: bool(one.alternative), "restricted or blocked name no alternative", "")
    return found if closed else Found(Result.MET, 0, 0, "nothing is restricted or blocked")


def _impact(facts: Facts) -> Found:
    found = _high(lambda one: bool(one.purpose and one.oversight), "lack purpose or oversight")(facts)
    high = tuple(one.id for one in facts.open if one.risk_tier is Tier.HIGH)
    if found.result is Result.MET and high:
        says = f"{len(high)} of high risk: purpose, use and oversight are known; people assess the rest"
        return Found(Result.PEOPLE, len(high), len(high), says, high)
    return found


def _people(facts: Facts) -> Found:
    every = [one for one in facts.used if one.seen.people]
    most = max((one.seen.people for one in every), default=0)
    says = f"{len(every)} systems are used, the most used one by {most} people: whether they know enough, people say"
    return Found(Result.PEOPLE, len(every), len(facts.used), says, tuple(one.id for one in every))


def _exceptions(facts: Facts) -> Found:
    held = [one for one in facts.exceptions if one.holds(facts.now_us)]
    rows = tuple(
        one.id
        for one in facts.exceptions
        if one.decided_by
        and one.state in (State.GRANTED, State.ENDED)
        and (one.decided_by == one.asked_by or (one.who_kind is Who.PERSON and one.decided_by == one.who))
    )
    over = sum(one.state is State.ENDED for one in facts.exceptions)
    says = f"{len(held)} in force, {over} over; {len(rows)} were approved by whoever asked or profits"
    return Found(Result.GAP if rows else Result.MET, len(held), len(facts.exceptions), says, rows)


# ---- Policy, cases, people -------------------------------------------------------------------------------------------


def _policy(facts: Facts) -> Found:
    if facts.policy is None:
        return Found(Result.GAP, 0, 0, f"no policy is in force: {facts.policy_problem}")
    clauses = facts.policy.clauses
    enforced = sum(one.mode is Mode.ENFORCE for one in clauses)
    says = f"{facts.policy.ref}: {enforced} of {len(clauses)} clauses are enforced, the others observe"
    if not facts.policy.owner:
        return Found(Result.GAP, enforced, len(clauses), f"{says}; it names no owner")
    if facts.policy_problem:
        return Found(Result.GAP, enforced, len(clauses), f"{says}; the file says something else that does not hold")
    return Found(Result.MET if enforced else Result.GAP, enforced, len(clauses), says)


def _staff(facts: Facts) -> Found:
    acting = [one for one in facts.policy.clauses if one.then is not Then.ALLOW] if facts.policy else []
    rows = tuple(one.id for one in acting if not one.tell)
    if not acting:
        return Found(Result.GAP, 0, 0, "no clause of the policy acts, so nobody is told anything")
    says = f"{len(acting) - len(rows)} of {len(acting)} clauses that act tell people what happened"
    if rows:
        says += f"; {len(rows)} {'does' if len(rows) == 1 else 'do'} not"
    return Found(Result.GAP if rows else Result.MET, len(acting) - len(rows), len(acting), says, rows)


def _data_clauses(facts: Facts) -> Found:
    wanted = ("secret", "personal")
    enforced = [
        one
        for one in (facts.policy.clauses if facts.policy else ())
        if one.mode is Mode.ENFORCE and one.then not in (Then.ALLOW, Then.WARN) and one.names_risks
    ]
    families = {
        family
        for family in wanted
        for one in enforced
        for word in _risks(one.when.get("risk"))
        if word.partition(".")[0] == family
    }
    rows = tuple(family for family in wanted if family not in families)
    says = f"clauses in force act on {len(families)} of {len(wanted)}: credentials and personal data"
    return Found(Result.GAP if rows else Result.MET, len(families), len(wanted), says, rows)


def _risks(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else [str(value)]


def _cases(facts: Facts) -> Found:
    over = tuple(one.id for one in facts.cases if one.state is CaseState.EXPIRED and one.action is Action.REVIEW)
    ended = [one for one in facts.cases if one.state is not CaseState.OPEN]
    decided = len(ended) - len(over)
    says = f"{len(facts.cases)} cases in the time, {decided} ended by a decision, {len(over)} reviews by nobody"
    return Found(Result.GAP if over else Result.MET, decided, len(facts.cases), says, over)


def _four_eyes(facts: Facts) -> Found:
    opened = [one for one in facts.names if one.decided_us is not None]
    rows = [one.id for one in opened if one.decided_by == one.asked_by]
    granted = [one for one in facts.cases if one.state is CaseState.GRANTED and one.action is Action.REVIEW]
    rows += [one.id for one in granted if one.person in one.approvals or one.decided_by == one.person]
    of = len(opened) + len(granted)
    says = f"{of - len(rows)} of {of} requests for names and reviews were decided by another person"
    return Found(Result.GAP if rows else Result.MET, of - len(rows), of, says, tuple(rows))


def _roles(facts: Facts) -> Found:
    """Two people can check on each other where not all who may decide are one."""
    admins = [one for one, roles in facts.roles.items() if "admin" in roles]
    rows = tuple(one for one, roles in facts.roles.items() if {"admin", "privacy", "analyst"} <= set(roles))
    says = f"{len(facts.roles)} accounts, {len(admins)} administer; {len(rows)} hold admin, privacy and analyst at once"
    good = len(facts.roles) - len(rows)
    return Found(Result.GAP if rows or len(facts.roles) < 2 else Result.MET, good, len(facts.roles), says, rows)


def _keys(facts: Facts) -> Found:
    good = len(facts.keys) - len(facts.ownerless)
    says = f"{len(facts.ownerless)} of {len(facts.keys)} gateway keys belong to no person"
    return Found(Result.GAP if facts.ownerless else Result.MET, good, len(facts.keys), says, facts.ownerless)


def _feedback(facts: Facts) -> Found:
    says = f"people said {facts.feedback} times in the time whether a decision was right"
    if facts.feedback:
        return Found(Result.MET, facts.feedback, facts.feedback, says)
    return Found(Result.PEOPLE, 0, 0, f"{says}: show that they know how to")


# ---- The ledger ------------------------------------------------------------------------------------------------------


def _incidents(facts: Facts) -> Found:
    decided = sum(facts.outcomes.values())
    rows = tuple(dict.fromkeys(one.exchange for one in facts.incidents))
    says = f"{facts.incident_count} of {decided} decisions in the time stopped, held or changed something"
    if not decided:
        return Found(Result.GAP, 0, 0, "no decision was recorded in the time: nobody looked")
    if not rows:
        return Found(Result.MET, 0, decided, says)
    return Found(Result.PEOPLE, facts.incident_count, decided, f"{says}: people say which were incidents", rows)


def _kept(facts: Facts) -> Found:
    firsts = [one.first_us for one in facts.logs if one.first_us]
    if not firsts:
        return Found(Result.GAP, 0, SIX_MONTHS_DAYS, "there is no record yet")
    days = (facts.now_us - min(firsts)) // DAY_US
    says = f"records since {(when(min(firsts)) or '')[:10]}, {days} days; records are never removed"
    if 0 < facts.retention_days < SIX_MONTHS_DAYS:
        says += f", but sealed texts are after {facts.retention_days} days"
        return Found(Result.GAP, facts.retention_days, SIX_MONTHS_DAYS, says, ("retention_days",))
    says += f"; sealed texts stay {facts.retention_days or 'without an end'} days".replace("end days", "end")
    return Found(Result.MET, min(days, SIX_MONTHS_DAYS), SIX_MONTHS_DAYS, says)


def _ledger(facts: Facts) -> Found:
    bad = {one.name for one in facts.logs if one.problem or one.signed < one.size}
    outside = facts.outside
    bad |= set(outside.missing) | {fault.partition(":")[0] for fault in outside.faults}
    if not facts.has_outside or outside.problem:
        bad |= {one.name for one in facts.logs}
    good = len(facts.logs) - len(bad & {one.name for one in facts.logs})
    records, signed = sum(one.size for one in facts.logs), sum(one.signed for one in facts.logs)
    says = f"{signed} of {records} records in {len(facts.logs)} logs are signed; "
    if not facts.has_outside:
        says += "no checkpoint is kept outside: whoever has the signing key could write another past"
    elif outside.problem:
        says += "the checkpoints outside cannot be read"
    else:
        says += f"{len(outside.kept)} logs agree with a checkpoint kept outside, {len(outside.faults)} do not"
    return Found(Result.GAP if bad or not facts.logs else Result.MET, good, len(facts.logs), says, tuple(sorted(bad)))


def _recorded(field: str) -> Callable[[System], bool]:
    return lambda one: bool(getattr(one, field))


QUERIES: dict[str, Query] = {
    query.id: query
    for query in (
        Query("inventory-told", "Systems in the register", REGISTER, _inventory),
        Query("sources-telling", "Sources that tell of use", REGISTER, _sources),
        Query("undecided-in-use", "Undecided systems in use", REGISTER, _undecided),
        Query("owner-named", "Systems with an owner", REGISTER, _used(_recorded("owner"), "in use have no owner")),
        Query("purpose-recorded", "Purpose", REGISTER, _used(_recorded("purpose"), "in use have no purpose")),
        Query("vendor-recorded", "Vendor", REGISTER, _used(_recorded("vendor"), "in use have no vendor")),
        Query(
            "legal-basis-recorded",
            "Legal basis",
            REGISTER,
            _used(_recorded("legal_basis"), "in use have no legal basis"),
        ),
        Query("retention-recorded", "Retention", REGISTER, _used(_recorded("retention"), "in use have no retention")),
        Query("reviews-on-time", "Days of review", REGISTER, _reviews),
        Query("risk-tiers", "Risk tiers", REGISTER, _tiers),
        Query("oversight-named", "Human oversight", REGISTER, _high(_recorded("oversight"), "name no oversight")),
        Query(
            "instructions-recorded", "Instructions", REGISTER, _high(_recorded("instructions"), "have no instructions")
        ),
        Query("impact-assessment", "Impact assessment", REGISTER, _impact),
        Query("data-as-allowed", "Data seen and data allowed", (*REGISTER, DECISIONS), _data),
        Query("personal-accounts", "Personal accounts", REGISTER, _personal),
        Query("closed-not-used", "Restricted and blocked systems", (*REGISTER, DECISIONS), _closed),
        Query("alternatives-named", "Alternatives", REGISTER, _alternatives),
        Query("people-using", "People who use AI", REGISTER, _people),
        Query("exceptions-sound", "Exceptions", ("use-exception-",), _exceptions),
        Query("policy-in-force", "The policy", ("policy-", DECISIONS), _policy),
        Query("staff-told", "People are told", ("policy-", DECISIONS), _staff),
        Query("data-clauses", "Clauses about data", ("policy-", DECISIONS), _data_clauses),
        Query("cases-decided", "Cases", CASES, _cases),
        Query("four-eyes", "Decided by another person", (*CASES, "name-"), _four_eyes),
        Query("roles-separated", "Roles of accounts", ("account-",), _roles),
        Query("keys-owned", "Gateway keys", ("key-",), _keys),
        Query("feedback-heard", "What people say of decisions", ("feedback", "example-"), _feedback),
        Query("incidents", "Decisions that stopped or changed something", (DECISIONS,), _incidents),
        Query("records-kept", "Records are kept", ("",), _kept),
        Query("ledger-stands", "The ledger", ("",), _ledger),
    )
}
