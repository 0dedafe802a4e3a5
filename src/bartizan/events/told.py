"""What one record says about its exchange, and how several records of one come together.

Joining is commutative: request and answer may be met in any order, in one batch or in two. Nothing of a record is
trusted to be what it should: whoever changed a log may have put anything there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, NamedTuple

from bartizan.core.detector import Discipline
from bartizan.events.file import Field
from bartizan.events.row import DISCIPLINES, RANKS, SEVERITIES, SIDES
from bartizan.ledger.read import Record
from bartizan.rules import risks

MAX_WORD = 256  # characters of a name in a record
MAX_NAMED = 200  # clauses, risks or groups of a record
_BITS = {side: 1 << index for index, side in enumerate(SIDES)}
_ANSWER = _BITS["answer"]
_NONE: frozenset[str] = frozenset()
_NOWHERE: dict[str, Any] = {}
Intern = Callable[[Field, str], int]


class About(NamedTuple):
    """What makes events similar."""

    kind: str
    door: str
    clauses: frozenset[str]
    risks: frozenset[str]

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits."""
        told = [sorted(self.clauses), sorted(self.risks), self.kind, self.door]
        return sha256(json.dumps(told).encode()).hexdigest()[:16]

    @property
    def disciplines(self) -> tuple[str, ...]:
        """Those of its risks; ordinary traffic through the gateway is the use of AI."""
        catalogue = risks.catalogue()
        found = {name for id_ in self.risks if id_ in catalogue for name in catalogue[id_].disciplines}
        if not found and self.door == "gateway":
            return (Discipline.AI_USE.value,)
        return tuple(name for name in DISCIPLINES if name in found)


class Front(NamedTuple):
    """Which record an exchange begins with: what it says of who and where counts. The smallest is the front."""

    is_answer: bool
    time_us: int
    writer: int
    seq: int


class Told(NamedTuple):
    """An exchange, as far as it was read. Names are numbers of words."""

    front: Front
    who: tuple[int, int, int, int, int, int, int]  # person, app, model, provider, key, groups, policy
    kind: str
    door: str
    clauses: frozenset[str]
    risks: frozenset[str]
    outcome: int
    would: int
    worst: tuple[int, float]  # severity (-1: nothing found), confidence
    failures: int
    sides: int
    bodies: int

    @property
    def about(self) -> About:
        return About(self.kind, self.door, self.clauses, self.risks)


def told(record: Record, writer: int, seq: int, time_us: int, intern: Intern) -> Told:
    """What a record says."""
    side = _BITS.get(text(record.get("side")), 0)
    target = record.get("target")
    if not isinstance(target, dict):
        target = _NOWHERE
    groups = record.get("groups")
    clauses = record.get("clauses")
    findings = _dicts(record, "findings")
    would = record.get("would")
    return Told(
        Front(side == _ANSWER, time_us, writer, seq),
        (
            intern(Field.PERSON, text(record.get("person"))),
            intern(Field.APP, text(record.get("app"))),
            intern(Field.MODEL, text(target.get("model"))),
            intern(Field.PROVIDER, text(target.get("provider"))),
            intern(Field.KEY, text(record.get("key"))),
            intern(Field.GROUPS, json.dumps(sorted(_names(groups))) if groups else "[]"),
            intern(Field.POLICY, text(record.get("policy"))),
        ),
        text(record.get("kind")),
        text(record.get("door")),
        _names(clauses) if clauses else _NONE,
        frozenset(text(found.get("risk")) for found in findings) - {""} if findings else _NONE,
        _outcome(record),
        _outcome(would) if isinstance(would, dict) else 0,
        max((_weight(found) for found in findings), default=(-1, 0.0)),
        len(_dicts(record, "failures")),
        side,
        _bits(body.get("side") for body in _dicts(record, "bodies")),
    )


def joined(one: Told, other: Told) -> Told:
    """Both, as strict as the stricter. Each record is told once."""
    front, back = (one, other) if one.front <= other.front else (other, one)
    return Told(
        front.front,
        front.who,
        front.kind,
        front.door,
        front.clauses | back.clauses,
        front.risks | back.risks,
        max(front.outcome, back.outcome),
        max(front.would, back.would),
        max(front.worst, back.worst),
        front.failures + back.failures,
        front.sides | back.sides,
        front.bodies | back.bodies,
    )


def text(value: object) -> str:
    """A name in a record, whatever it is."""
    return value[:MAX_WORD] if isinstance(value, str) else ""


def _bits(sides: Iterable[object]) -> int:
    bits = 0
    for side in sides:
        bits |= _BITS.get(text(side), 0)
    return bits


def _outcome(said: dict[str, Any]) -> int:
    """How strict an action is, from 0 to 5."""
    rank = RANKS.get(text(said.get("action")), 0)
    return RANKS["redact"] if not rank and said.get("edits") else rank


def _weight(finding: dict[str, Any]) -> tuple[int, float]:
    confidence = finding.get("confidence")
    sure = min(1.0, max(0.0, float(confidence))) if isinstance(confidence, int | float) else 0.0
    return SEVERITIES.get(text(finding.get("severity")), -1), sure


def _dicts(record: Record, name: str) -> list[dict[str, Any]]:
    found = record.get(name)
    if not isinstance(found, list):
        return []
    return [one for one in found[:MAX_NAMED] if isinstance(one, dict)]


def _names(found: object) -> frozenset[str]:
    if not isinstance(found, list):
        return _NONE
    return frozenset(map(text, found[:MAX_NAMED])) - {""}
