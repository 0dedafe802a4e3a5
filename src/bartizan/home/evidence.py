"""The facts that controls are answered by, read from a home: its register, policy, cases, accounts and ledger.

Reads only. The ledger is read once from its beginning, some 10 µs a record.
"""

from __future__ import annotations

import base64
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from bartizan.core.errors import BartizanError, CaseUnknown, InputError, PolicyError, StoreError, UsageError
from bartizan.home import Home
from bartizan.home import register as registers
from bartizan.home.verifying import public_keys
from bartizan.inventory.coverage import coverage
from bartizan.inventory.exceptions import State as Asked
from bartizan.inventory.exceptions import UseException, Who
from bartizan.inventory.seen import people
from bartizan.inventory.system import System
from bartizan.ledger.checkpoint import Note, read_note
from bartizan.ledger.read import Record, find, parse, resumed
from bartizan.ledger.standing import Outside, Standing, outside, standings
from bartizan.policy.model import Policy
from bartizan.readers.logs.visit import DAY_US
from bartizan.report.compliance.facts import DECISIONS, Facts, Incident, Log, Span
from bartizan.store.logfile import LogFile

MAX_INCIDENTS = 10_000  # The newest; all are counted.
MAX_LISTED = 100_000  # Cases, exceptions, requests.
ACTED = frozenset({"redact", "justify", "review", "block"})


class _Decided:
    """What decisions of the time came to."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.incidents: deque[Incident] = deque(maxlen=MAX_INCIDENTS)

    def add(self, record: Record) -> None:
        action = str(record["action"])
        outcome = "redact" if record.get("edits") and action in ("allow", "warn") else action
        self.outcomes[outcome] += 1
        if outcome in ACTED:
            risks = sorted({str(told.get("risk", "")) for told in record.get("findings", ())} - {""})
            self.incidents.append(
                Incident(str(record.get("exchange", "")), int(record["time_us"]), outcome, tuple(risks))
            )


def facts(home: Home, since_us: int, now_us: int, until_us: int | None = None) -> Facts:
    """Everything the queries ask, as it is now; decisions and cases are those of the time. Raises StoreError."""
    until_us = now_us if until_us is None else until_us
    policy, problem = _policy(home)
    every = standings(home.path)
    decided = _Decided()
    logs = _logs(every, since_us, until_us, decided)
    desk = home.desk()
    keys = [key for key in home.vault.keys() if key.revoked_us is None]  # noqa: SIM118  Not a dict.
    file = home.config.checkpoint_file
    systems = tuple(registers.register(home).systems(since_day=since_us // DAY_US))
    exceptions = tuple(registers.exceptions(home).all(now_us, limit=MAX_LISTED))
    return Facts(
        now_us=now_us,
        since_us=since_us,
        until_us=until_us,
        systems=systems,
        around={one.id: _around(home, one, exceptions, since_us) for one in systems if one.status.closed},
        exceptions=exceptions,
        covered=tuple(coverage(home.state, now_us)),
        cases=tuple(c for c in desk.cases(now_us, limit=MAX_LISTED) if since_us <= c.created_us < until_us),
        names=tuple(registers.names(home).all(now_us, limit=MAX_LISTED)),
        policy=policy,
        policy_problem=problem,
        retention_days=home.config.retention_days,
        logs=logs,
        outside=_outside(file, every, home.path) if file is not None else Outside(),
        has_outside=file is not None,
        incidents=tuple(decided.incidents),
        incident_count=sum(decided.outcomes[one] for one in ACTED),
        outcomes=dict(decided.outcomes),
        roles={
            one.person: tuple(sorted(role.value for role in one.roles))
            for one in home.accounts.accounts()
            if one.disabled_us is None
        },
        keys=tuple(key.id for key in keys),
        ownerless=tuple(key.id for key in keys if home.vault.name(key.pseudonym) == key.name),
        feedback=sum(
            int(row[0])
            for row in home.state.query(
                "SELECT count(*) FROM feedback WHERE at_us >= ? AND at_us < ?", (since_us, until_us)
            )
        ),
    )


def _around(home: Home, system: System, exceptions: Iterable[UseException], since_us: int) -> int:
    """How many people used it after it was closed, and had no exception when they did so last."""
    own = [one for one in exceptions if one.system == system.id and one.decided_us and one.state is not Asked.REFUSED]
    count = 0
    for use in people(home.state, system=system.id, since_day=since_us // DAY_US, limit=MAX_LISTED):
        excused = any(
            (one.who_kind is Who.GROUP or one.covers(use.person, frozenset())) and use.last_us < one.until_us
            for one in own
        )
        count += use.last_us > (system.decided_us or 0) and not excused
    return count


def incident(home: Home, id_: str, now_us: int) -> list[Record]:
    """The records of an exchange, or of a case's: decisions, and what people did about them. Raises UsageError."""
    try:
        exchange = home.desk().case(id_, now_us).exchange
    except CaseUnknown:
        exchange = id_
    found = [parse(row) for _, row in find(home.path, exchange)] if exchange else []
    if not any("action" in one for one in found):
        hint = "`bartizan ledger tail` shows the last ones"
        raise UsageError(f'"{id_[:60]}": no decision has this id, and no case\n  {hint}')
    return found


def _policy(home: Home) -> tuple[Policy | None, str]:
    """The policy in force, and what is wrong with its file: places alone, no words of it."""
    try:
        policy: Policy | None = home.policy()
    except PolicyError:
        policy = None
    return policy, ", ".join(f"line {one.line}" for one in home.policy_status.problems[:10])


def _outside(file: Path, every: Iterable[Standing], home: Path) -> Outside:
    try:
        return outside(file, tuple(every), public_keys(home))
    except BartizanError as error:
        return Outside(problem=str(error))


def _logs(every: Iterable[Standing], since_us: int, until_us: int, decided: _Decided) -> tuple[Log, ...]:
    readable = [one.path for one in every if not one.problem]
    ends = resumed(readable)
    return tuple(_log(one, ends, since_us, until_us, decided) for one in every)


def _log(one: Standing, ends: Mapping[str, int], since_us: int, until_us: int, decided: _Decided) -> Log:
    if one.problem:
        return Log(one.name, problem=one.problem)
    problem, note = "", _note(one.note)
    spans: dict[str, Span] = {}
    try:
        with LogFile.reading(one.path) as file:
            origin = file.meta().get("origin", "")
            for row in file.records(0, ends.get(one.name)):
                if row.event is None and not since_us <= row.time_us < until_us:
                    continue
                key = row.event or DECISIONS
                known = spans.get(key)
                spans[key] = Span(known.first if known else row.seq, row.seq, known.count + 1 if known else 1)
                if row.event is None:
                    record = parse(row)
                    if "action" in record:
                        decided.add(record)
    except StoreError as error:
        origin, problem = "", str(error)
    checkpoint = note.checkpoint if note else None
    return Log(
        name=one.name,
        origin=origin,
        size=one.records,
        signed=checkpoint.size if checkpoint else 0,
        number=checkpoint.number if checkpoint else 0,
        root=base64.b64encode(checkpoint.root).decode() if checkpoint else "",
        note=one.note,
        first_us=one.first_us,
        problem=problem,
        spans=spans,
    )


def _note(text: str) -> Note | None:
    try:
        return read_note(text) if text else None
    except InputError:
        return None  # The ledger's own check says so; here the log counts as unsigned.
